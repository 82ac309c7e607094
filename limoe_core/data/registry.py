"""Data sets by name.

To add one: a folder in `limoe_core/data` with a `DataSet`, and a line here.
"""

from __future__ import annotations

from limoe_core.config import DataConfig
from limoe_core.data.catalogue import KNOWN, Part, PreparedSet
from limoe_core.data.dataset import DataSet
from limoe_core.data.emoji import EMOJI
from limoe_core.data.icons import ICONS
from limoe_core.data.importing.dataset import ImportedSet
from limoe_core.data.joint import JointSet
from limoe_core.data.prepared import prepared_at

_BOTH = JointSet(EMOJI, ICONS, withheld=("validation", "test_concept", "test_both"))

#: Built-in sets, and those that models are commonly compared on.
DATA_SETS: dict[str, DataSet] = {each.name: each for each in (EMOJI, ICONS, _BOTH, *KNOWN)}


def data_set(config: DataConfig) -> DataSet:
    """The data set that the settings mean; one that is not registered is TFDS's own.

    Raises:
      ConfigError: there is a prepared set at `config.path` that may not be read.
    """
    if config.path is not None and (prepared := prepared_at(config.path)) is not None:
        known = DATA_SETS.get(prepared[0])
        return known if isinstance(known, PreparedSet) else PreparedSet(prepared[0])
    if config.path is not None or config.name == ImportedSet.name:
        return ImportedSet(config)
    return DATA_SETS.get(config.name) or PreparedSet(config.name)


def asked(task: str) -> tuple[PreparedSet, tuple[Part, ...]] | None:
    """The set and the tasks that a task's name stands for; None if it names no set.

    `cifar100` stands for all tasks of the set, `linear_probe_cifar100` for one of them.
    """
    for known in DATA_SETS.values():
        if not isinstance(known, PreparedSet) or not known.parts:
            continue
        if task == known.name:
            return known, known.parts
        for part in known.parts:
            if task == f"{part}_{known.name}":
                return known, (part,)
    return None
