"""The icon set as a TensorFlow Datasets builder, written in ArrayRecord without TensorFlow."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from limoe_core.data.dataset import Reported
from limoe_core.data.icons.gathering import Drawn, gather
from limoe_core.data.icons.selection import Icon
from limoe_core.data.icons.splits import SPLITS
from limoe_core.data.icons.version import VERSION, tarball
from limoe_core.data.pairs import SIDE

_DESCRIPTION = """\
Openly licensed icons as image-text pairs: drawings of many sets, each by its own hand, with what
they show in English words, from Iconify's package of all sets.
"""


class Icons(tfds.core.GeneratorBasedBuilder):
    """Drawings of icons with their names in English."""

    #: Whether to draw progress bars while building, or who is told instead.
    progress: Reported = True

    VERSION = tfds.core.Version(VERSION)
    RELEASE_NOTES: ClassVar = {str(VERSION): "First release."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(SIDE, SIDE, 4), dtype=np.uint8, encoding_format="png"
                    ),
                    "concept": tfds.features.Text(),
                    "style": tfds.features.Text(),
                    "category": tfds.features.Text(),
                    "caption": tfds.features.Text(),
                }
            ),
            # Filled in while building: what a reader needs of all records, so that the start of a
            # training reads no records; in the order in which they are written.
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        drawn = gather(tarball(Path(self._data_dir_root)), progress=self.progress)
        places: dict[str, list[int]] = {split: [] for split in SPLITS}
        for place in sorted(range(len(drawn.icons)), key=lambda i: _order(drawn.icons[i])):
            split = drawn.icons[place].split
            assert split is not None
            places[split].append(place)
        concepts = sorted({icon.concept for icon in drawn.icons})
        styles = sorted({icon.style for icon in drawn.icons})
        number = {key: index for index, key in enumerate(concepts)}
        style_number = {style: index for index, style in enumerate(styles)}
        self.info.metadata.update(
            concepts={"key": concepts, "category": [drawn.categories[key] for key in concepts]},
            styles=styles,
            sets=[dataclasses.asdict(drawn.sets[style]) for style in styles],
            records={
                split: {
                    "concept": [number[drawn.icons[i].concept] for i in found],
                    "style": [style_number[drawn.icons[i].style] for i in found],
                    "caption": [drawn.icons[i].caption for i in found],
                }
                for split, found in places.items()
            },
            counts=drawn.counts,
        )
        return {split: self._generate_examples(drawn, found) for split, found in places.items()}

    def _generate_examples(
        self, drawn: Drawn, places: Sequence[int]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, place in enumerate(places):
            icon = drawn.icons[place]
            yield (
                number,
                {
                    "image": io.BytesIO(drawn.pngs[place]),
                    "concept": icon.concept,
                    "style": icon.style,
                    "category": drawn.categories[icon.concept],
                    "caption": icon.caption,
                },
            )


def _order(icon: Icon) -> tuple[str, str, str]:
    return icon.concept, icon.style, icon.slug
