"""Known data sets by name, on small ones that lie on disk as the large ones would."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow_datasets.core.read_only_builder import builder_from_files

import limoe_core
from limoe_core import evaluate
from limoe_core.config import Config, DataConfig
from limoe_core.data.catalogue import KNOWN, Part
from limoe_core.data.preprocess import fit_square
from limoe_core.data.registry import asked, data_set
from limoe_core.evaluation import scoring
from limoe_core.evaluation.intervals import wilson_interval
from limoe_core.evaluation.retrieval import caption_retrieval_result
from limoe_core.presets import preset
from limoe_core.runs.directory import Run
from limoe_core.runs.predictions import Predictions
from limoe_core.training.loop import train
from tests.limoe_core.data.small_sets import (
    CIFAR,
    SYNSETS,
    write_cifar100,
    write_coco,
    write_imagenet,
    write_pets,
)

pytestmark = pytest.mark.training  # a run for each kind of set
TASKS = ("imagenet2012", "cifar100", "oxford_iiit_pet", "coco_captions")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TFDS data directory with all four sets, small."""
    folder = tmp_path_factory.mktemp("tfds")
    for write in (write_cifar100, write_pets, write_imagenet, write_coco):
        write(folder)
    (folder / "imagenet2012" / "class_names.txt").write_text(SYNSETS)
    return folder


def settings(name: str, folder: Path, pieces: int, **data: Any) -> Config:
    """The debug preset on another data set of few words, two steps long."""
    config = preset("debug")
    data = {"name": name, "dir": str(folder), "config": "auto", **data}
    steps = replace(config.train, steps=2, evaluate_every=2, checkpoint_every=2, probe_pairs=4)
    model = replace(config.model, vocab_size=pieces)
    return replace(config, model=model, data=replace(config.data, **data), train=steps)


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained for two steps on pictures with five captions each."""
    path = tmp_path_factory.mktemp("runs") / "coco"
    return train(path, settings("coco_captions", folder, 300, batch_size=8, captions_per_image=5))


@pytest.fixture(scope="module")
def report(run: Run) -> dict[str, Any]:
    arguments = evaluate.Arguments(run.path, tasks=TASKS, json=True)
    return evaluate.evaluate(arguments)


def test_two_steps_on_pictures_with_five_captions(run: Run) -> None:
    losses = [line["loss"] for line in run.metrics() if "loss" in line]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    validation = next(line["validation"] for line in run.metrics() if "validation" in line)
    assert (validation["split"], validation["n"], validation["ways_all"]) == ("val", 9, 9)
    assert run.info["data"]["name"] == "coco_captions/2014/1.0.0"


@pytest.mark.training
def test_two_steps_on_pictures_with_labels(folder: Path, tmp_path: Path) -> None:
    config = settings("cifar100", folder, 274, batch_size=4)
    config = replace(config, model=replace(config.model, layers=1))  # compiles in half the time
    run = train(tmp_path / "labels", config)
    assert run.steps() == [2]
    validation = next(line["validation"] for line in run.metrics() if "validation" in line)
    assert (validation["split"], validation["ways"]) == ("test", 4)


def test_all_four_sets_are_asked_by_name(run: Run, report: dict[str, Any]) -> None:
    labelled = ("imagenet2012", "cifar100", "oxford_iiit_pet")
    assert set(report["results"]) == {
        *(f"zero_shot_{name}" for name in labelled),
        *(f"linear_probe_{name}" for name in labelled),
        "retrieval_coco_captions",
    }
    for task, result in report["results"].items():
        assert run.evaluations()[task]["2"] == json.loads(json.dumps({"step": 2, **result}))
        assert result["set"] in task
    assert report["results"]["zero_shot_imagenet2012"]["split"] == "validation"
    assert report["results"]["retrieval_coco_captions"]["split"] == "val"


def one_by_one(folder: Path, name: str, split: str, model: Any) -> tuple[np.ndarray, list[Any]]:
    """Embeddings of a split's pictures as TFDS itself decodes them, and its examples."""
    builder = builder_from_files(name, data_dir=folder)
    examples = list(builder.as_data_source(split=split))
    pictures = [model.encode_images([fit_square(each["image"], 72)])[0] for each in examples]
    return np.stack(pictures), examples


def test_zero_shot_agrees_with_asking_one_by_one(
    run: Run, folder: Path, report: dict[str, Any]
) -> None:
    model = limoe_core.load(run.path)
    pictures, examples = one_by_one(folder, "cifar100", "test", model)
    names = [label.replace("_", " ") for label in CIFAR]
    result = report["results"]["zero_shot_cifar100"]
    assert (result["n"], result["ways"], result["resampled"]) == (20, 4, "pictures")
    templates = data_set(DataConfig(name="cifar100")).templates
    assert result["prompt_ensemble"]["templates"] == list(templates)
    plain = [model.encode_texts([name])[0] for name in names]
    ensemble = []
    for name in names:
        mean = sum(model.encode_texts([template.format(name)])[0] for template in templates)
        ensemble.append(mean / np.linalg.norm(mean))
    for classes, found in ((plain, result), (ensemble, result["prompt_ensemble"])):
        right = 0
        for picture, example in zip(pictures, examples, strict=True):
            scores = [float(picture @ vector) for vector in classes]
            right += int(np.argmax(scores)) == example["label"]
        assert found["top1"]["value"] == pytest.approx(right / 20)
        interval = (found["top1"]["low"], found["top1"]["high"])
        assert interval == pytest.approx(wilson_interval(right, 20))
    stored = Predictions.load(run.path, "zero_shot_cifar100", 2)
    assert stored.names.tolist() == ["apple", "aquarium fish", "lawn mower", "sea"]


def test_retrieval_with_five_captions_agrees_with_asking_one_by_one(
    run: Run, folder: Path, report: dict[str, Any]
) -> None:
    model = limoe_core.load(run.path)
    pictures, examples = one_by_one(folder, "coco_captions", "val", model)
    captions = [
        (place, text.decode())
        for place, example in enumerate(examples)
        for text in example["captions"]["text"][:5]
    ]
    texts = np.stack([model.encode_texts([text])[0] for _, text in captions])
    result = report["results"]["retrieval_coco_captions"]
    assert (result["n"], result["texts"]) == (9, 45)
    expected = recall_by_hand(pictures, texts, [place for place, _ in captions])
    for (way, k), value in expected.items():
        assert result[way][f"r{k}"]["value"] == pytest.approx(value), (way, k)


def recall_by_hand(
    pictures: np.ndarray, texts: np.ndarray, owners: list[int]
) -> dict[tuple[str, int], float]:
    """Sorts all candidates for each query; a wrong one that ties comes first."""
    found = {}
    for k in (1, 5, 10):
        hits = []
        for number, picture in enumerate(pictures):
            order = sorted(
                range(len(texts)), key=lambda t: (-float(texts[t] @ picture), owners[t] == number)
            )
            hits.append(any(owners[t] == number for t in order[:k]))
        found["image_to_text", k] = float(np.mean(hits))
        hits = []
        for owner, text in zip(owners, texts, strict=True):
            order = sorted(
                range(len(pictures)), key=lambda i: (-float(pictures[i] @ text), i == owner)
            )
            hits.append(owner in order[:k])
        found["text_to_image", k] = float(np.mean(hits))
    return found


def test_recall_among_many_captions_agrees_with_sorting_by_hand() -> None:
    """Enough queries for several blocks, and coarse values for many ties."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(-2, 3, size=(150, 3)).astype(np.float32)
    owners = np.repeat(np.arange(150), rng.integers(1, 8, size=150))
    texts = (pictures[owners] + rng.integers(-2, 3, size=(len(owners), 3))).astype(np.float32)
    assert len(texts) > 512
    result = caption_retrieval_result(pictures, texts, owners, seed=0)
    for (way, k), value in recall_by_hand(pictures, texts, owners.tolist()).items():
        estimate = result[way][f"r{k}"]
        assert estimate["value"] == pytest.approx(value), (way, k)
        assert estimate["low"] < value < estimate["high"]
        assert result["languages"]["en"][way][f"r{k}"] == estimate


def test_zero_shot_of_many_pictures_is_that_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pictures, classes = rng.normal(size=(50, 8)), rng.normal(size=(7, 8))
    concept, names = rng.integers(0, 7, size=50), np.array(list("abcdefa"))
    whole = scoring.zero_shot(pictures, concept, classes, np.arange(7), names)
    monkeypatch.setattr(scoring, "_AT_ONCE", 16)
    parts = scoring.zero_shot(pictures, concept, classes, np.arange(7), names)
    assert parts.ranks.tolist() == whole.ranks.tolist()
    assert parts.top.tolist() == whole.top.tolist()
    np.testing.assert_allclose(parts.similarity, whole.similarity, rtol=1e-5)


def test_the_linear_probe_learns_what_pictures_show(report: dict[str, Any]) -> None:
    """The classes differ in colour alone, which a model of any quality keeps."""
    result = report["results"]["linear_probe_cifar100"]
    assert (result["shots"], result["draws"], result["examples"]) == (10, 5, 40)
    assert len(result["top1_by_draw"]) == 5
    assert result["top1"]["value"] > 0.6
    assert result["top1"]["low"] <= result["top1"]["value"] <= result["top1"]["high"]


def test_tables_show_every_set(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = ["zero_shot_oxford_iiit_pet", "linear_probe_cifar100", "retrieval_coco_captions"]
    stored = run.evaluations()
    assert evaluate.main(["--run", str(run.path), "--no-store", "--tasks", *tasks]) == 0
    shown = capsys.readouterr().out
    for words in ("oxford_iiit_pet/1.0.0", "Linear probe", "Retrieval", "intervals over pictures"):
        assert words in shown
    value = stored["linear_probe_cifar100"]["2"]["top1"]["value"]
    assert f"{100 * value:.1f}" in shown
    assert "…" not in shown
    assert run.evaluations() == stored


def test_a_missing_set_is_said_before_anything_is_computed(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cifar100(tmp_path, train=1, test=1)
    options = ["--run", str(run.path), "--data.dir", str(tmp_path), "--tasks"]
    before, files = run.evaluations(), sorted(tmp_path.rglob("*"))
    assert evaluate.main([*options, "cifar100", "imagenet2012"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"imagenet2012 is not in {tmp_path}" in said
    assert "tfds build imagenet2012 --file_format=array_record" in said
    assert run.evaluations() == before
    assert sorted(tmp_path.rglob("*")) == files
    assert evaluate.main([*options, "nonsense"]) == 2
    assert "coco_captions is not in" in " ".join(capsys.readouterr().err.split())
    own = ["--run", str(run.path), "--tasks"]
    assert evaluate.main([*own, "nonsense"]) == 2
    assert "no split 'nonsense'; there are" in " ".join(capsys.readouterr().err.split())
    assert evaluate.main([*own, "linear_probe"]) == 2
    assert "linear_probe needs labels" in " ".join(capsys.readouterr().err.split())


def test_a_part_of_a_set_can_be_asked_alone() -> None:
    def found(task: str) -> tuple[str, tuple[Part, ...]] | None:
        about = asked(task)
        return about and (about[0].name, about[1])

    assert found("cifar100") == ("cifar100", ("zero_shot", "linear_probe"))
    assert found("linear_probe_cifar100") == ("cifar100", ("linear_probe",))
    assert found("retrieval_cifar100") is None
    assert found("test_style") is None


def test_a_run_is_asked_by_default_what_its_data_set_says() -> None:
    def default_tasks(name: str) -> tuple[str, ...]:
        return data_set(DataConfig(name=name)).default_tasks

    assert default_tasks("emoji") == ("test_style", "test_concept", "validation")
    assert default_tasks("coco_captions") == ("coco_captions",)
    assert default_tasks("of_someone_else") == ("validation",)


@pytest.mark.parametrize("name", ["emoji", "of_someone_else", *(known.name for known in KNOWN)])
def test_templates_hold_the_name_once(name: str) -> None:
    for template in data_set(DataConfig(name=name)).templates:
        assert template.count("{}") == 1


def test_memory_holds_a_batch_of_pictures_at_a_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limoe_core.data.prepared_split import SourcePictures
    from limoe_core.evaluation import known_sets

    sizes: list[int] = []
    read: Callable[..., np.ndarray] = SourcePictures.batch

    def counted(self: SourcePictures, places: Any) -> np.ndarray:
        sizes.append(len(places))
        return read(self, places)

    monkeypatch.setattr(SourcePictures, "batch", counted)
    eight_at_a_time = functools.partial(known_sets.embed_pictures, batch=8)
    monkeypatch.setattr(known_sets, "embed_pictures", eight_at_a_time)
    arguments = evaluate.Arguments(run.path, tasks=("zero_shot_cifar100",), json=True, store=False)
    evaluate.evaluate(arguments)
    assert sizes == [8, 8, 4]
