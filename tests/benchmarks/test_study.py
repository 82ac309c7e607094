"""The study: its arms, its statistics by simulation, its verdicts, its table and its page."""

from __future__ import annotations

import errno
import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.study import __main__ as command
from benchmarks.study import outcomes, report, table
from benchmarks.study.arms import ARMS, RECIPE, STEPS, with_steps
from benchmarks.study.claims import CLAIMS, Table, verdicts
from benchmarks.study.one_run import check_settings, config_of
from benchmarks.study.statistics import holm, moderated, paired, slope
from limoe_core.config import ConfigError
from limoe_core.locks import locked
from limoe_core.model.functional import FunctionalModel
from limoe_core.runs import Run, RunError

# ---- statistics


def rates(mean: float, sd: float, margin: float, n: int) -> tuple[float, float, float]:
    """How often 1,000 simulated comparisons find a difference, equivalence, and cover the mean."""
    rng = np.random.default_rng(0)
    found = [paired(each, margin) for each in rng.normal(mean, sd, (1000, n))]
    return (
        np.mean([test.p_different < 0.05 for test in found]),
        np.mean([test.p_equivalent < 0.05 for test in found]),
        np.mean([test.low <= mean <= test.high for test in found]),
    )


@pytest.mark.parametrize("n", [3, 5])
def test_errors_of_both_tests_are_as_rare_as_they_say(n: int) -> None:
    false, equivalent, covered = rates(0.0, 1.0, 2.0, n)
    assert 0.03 < false < 0.07
    assert 0.93 < covered < 0.97
    assert equivalent > (0.2 if n == 3 else 0.75)
    _, at_the_margin, _ = rates(2.0, 1.0, 2.0, n)
    assert at_the_margin < 0.07
    different, equivalent, _ = rates(4.0, 0.5, 2.0, n)
    assert different > 0.9
    assert equivalent == 0


def test_holm_is_wrong_anywhere_as_rarely_as_one_test_is() -> None:
    rng = np.random.default_rng(1)
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    kept = holm([0.01, float("nan"), 0.2])
    assert kept[0] == pytest.approx(0.02)
    assert np.isnan(kept[1])
    any_wrong = np.mean([holm(rng.random(17)).min() < 0.05 for _ in range(4000)])
    assert 0.04 < any_wrong < 0.06


@pytest.mark.parametrize("n", [3, 5])
def test_the_whole_analysis_is_wrong_as_rarely_as_it_says(n: int) -> None:
    """Fourteen arms are compared with one, whose runs they share, and have unlike spreads."""
    rng = np.random.default_rng(2)
    wrong, equivalent, plain, found = [], [], [], []
    for _ in range(600):
        sd = np.sqrt(8 / rng.chisquare(8, 14))
        shared = rng.normal(0, 0.7, n)
        effects = np.zeros(14)
        effects[:4] = (3.0, -3.0, 2.0, -2.0)
        samples = [shared + rng.normal(e, s, n) for e, s in zip(effects, sd, strict=True)]
        tests = [paired(x, 2.0, y) for x, y in zip(samples, moderated(samples), strict=True)]
        different = holm([test.p_different for test in tests]) < 0.05
        wrong.append(different[4:].any())
        found.append(different[:2].mean())
        plain.append((holm([paired(x, 2.0).p_different for x in samples]) < 0.05)[:2].mean())
        # Two arms lie at the margin itself, which no equivalence may be said of.
        equivalent.append((holm([test.p_equivalent for test in tests]) < 0.05)[2:4].any())
    # 5 % is meant, and 500 studies of either size had 5 % to 6 %.
    assert np.mean(wrong) < 0.075
    assert np.mean(equivalent) < 0.075
    assert np.mean(found) > (0.5 if n == 3 else 0.85)
    assert np.mean(found) > np.mean(plain) + 0.1


def test_spreads_that_are_all_alike_are_one_and_unlike_ones_stay_apart() -> None:
    rng = np.random.default_rng(3)
    alike = moderated([rng.normal(0, 2, 5) for _ in range(400)])
    assert np.std([spread.variance for spread in alike]) < 0.5
    assert np.mean([spread.variance for spread in alike]) == pytest.approx(4, rel=0.1)
    apart = [rng.normal(0, sd, 20) for sd in (0.01, 1, 100)]
    for sample, spread in zip(apart, moderated(apart), strict=True):
        assert spread.variance == pytest.approx(np.var(sample, ddof=1), rel=0.3)
    assert moderated([np.array([1.0]), np.array([1.0, 2.0])])[1].variance == 0.5


def test_a_single_seed_has_no_interval_and_none_is_refused() -> None:
    assert np.isnan(paired(np.array([1.0]), 2.0).low)
    with pytest.raises(ValueError, match="at least one difference"):
        paired(np.zeros(0), 2.0)
    without_spread = paired(np.array([1.0, 1.0, 1.0]), 2.0)
    assert without_spread.p_different == without_spread.p_equivalent == 0


def test_a_slope_is_that_of_least_squares() -> None:
    values = np.random.default_rng(2).normal(size=(6, 4))
    wanted = [np.polyfit([2, 3, 4, 5], row, 1)[0] for row in values]
    np.testing.assert_allclose(slope(values, (2, 3, 4, 5)), wanted)


# ---- arms


def test_arms_differ_from_the_recipe_in_what_the_plan_says() -> None:
    plan = (table.FOLDER / "plan.md").read_text(encoding="utf-8")
    for name, arm in ARMS.items():
        assert f"`{name}`" in plan
        config = arm.config(3)
        assert config.train.seed == (10_003 if name == "upcycled" else 3)
        assert config.data == RECIPE.data
        assert config.optimizer == RECIPE.optimizer
    patches = {name: ARMS[name].config(0).model.patches for name in ARMS}
    assert (patches["patches-16"], patches["limoe"], patches["patches-256"]) == (16, 64, 256)


def test_dense_arms_have_equal_flops_or_equal_parameters() -> None:
    models = {name: ARMS[name].config(0) for name in ("limoe", "dense", "dense-wide")}
    parameters = {name: FunctionalModel.of(config).parameters for name, config in models.items()}
    routers = 2 * 64 * 8
    biases = 2 * 7 * 64  # a wide MLP has one output bias where experts have eight
    assert parameters["limoe"] - parameters["dense-wide"] == routers + biases
    assert models["dense"].model.active_hidden == models["limoe"].model.active_hidden


def test_a_recipe_has_a_middle_that_is_saved() -> None:
    longer = ARMS["dense"].config(0, with_steps(RECIPE, 1200))
    assert longer.train.keep_period == 600
    assert 600 % longer.train.checkpoint_every == 0
    assert ARMS["upcycled"].config(0, with_steps(RECIPE, 1200)).train.steps == 600
    with pytest.raises(ValueError, match="multiple of 8 steps, not 1500"):
        with_steps(RECIPE, 1500)


def test_an_upcycled_run_may_start_from_the_middle_of_a_dense_one() -> None:
    """Both halves together are as long as a whole run, and that step is kept."""
    start = ARMS[ARMS["upcycled"].start].config(0)
    assert start.train.keep_period == STEPS // 2
    assert start.train.checkpoint_every * 4 == start.train.keep_period
    assert ARMS["upcycled"].config(0).train.steps == STEPS // 2


# ---- verdicts


def made_up(values: dict[str, list[float]]) -> Table:
    """Lines whose primary outcome is given by arm and seed."""
    return {
        (arm, seed): line(arm, seed, value / 100)
        for arm, of_arm in values.items()
        for seed, value in enumerate(of_arm)
    }


def line(arm: str, seed: int, accuracy: float, **layer: float) -> dict[str, Any]:
    found = {f"top{k}_{which}": accuracy for k in (1, 5) for which in ("en", "mean")}
    numbers = {"nmi": 0.6, "nmi_start": 0.3, "nmi_kmeans": 0.6, "text_experts": 3.0, "dead": 1}
    numbers |= {"needed_image": 0.5, "needed_text": 0.25, "layer": 2} | layer
    return {
        "arm": arm,
        "seed": seed,
        "zero_shot": {"test_style": found, "test_concept": found},
        "layers": [] if arm.startswith("dense") else [numbers, {**numbers, "layer": 4}],
        "training": {
            "seconds": 90.0,
            "last_step": 800,
            "diverged": False,
            "dropped": {"image": 0.01, "text": 0.2},
            "collapsed": {"image": {}, "text": {"2": 300} if seed == 0 else {}},
        },
        "data": {"name": "emoji/full:2.0.0", "digests": {"train": "aa", "test_style": "bb"}},
        "parameters": 1_000_000,
        "machine": "x86_64, 2 cores",
        "code": "a" * 40 + "+",
    }


def test_verdicts_are_what_was_put_in() -> None:
    own = [30.0, 31.0, 29.5, 30.5, 30.2]
    noise = [0.1, -0.1, 0.05, 0.0, -0.05]
    found = verdicts(
        made_up(
            {
                "limoe": own,
                "dense": [x - 5 + e for x, e in zip(own, noise, strict=True)],
                "balance": [x + e for x, e in zip(own, noise, strict=True)],
                "no-losses": [x + 5 + e for x, e in zip(own, noise, strict=True)],
                "no-priority": [30.0, 40.0, 20.0, 35.0, 22.0],
                "frozen": [x - 3 + e for x, e in zip(own, noise, strict=True)],
                "no-local-text": own[:2],
            }
        )
    )
    by_text = {verdict.claim.text: verdict.text for verdict in found}
    assert by_text["LIMoE is better than a dense model of equal FLOPs"] == "reproduced"
    assert by_text["importance and load do not suffice for two modalities"] == "equivalent"
    assert by_text["without auxiliary losses it fails"] == "opposite"
    assert by_text["Batch Priority Routing is needed"] == "not decided"
    assert by_text["does a router have to learn?"] == "higher"
    assert by_text["the local entropy loss of text is needed"] == "too few runs yet"
    assert by_text["experts become specialised by modality"] == "reproduced"
    assert by_text["and more so than their inputs are"] == "equivalent"


def test_a_slope_over_arms_is_one_of_each_seed() -> None:
    claim = next(claim for claim in CLAIMS if "doubling" in claim.text)
    rising = made_up(
        {"experts-4": [10, 20], "limoe": [11, 22], "experts-16": [12, 24], "experts-32": [13, 26]}
    )
    np.testing.assert_allclose(claim.values(rising), [1, 2])


def test_a_slope_is_no_surer_and_no_less_sure_than_its_arms_are() -> None:
    """A slope's own spread is a third of a difference's, which is not news of the arms."""
    rng = np.random.default_rng(0)
    arms = sorted({arm for claim in CLAIMS for arm in claim.weights})
    found = verdicts(made_up({arm: rng.normal(30, 1, 5).tolist() for arm in arms}))
    reach = {v.claim: v.test.high - v.test.mean for v in found if v.test}
    of_slope, of_difference = (
        next(r for claim, r in reach.items() if word in claim.text)
        for word in ("doubling", "dense")
    )
    assert of_slope / of_difference == pytest.approx(np.sqrt(0.2 / 2), rel=0.5)


# ---- outcomes


def logged(shares: list[float], times: list[float]) -> list[dict[str, Any]]:
    """A log whose busiest expert has these shares of text."""
    return [
        {
            "step": 10 * (at + 1),
            "contrastive": 5 - at,
            "time": time,
            "routers": [
                {
                    "layer": 2,
                    "share": {"image": [0.5, 0.5], "text": [share, 1 - share]},
                    "dropped": {"image": 0.0, "text": 0.1 * at},
                }
            ],
        }
        for at, (share, time) in enumerate(zip(shares, times, strict=True))
    ]


def test_a_collapse_is_one_that_holds_to_the_end_from_its_first_step() -> None:
    shares = [0.99, 0.5, 0.97, 0.99, 0.98]
    found = outcomes.of_training(logged(shares, [0, 60, 120, 9000, 9060]))
    assert found["collapsed"] == {"image": {}, "text": {"2": 30}}
    assert found["seconds"] == 180  # without the pause between two sittings
    assert found["loss"] == 1
    assert found["dropped"] == {"image": 0.0, "text": pytest.approx(0.4)}
    recovered = outcomes.of_training(logged([0.99, 0.99, 0.99, 0.99, 0.9], [0, 1, 2, 3, 4]))
    assert recovered["collapsed"] == {"image": {}, "text": {}}
    always = outcomes.of_training(logged([0.99] * 3, [0, 1, 2]))
    assert always["collapsed"]["text"] == {"2": 10}


def test_an_expert_is_dead_where_neither_modality_wants_it() -> None:
    counts = np.array([[50, 50, 1, 0], [0, 10, 0, 90]])
    assert outcomes.is_dead(counts).tolist() == [0, 0, 1, 0]


# ---- the table and the page


def test_a_torn_line_is_no_run_and_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "study" / "results.jsonl"
    table.add(line("limoe", 0, 0.3), path)
    with path.open("a") as file:
        file.write('{"arm": "dense", "seed": 0, "zero_sh')  # the process was killed here
    table.add(line("dense", 1, 0.2), path)
    assert set(table.read(path)) == {("limoe", 0), ("dense", 1)}
    stored = json.loads(path.read_text().splitlines()[0])
    assert len(stored["code"].rstrip("+")) in (0, 40)
    assert stored["time"].endswith("+00:00")


def test_runs_are_made_seed_by_seed_and_after_what_they_start_from() -> None:
    wanted = table.missing({}, ARMS, 2)
    assert len(wanted) == 2 * len(ARMS)
    assert [seed for _, seed in wanted] == [0] * len(ARMS) + [1] * len(ARMS)
    assert wanted.index(("dense", 1)) < wanted.index(("upcycled", 1))
    done: Table = {("limoe", 0): {}}
    assert table.missing(done, ["limoe", "upcycled"], 1) == [("dense", 0), ("upcycled", 0)]


def test_what_starts_from_a_failed_run_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def run_one(arm: str, seed: int, options: command.Command, core: int) -> bool:
        begun.append(arm)
        return arm != "dense"

    monkeypatch.setattr(command, "run_one", run_one)
    monkeypatch.setattr(table, "read", dict)
    options = command.Command(("limoe", "upcycled"), seeds=1, runs=tmp_path, jobs=2)
    assert command.run_missing(options) == [("dense", 0), ("upcycled", 0)]
    assert sorted(begun) == ["dense", "limoe"]


def test_where_a_line_cannot_be_written_no_other_run_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = []

    def run_one(arm: str, seed: int, options: command.Command, core: int) -> bool:
        begun.append(arm)
        raise OSError(errno.ENOSPC, "No space left on device", "results.jsonl")

    monkeypatch.setattr(command, "run_one", run_one)
    monkeypatch.setattr(command, "digests", lambda _: {})
    monkeypatch.setattr(table, "read", dict)
    assert command.main(["--runs", str(tmp_path), "--jobs", "1"]) == 1
    assert "results.jsonl: No space left on device; the same" in capsys.readouterr().err
    assert len(begun) <= 2  # one more may be taken up before the first one's end is seen


def test_a_second_study_in_one_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path / ".study"):
        assert command.main(["--runs", str(tmp_path)]) == 2
    assert f"another `make study` is at work in {tmp_path}" in capsys.readouterr().err


def test_runs_of_other_data_are_refused_before_they_are_made() -> None:
    found = {("limoe", 0): line("limoe", 0, 0.3)}
    command.check_data(found, {"train": "aa", "test_style": "bb", "validation": "cc"})
    with pytest.raises(ConfigError, match="limoe with seed 0 was made of another test_style"):
        command.check_data(found, {"train": "aa", "test_style": "dd"})


def test_a_run_of_another_recipe_does_not_go_on(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "limoe-0", ARMS["limoe"].config(0, with_steps(RECIPE, 8)))
    check_settings(run, config_of(ARMS["limoe"], 0, "elsewhere", with_steps(RECIPE, 8)))
    with pytest.raises(RunError, match=r"other settings \(.*train.steps 8 and not 800"):
        check_settings(run, config_of(ARMS["limoe"], 0, None))


def test_the_page_says_which_runs_diverged() -> None:
    found = {("limoe", seed): line("limoe", seed, 0.3) for seed in range(3)}
    assert "None diverged." in report.page(found, [])
    found["limoe", 1]["training"] |= {"diverged": True, "last_step": 40}
    assert "Diverged: `limoe` with seed 1 after step 40." in report.page(found, [])


def test_the_page_is_made_of_the_table_alone(tmp_path: Path) -> None:
    report.write({}, tmp_path)
    assert not list(tmp_path.iterdir())
    rng = np.random.default_rng(0)
    found = {
        (arm, seed): line(arm, seed, 0.3 + 0.01 * rng.normal())
        for arm, seed in itertools.product(ARMS, range(3))
    }
    report.write(found, tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"{3 * len(ARMS)} runs of {len(ARMS)} arms" in page
    assert all(f"| `{arm}` | 3 |" in page for arm in ARMS)
    assert all(claim.text in page for claim in CLAIMS)
    assert "0.60 (0.30; 0.60), 0.60 (0.30; 0.60) | 0 / 1 | 2.0 | 1.0% / 20.0% | 50% / 25%" in page
    for name in ("zero_shot.svg", "claims.svg"):
        drawn = ET.fromstring((tmp_path / name).read_text(encoding="utf-8"))
        dots = [each for each in drawn.iter() if each.get("class") == "dot"]
        assert len(dots) >= 3 * 10
    report.write({key: each for key, each in found.items() if key[1] == 0}, tmp_path)
    assert "too few runs yet" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_page_of_a_file_that_was_cut_short_counts_each_whole_run_once(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for arm, seed in itertools.product(("limoe", "dense"), range(3)):
        table.add(line(arm, seed, 0.3), path)
    table.add(line("limoe", 2, 0.4), path)  # made again
    with path.open("rb+") as file:
        whole = file.read()
        file.write(whole.splitlines()[0][:200])  # the disk was full
    found = table.read(path)
    assert len(found) == 6
    page = report.page(found, verdicts(found))
    assert "6 runs of 19 arms" in page
    assert "| `limoe` | 3 | 33.3 ± 5.8 |" in page
    assert page.count("too few runs yet") == len(CLAIMS) - 3  # one of two arms, two of one


def test_an_unknown_arm_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["no-such-arm"]) == 2
    assert "there is no arm 'no-such-arm'; there are limoe, dense" in capsys.readouterr().err
