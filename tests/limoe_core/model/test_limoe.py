"""The one-tower model: what it shares, what it ignores, and what packing may not change."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from limoe_core.config import Config, ModelConfig
from limoe_core.data.packing import pack_windows
from limoe_core.model.dispatch import gather_rows
from limoe_core.model.functional import FunctionalModel, Params, initial_params
from limoe_core.model.limoe import Output
from limoe_core.presets import dense_twin, preset
from limoe_core.training.optimizer import decay_mask, learning_rate

CONFIG = Config(
    model=ModelConfig(
        image_size=16,
        patch_size=8,
        text_length=6,
        vocab_size=300,
        width=16,
        layers=2,
        heads=2,
        mlp_dim=24,
        embed_dim=12,
        experts=4,
        moe_every=1,
        capacity_factor=1.0,
    )
)
FUNCTIONAL = FunctionalModel.of(CONFIG)


@pytest.fixture(scope="module")
def params() -> Params:
    # Larger than at the start of training, so that every part has a say in the result.
    values = initial_params(CONFIG, 0)
    keys = iter(jax.random.split(jax.random.key(1), len(jax.tree.leaves(values))))
    return jax.tree.map(lambda x: x + 0.1 * jax.random.normal(next(keys), x.shape), values)


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = rng.uniform(-1, 1, (5, 16, 16, 3)).astype(np.float32)
    lengths = np.array([6, 1, 3, 2, 4])[:, None]
    ids = np.where(np.arange(6) < lengths, rng.integers(2, 300, (5, 6)), 0).astype(np.int32)
    return pixels, ids


@functools.partial(jax.jit, static_argnames="capacity_factor")
def forward(
    params: Params,
    pixels: np.ndarray,
    ids: np.ndarray,
    *,
    capacity_factor: float | None = None,
    **options: object,
) -> Output:
    return FUNCTIONAL.bind(params)(pixels, ids, capacity_factor=capacity_factor, **options)


def test_seeds_share_one_program_and_are_what_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs, given = [], []
    jit = jax.jit

    def looked_at(function: Any, **options: Any) -> Any:
        def call(numbers: np.ndarray) -> None:
            programs.append(jit(function, **options).lower(numbers).as_text())
            given.append(numbers.tolist())

        return call

    monkeypatch.setattr(jax, "jit", looked_at)
    for seed in (0, 1):
        initial_params(CONFIG, seed)
    assert programs[0] == programs[1]
    assert given[0] != given[1]


def test_embeddings_have_unit_length(params: Params, pairs: tuple) -> None:
    output = forward(params, *pairs)
    for embeddings in (output.image_embeddings, output.text_embeddings):
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_a_pass_agrees_with_plain_numpy(params: Params, pairs: tuple) -> None:
    output = forward(params, *pairs, capacity_factor=0)
    images, texts = by_hand(jax.tree.map(np.asarray, params), *pairs)
    np.testing.assert_allclose(output.image_embeddings, images, atol=2e-5)
    np.testing.assert_allclose(output.text_embeddings, texts, atol=2e-5)


def by_hand(p: Params, pixels: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LIMoE one token sequence at a time, K = 1, nothing dropped."""
    images = []
    for picture in pixels:
        patches = [
            picture[8 * r : 8 * r + 8, 8 * c : 8 * c + 8].reshape(-1)
            for r in range(2)
            for c in range(2)
        ]
        x = np.stack(patches) @ p["patch_embedding"]["kernel"] + p["patch_embedding"]["bias"]
        x = tower(p, x + p["image_positions"]).mean(0) @ p["image_head"]["kernel"]
        images.append(x / np.linalg.norm(x))
    texts = []
    for row in ids:
        row = row[row != 0]
        x = p["token_embedding"]["embedding"][row] + p["text_positions"][: len(row)]
        x = tower(p, x).mean(0) @ p["text_head"]["kernel"]
        texts.append(x / np.linalg.norm(x))
    return np.stack(images), np.stack(texts)


def tower(p: Params, x: np.ndarray) -> np.ndarray:
    for index in range(2):
        block = p["blocks"][index]
        x = x + attention(block["attention"], norm(block["norm_attention"], x))
        seen = norm(block["norm_mlp"], x)
        out = np.zeros_like(x)
        for i, token in enumerate(seen):
            gates = softmax(token @ block["mlp"]["router"])
            e = int(np.argmax(gates))
            hidden = gelu(token @ block["mlp"]["w_in"][e] + block["mlp"]["b_in"][e])
            out[i] = gates[e] * (hidden @ block["mlp"]["w_out"][e] + block["mlp"]["b_out"][e])
        x = x + out
    return norm(p["norm"], x)


def attention(p: Params, x: np.ndarray) -> np.ndarray:
    q, k, v = np.split(x @ p["qkv"]["kernel"] + p["qkv"]["bias"], 3, axis=-1)
    heads = []
    for h in range(2):
        s = slice(8 * h, 8 * h + 8)
        weights = softmax(q[:, s] @ k[:, s].T / np.sqrt(8))
        heads.append(weights @ v[:, s])
    return np.concatenate(heads, -1) @ p["out"]["kernel"] + p["out"]["bias"]


def norm(p: Params, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-6) * p["scale"] + p["bias"]


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def test_a_sequence_does_not_see_its_batch_when_nothing_is_dropped(
    params: Params, pairs: tuple
) -> None:
    pixels, ids = pairs
    together = forward(params, pixels, ids, capacity_factor=0)
    alone = forward(params, pixels[2:3], ids[2:3], capacity_factor=0)
    np.testing.assert_allclose(together.image_embeddings[2], alone.image_embeddings[0], atol=1e-5)
    np.testing.assert_allclose(together.text_embeddings[2], alone.text_embeddings[0], atol=1e-5)


def test_what_fills_up_a_batch_changes_nothing(params: Params, pairs: tuple) -> None:
    """Capacity is tight here: filler would drop others' tokens if it took a place."""
    pixels, ids = pairs
    filled = (
        np.concatenate([pixels, 9 * np.ones((3, 16, 16, 3), np.float32)]),
        np.concatenate([ids, np.zeros((3, 6), np.int32)]),
    )
    valid = np.array([True] * 5 + [False] * 3)
    one = forward(params, *pairs)
    other = forward(params, *filled, image_valid=jnp.asarray(valid))
    np.testing.assert_allclose(one.image_embeddings, other.image_embeddings[:5], atol=1e-5)
    np.testing.assert_allclose(one.text_embeddings, other.text_embeddings[:5], atol=1e-5)
    assert not np.any(other.text_embeddings[5:])


@pytest.mark.parametrize("empty", [0, 1])
def test_captions_side_by_side_give_what_each_gives_in_a_row_of_its_own(
    params: Params, pairs: tuple, empty: int
) -> None:
    pixels, ids = pairs
    windows = pack_windows(ids)
    assert len(windows) == 3  # 6, 4 + 2 and 3 + 1 tokens
    windows = np.pad(windows, ((0, empty), (0, 0)), constant_values=ids.size)

    def loss(p: Params, windows: np.ndarray | None) -> tuple[jax.Array, Output]:
        output = forward(p, pixels, ids, windows=windows)
        return jnp.sum(output.image_embeddings * output.text_embeddings), output

    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (_, plain), of_plain = gradient(params, None)
    (_, short), of_short = gradient(params, jnp.asarray(windows))
    np.testing.assert_allclose(plain.image_embeddings, short.image_embeddings, atol=1e-5)
    np.testing.assert_allclose(plain.text_embeddings, short.text_embeddings, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), of_plain, of_short)
    slots = np.flatnonzero(windows.reshape(-1) < ids.size)
    np.testing.assert_array_equal(
        np.asarray(plain.routings[0].assignment.expert)[20 + windows.reshape(-1)[slots]],
        np.asarray(short.routings[0].assignment.expert)[20 + slots],
    )


def test_seen_patches_keep_their_places(params: Params, pairs: tuple) -> None:
    """All patches in another order give the same embedding: positions go with them."""
    pixels, ids = pairs
    order = np.array([[3, 0, 2, 1]] * 5)
    one = forward(params, pixels, ids, capacity_factor=0)
    other = forward(params, pixels, ids, capacity_factor=0, patches=jnp.asarray(order))
    np.testing.assert_allclose(one.image_embeddings, other.image_embeddings, atol=1e-5)


@pytest.mark.parametrize("kept", ["dots", "full"])
def test_rematerialisation_changes_no_gradient(kept: str, params: Params, pairs: tuple) -> None:
    remat = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, remat=kept))
    pixels, ids = map(jnp.asarray, pairs)

    def gradients(functional: FunctionalModel) -> Params:
        def loss(p: Params) -> jax.Array:
            output = functional.bind(p)(pixels, ids)
            return jnp.sum(output.image_embeddings * output.text_embeddings)

        return jax.jit(jax.grad(loss))(params)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        gradients(FUNCTIONAL),
        gradients(FunctionalModel.of(remat)),
    )


def test_only_the_input_layers_and_heads_belong_to_a_modality(params: Params, pairs: tuple) -> None:
    """Text alone has no gradient on what is the images' own, and the other way round."""
    pixels, ids = pairs

    def used(loss_of: str) -> set[str]:
        def loss(p: Params) -> jax.Array:
            return jnp.sum(getattr(forward(p, pixels, ids), loss_of) * jnp.arange(12.0))

        gradients = jax.jit(jax.grad(loss))(params)
        return {name for name, g in gradients.items() if any(map(np.any, jax.tree.leaves(g)))}

    own = {"patch_embedding", "image_positions", "image_head"}
    others = {"token_embedding", "text_positions", "text_head"}
    assert used("image_embeddings") & others == set()
    assert used("text_embeddings") & own == set()
    assert used("image_embeddings") - own == used("text_embeddings") - others == {"blocks", "norm"}


def test_the_dense_twin_differs_in_the_experts_alone() -> None:
    sparse, dense = preset("emoji-tiny"), preset("emoji-dense")
    assert dense == dense_twin(sparse)
    model = sparse.model
    counted = FunctionalModel.of(sparse).parameters - FunctionalModel.of(dense).parameters
    d, hidden, layers = model.width, model.mlp_dim, len(model.moe_layers)
    expert = 2 * d * hidden + hidden + d
    assert counted == layers * ((model.experts - 1) * expert + d * model.experts)


def test_bfloat16_keeps_routers_and_parameters_in_float32(pairs: tuple) -> None:
    half = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, dtype="bfloat16"))
    values = initial_params(half, 0)
    functional = FunctionalModel.of(half)
    output = jax.jit(lambda values, *inputs: functional.bind(values)(*inputs))(values, *pairs)
    assert output.routings[0].logits.dtype == output.image_embeddings.dtype == jnp.float32
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(values))


def test_gather_rows_has_the_gradient_of_a_plain_gather() -> None:
    x = jnp.arange(12.0).reshape(4, 3)
    source, target = jnp.array([2, 4, 0]), jnp.array([2, 3, 0, 3])
    weights = jnp.arange(9.0).reshape(3, 3)

    def ours(x: jax.Array) -> jax.Array:
        return jnp.sum(weights * gather_rows(x, source, target) ** 2)

    def plain(x: jax.Array) -> jax.Array:
        return jnp.sum(weights * x.at[source].get(mode="fill", fill_value=0) ** 2)

    np.testing.assert_allclose(jax.grad(ours)(x), jax.grad(plain)(x))


def test_biases_norms_positions_and_temperature_do_not_decay() -> None:
    mask = decay_mask(FUNCTIONAL.roles)(FUNCTIONAL.shapes)
    block = mask["blocks"][0]
    assert block["attention"]["qkv"] == {"kernel": True, "bias": False}
    assert block["norm_mlp"] == {"scale": False, "bias": False}
    assert {k: v for k, v in block["mlp"].items() if not v} == {"b_in": False, "b_out": False}
    assert not (mask["image_positions"] or mask["text_positions"] or mask["log_temperature"])
    assert mask["token_embedding"]["embedding"] and mask["image_head"]["kernel"]


@pytest.mark.parametrize("schedule", ["cosine", "rsqrt"])
def test_learning_rate_rises_to_its_peak_and_falls_to_zero(schedule: str) -> None:
    config = dataclasses.replace(
        CONFIG.optimizer, schedule=schedule, warmup_steps=10, cooldown_steps=20
    )
    rate = learning_rate(config, 100)
    values = [float(rate(step)) for step in range(101)]
    assert values[0] == pytest.approx(config.learning_rate / 11), "the first update counts"
    assert np.argmax(values) == 10
    assert values[10] == pytest.approx(config.learning_rate)
    assert all(a >= b for a, b in itertools.pairwise(values[10:]))
    assert values[100] == pytest.approx(0, abs=1e-9)
