"""What a model is trained on."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from limoe_core.settings import Between, Share, require, require_bounds

#: Names become folders, so none of them leads anywhere else: `set`, `set/config`, `set:1.0.0`.
_SET_NAME = re.compile(r"[A-Za-z0-9_][\w+-]{0,99}(/[A-Za-z0-9_][\w.+-]{0,99})?(:[0-9.]{1,30})?")
_SET_CONFIG = re.compile(r"[A-Za-z0-9_][\w.+-]{0,99}")


@dataclass(frozen=True)
class DataConfig:
    """Which pairs are read, from where, and how they are augmented."""

    name: str = "emoji"
    """`emoji`, `icons`, `emoji+icons`, or any TFDS image-text or image-label set that is prepared
    on disk."""
    config: str = "auto"
    """Builder config. For emoji: `base` (pip packages only), `full` (more art styles, from
    `make data`), or `auto`: `full` where its art is on this machine, else `base`."""
    dir: str | None = None
    """TFDS data directory; default: the environment's TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    path: str | None = None
    """Your own pairs: a folder with metadata.csv, metadata.jsonl or captions.csv, pictures with
    texts of the same name, folders named by class, WebDataset tars, or Parquet files with pictures.
    They are imported once into the data directory. docs/data.md has an example of each. Or the
    folder of a set that TFDS has prepared. Goes before the name."""
    image_column: str | None = None
    """Column of your own pairs with names of files or bytes of pictures, where it has no usual
    name."""
    text_column: str | None = None
    """Column of your own pairs with texts, where it has no usual name."""
    class_names: str | None = None
    """File of readable class names, one a line, for a set whose labels are codes; default:
    class_names.txt in the set's folder, if there is one."""
    damaged: Literal["skip", "refuse"] = "skip"
    """What becomes of pictures, and of texts of your own pairs, that cannot be read: they are left
    out and named at the start, or training does not start."""
    batch_size: Annotated[int, Between(2, 2**24)] = 256
    """Pictures per step, over all devices."""
    captions_per_image: Annotated[int, Between(1, 1024)] = 2
    """Captions of each picture in a step, each in its own similarity matrix."""
    english_share: Share = 0.2
    """Chance that a caption is drawn in English (names and aliases); the rest is shared evenly
    among the other languages."""
    first_share: Share = 0.0
    """Of two sets that are shown together (`emoji+icons`): share of each batch that the first one
    has, so that a small set is not lost beside a large one. 0 takes pictures as they come."""
    workers: Annotated[int, Between(-1, 1024)] = -1
    """Processes that read and decode pictures; 0 does it in the training process. -1 takes none for
    a set in memory or where the model itself runs on the CPU, else one for each core of the process
    but one."""
    augment: bool = True
    """Random crop, scale, shift, colour and background in training."""

    def __post_init__(self) -> None:
        require_bounds(self, "data")

        require(
            _SET_NAME.fullmatch(self.name) is not None,
            f"data.name {_quoted(self.name)} is not the name of a data set, such as cifar100 or "
            "coco_captions/2014:1.1.0",
        )
        require(
            _SET_CONFIG.fullmatch(self.config) is not None,
            f"data.config {_quoted(self.config)} is not the name of a builder config",
        )
        require(
            self.dir is None or "://" not in self.dir,
            f"data.dir {_quoted(self.dir)} is not a folder of this machine",
        )

    @property
    def places(self) -> dict[str, str]:
        """Files and folders of a machine that the settings name, by the setting."""
        named = {"dir": self.dir, "path": self.path, "class_names": self.class_names}
        return {setting: place for setting, place in named.items() if place is not None}

    def without_places(self, *settings: str) -> DataConfig:
        """The same without the places that these settings name; by default without any."""
        without: dict[str, Any] = dict.fromkeys(settings or self.places)
        return dataclasses.replace(self, **without)


def _quoted(value: object) -> str:
    """A value for a message, cut where it is long."""
    return repr(str(value)[:100])
