"""The default data set: emoji, in pictures and fourteen languages."""

from limoe_core.data.emoji.dataset import EMOJI as EMOJI
from limoe_core.data.emoji.dataset import EmojiSet as EmojiSet
