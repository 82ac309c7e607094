"""One step, cut up in every way it may be: the same loss, gradients and statistics."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding

from limoe_core import losses
from limoe_core.config import Config, ConfigError, DataConfig, TrainConfig
from limoe_core.data.negatives import pair_labels
from limoe_core.data.packing import pack_groups
from limoe_core.devices.mesh import WHOLE, MeshShape, make_mesh
from limoe_core.losses.router import AUXILIARY_SUMS
from limoe_core.losses.sums import RoutedTokens, RouterSums
from limoe_core.model.functional import FunctionalModel, Params, initial_params
from limoe_core.model.limoe import Output
from limoe_core.presets import preset
from limoe_core.runs.directory import Run
from limoe_core.training.optimizer import make_optimizer
from limoe_core.training.placement import Placer
from limoe_core.training.start import start_or_restore
from limoe_core.training.step import (
    Batch,
    TrainState,
    loss_and_gradients,
    lowered,
    make_train_step,
)

PICTURES, CAPTIONS, LENGTH = 16, 2, 16


def settings(
    groups: int, micro_batches: int = 1, block: int = 0, experts: int = 4, layers: int = 1
) -> Config:
    """The debug preset, with the fewest layers since most of these tests do nothing but compile."""
    base = preset("debug")
    return dataclasses.replace(
        base,
        model=dataclasses.replace(base.model, experts=experts, text_length=LENGTH, layers=layers),
        loss=dataclasses.replace(
            base.loss, auxiliary=5.0, min_experts_text=1.0, contrastive_block=block
        ),
        data=DataConfig(batch_size=PICTURES, captions_per_image=CAPTIONS),
        train=TrainConfig(routing_groups=groups, micro_batches=micro_batches),
    )


def larger(config: Config) -> Params:
    """Larger parameters than at the start, so that every part of the loss has a slope."""
    values = initial_params(config, 0)
    keys = iter(jax.random.split(jax.random.key(1), len(jax.tree.leaves(values))))
    return jax.tree.map(lambda x: x + 0.1 * jax.random.normal(next(keys), x.shape), values)


@pytest.fixture(scope="module")
def params() -> Params:
    return larger(settings(1))


@pytest.fixture(scope="module")
def loaded() -> dict[str, np.ndarray]:
    """What the input pipeline gives: captions of many lengths, some empty, and equal concepts."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 8, (PICTURES, CAPTIONS, 1))
    texts = rng.integers(2, 300, (PICTURES, CAPTIONS, LENGTH))
    texts = np.where(np.arange(LENGTH) < lengths, texts, 0).astype(np.int32)
    concepts, copies = rng.integers(0, 12, (2, PICTURES), dtype=np.int32)
    return {
        "image": rng.integers(0, 256, (PICTURES, 72, 72, 4), dtype=np.uint8),
        "text": texts,
        "labels": pair_labels(concepts, copies, texts),
    }


def placed(config: Config, loaded: dict[str, np.ndarray]) -> Batch:
    mesh = make_mesh(MeshShape(1, 1), jax.devices()[:1])
    groups = loaded["text"].reshape(config.train.groups, -1, CAPTIONS, LENGTH)
    return Placer(config, mesh)({**loaded, "windows": pack_groups(groups)})


def gradients_of(config: Config, params: Params, batch: Batch) -> tuple[Params, dict[str, Any]]:
    functional = FunctionalModel.of(config)

    @jax.jit
    def run(params: Params) -> tuple[Params, dict[str, Any]]:
        state = TrainState(params, None, jnp.int32(3))
        return loss_and_gradients(functional, config, 8, state, batch)

    return run(params)


def assert_same(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    paths = jax.tree_util.tree_leaves_with_path(wanted)
    for (path, right), left in zip(paths, jax.tree.leaves(found), strict=True):
        scale = max(1.0, float(np.abs(right).max()))
        np.testing.assert_allclose(
            left, right, atol=tolerance * scale, err_msg=jax.tree_util.keystr(path)
        )


@pytest.fixture(scope="module")
def whole(params: Params, loaded: dict[str, np.ndarray]) -> tuple[Params, dict[str, Any]]:
    """Gradients and statistics of the batch in one piece."""
    config = settings(groups=4)
    return gradients_of(config, params, placed(config, loaded))


@pytest.mark.training
@pytest.mark.parametrize(
    ("micro_batches", "block"),
    [(4, 0), *(pytest.param(*cut, marks=pytest.mark.training) for cut in ((1, 4), (2, 8)))],
)
def test_a_cut_batch_gives_what_the_whole_gives(
    params: Params,
    loaded: dict[str, np.ndarray],
    whole: tuple[Params, dict[str, Any]],
    micro_batches: int,
    block: int,
) -> None:
    wanted, told = whole
    config = settings(4, micro_batches, block)
    found, cut_told = gradients_of(config, params, placed(config, loaded))
    assert_same(found, wanted)
    assert_same(cut_told, told)
    assert float(told["auxiliary"]["global_entropy_text"]) > 0.01, "the loss must be in use"


@pytest.mark.training
def test_a_dense_twin_may_be_cut_as_well(loaded: dict[str, np.ndarray]) -> None:
    params = initial_params(settings(1, experts=0), 0)
    batch = placed(settings(2, experts=0), loaded)
    wanted, _ = gradients_of(settings(2, experts=0), params, batch)
    found, _ = gradients_of(settings(2, 2, experts=0), params, batch)
    assert_same(found, wanted)


@pytest.mark.training
def test_the_losses_are_of_the_whole_batch_and_not_means_over_groups(
    loaded: dict[str, np.ndarray],
) -> None:
    config = settings(4, layers=2)
    params = larger(config)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, augment=False))
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, router_noise=0.0))
    batch = placed(config, loaded)
    patches = config.model.patches
    functional = FunctionalModel.of(config)
    _, told = jax.jit(
        lambda params: loss_and_gradients(
            functional, config, patches, TrainState(params, None, jnp.int32(0)), batch
        )
    )(params)

    from limoe_core.data.augment import plain

    forward = jax.jit(lambda params, pixels, ids: functional.bind(params)(pixels, ids))
    outputs: list[Output] = []
    for group in range(4):
        pixels = plain(batch.pictures[group], config.model.image_size)
        ids = batch.texts[group].reshape(-1, LENGTH)
        outputs.append(forward(params, pixels, ids))
    images = jnp.concatenate([output.image_embeddings for output in outputs])
    texts = jnp.concatenate(
        [output.text_embeddings.reshape(-1, CAPTIONS, images.shape[1]) for output in outputs]
    )
    temperature = functional.bind(params).temperature
    labels = batch.labels.reshape(PICTURES, -1)
    concept, copy, first, second = labels.T

    def true_too(i: int) -> losses.Labels:
        text = (first, second)[i]
        return losses.Labels(labels, jnp.stack([concept, copy, text, text], axis=1))

    wanted = np.mean(
        [
            losses.contrastive_loss(images, texts[:, i], temperature, true_too(i))
            for i in range(CAPTIONS)
        ]
    )
    np.testing.assert_allclose(told["contrastive"], wanted, rtol=1e-5)

    valid = jnp.concatenate([output.valid for output in outputs])
    modality = jnp.concatenate([output.modality for output in outputs])
    per_layer, of_groups = [], []
    for layer in range(config.model.layers):
        probs = jnp.concatenate([output.routings[layer].probs for output in outputs])
        text = valid & (modality == 1)
        tau = config.loss.threshold("text", config.model.experts)
        per_layer.append(losses.global_entropy(probs, text, tau))
        of_groups += [
            losses.global_entropy(
                output.routings[layer].probs, output.valid & (output.modality == 1), tau
            )
            for output in outputs
        ]
    found = told["auxiliary"]["global_entropy_text"]
    np.testing.assert_allclose(found, np.mean(per_layer), rtol=1e-4)
    assert abs(found - np.mean(of_groups)) > 1e-3, "or this test could not tell them apart"


def test_the_losses_of_a_model_are_those_of_the_public_functions(params: Params) -> None:
    config = settings(1)
    functional = FunctionalModel.of(config)
    rng = np.random.default_rng(1)
    pixels = rng.uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    ids = np.where(rng.random((3, LENGTH)) < 0.5, rng.integers(2, 300, (3, LENGTH)), 0)
    forward = jax.jit(lambda params, pixels, ids: functional.bind(params)(pixels, ids))
    output = forward(params, pixels, ids.astype(np.int32))
    routing, valid, modality = output.routings[0], output.valid, output.modality
    sums = RouterSums.of(RoutedTokens(routing, valid, modality), AUXILIARY_SUMS)
    assert_same((sums + sums).by_name, jax.tree.map(lambda x: 2 * x, sums).by_name)
    told = losses.auxiliary_losses([sums], config.loss)
    text, image = valid & (modality == 1), valid & (modality == 0)
    probs, tau = routing.probs, config.loss.threshold("text", 4)
    wanted = {
        "importance": losses.importance_loss(probs, valid),
        "load": losses.load_loss(routing.logits, routing.noisy_logits, 1, valid),
        "z_loss": losses.z_loss(routing.logits, valid),
        "local_entropy_text": losses.local_entropy(probs, text),
        "local_entropy_image": losses.local_entropy(probs, image),
        "global_entropy_text": losses.global_entropy(probs, text, tau),
    }
    for name, value in wanted.items():
        # The global entropy is a small difference of numbers near 1: what float32 rounds remains.
        np.testing.assert_allclose(told[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_settings_that_cannot_be_cut_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 routing groups of equal size"):
        settings(groups=3)
    with pytest.raises(ConfigError, match="not a multiple of train.micro_batches 3"):
        TrainConfig(routing_groups=4, micro_batches=3)
    with pytest.raises(ConfigError, match=r"not a multiple of loss.contrastive_block 5"):
        settings(groups=1, block=5)
    assert TrainConfig(micro_batches=4).groups == 4


# ---- what changes parameters outside the gradient


@pytest.mark.training
def test_beyond_its_bounds_the_gradient_brings_the_temperature_back(
    loaded: dict[str, np.ndarray],
) -> None:
    """Of a hot start the loss falls when the temperature does, and a clip must not hide that."""
    config = settings(1)
    params = initial_params(config, 0)
    for far, towards in ((np.log(30.0), -1), (np.log(1e-4), 1)):
        there = {**params, "log_temperature": jnp.float32(far)}
        gradients, told = gradients_of(config, there, placed(config, loaded))
        slope = -float(gradients["log_temperature"])
        assert np.sign(slope) == towards, (far, slope)
        np.testing.assert_allclose(told["temperature"], np.exp(far), rtol=1e-5)


@pytest.mark.parametrize(("start", "kept"), [(30.0, 1.0), (1e-4, 0.01), (0.3, 0.3)])
def test_an_update_leaves_the_temperature_within_its_bounds(start: float, kept: float) -> None:
    functional = FunctionalModel.of(settings(1))
    params = {**initial_params(settings(1), 0), "log_temperature": jnp.log(jnp.float32(start))}
    choices = [jnp.zeros((2, 4))]
    after = functional.after_update(params, choices)
    np.testing.assert_allclose(np.exp(after["log_temperature"]), kept, rtol=1e-5)
    same = {name: value for name, value in params.items() if name != "log_temperature"}
    jax.tree.map(np.testing.assert_array_equal, same, {name: after[name] for name in same})


@pytest.mark.training
def test_a_step_moves_the_bias_by_its_counts_and_no_frozen_router(
    loaded: dict[str, np.ndarray],
) -> None:
    base = settings(4, micro_batches=2)
    config = dataclasses.replace(
        base,
        model=dataclasses.replace(
            base.model, top_k=2, balance="modality", balance_rate=0.25, router="frozen"
        ),
        optimizer=dataclasses.replace(base.optimizer, weight_decay=0.5, warmup_steps=0),
    )
    functional = FunctionalModel.of(config)
    optimizer = make_optimizer(config.optimizer, 10, functional.roles)
    start = initial_params(config, 0)
    batch = placed(config, loaded)
    _, told = gradients_of_step(functional, config, start, batch)
    # As a copy: the step gives the memory of its state away. And where the state after it will be:
    # elsewhere, the second step would compile anew.
    state = TrainState(jax.tree.map(jnp.copy, start), optimizer.init(start), jnp.int32(0))
    mesh = make_mesh(MeshShape(1, 1), jax.devices()[:1])
    state = jax.device_put(state, NamedSharding(mesh, WHOLE))
    step = make_train_step(functional, optimizer, config, patches=8)
    after, metrics = step(state, batch)
    assert "choices" not in metrics, "which are not for the log"
    tokens = np.count_nonzero(np.asarray(batch.texts))
    for index, choices in enumerate(np.asarray(told["choices"])):
        mlp = after.params["blocks"][index]["mlp"]
        assert choices.sum(axis=1).tolist() == [2 * PICTURES * 8, 2 * tokens]
        wanted = np.zeros((2, 4))
        for m in range(2):
            for e in range(4):
                difference = choices[m].sum() / 4 - choices[m, e]
                wanted[m, e] = 0.25 * (difference > 0) - 0.25 * (difference < 0)
        np.testing.assert_array_equal(mlp["balance"], wanted)

    # The learning rate of the first update is 0.
    later, _ = step(jax.tree.map(jnp.copy, after), batch)
    for index in range(config.model.layers):
        mlp, old = later.params["blocks"][index]["mlp"], start["blocks"][index]["mlp"]
        np.testing.assert_array_equal(mlp["router"], old["router"])
        assert np.any(mlp["w_in"] != old["w_in"])


def gradients_of_step(
    functional: FunctionalModel, config: Config, params: Params, batch: Batch
) -> tuple[Params, dict[str, Any]]:
    """Of the very first step."""
    run = jax.jit(
        lambda params: loss_and_gradients(
            functional, config, 8, TrainState(params, None, jnp.int32(0)), batch
        )
    )
    return run(params)


class NoInput:
    """An input pipeline that has a place and no batches."""

    def __init__(self) -> None:
        self.place = {"taken": 3}

    def get_state(self) -> dict[str, int]:
        return self.place

    def set_state(self, place: dict[str, int]) -> None:
        assert place == self.place


def test_a_bias_and_a_frozen_router_are_saved_and_resumed(tmp_path: Path) -> None:
    base = settings(1)
    model = dataclasses.replace(
        base.model, balance="all", balance_rate=0.5, router="frozen", shared_dim=8
    )
    config = dataclasses.replace(base, model=model)
    run, functional = Run.create(tmp_path / "run", config), FunctionalModel.of(config)
    mesh = make_mesh(MeshShape(1, 1), jax.devices()[:1])
    with run.checkpoints(keep=0) as store:
        start = start_or_restore(run, store, functional, NoInput(), mesh)
        assert int(start.step) == 0
        choices = [jnp.arange(8.0).reshape(2, 4)]
        params = functional.after_update(start.params, choices)
        store.save(3, params, start.opt_state, NoInput().get_state())
        store.wait()
        resumed = start_or_restore(run, store, functional, NoInput(), mesh)
    assert int(resumed.step) == 3
    assert resumed.params["blocks"][0]["mlp"]["balance"].tolist() == [[0.5, 0.5, -0.5, -0.5]] * 2
    jax.tree.map(np.testing.assert_array_equal, resumed[:2], (params, start.opt_state))


@pytest.mark.parametrize(("stored", "used"), [(0.009, 0.01), (1.1, 1.0), (0.3, 0.3)])
def test_a_temperature_that_an_earlier_version_left_out_of_bounds_is_brought_back(
    tmp_path: Path, stored: float, used: float
) -> None:
    config = settings(1)
    run, functional = Run.create(tmp_path / "run", config), FunctionalModel.of(config)
    mesh = make_mesh(MeshShape(1, 1), jax.devices()[:1])
    with run.checkpoints(keep=0) as store:
        start = start_or_restore(run, store, functional, NoInput(), mesh)
        params = {**start.params, "log_temperature": jnp.log(jnp.float32(stored))}
        store.save(3, params, start.opt_state, NoInput().get_state())
        store.wait()
        resumed = start_or_restore(run, store, functional, NoInput(), mesh)
    np.testing.assert_allclose(np.exp(resumed.params["log_temperature"]), used, rtol=1e-5)
    within = functional.within_bounds(run.restore_params(3, functional.shapes))
    jax.tree.map(np.testing.assert_array_equal, within, resumed.params)


def test_runs_that_differ_in_their_seed_alone_share_what_is_compiled(
    loaded: dict[str, np.ndarray],
) -> None:
    programs, seeds = [], []
    for seed in (0, 7):
        config = settings(1, experts=0)
        config = dataclasses.replace(config, train=dataclasses.replace(config.train, seed=seed))
        functional = FunctionalModel.of(config)
        optimizer = make_optimizer(config.optimizer, 10, functional.roles)
        state = jax.eval_shape(
            lambda optimizer=optimizer, config=config: TrainState(
                (params := initial_params(config, 0)), optimizer.init(params), jnp.int32(0)
            )
        )
        step: Any = make_train_step(functional, optimizer, config, patches=8)
        program = lowered(step, state, placed(config, loaded))
        programs.append(program.as_text())
        seeds.append(step.keywords["seed"].tolist())
    assert programs[0] == programs[1]
    assert seeds[0] != seeds[1]
