"""The emoji set as a TensorFlow Datasets builder, written in ArrayRecord without TensorFlow."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm.auto import tqdm

from limoe_core.data.dataset import Reported
from limoe_core.data.emoji.art import SIDE, Style, art_folder, npm_styles, pip_styles
from limoe_core.data.emoji.concepts import LANGUAGES, Concept, read_concepts
from limoe_core.data.emoji.copies import Drawing, without_copies
from limoe_core.data.emoji.splits import SPLITS, split_of
from limoe_core.data.emoji.version import CONFIGS, RELEASE_NOTES, VERSION

_DESCRIPTION = """\
Emoji as image-text pairs: openly licensed drawings of some 1,900 concepts in several art styles,
with the official name of each concept in fourteen languages and further English names.
"""


class Emoji(tfds.core.GeneratorBasedBuilder):
    """Drawings of emoji with names in fourteen languages.

    Configs:
      base: OpenMoji and Twemoji, which come with pip packages.
      full: these and seven more styles, which `python -m limoe_core.data.fetch` fetches.
    """

    #: Whether to draw a progress bar while building, or who is told instead.
    progress: Reported = True

    VERSION = tfds.core.Version(VERSION)
    RELEASE_NOTES: ClassVar = RELEASE_NOTES
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=name, description=what) for name, what in CONFIGS.items()
    ]

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
                    "names": {language: tfds.features.Text() for language in LANGUAGES},
                    "aliases": tfds.features.Sequence(tfds.features.Text()),
                }
            ),
            # Filled in while building: what every reader of any split needs, once and not per
            # drawing.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        concepts, drawings = self._draw()
        self.info.metadata["concepts"] = [
            {
                "key": concept.key,
                "category": concept.category,
                "names": concept.names,
                "aliases": list(concept.aliases),
            }
            for concept in concepts
        ]
        by_key = {concept.key: concept for concept in concepts}
        of_split: dict[str, list[tuple[Concept, str, bytes]]] = {split: [] for split in SPLITS}
        for (key, style), png in drawings.items():
            of_split[split_of(key, style)].append((by_key[key], style, png))
        return {split: self._generate_examples(found) for split, found in of_split.items()}

    def _generate_examples(
        self, drawings: Iterable[tuple[Concept, str, bytes]]
    ) -> Iterator[tuple[str, dict]]:
        for concept, style, png in drawings:
            yield (
                f"{concept.key} {style}",
                {
                    "image": io.BytesIO(png),
                    "concept": concept.key,
                    "style": style,
                    "category": concept.category,
                    "names": concept.names,
                    "aliases": list(concept.aliases),
                },
            )

    def _draw(self) -> tuple[list[Concept], dict[Drawing, bytes]]:
        """Concepts with drawings in both pip styles, and every drawing by key and style.

        A concept that has no drawing of its own in either is left out, so the concepts are the same
        in both configs.
        """
        everything = read_concepts()
        first = pip_styles(everything)
        concepts = [
            concept
            for concept in everything
            if all(concept.key in style.sources for style in first)
        ]
        keys = {concept.key for concept in concepts}
        drawings = without_copies(self._drawn(first, keys))
        keys = {key for key, _ in drawings}
        if self.builder_config.name == "full":
            more = npm_styles(concepts, art_folder(self._data_dir_root))
            drawings = without_copies({**drawings, **self._drawn(more, keys)})
        return [concept for concept in concepts if concept.key in keys], drawings

    def _drawn(self, styles: Iterable[Style], wanted: Collection[str]) -> dict[Drawing, bytes]:
        """Drawings of concepts by their keys, in some styles."""
        drawings: dict[Drawing, bytes] = {}
        for style in styles:
            keys = sorted(key for key in style.sources if key in wanted)
            bar = tqdm(
                keys,
                desc=f"Drawing emoji, {style.name}",
                unit=" drawings",
                leave=False,
                disable=self.progress is not True,
            )
            for done, key in enumerate(bar):
                if callable(self.progress):
                    self.progress(done, len(keys))
                drawings[key, style.name] = style.png(key)
        return drawings
