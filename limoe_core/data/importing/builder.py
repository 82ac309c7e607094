"""An import as a TensorFlow Datasets builder, written in ArrayRecord without TensorFlow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from absl import logging
from tqdm.auto import tqdm

from limoe_core.config import ConfigError
from limoe_core.data.dataset import Reported
from limoe_core.data.importing.records import Found, Problem, Record, Source
from limoe_core.data.importing.report import Report
from limoe_core.data.importing.tables import DIGEST, Gathered
from limoe_core.data.importing.version import VERSION
from limoe_core.data.pairs import new_digest
from limoe_core.data.survey import damage

#: All pictures are in one split of TFDS; ours are in a table beside them, as they depend on all.
PICTURES = "pictures"
_SHARD = 20_000
#: Characters. No model reads so many, and one such text would set the width of all in memory.
_LONGEST_TEXT, _LONGEST_NAME = 1_000, 200
#: Pictures and bytes that are in memory at one time.
_AT_ONCE, _BYTES = 256, 64 << 20


class Imported(tfds.core.DatasetBuilder):
    """Pictures as they are encoded, and tables of what is said of them.

    Args:
      sources: where they come from.
      report: filled in, and written beside them.
      refuse: whether anything that cannot be used ends the import.
      progress: whether to show a bar.
    """

    name = "imported"
    VERSION = tfds.core.Version(VERSION)
    RELEASE_NOTES: ClassVar = {str(VERSION): "First release."}

    def __init__(
        self,
        *,
        sources: Sequence[Source] = (),
        report: Report | None = None,
        refuse: bool = False,
        progress: Reported = True,
        **settings: Any,
    ) -> None:
        level = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)  # or TFDS warns of a config that is not in its list
        try:
            super().__init__(**settings)
        finally:
            logging.set_verbosity(level)
        self._sources, self._report = sources, report
        self._refuse, self._progress = refuse, progress

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"image": tfds.features.Image(), "file": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _download_and_prepare(self, dl_manager: Any, download_config: Any = None) -> None:
        assert self._report is not None
        info = self._info()  # of the temporary folder, where the builder is now
        writer = tfds.core.SequentialWriter(info, _SHARD, file_format="array_record")
        writer.initialize_splits([PICTURES])
        gathered = Gathered()
        with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock.
            for block in self._blocks():
                whys = pool.map(damage, [record.picture for record in block])
                kept = []
                for record, why in zip(block, whys, strict=True):
                    if why is not None:
                        self._tell(Problem("picture", record.name, why))
                        continue
                    kept.append({"image": io.BytesIO(record.picture), "file": record.name})
                    gathered.add(record, digest_of(record.picture))
                writer.add_examples({PICTURES: kept})
        if not len(gathered):
            raise ConfigError(_nothing(self._report))
        writer.close_all()
        self.info.set_file_format("array_record")
        self.info.set_splits(info.splits)
        folder = Path(info.data_dir)
        try:
            gathered.write(folder, self._report)
        except ConfigError as error:
            raise ConfigError(" ".join([f"{error}.", *_left_out(self._report)])) from error
        self._report.write(folder)

    def _as_dataset(self, *arguments: Any, **settings: Any) -> Any:
        raise NotImplementedError("read it with as_data_source")

    def _blocks(self) -> Iterator[list[Record]]:
        """Records that have a text, some at a time."""
        block: list[Record] = []
        size = 0
        for found in self._found():
            if isinstance(found, Problem):
                self._tell(found)
                continue
            record = self._with_text(found)
            if record is None:
                continue
            block.append(record)
            size += len(record.picture)
            if len(block) == _AT_ONCE or size > _BYTES:
                yield block
                block, size = [], 0
        yield block

    def _found(self) -> Iterator[Found]:
        counts = [source.count for source in self._sources]
        total = None if None in counts else sum(filter(None, counts))
        with tqdm(
            desc="Importing", total=total, unit=" pictures", disable=self._progress is not True
        ) as bar:
            done = 0
            for source in self._sources:
                for found in source.records():
                    yield found
                    done += 1
                    bar.update()
                    if callable(self._progress):
                        self._progress(done, max(done, total or 0))

    def _with_text(self, record: Record) -> Record | None:
        """The record without empty texts; None if it has nothing to be called."""
        assert self._report is not None
        said = [caption for caption in record.captions if caption.text]
        self._report.empty_texts += len(record.captions) - len(said)
        if not said and not record.label:
            self._report.without_text.add(record.name)
            return None
        if max(len(record.label), len(record.category)) > _LONGEST_NAME:
            why = f"the name of its class or category has more than {_LONGEST_NAME} characters"
            self._tell(Problem("text", record.name, why))
            return None
        self._report.long_texts += sum(len(caption.text) > _LONGEST_TEXT for caption in said)
        captions = tuple(replace(each, text=each.text[:_LONGEST_TEXT]) for each in said)
        return replace(record, captions=captions)

    def _tell(self, problem: Problem) -> None:
        assert self._report is not None
        told = f"{problem.where}: {problem.why}"
        if self._refuse:
            raise ConfigError(
                f"{told}; mend it, or have such pairs left out with --data.damaged skip"
            )
        found = self._report.damaged_pictures
        if problem.kind == "text":
            found = self._report.damaged_texts
        found.add(told)


def digest_of(picture: bytes) -> bytes:
    """Stands for the content of an encoded picture."""
    found = new_digest()
    found.update(picture)
    digest = found.digest()
    assert len(digest) == DIGEST
    return digest


def _nothing(report: Report) -> str:
    why = _left_out(report)
    return " ".join([f"no picture with a text can be read from {report.source}.", *why])


def _left_out(report: Report) -> list[str]:
    return [f"{sentence}." for sentence in report.warnings()]
