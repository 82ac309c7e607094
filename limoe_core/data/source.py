"""Image-text pairs by settings: `load_pairs`."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.location import data_directory, remove_unfinished
from limoe_core.data.pairs import SIDE, ArrayPictures, ConceptTable, PairSet, PictureStore
from limoe_core.runs.locks import locked

__all__ = ["ConceptTable", "PairSet", "PictureStore", "load_pairs", "resolve_config"]

_READ_AT_ONCE = 1024


def load_pairs(
    config: DataConfig,
    split: str,
    *,
    build: bool = True,
    progress: bool = True,
    side: int = SIDE,
) -> PairSet:
    """The pairs of one split of a data set.

    The emoji set is built on first use, from files that are on this machine already. Any other set
    must have been prepared with TFDS.

    Args:
      config: the data set and its place on disk.
      split: for emoji `train`, `validation`, `test_concept` or `test_style`.
      build: whether to build the emoji set if it is not there.
      progress: whether to show progress bars.
      side: side of the square that pictures of other sets are fitted into, in pixels; see
        `limoe_core.data.pairs.stored_side`.

    Raises:
      ConfigError: the data set, its config or the split is missing; the message says what to do.
    """
    if config.name != "emoji":
        from limoe_core.data.prepared import load_prepared

        return load_prepared(config, split, side=side, progress=progress)
    builder = _emoji_builder(config)
    if not _is_built(builder):
        if not build:
            raise ConfigError(
                f"the data set {builder.info.full_name} is not built in {builder.data_path.parent};"
                " training or evaluating builds it"
            )
        _build(builder, progress)
    if split not in builder.info.splits:
        raise ConfigError(f"no split {split!r}; there are {', '.join(builder.info.splits)}")
    return _read(builder, split)


def resolve_config(config: DataConfig) -> str:
    """The builder config that `config.config` stands for on this machine."""
    from limoe_core.data.emoji.art import has_full_art
    from limoe_core.data.emoji.builder import Emoji, art_folder

    if config.config != "auto":
        return config.config
    folder = data_directory(config.dir)
    prepared = (folder / "emoji" / "full" / str(Emoji.VERSION)).is_dir()
    return "full" if prepared or has_full_art(art_folder(folder)) else "base"


def _emoji_builder(config: DataConfig) -> Any:
    from limoe_core.data.emoji.builder import Emoji

    name = resolve_config(config)
    known = [builder_config.name for builder_config in Emoji.BUILDER_CONFIGS]
    if name not in known:
        raise ConfigError(
            f"data.config: the emoji set has no config {name!r}; there are auto, {', '.join(known)}"
        )
    return Emoji(config=name, data_dir=data_directory(config.dir), file_format="array_record")


def _is_built(builder: Any) -> bool:
    # TFDS writes this file last into a folder that it then renames, so it means a whole build.
    return (Path(builder.data_path) / "dataset_info.json").is_file()


def _build(builder: Any, progress: bool) -> None:
    """Build the emoji set; TFDS writes to a temporary folder and renames it when whole."""
    import tensorflow_datasets as tfds

    from limoe_core.data.emoji.art import has_full_art
    from limoe_core.data.emoji.builder import art_folder

    root = Path(builder.data_path).parents[2]
    if builder.builder_config.name == "full" and not has_full_art(art_folder(root)):
        raise ConfigError(
            f"the emoji set's config 'full' needs art that is not in {art_folder(root)}; fetch it "
            "with `make data`, or take --data.config base"
        )
    folder = Path(builder.data_path).parent
    with locked(root / "emoji" / f".{builder.builder_config.name}.lock"):
        if _is_built(builder):  # Another process built it while this one waited.
            builder.info.read_from_directory(builder.data_path)
            return
        remove_unfinished(folder)
        builder.show_progress = progress
        with _quiet_tfds():
            try:
                builder.download_and_prepare(
                    download_config=tfds.download.DownloadConfig(try_download_gcs=False)
                )
            except ModuleNotFoundError as error:
                raise ConfigError(str(error)) from error


@contextlib.contextmanager
def _quiet_tfds() -> Iterator[None]:
    """Keep TFDS's build messages off the screen, where our progress bar is.

    Its messages go to standard output, which belongs to the program that called us.
    """
    import tensorflow_datasets as tfds
    from absl import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(level)


def _read(builder: Any, split: str) -> PairSet:
    import tensorflow_datasets as tfds

    table = _concept_table(builder.info.metadata["concepts"])
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    examples: list[dict] = []
    for start in range(0, len(source), _READ_AT_ONCE):
        stop = min(start + _READ_AT_ONCE, len(source))
        examples += source.__getitems__(list(range(start, stop)))
    # An order of our own, so that nothing depends on how TFDS shuffled the records.
    examples.sort(key=lambda example: (example["concept"], example["style"]))
    place = {key: index for index, key in enumerate(table.keys.tolist())}
    concept = [place[example["concept"].decode()] for example in examples]
    return PairSet(
        name=f"emoji/{builder.builder_config.name}:{builder.version}",
        split=split,
        pictures=ArrayPictures(_decode([example["image"] for example in examples])),
        concept=np.asarray(concept, np.int32),
        style=np.array([example["style"].decode() for example in examples], dtype=np.str_),
        category=table.category[concept],
        concepts=table,
    )


def _concept_table(records: Sequence[dict]) -> ConceptTable:
    records = sorted(records, key=lambda record: record["key"])
    languages = list(records[0]["names"])
    return ConceptTable(
        keys=np.array([record["key"] for record in records]),
        names={
            language: np.array([record["names"][language] for record in records])
            for language in languages
        },
        aliases=[tuple(record["aliases"]) for record in records],
        category=np.array([record["category"] for record in records]),
    )


def _decode(encoded: Sequence[bytes]) -> np.ndarray:
    """PNGs to uint8 (n, 72, 72, 4)."""
    from limoe_core.data.emoji.art import SIDE

    pixels = np.empty((len(encoded), SIDE, SIDE, 4), np.uint8)

    def decode(index: int) -> None:
        pixels[index] = np.asarray(Image.open(io.BytesIO(encoded[index])).convert("RGBA"))

    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock.
        for _ in pool.map(decode, range(len(encoded)), chunksize=64):
            pass
    return pixels
