"""The default data set: emoji, in pictures and fourteen languages."""

from limoe_core.data.emoji.builder import Emoji as Emoji
from limoe_core.data.emoji.concepts import LANGUAGES as LANGUAGES
