"""Splits of a data set, asked one after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from limoe_core.config import DataConfig
from limoe_core.data.identity import MAY_LEAK, Recorded, data_of, difference, short
from limoe_core.data.pairs import spread
from limoe_core.data.registry import data_set
from limoe_core.data.source import load_pairs, make_ready
from limoe_core.evaluation.embedding import Encoder, Progress, embed_pictures, silent
from limoe_core.evaluation.familiarity import familiarity, training_captions
from limoe_core.evaluation.known_sets import evaluate_known
from limoe_core.evaluation.linear_probe import evaluate_linear_probe
from limoe_core.evaluation.neighbours import can_be_asked, nearest_pictures
from limoe_core.evaluation.retrieval import retrieval_result
from limoe_core.evaluation.zero_shot import NameEmbeddings, classify
from limoe_core.runs.predictions import Predictions

if TYPE_CHECKING:
    from limoe_core.data.catalogue import Part, PreparedSet
    from limoe_core.data.pairs import PairSet
    from limoe_core.inference import LoadedModel
    from limoe_core.runs import Run
    from limoe_core.runs.experts import ExpertRecord

#: Pictures with captions that are compared with each other's; of more, so many are taken.
MOST_CAPTIONED = 20_000

#: Results by task name, and single answers by task name.
Found = tuple[dict[str, dict[str, Any]], dict[str, Predictions]]


@dataclass
class Asker:
    """Asks one model for one task after another."""

    model: LoadedModel
    run: Run
    data: DataConfig
    side: int
    seed: int
    progress: Progress
    bars: bool
    notes: list[str] = field(default_factory=list)
    """What whoever asks should know of the data."""
    set_name: str = ""
    """What the data set is called in the names of tasks; "" if it is what the run trained on. A set
    of other content under the same name has a name with its config and version. See `compare`."""
    _names: NameEmbeddings | None = None
    _keys: list[str] = field(default_factory=list)
    _train: dict[str, PairSet] = field(default_factory=dict)
    _read: tuple[str, ...] | None = None
    """Captions of training in its first language; none where they are too many to keep."""

    def known(self, known: PreparedSet, data: DataConfig, parts: Sequence[Part]) -> Found:
        """A data set known by its name."""
        return evaluate_known(
            self.model,
            known,
            data,
            parts,
            side=self.side,
            seed=self.seed,
            progress=self.progress,
            bars=self.bars,
        )

    def linear_probe(self) -> Found:
        """The classes of the run's data set, or of the one given in its place."""
        chosen = make_ready(self.data, progress=self.bars)
        probed = chosen.probed(self.data, side=self.side, progress=self.bars)
        found = evaluate_linear_probe(self.model, probed, seed=self.seed, progress=self.progress)
        return {"linear_probe" + (f"_{self.set_name}" if self.set_name else ""): found}, {}

    def split(self, split: str) -> Found:
        """A split of the run's data set, or of the one given in its place."""
        chosen = data_set(self.data)
        pairs = load_pairs(self.data, split, progress=self.bars, side=self.side)
        if pairs.concepts.digest:  # texts are on disk, as they are too many to compare all with all
            count = len(pairs)
            pairs = pairs.some(spread(count, MOST_CAPTIONED))
            self.notes.append(
                f"of the {count:,} pictures of {split}, {len(pairs):,} are asked, spread evenly, "
                "and compared with each other's captions"
            )
        keys = pairs.concepts.keys.tolist()
        if self._names is None or self._keys != keys:  # Mostly, every split has the same concepts.
            self._keys = keys
            self._names = NameEmbeddings.of(
                self.model, pairs.concepts, chosen.templates, progress=self.progress
            )
        part, training = chosen.part(split)
        labelled = self._labelled(pairs, training)
        return evaluate_split(
            self.model,
            pairs,
            self._names,
            chosen.class_sets(split),
            strata=part.strata(pairs.concepts),
            familiarity=self._familiarity(pairs),
            labelled=labelled,
            label=f"{self.set_name}_{_safe(split)}" if self.set_name else _safe(split),
            seed=self.seed,
            progress=self.progress,
        )

    def experts(self) -> ExpertRecord:
        """What the experts do, on pairs of the run's own splits."""
        from limoe_core.evaluation.experts import measure_experts

        return measure_experts(
            self.model, self.data, self.side, seed=self.seed, progress=self.progress
        )

    def _labelled(self, pairs: PairSet, training: str) -> PairSet | None:
        """Training's pictures, if they show every concept of a split in memory.

        Args:
          training: the split that has them.
        """
        if pairs.concepts.digest:
            return None
        if training not in self._train:
            self._train[training] = load_pairs(
                self.data, training, progress=self.bars, side=self.side
            )
        found = self._train[training]
        known = len(found.concepts) == len(pairs.concepts)
        return found if known and can_be_asked(pairs, found) else None

    def _familiarity(self, pairs: PairSet) -> Shaped[np.ndarray, " c"] | None:
        """What training read of the names; None of other data than the run's, or on disk."""
        if self.set_name or pairs.concepts.digest:
            return None
        if self._read is None:  # of two sets that are shown together, more than is labelled
            trained = self._train.get("train")
            trained = trained or load_pairs(self.data, "train", progress=self.bars, side=self.side)
            self._read = () if trained.concepts.digest else tuple(training_captions(trained))
        table = pairs.concepts
        return familiarity(table.names[table.first_language], self._read) if self._read else None

    def compare(self) -> None:
        """Compares the data set with what the run was trained on, before anything is computed.

        Raises:
          ConfigError: the data set is not there.
        """
        self.set_name = self._set_name()

    def _set_name(self) -> str:
        if self.data.name != data_of(self.run).name:
            return _safe(data_set(self.data).label(self.data))
        pairs = load_pairs(self.data, "validation", progress=self.bars, side=self.side)
        found = difference(self.run, self.data, "validation", pairs)
        if found is None:
            return ""
        name = pairs.name
        if name == Recorded.of(self.run, "validation").name:
            name += f"_{short(pairs.digest)}"
        self.notes.append(
            f"{found}. Its results have names of their own, with {_safe(name)}, and {MAY_LEAK}"
        )
        return _safe(name)


def evaluate_split(
    model: Encoder,
    pairs: PairSet,
    names: NameEmbeddings,
    class_sets: Sequence[str] = ("all",),
    *,
    strata: Shaped[np.ndarray, " c"] | None = None,
    familiarity: Shaped[np.ndarray, " c"] | None = None,
    labelled: PairSet | None = None,
    label: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Found:
    """Zero-shot and retrieval results of one split by task name, and the single answers.

    Tasks are called `zero_shot_<label>` for the first of `class_sets`, `zero_shot_<label>_all` or
    `_split` for the others, and `retrieval_<label>`; the label is the split's name by default.

    Args:
      strata, familiarity: of each concept of the table, to split results by.
      labelled: pictures of all of the split's concepts, for baselines that need no model.
    """
    label = label or pairs.split
    pictures = embed_pictures(
        model,
        pairs.pictures,
        np.arange(len(pairs)),
        label=f"pictures of {pairs.split}",
        progress=progress,
    )
    common = {"split": pairs.split, "data": pairs.name, "digest": pairs.digest, "seed": seed}
    results, answers = {}, {}
    for place, class_set in enumerate(class_sets):
        task = f"zero_shot_{label}" + (f"_{class_set}" if place else "")
        classes = np.unique(pairs.concept) if class_set == "split" else None
        result, answers[task] = classify(
            pictures, pairs, names, classes, seed=seed, strata=strata, familiarity=familiarity
        )
        if labelled is not None and class_set == "all":
            language = result["headline_language"]
            result["nearest_picture"] = nearest_pictures(
                pairs, labelled, language, seed=seed, progress=progress
            )
        results[task] = {**common, "classes": class_set, **result}
    table = pairs.concepts
    results[f"retrieval_{label}"] = {
        **common,
        "n": len(pairs),
        **retrieval_result(
            pictures,
            pairs.concept,
            {language: np.asarray(table.names_in(language)) for language in pairs.languages},
            {language: names.by_language[language] for language in pairs.languages},
            seed=seed,
        ),
    }
    return results, answers


def _safe(label: str) -> str:
    """A task's name as it can be part of a file's."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", label)
