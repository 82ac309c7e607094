"""What `evaluate --experts` measures of a small model, and how it lies in the run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import analysis
from limoe_core import evaluate
from limoe_core.config import Config, ConfigError
from limoe_core.data.registry import DATA_SETS
from limoe_core.data.source import load_pairs
from limoe_core.evaluation.experts import measure_experts
from limoe_core.evaluation.storing import store_experts
from limoe_core.evaluation.unlearned import UNLEARNED
from limoe_core.inference import LoadedModel
from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.presets import preset
from limoe_core.runs import Run, RunError
from limoe_core.runs.experts import ExpertRecord
from limoe_core.runs.export import export_records
from limoe_core.tokenizer import Tokenizer
from tests.limoe_core.data.made_up_set import Shapes

STEP = 5


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = preset("debug")
    place = tmp_path_factory.mktemp("shapes")
    data = dataclasses.replace(config.data, name=Shapes.name, config="plain", dir=str(place))
    model = dataclasses.replace(config.model, vocab_size=280, capacity_factor=1.0)
    return dataclasses.replace(config, data=data, model=model)


@pytest.fixture(scope="module", autouse=True)
def known_set(config: Config):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATA_SETS, Shapes.name, Shapes())
        load_pairs(config.data, "train")  # builds it
        yield


@pytest.fixture(scope="module")
def model(config: Config, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    run = Run.create(tmp_path_factory.mktemp("runs") / "small", config)
    table = load_pairs(config.data, "train").concepts
    tokenizer = Tokenizer.train([*table.names["en"], *table.names["de"]], 280)
    functional = FunctionalModel.of(config)
    # A router of other weights than those of step 0.
    params = initial_params(config, seed=7)
    return LoadedModel(config, functional, params, tokenizer, STEP, run)


@pytest.fixture(scope="module")
def record(model: LoadedModel) -> ExpertRecord:
    return measure_experts(model, model.config.data, 72, count=10, causal_pairs=6, draws=3)


@pytest.mark.training
def test_pairs_come_from_all_splits_that_training_never_sees(record: ExpertRecord) -> None:
    assert record.told["splits"] == {"new_hand": 7, "new_shape": 3}  # the latter has no more
    meta = record.trace.meta
    assert sorted(meta["split"]) == ["new_hand"] * 7 + ["new_shape"] * 3
    assert set(meta["category"][meta["split"] == "new_shape"]) == {"frame"}
    assert set(meta["language"]) == {"en", "de"}
    assert len({*zip(meta["split"], meta["concept"], strict=True)}) == 10, "each picture once"


def test_decisions_and_means_are_those_of_a_trace(model: LoadedModel, record: ExpertRecord) -> None:
    """All ten pairs fit in one group, so one trace has them all."""
    splits = {name: load_pairs(model.config.data, name) for name in record.told["splits"]}
    trace, pictures = record.trace, []
    for split, concept in zip(trace.meta["split"], trace.meta["concept"], strict=True):
        pairs = splits[str(split)]
        place = list(pairs.concepts.keys[pairs.concept]).index(concept)
        pictures.append(pairs.pictures[place])
    factor = model.config.model.capacity_factor
    whole = model.trace(pictures, trace.captions.tolist(), capacity_factor=factor)
    for name in ("expert", "dropped", "modality", "pair", "position", "piece"):
        np.testing.assert_array_equal(getattr(trace, name), getattr(whole, name), err_msg=name)
    assert trace.dropped.any(), "at training's capacity"
    for code in range(2):
        mean = whole.probs[:, whole.modality == code].mean(axis=1)
        np.testing.assert_allclose(record.mean_probs[:, code], mean, rtol=1e-5)
    found, wanted = analysis.measured_health(record), analysis.router_health(whole)
    for name in wanted.columns:
        if name in ("layer", "modality"):
            assert found[name].tolist() == wanted[name].tolist()
        else:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, err_msg=name)


@pytest.mark.training
def test_step_zero_is_made_again(model: LoadedModel, record: ExpertRecord) -> None:
    config = model.config
    fresh = dataclasses.replace(model, params=initial_params(config, config.train.seed))
    again = measure_experts(fresh, config.data, 72, count=10, causal_pairs=2, draws=1)
    wanted = analysis.shares.pair_counts(again.trace)
    assert record.untrained is not None
    np.testing.assert_array_equal(record.untrained, wanted)
    assert not np.array_equal(record.untrained, analysis.shares.pair_counts(record.trace))
    np.testing.assert_array_equal(again.untrained, wanted)


def test_baselines_stand_beside_the_trained_routers(record: ExpertRecord) -> None:
    frame = analysis.specialisation_baselines(record)
    wanted = ["trained", "trained, same pairs", "step 0", *UNLEARNED]
    assert frame["router"].unique().tolist() == wanted
    trained = frame[frame["router"] == "trained"]
    nmi = analysis.modality_specialisation(record.trace)
    np.testing.assert_allclose(trained["nmi"], nmi["nmi"])
    others = frame[frame["router"].isin(UNLEARNED)]
    assert (others["draws"] == 3).all()
    assert (others["low"] <= others["nmi"]).all() and (others["nmi"] <= others["high"]).all()
    tokens = record.others.counts.sum(axis=-1)
    assert (tokens == tokens[:1, :1, :1]).all(), "every router has the same tokens"


def test_causes_are_those_of_causal_specialisation(
    model: LoadedModel, record: ExpertRecord
) -> None:
    pairs = load_pairs(model.config.data, "new_hand")
    frame = analysis.measured_causes(record, samples=50)
    assert record.causal.split == "new_hand"
    assert (frame["pairs"] == 6).all()
    assert frame["chance"].iloc[0] == pytest.approx(np.log(6))
    # Which six pairs they are: by the sum of losses, as the order is the seed's.
    order = np.random.default_rng(0).permutation(len(pairs))[:6]
    table = pairs.concepts
    texts = []
    for number, place in enumerate(order):
        concept = int(pairs.concept[place])
        language = table.languages_of(concept)[number % 2]
        texts.append(str(table.names[language][concept]))
    pictures = [pairs.pictures[int(place)] for place in order]
    wanted = analysis.causal_specialisation(model, pictures, texts, samples=50)
    for name in ("delta_image", "delta_text", "baseline", "image_tokens", "text_tokens"):
        np.testing.assert_allclose(frame[name], wanted[name], rtol=2e-3, atol=1e-6, err_msg=name)


def test_the_record_comes_back_as_it_was(
    model: LoadedModel, record: ExpertRecord, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", model.config)
    run.save_experts(record)
    assert run.expert_steps() == [STEP]
    found = run.experts(STEP)
    assert found.told == dict(record.told)
    assert found.trace.expert.tolist() == record.trace.expert.tolist()
    np.testing.assert_allclose(found.trace.gate, record.trace.gate, atol=3e-3)
    for name in ("rises", "losses", "tokens"):
        np.testing.assert_allclose(
            getattr(found.causal, name), getattr(record.causal, name), rtol=1e-3, atol=1e-7
        )
    for measure in (analysis.roles, analysis.modality_specialisation, analysis.expert_shares):
        assert measure(found.trace).equals(measure(record.trace)), measure.__name__
    assert found.others.counts.tolist() == record.others.counts.tolist()
    with pytest.raises(RunError, match="not measured.*evaluate --experts"):
        run.experts(6)


def test_a_damaged_record_and_one_of_another_model_are_refused(
    model: LoadedModel, record: ExpertRecord, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", model.config)
    run.save_experts(record)
    file = run.path_of("experts", STEP)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(12):
        flipped = bytearray(whole)
        for place in rng.integers(len(whole), size=20):
            flipped[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(bytes(flipped))
        with pytest.raises(RunError, match=r"5\.npz"):
            run.experts(STEP)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match="damaged"):
        run.experts(STEP)
    wider = dataclasses.replace(model.config.model, experts=6)
    other = Run.create(tmp_path / "other", dataclasses.replace(model.config, model=wider))
    other.save_experts(record)
    with pytest.raises(RunError, match="another model"):
        other.experts(STEP)
    for name in ("mean_probs", "token_entropy"):
        unknown = np.full_like(getattr(record, name), np.nan)
        run.save_experts(dataclasses.replace(record, **{name: unknown}))
        with pytest.raises(RunError, match="damaged"):
            run.experts(STEP)


def test_it_goes_along_with_what_ships_and_goes_with_later_steps(
    model: LoadedModel, record: ExpertRecord, tmp_path: Path
) -> None:
    run, shipped = (Run.create(tmp_path / name, model.config) for name in ("run", "shipped"))
    with shipped.checkpoints(keep=0) as store:
        store.save(STEP, {"w": np.zeros(3, np.float32)})
    for step in (STEP, 9):
        run.save_experts(dataclasses.replace(record, told={**record.told, "step": step}))
    export_records(run, shipped)
    assert shipped.expert_steps() == [STEP], "of steps whose parameters ship"
    run.truncate_metrics(STEP)
    assert run.expert_steps() == [STEP]


def test_no_record_takes_the_place_of_another_question_unasked(
    model: LoadedModel, record: ExpertRecord, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", model.config)
    assert store_experts(run, record) == []
    assert store_experts(run, record) == []
    other = dataclasses.replace(record, told={**record.told, "seed": 1})
    (told,) = store_experts(run, other)
    assert "other data or settings" in told and "--replace" in told
    assert store_experts(run, other, replace=True) == []
    assert run.experts(STEP).told["seed"] == 1


def test_a_dense_twin_has_no_experts_to_measure(model: LoadedModel) -> None:
    dense = dataclasses.replace(model.config.model, experts=0)
    twin = dataclasses.replace(model, config=dataclasses.replace(model.config, model=dense))
    with pytest.raises(ConfigError, match="dense twin has no experts"):
        measure_experts(twin, model.config.data, 72)


@pytest.mark.training
def test_the_command_measures_prints_and_keeps(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert model.run is not None
    model.run.save_tokenizer(model.tokenizer)
    with model.run.checkpoints(keep=0) as store:
        store.save(STEP, model.params)
    place = str(model.config.data.dir)
    command = ["--run", str(model.run.path), "--data.dir", place, "--experts", "--json"]
    assert evaluate.main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["results"] == {}, "no other task was asked"
    assert told["experts"]["pairs"] == 12
    assert [layer["layer"] for layer in told["experts"]["layers"]] == [1, 2]
    assert model.run.experts(STEP).pairs == 12
