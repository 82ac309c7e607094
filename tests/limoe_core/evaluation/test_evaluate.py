"""Evaluation against loops that ask one picture and one name at a time."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from rich.console import Console

import limoe_core
from limoe_core import evaluate
from limoe_core.data.source import ConceptTable, PairSet, load_pairs
from limoe_core.evaluation import scoring
from limoe_core.evaluation.embedding import embed_ensemble, embed_names
from limoe_core.evaluation.splits import evaluate_split
from limoe_core.evaluation.table import tables
from limoe_core.evaluation.zero_shot import NameEmbeddings, classify
from limoe_core.runs import RunError
from limoe_core.runs.directory import Run
from limoe_core.runs.predictions import Predictions

ENGLISH = ["red heart", "Polish", "polish", "dog", "cat", "red heart"]
SPANISH = ["corazón rojo", "polaco", "pulir", "perro", "gato", "corazón"]


class Words:
    """An encoder that knows each name's direction, and pictures as noisy copies of them."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.known = {}
        self.concepts = self.rng.normal(size=(len(ENGLISH), 8))

    def encode_texts(self, texts):
        for text in texts:
            if text.casefold() not in self.known:
                self.known[text.casefold()] = self.rng.normal(size=8)
        return unit(np.stack([self.known[text.casefold()] for text in texts]))

    def encode_images(self, images):
        return unit(np.stack([self.concepts[int(image[0, 0, 0])] for image in images]))


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Pictures:
    """Pictures whose first pixel says which concept they show."""

    def __init__(self, concept):
        self.all = np.zeros((len(concept), 4, 4, 4), np.uint8)
        self.all[:, 0, 0, 0] = concept

    def batch(self, indices):
        return self.all[indices]

    def digest(self):
        return self.all.tobytes().hex()


@pytest.fixture
def pairs():
    concept = np.array([0, 1, 2, 3, 4, 5, 3, 0, 1], np.int32)
    keys = np.array([f"1F{i}00" for i in range(6)])
    return PairSet(
        name="words/small:1.0.0",
        split="test_style",
        pictures=Pictures(concept),
        concept=concept,
        style=np.array(["pen", "ink", "pen"] * 3),
        category=np.array(["Symbols", "Flags", "Flags", "Animals", "Animals"] * 2)[:9],
        concepts=ConceptTable(
            keys=keys,
            names={"en": np.array(ENGLISH), "es": np.array(SPANISH)},
            aliases=[()] * 6,
            category=np.array(["Symbols", "Flags", "Flags", "Animals", "Animals", "Symbols"]),
        ),
    )


def slow_ranks(images, texts, picture_names, names):
    ranks = []
    for image, own in zip(images, picture_names, strict=True):
        scores = [float(image @ text) for text in texts]
        right = [i for i, name in enumerate(names) if name.casefold() == own.casefold()]
        best = max(scores[i] for i in right)
        ranks.append(sum(scores[i] >= best for i in range(len(names)) if i not in right))
    return ranks


@pytest.mark.parametrize("class_set", ["all", "split"])
def test_zero_shot_agrees_with_asking_one_by_one(pairs, class_set):
    if class_set == "split":
        keep = pairs.concept != 2
        pairs = dataclasses.replace(
            pairs,
            pictures=Pictures(pairs.concept[keep]),
            concept=pairs.concept[keep],
            style=pairs.style[keep],
            category=pairs.category[keep],
        )
    model = Words()
    names = NameEmbeddings(embed_names(model, pairs.concepts))
    results, answers = evaluate_split(model, pairs, names, (class_set,))
    result = results["zero_shot_test_style"]
    classes = np.unique(pairs.concept) if class_set == "split" else np.arange(6)
    assert result["ways"] == len(classes)
    assert result["n"] == len(pairs.concept)
    images = model.encode_images(pairs.pictures.batch(np.arange(len(pairs))))
    per_picture = []
    for index, language in enumerate(("en", "es")):
        of_concept = pairs.concepts.names[language]
        ranks = slow_ranks(
            images,
            model.encode_texts(list(of_concept[classes])),
            of_concept[pairs.concept],
            of_concept[classes],
        )
        per_picture.append(ranks)
        found = result["languages"][language]
        assert found["top1"]["value"] == pytest.approx(np.mean(np.array(ranks) < 1))
        assert found["top5"]["value"] == pytest.approx(np.mean(np.array(ranks) < 5))
        assert answers["zero_shot_test_style"].ranks[index].tolist() == ranks
    mean = np.mean([[rank < 1 for rank in ranks] for ranks in per_picture])
    assert result["mean_over_languages"]["top1"]["value"] == pytest.approx(mean)
    assert result["top1"] == result["languages"]["en"]["top1"]
    for style in ("pen", "ink"):
        mine = [r < 1 for r, s in zip(per_picture[0], pairs.style, strict=True) if s == style]
        assert result["styles"][style]["n"] == len(mine)
        assert result["styles"][style]["top1"]["value"] == pytest.approx(np.mean(mine))


def test_the_ceiling_is_what_namesakes_leave_to_chance(pairs):
    model = Words()
    names = NameEmbeddings(embed_names(model, pairs.concepts))
    result, _ = classify(model.encode_images(pairs.pictures.all), pairs, names)
    # Two red hearts share a name; "Polish" and "polish" do but for the letter case.
    share = {0: 1 / 2, 5: 1 / 2, 1: 1 / 2, 2: 1 / 2, 3: 1, 4: 1}
    assert result["languages"]["en"]["ceiling"] == pytest.approx(
        np.mean([share[c] for c in pairs.concept])
    )
    assert result["languages"]["es"]["ceiling"] == 1


def test_a_namesake_is_a_right_answer_but_another_concept_is_not(pairs):
    model = Words()
    model.concepts = model.encode_texts(ENGLISH)  # a perfect model, up to names that coincide
    names = NameEmbeddings(embed_names(model, pairs.concepts))
    result, answers = classify(model.encode_images(pairs.pictures.all), pairs, names)
    assert result["top1"]["value"] == 1
    assert answers.top[0, 0, 0] in (0, 5)
    model.concepts = np.roll(model.concepts, 1, axis=0)
    result, _ = classify(model.encode_images(pairs.pictures.all), pairs, names)
    assert result["top1"]["value"] < 0.5


def test_retrieval_agrees_with_asking_one_by_one(pairs):
    model = Words(seed=2)
    names = NameEmbeddings(embed_names(model, pairs.concepts))
    result = evaluate_split(model, pairs, names)[0]["retrieval_test_style"]
    images = model.encode_images(pairs.pictures.all)
    texts = sorted({name.casefold() for name in ENGLISH})
    vectors = model.encode_texts(texts)
    own = [ENGLISH[c].casefold() for c in pairs.concept]
    assert result["texts"] == len(texts)
    for k in (1, 5, 10):
        to_text, to_image = [], []
        for image, name in zip(images, own, strict=True):
            nearest = np.argsort(-(vectors @ image))[:k]
            to_text.append(any(texts[i] == name for i in nearest))
        for text, vector in zip(texts, vectors, strict=True):
            # Copies of a picture tie; a tie counts only if a right one is among the k anyway.
            nearest = sorted(
                range(len(images)), key=lambda i: (-float(images[i] @ vector), own[i] == text)
            )[:k]
            to_image.append(any(own[i] == text for i in nearest))
        assert result["image_to_text"][f"r{k}"]["value"] == pytest.approx(np.mean(to_text))
        assert result["text_to_image"][f"r{k}"]["value"] == pytest.approx(np.mean(to_image))


def test_the_prompt_ensemble_is_the_mean_direction_of_all_templates():
    model = Words()
    found = embed_ensemble(model, ["cat", "dog"], ("{}", "a {}"))
    for row, name in enumerate(("cat", "dog")):
        mean = model.encode_texts([name])[0] + model.encode_texts([f"a {name}"])[0]
        assert found[row] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_classes_must_hold_every_picture_s_concept():
    eye = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="1 of the pictures' concepts .* number 2"):
        scoring.zero_shot(eye, np.array([0, 1, 2]), eye[:2], np.array([0, 1]), np.array(["a", "b"]))


def test_predictions_are_equal_after_a_round_trip(pairs, tmp_path):
    model = Words()
    names = NameEmbeddings(embed_names(model, pairs.concepts))
    _, made = classify(model.encode_images(pairs.pictures.all), pairs, names)
    made.save(tmp_path, "zero_shot_test_style", 20)
    read = Predictions.load(tmp_path, "zero_shot_test_style", 20)
    for name, value in vars(made).items():
        assert np.array_equal(getattr(read, name), value), name
    with pytest.raises(RunError, match="no predictions of zero_shot_test_style at step 30"):
        Predictions.load(tmp_path, "zero_shot_test_style", 30)
    (tmp_path / "predictions" / "zero_shot_test_style-20.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(RunError, match="damaged"):
        Predictions.load(tmp_path, "zero_shot_test_style", 20)


def test_results_are_plain_json(pairs):
    model = Words()
    names = NameEmbeddings(
        embed_names(model, pairs.concepts),
        embed_ensemble(model, ENGLISH, ("{}", "a {}")),
        ("{}", "a {}"),
    )
    results, _ = evaluate_split(model, pairs, names, ("all", "split"))
    assert set(results) == {
        "zero_shot_test_style",
        "zero_shot_test_style_split",
        "retrieval_test_style",
    }
    assert json.loads(json.dumps(results)) == results
    for result in results.values():
        assert (result["split"], result["data"]) == ("test_style", "words/small:1.0.0")


# ---- the command, on a run that was really trained


@pytest.fixture(scope="module")
def evaluated(debug_run, data_dir):
    """(what `evaluate --json` printed, the run)."""
    command = [sys.executable, "-m", "limoe_core.evaluate", "--run", str(debug_run), "--json"]
    done = subprocess.run(
        [*command, "--data.dir", str(data_dir)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout, Run.open(debug_run)


def test_the_command_prints_one_json_object_and_keeps_it_in_the_run(evaluated):
    printed, run = evaluated
    report = json.loads(printed)
    assert printed.count("\n") == 1
    assert report["step"] == run.steps()[-1]
    assert set(report["results"]) == {
        "zero_shot_test_style",
        "zero_shot_test_concept",
        "zero_shot_test_concept_all",
        "zero_shot_validation",
        "zero_shot_validation_all",
        "retrieval_test_style",
        "retrieval_test_concept",
        "retrieval_validation",
    }
    for task, result in report["results"].items():
        assert run.evaluations()[task][str(report["step"])] == {"step": report["step"], **result}
    style = report["results"]["zero_shot_test_style"]
    assert style["data"].startswith("emoji/")
    assert style["ways"] > 1800
    assert len(style["languages"]) == 14
    unseen = report["results"]["zero_shot_test_concept"]
    assert unseen["ways"] == unseen["concepts"] < 400


def test_the_stored_accuracy_is_that_of_the_model_asked_directly(evaluated, data_dir):
    printed, run = evaluated
    found = json.loads(printed)["results"]["zero_shot_test_concept"]["languages"]["tr"]
    data = dataclasses.replace(run.config.data, dir=str(data_dir))
    pairs = load_pairs(data, "test_concept", progress=False)
    model = limoe_core.load(run.path)
    some = np.arange(0, len(pairs), 7)
    classes = np.unique(pairs.concept)
    names = pairs.concepts.names["tr"]
    texts = model.encode_texts([str(names[c]) for c in classes])
    stored = Predictions.load(run.path, "zero_shot_test_concept", model.step)
    row = stored.languages.tolist().index("tr")
    images = model.encode_images([PIL.Image.fromarray(pairs.pictures[i]) for i in some])
    ranks = slow_ranks(images, texts, names[pairs.concept[some]], names[classes])
    # Another batch may add numbers up in another order, so that near ties may fall differently.
    assert np.mean(np.abs(stored.ranks[row, some] - ranks) <= 1) > 0.98
    assert found["top5"]["value"] == pytest.approx(np.mean(stored.ranks[row] < 5))


def test_errors_are_sentences(tmp_path, debug_run, capsys):
    assert evaluate.main(["--run", str(tmp_path / "none")]) == 2
    assert "there is no run at" in capsys.readouterr().err
    assert evaluate.main(["--run", str(debug_run), "--step", "7"]) == 2
    assert "no step 7; it has" in " ".join(capsys.readouterr().err.split())


def test_tables_say_what_the_report_says_and_fit_a_terminal(evaluated):
    report = json.loads(evaluated[0])
    console = Console(width=80, file=io.StringIO())
    for table in tables(report):
        console.print(table)
    shown = console.file.getvalue()
    assert "…" not in shown
    style = report["results"]["zero_shot_test_style"]
    assert f"{100 * style['languages']['fa']['top1']['value']:.1f}" in shown
    assert f"{style['ways']:,}" in shown


@pytest.mark.training
def test_a_linear_probe_of_emoji_tells_their_categories(debug_run, data_dir):
    arguments = evaluate.Arguments(
        debug_run,
        tasks=("linear_probe",),
        data=evaluate.DataOverride(dir=str(data_dir)),
        json=True,
        store=False,
    )
    result = evaluate.evaluate(arguments)["results"]["linear_probe"]
    assert result["split"] == "test_concept"
    assert "Animals & Nature" in result["class_names"]
    assert result["ways"] == len(result["class_names"]) >= 8
    assert 1.5 / result["ways"] < result["top1"]["value"] < 1  # after twenty steps, above chance
