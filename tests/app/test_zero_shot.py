"""The page Zero-shot, without a browser."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import analysis
from analysis.classification import classify
from analysis.picture_sets import picture_set
from analysis.recipes import constant, record
from app.parts import splits
from app.parts.messages import plain
from app.parts.splits import in_words
from app.parts.tasks import in_order, task_name
from app.parts.texts import change_note
from app.parts.twins import is_twin
from app.views.zero_shot.labels import MOST, Labels, cut_note, read_template
from app.views.zero_shot.pool import Pool, first_ones, of_set, on_white, some_of_all, valid_id
from limoe_core.config import DataConfig
from limoe_core.data.pairs import PairSet
from limoe_core.data.registry import data_set
from limoe_core.evaluation.familiarity import KINDS, NAMED
from limoe_core.presets import dense_twin, preset
from limoe_core.runs.directory import Run
from limoe_core.runs.predictions import Predictions
from tests.app.evaluated_runs import make_evaluated, some_pairs
from tests.app.example_runs import small_config
from tests.app.one_page import component, figures, frames, open_page, said, told


@pytest.fixture(autouse=True)
def no_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pages show must not depend on what this machine happens to have built."""
    monkeypatch.setattr("app.views.zero_shot.pool.is_built", lambda config: False)
    monkeypatch.setattr("app.views.zero_shot.pool.can_build", lambda config: True)


@pytest.fixture(scope="module")
def evaluated(runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_evaluated(runs_folder, tmp_path_factory.mktemp("evaluated"))


def test_results_of_another_set_come_after_the_run_s_own() -> None:
    own = ["zero_shot_test_style", "zero_shot_test_concept", "zero_shot_test_concept_all"]
    other = ["zero_shot_emoji_base_1_0_0_test_concept", "zero_shot_emoji_base_1_0_0_test_style"]
    assert in_order([*other, *reversed(own)], ("test_style", "test_concept")) == [*own, *other]


def test_splits_of_sets_that_are_shown_together_are_in_words() -> None:
    chosen = data_set(DataConfig(name="emoji+icons"))
    own = {split: in_words(split, chosen.split_words) for split in chosen.tasks}
    for split, words in own.items():
        assert not words.startswith("split ")
        assert task_name(f"zero_shot_{split}", own).startswith(split.replace("_", " "))
    assert task_name("zero_shot_emoji_test_concept_all", own) == (
        "emoji test concept: emoji: a concept that training never saw, among all names"
    )
    assert task_name("zero_shot_emoji_test_concept", {"test_concept": ""}) == "emoji_test_concept"
    assert valid_id("emoji_test_style.12")


def test_nothing_is_claimed_of_the_splits_of_other_sets(tmp_path: Path) -> None:
    config = small_config()
    data = dataclasses.replace(config.data, name="imported", dir=str(tmp_path))
    own = dataclasses.replace(config, data=data)
    run = Run.create(tmp_path / "own", own)
    assert splits.of_data_pairs(run) == "split test"
    assert splits.of_probes(run) == "probe pairs: split validation"
    assert splits.asked_of(run) == {"test": "split test"}
    known = Run.create(tmp_path / "known", config)
    assert splits.of_data_pairs(known).startswith("split test_style: a trained concept in an art")


# ---- labels


def test_labels_are_read_line_by_line() -> None:
    assert Labels.read("  a  red apple \n\n\tun gato\nكلب\n").names == (
        "a red apple",
        "un gato",
        "كلب",
    )


def test_a_label_that_is_there_twice_counts_once_and_it_is_said() -> None:
    found = Labels.read("dog\ncat\ndog\ndog")
    assert found.names == ("dog", "cat")
    assert "2 labels" in found.notes[0]


def test_no_labels_at_all() -> None:
    assert Labels.read(" \n \n").names == ()


def test_too_many_and_too_long_labels_are_cut_and_it_is_said() -> None:
    found = Labels.read("\n".join(f"label {i}" for i in range(MOST + 5)))
    assert len(found.names) == MOST
    assert f"{MOST:,}" in found.notes[0]
    found = Labels.read("x" * 10_000)
    assert len(found.names[0]) < 10_000
    assert "over" in found.notes[0]


@pytest.mark.parametrize(
    ("typed", "template", "wrong"),
    [
        ("a picture of {}", "a picture of {}", False),
        ("", "{}", False),
        ("a picture", "{}", True),
        ("{} and {}", "{}", True),
        ("{0}", "{}", True),
    ],
)
def test_templates(typed: str, template: str, wrong: bool) -> None:
    found, sentence = read_template(typed)
    assert found == template
    assert (sentence is not None) is wrong


def test_what_was_cut_is_said() -> None:
    assert cut_note({}, 12) is None
    sentence = cut_note({"a long label": "label"}, 12)
    assert sentence is not None
    assert "12 pieces" in sentence
    assert "“label”" in sentence


# ---- pictures


def test_pictures_go_on_white_as_pillow_does_it() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1, 20, 20, 4)).astype(np.uint8)
    white = Image.new("RGBA", (20, 20), "white")
    white.alpha_composite(Image.fromarray(picture[0], "RGBA"))
    assert np.abs(on_white(picture)[0].astype(int) - np.asarray(white)[..., :3]).max() <= 1


def test_a_pool_knows_each_picture_by_concept_and_style() -> None:
    first, second = some_pairs("test_style"), some_pairs("validation")
    alone = of_pairs([first])
    place = alone.place["1F415.twemoji"]
    assert alone.names[place] == "dog"
    assert alone.categories[place] == "Animals"
    pool = of_pairs([first, second])
    assert len(pool) == 24
    assert pool.place["validation.0"] == 12, "what has the same name twice is numbered"
    assert pool.splits[-1] == "validation"
    assert np.array_equal(pool.source.value.pictures[12], second.pictures[0])
    assert pool.texts["ar"][2] == "كلب"


def test_the_gallery_has_every_category_before_any_has_a_second() -> None:
    pool = of_pairs([some_pairs()])
    shown = first_ones(pool, 4)
    assert {pool.categories[i] for i in shown} == {"Food", "Animals", "Symbols", "Travel"}
    assert len(set(first_ones(pool, 100))) == len(set(some_of_all(pool, 100))) == len(pool)


def test_a_page_opens_with_the_first_split_whatever_categories_the_others_have() -> None:
    known, new = some_pairs("test_style"), some_pairs("test_concept")
    pool = of_pairs([known, dataclasses.replace(new, category=np.full(len(new), ""))])
    assert {pool.splits[i] for i in first_ones(pool, len(known))} == {"test_style"}
    assert {pool.splits[i] for i in first_ones(pool, 24)} == {"test_style", "test_concept"}


def test_the_gallery_begins_with_the_first_split_and_has_as_many_of_the_others() -> None:
    for order in (("test_style", "validation"), ("validation", "test_style")):
        pool = of_pairs([some_pairs(split) for split in order])
        shown = [pool.splits[i] for i in some_of_all(pool, 8)]
        assert shown == [order[0]] * 4 + [order[1]] * 4
        assert [pool.splits[i] for i in some_of_all(pool, 20)].count(order[0]) == 10


@pytest.mark.parametrize("text", ["../../etc", "1F34E", "a.b.c", "<b>.x", "1F34E.open moji", ""])
def test_names_that_can_be_no_picture(text: str) -> None:
    assert not valid_id(text)


# ---- classify


def test_probabilities_are_those_of_analysis(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder, labels="red apple\na big dog", pictures="probe.1")
    assert not page.exception
    bars = figures(page)[0]["data"][0]
    import limoe_core

    model = limoe_core.load(runs_folder / "small", 20)
    picture = model.run.probe_pictures()[1]
    wanted = classify(model, [picture], ["red apple", "a big dog"])
    assert _numbers(bars["x"]) == pytest.approx(wanted["probability"].tolist(), abs=1e-5)
    assert figures(page)[0]["layout"]["yaxis"]["ticktext"] == wanted["label"].tolist()


def test_the_template_is_part_of_the_text(runs_folder: Path) -> None:
    address = {"labels": "red apple\ndog", "pictures": "probe.1"}
    plain = open_page("zero_shot", runs_folder, **address)
    put = open_page("zero_shot", runs_folder, **address, template="small {}")
    assert _numbers(figures(plain)[0]["data"][0]["x"]) != _numbers(figures(put)[0]["data"][0]["x"])


def test_every_picture_gets_a_figure(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder, pictures="probe.0,probe.3,probe.5")
    assert len(figures(page)) == 3


def test_labels_with_markup_stay_text(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder, labels="<script>alert(1)</script>\n<b>x</b>")
    assert not page.exception
    written = "".join(figures(page)[0]["layout"]["yaxis"]["ticktext"])
    assert "<" not in written
    assert "&lt;script&gt;" in written


def test_no_labels_one_label_and_labels_twice(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder)
    area = page.text_area(key="labels")
    area.set_value("").run()
    assert not page.exception
    assert "type some labels" in said(page)
    area.set_value("dog").run()
    assert "With a single label" in said(page)
    area.set_value("dog\ndog\ncat").run()
    assert "counted once" in said(page)
    assert not page.exception


def test_labels_that_read_the_same_to_the_model_count_once(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder, pictures="probe.0")
    same = "cafe\u0301\ncaf\u00e9\nApple\napple\na cat\n\ufeffa cat\nwoman's hat\nwoman’s hat"
    page.text_area(key="labels").set_value(same).run()
    assert not page.exception
    words = said(page).replace("\\", "")
    assert "4 labels read the same to the model as others and are counted once" in words
    assert "“apple” as “Apple”, for example" in words  # a reader sees that they differ
    shown = figures(page)[0]["layout"]["yaxis"]["ticktext"]
    assert len(shown) == 4
    captions = " ".join(caption.value for caption in page.caption).replace("\\", "")
    assert "For the model: Letters and their accents are read as one character each" in captions
    page.text_area(key="labels").set_value("Apple\napple\ndog").run()
    assert "“apple” reads the same to the model as “Apple”: counted once." in said(page).replace(
        "\\", ""
    )


def test_changes_to_a_text_are_told_in_a_line() -> None:
    assert change_note([]) == ""
    assert change_note(["A is read as B."]) == "For the model: A is read as B."
    assert change_note(["1.", "2.", "3.", "4.", "5."]) == (
        "For the model: 1. 2. 3. And 2 other changes."
    )


def test_ten_thousand_characters(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder)
    page.text_area(key="labels").set_value("dog\n" + "very " * 2000 + "long").run()
    assert not page.exception
    assert "it did not see" in said(page).replace("\\", "")
    assert "too long for the address bar" in said(page)
    assert "labels" not in page.query_params


def test_labels_are_kept_in_the_address(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder)
    page.text_area(key="labels").set_value("كلب\nperro").run()
    assert page.query_params["labels"] == "كلب\nperro"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("show", "horoscope"),
        ("against", "all"),
        ("pictures", "../../etc"),
        ("pictures", "1F34E.openmoji"),
    ],
)
def test_bad_values_in_the_address(runs_folder: Path, name: str, value: str) -> None:
    page = open_page("zero_shot", runs_folder, **{name: value})
    assert not page.exception
    assert any("In the address" in warning.value for warning in page.warning)


def test_where_the_data_set_is_missing_the_page_says_so(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder)
    assert "not built on this machine" in said(page)


def test_a_run_without_parameters(runs_folder: Path) -> None:
    for view in ("classify", "search"):
        assert "no checkpoint yet" in said(
            open_page("zero_shot", runs_folder, run="just-started", show=view)
        )


# ---- search


def test_pictures_found_are_the_nearest(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder, show="search", q="red apple\u200b")
    assert any("zero width space is left out" in caption.value for caption in page.caption)
    assert not page.exception
    assert "The nearest 6 of 6 probe pictures of small" in said(page).replace("\\", "")


def test_an_empty_search(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder, show="search")
    page.text_input(key="q").set_value("  ").run()
    assert not page.exception
    assert "Type a text to search" in said(page)


def test_texts_found_are_the_nearest(runs_folder: Path) -> None:
    page = open_page("zero_shot", runs_folder, show="search", find="texts", picture="probe.2")
    assert not page.exception
    import limoe_core

    model = limoe_core.load(runs_folder / "small", 20)
    trace = model.run.probe(20)
    texts = list(dict.fromkeys(map(str, trace.captions)))
    similarity = model.encode_texts(texts) @ model.encode_images([model.run.probe_pictures()[2]])[0]
    bars = figures(page)[0]["data"][0]
    assert _numbers(bars["x"]) == pytest.approx(sorted(similarity.tolist(), reverse=True), abs=1e-5)


# ---- accuracy and confusions


def test_accuracy_stands_beside_the_dense_twin(evaluated: Path) -> None:
    page = open_page("zero_shot", evaluated, show="accuracy", run="small")
    assert not page.exception
    assert page.selectbox(key="versus").value == "dense"
    wanted = analysis.accuracy_frame(Run.open(evaluated / "small"), 20)
    head = wanted.query("group == 'headline' and k == 1").iloc[0]
    text = said(page).replace("\\", "")
    assert f"{head['value']:.1%} ({head['low']:.1%} to {head['high']:.1%})" in text
    assert "n = 12 pictures of 6 concepts, 6 names" in text
    names = {trace["name"] for trace in figures(page)[0]["data"]}
    assert {"small", "dense"} <= names


@pytest.mark.parametrize("group", ["language", "category", "style"])
def test_accuracy_by_group(evaluated: Path, group: str) -> None:
    page = open_page("zero_shot", evaluated, show="accuracy", group=group, k="5")
    assert not page.exception
    assert f"Top-5 by {group}" in said(page)


def test_confusions_lead_to_their_pictures(
    evaluated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.views.zero_shot.pool.of_run", lambda run: of_pairs([some_pairs()]))
    page = open_page("zero_shot", evaluated, show="confusions", run="small")
    assert not page.exception
    predictions = Predictions.load(evaluated / "small", "zero_shot_test_style", 20)
    wanted = analysis.confusions(predictions)
    assert len(wanted)
    table = next(frame for frame in frames(page) if "taken for" in frame or "answer" in frame)
    assert table["answer"].tolist() == wanted["answer"].tolist()
    assert f"Pictures of **{plain(wanted['concept'].iloc[0])}**" in said(page)


def test_pictures_that_are_not_on_this_machine_are_said(
    evaluated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.views.zero_shot.pool.of_run", lambda run: _without(some_pairs()))
    page = open_page("zero_shot", evaluated, show="confusions", run="small")
    assert not page.exception
    assert "cannot be shown" in said(page)


def test_a_run_that_was_never_evaluated_says_how(runs_folder: Path) -> None:
    for view in ("accuracy", "confusions"):
        page = open_page("zero_shot", runs_folder, show=view)
        assert not page.exception
        assert "python -m limoe_core.evaluate" in said(page).replace("\\", "")


def test_damaged_evaluations_are_said(runs_folder: Path, tmp_path: Path) -> None:
    make_evaluated(runs_folder, tmp_path)
    (tmp_path / "small" / "evaluations.json").write_text("{torn")
    page = open_page("zero_shot", tmp_path, show="accuracy", run="small")
    assert not page.exception
    assert "cannot be read" in page.error[0].value


def test_a_dense_twin_is_known_by_its_settings() -> None:
    tiny = preset("emoji-tiny")
    assert is_twin(tiny, dense_twin(tiny))
    assert not is_twin(tiny, tiny)
    other_loss = dataclasses.replace(
        dense_twin(tiny), loss=dataclasses.replace(tiny.loss, auxiliary=0.2)
    )
    assert is_twin(tiny, other_loss)  # a dense model has no routers to lose on
    longer = dataclasses.replace(
        dense_twin(tiny), train=dataclasses.replace(tiny.train, steps=tiny.train.steps + 1)
    )
    assert not is_twin(tiny, longer)


def test_the_page_opens_on_what_the_model_was_trained_to_know(
    evaluated: Path, tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(evaluated / "small", tmp_path / "small"))
    pairs = some_pairs()
    styles = ["test_style"] * 8 + ["test_concept"] * 4
    known = {
        "key": pairs.concepts.keys[pairs.concept].tolist(),
        "name": pairs.concepts.names["en"][pairs.concept].tolist(),
        "category": pairs.category.tolist(),
        "style": pairs.style.tolist(),
        "split": styles,
    }
    run.save_examples(pairs.pictures.batch(np.arange(12)), known)
    page = open_page("zero_shot", tmp_path)
    assert not page.error
    shown = component(page, "gallery")
    selected = told(page, shown["channel"])["selected"]
    first = [item for item in shown["items"] if item["id"] == selected]
    assert "a trained concept in an art style that training left out" in said(page)
    at = [f"{k}.{s}" for k, s in zip(known["key"], known["style"], strict=True)].index(
        first[0]["id"]
    )
    assert styles[at] == "test_style"
    assert "8 (a trained concept" in said(page).replace("\\", "")


def of_pairs(sets: list[PairSet]) -> Pool:
    """The pool of a data set of these splits."""
    call = record(analysis.data_pictures, constant(None, "config"))
    return of_set(call.through(lambda _: picture_set(sets)))


def test_pictures_of_an_evaluation_are_found_by_their_place_or_by_what_they_show() -> None:
    first, second = some_pairs("test_style"), some_pairs("test_concept")
    pool = of_pairs([first, second])  # each drawing twice, so that it names no picture
    for number in range(len(second)):
        key = str(second.concepts.keys[second.concept[number]])
        style = str(second.style[number])
        assert pool.find("test_concept", number, key, style) == len(first) + number
        assert pool.find("test_concept", number, key, "another style") is None
        assert pool.find("a split that is not here", number, key, style) is None
        alone = of_pairs([second])
        assert alone.find("a split that is not here", 0, key, style) == number


def _without(pairs) -> Pool:  # type: ignore[no-untyped-def]
    """A pool of which all pictures are drawn in another style."""
    return of_pairs([dataclasses.replace(pairs, style=np.array(["fxemoji"] * len(pairs)))])


def _numbers(values: object) -> list[float]:
    """Plotly writes long arrays as base64."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return list(values)  # type: ignore[call-overload]


def test_accuracy_stands_beside_what_needs_no_model(evaluated: Path, tmp_path: Path) -> None:
    for name in ("small", "dense"):
        shutil.copytree(evaluated / name, tmp_path / name)
    run = Run.open(tmp_path / "small")
    result = run.stored_evaluation("zero_shot_test_style", 20)
    share = {"value": 0.4, "low": 0.3, "high": 0.5}
    both = {"top1": share, "top5": share}
    result["nearest_picture"] = {"pixels": both, "hog_colour": both}
    group = {"n": 6, **both, "mean_over_languages": both}
    result["strata"] = {"flags": group, "rest": group}
    result["familiarity"] = {NAMED: group, KINDS[-1]: group}
    result["not_named"] = {**group, "concepts": 3}
    run.store_evaluation("zero_shot_test_style", 20, result)
    page = open_page("zero_shot", tmp_path, run="small", show="accuracy", versus="dense")
    assert not page.exception
    text = said(page)
    assert "nearest labelled picture: " in text
    assert "HOG and colour 40.0% (30.0% to 50.0%)" in text.replace("\\", "")
    assert "after Holm's correction for looking at all" in text
    frame = analysis.accuracy_frame(run)
    assert {"stratum", "familiarity", "nearest picture"} <= set(frame["group"])
    assert "without the 3 concepts that are named in training" in text
    assert (frame["chance"] > 0).all()
    table = next(each for each in frames(page) if "p_holm" in each)
    assert len(table) == 4  # two k, in the first language and in all
    by_stratum = open_page(
        "zero_shot", tmp_path, run="small", show="accuracy", group="stratum", versus="none"
    )
    assert "by stratum" in said(by_stratum)
    by_name = open_page(
        "zero_shot", tmp_path, run="small", show="accuracy", group="familiarity", versus="none"
    )
    assert "by familiarity of the name" in said(by_name)
