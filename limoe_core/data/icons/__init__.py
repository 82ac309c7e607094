"""The large data set: openly licensed icons of many sets, with English names."""

from limoe_core.data.icons.dataset import ICONS as ICONS
from limoe_core.data.icons.dataset import IconsSet as IconsSet
