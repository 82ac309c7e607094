"""One training step as a pure function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt8

from limoe_core import losses
from limoe_core.config import Config
from limoe_core.data.augment import augment, plain
from limoe_core.functional import FunctionalModel, Params
from limoe_core.model import Output
from limoe_core.statistics import router_statistics


class TrainState(NamedTuple):
    """What a step changes."""

    params: Params
    opt_state: Any
    step: Int[Array, ""]
    """Updates made so far."""


class Batch(NamedTuple):
    """One step's pairs: B pictures with c captions each."""

    pictures: UInt8[Array, "B H W 4"]
    texts: Int[Array, "B c L"]
    packed: Int[Array, " M"]
    """See `limoe_core.model.pack_places`."""


#: `(state, batch) -> (state, metrics)`
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Any]]]


def make_train_step(
    functional: FunctionalModel,
    optimizer: optax.GradientTransformation,
    config: Config,
    *,
    patches: int,
) -> TrainStep:
    """The jitted step that shows `patches` patches of each picture. The old state is donated.

    All randomness comes from the run's seed and the step's number, so a resumed run repeats it.
    """

    @functools.partial(jax.jit, donate_argnums=0)
    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Any]]:
        key = jax.random.fold_in(jax.random.key(config.train.seed), state.step)
        picture_key, patch_key, noise_key = jax.random.split(key, 3)
        size = config.model.image_size
        if config.data.augment:
            pixels = augment(batch.pictures, picture_key, size)
        else:
            pixels = plain(batch.pictures, size)
        chosen = _choose_patches(patch_key, pixels.shape[0], config.model.patches, patches)
        texts = batch.texts.reshape(-1, batch.texts.shape[-1])

        def loss_of(params: Params) -> tuple[Float[Array, ""], dict[str, Any]]:
            model = functional.bind(params)
            output = model(pixels, texts, patches=chosen, packed=batch.packed, noise=noise_key)
            return _loss(output, model.temperature, config)

        (_, metrics), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics["gradient_norm"] = optax.global_norm(gradients)
        return TrainState(params, opt_state, state.step + 1), metrics

    return train_step


def _choose_patches(
    key: jax.Array, pictures: int, patches: int, keep: int
) -> Int[Array, "B P"] | None:
    """Which patches each picture shows, drawn without replacement; None for all of them."""
    if keep == patches:
        return None
    return jax.lax.top_k(jax.random.uniform(key, (pictures, patches)), keep)[1]


def _loss(
    output: Output, temperature: Float[Array, ""], config: Config
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """The total loss, and what is logged of it."""
    images = output.image_embeddings
    captions = output.text_embeddings.reshape(images.shape[0], -1, images.shape[1])
    # Captions of one picture are positives of one another's picture, never negatives: each set of
    # captions makes a similarity matrix of its own.
    per_set = [
        losses.contrastive_loss(images, captions[:, i], temperature)
        for i in range(captions.shape[1])
    ]
    contrastive = jnp.mean(jnp.stack(per_set))
    auxiliary = losses.auxiliary_losses(
        output.routings, output.valid, output.modality, config.loss, config.model.top_k
    )
    total = contrastive + losses.auxiliary_total(auxiliary, config.loss)
    similarity = images @ captions[:, 0].T
    right = jnp.argmax(similarity, axis=1) == jnp.arange(images.shape[0])
    metrics = {
        "loss": total,
        "contrastive": contrastive,
        "batch_accuracy": jnp.mean(right, dtype=jnp.float32),
        "temperature": temperature,
        "auxiliary": auxiliary,
        "routers": [
            router_statistics(routing, output.valid, output.modality) for routing in output.routings
        ],
    }
    return total, metrics
