"""One training step as a pure function.

A batch is G routing groups. The model sees one group at a time (with `jax.vmap` all of them at
once, except on a single CPU), and gives its embeddings and the sums that the auxiliary losses are
made of. The losses are then computed once, over the whole batch: they do not depend on how it is
cut.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt8, UInt32

from limoe_core import losses
from limoe_core.config import Config
from limoe_core.data.augment import augment, plain
from limoe_core.devices.mesh import WHOLE, constrain, in_place
from limoe_core.losses.router import AUXILIARY_SUMS
from limoe_core.losses.sums import RoutedTokens, RouterSums, choices
from limoe_core.model.dispatch import works_in_segments
from limoe_core.model.functional import FunctionalModel, Params, key_numbers
from limoe_core.training.router_metrics import STATISTIC_SUMS, router_statistics

#: What a step needs of every router: for the losses, the log and the balancing of experts.
_ROUTER_SUMS = (*AUXILIARY_SUMS, *STATISTIC_SUMS, choices)


class TrainState(NamedTuple):
    """The state that a step changes."""

    params: Params
    opt_state: Any
    step: Int[Array, ""]
    """Updates made so far."""


class Batch(NamedTuple):
    """One step's pairs in G routing groups of b pictures, with c captions each."""

    pictures: UInt8[Array, "G b H W 4"]
    texts: Int[Array, "G b c L"]
    windows: Int[Array, "G R L"]
    """How captions lie side by side: see `limoe_core.data.packing`. Places count within the
    group."""
    labels: Int[Array, "G b k"]
    """Which pairs are no negatives of each other: see `limoe_core.data.negatives.pair_labels`."""


class Summary(NamedTuple):
    """All that the losses need of a forward pass, with leading axes for the parts of a batch."""

    images: Float[Array, "*G b e"]
    texts: Float[Array, "*G b c e"]
    routers: list[RouterSums]


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

    All randomness comes from the run's seed, the step's number and the routing group's, so a
    resumed run repeats it, and so does one that is cut up otherwise.

    The seed's key is an argument of what is compiled, the keyword `seed` of the partial function
    that is returned, so that runs which differ in their seed alone share it.
    """

    @functools.partial(jax.jit, donate_argnums=0)
    def train_step(
        state: TrainState, batch: Batch, seed: UInt32[Array, " words"]
    ) -> tuple[TrainState, dict[str, Any]]:
        gradients, metrics = loss_and_gradients(functional, config, patches, state, batch, seed)
        # Each device updates what it has the optimizer's state of, and then gives it to the others.
        gradients = in_place(gradients, functional.roles, split=config.train.shards_optimizer)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        params = functional.after_update(params, metrics.pop("choices"))
        metrics["gradient_norm"] = optax.global_norm(gradients)
        # Where it was before the step, so that its memory can be used again.
        after = TrainState(
            in_place(params, functional.roles, split=config.train.shards_parameters),
            in_place(opt_state, functional.roles, split=config.train.shards_optimizer),
            constrain(state.step + 1, WHOLE),
        )
        return after, jax.tree.map(lambda x: constrain(x, WHOLE), metrics)

    return functools.partial(train_step, seed=key_numbers(config.train.seed))


def lowered(step: TrainStep, state: Any, batch: Any) -> Any:
    """The program of a step of `make_train_step`, to be read, or compiled without being run.

    Args:
      state: a `TrainState`, of arrays or of their shapes.
      batch: a `Batch`, of either.
    """
    assert isinstance(step, functools.partial)
    jitted: Any = step.func
    return jitted.lower(state, batch, **step.keywords)


def loss_and_gradients(
    functional: FunctionalModel,
    config: Config,
    patches: int,
    state: TrainState,
    batch: Batch,
    seed: UInt32[Array, " words"] | None = None,
) -> tuple[Params, dict[str, Any]]:
    """Gradients of the loss over the whole batch, and what is logged of it.

    Beside the log: `choices`, how often each modality's tokens chose each expert, (2, E) per MoE
    layer.

    Args:
      seed: numbers of the run's random key; None for the one in the settings.
    """
    seed = jax.random.key_data(jax.random.key(config.train.seed)) if seed is None else seed
    key = jax.random.fold_in(jax.random.wrap_key_data(seed), state.step)
    groups = batch.pictures.shape[0]
    keys = jax.vmap(lambda group: jax.random.fold_in(key, group))(jnp.arange(groups))
    forward = functools.partial(_forward, functional, config, patches)

    def loss_of(
        summary: Summary, labels: Int[Array, "*parts b k"], params: Params
    ) -> tuple[Float[Array, ""], dict[str, Any]]:
        return _loss(summary, labels, functional.bind(params).temperature, config)

    count = config.train.micro_batches
    if count == 1:

        def whole(params: Params) -> tuple[Float[Array, ""], dict[str, Any]]:
            return loss_of(forward(params, batch, keys), batch.labels, params)

        (_, metrics), gradients = jax.value_and_grad(whole, has_aux=True)(state.params)
        return gradients, metrics

    # GradCache (arXiv 2101.06983), extended to the sums of the routers: first what every
    # micro-batch gives to the loss, then the loss and its slope along each of those numbers, then
    # the micro-batches again, each pulling its part of the slope back to the parameters.
    def cut(x: Array) -> Array:
        # Each micro-batch takes groups from all over the batch, so every device has its share.
        return x.reshape(groups // count, count, *x.shape[1:]).swapaxes(0, 1)

    parts = jax.tree.map(cut, (batch, keys))
    _, summaries = jax.lax.scan(
        lambda _, part: (None, forward(state.params, *part)), None, parts, length=count
    )
    labels = parts[0].labels  # in the order of the summaries
    (slopes, gradients), metrics = jax.grad(loss_of, argnums=(0, 2), has_aux=True)(
        summaries, labels, state.params
    )

    def pull_back(total: Params, part: tuple[Any, Summary]) -> tuple[Params, None]:
        inputs, slope = part
        _, pull = jax.vjp(lambda params: forward(params, *inputs), state.params)
        return jax.tree.map(jnp.add, total, pull(slope)[0]), None

    gradients, _ = jax.lax.scan(pull_back, gradients, (parts, slopes), length=count)
    return gradients, metrics


def _forward(
    functional: FunctionalModel,
    config: Config,
    patches: int,
    params: Params,
    batch: Batch,
    keys: Array,
) -> Summary:
    """The summary of each routing group of `batch`, for the losses."""
    one = functools.partial(_of_group, functional, config, patches, params)
    if batch.pictures.shape[0] == 1:
        single = one(*jax.tree.map(lambda x: x[0], (batch, keys)))
        return jax.tree.map(lambda x: x[None], single)
    if works_in_segments(config.model):  # which are as long as they happen to be, in every group
        return jax.lax.map(lambda group: one(*group), (batch, keys))
    return jax.vmap(one)(batch, keys)


def _of_group(
    functional: FunctionalModel,
    config: Config,
    patches: int,
    params: Params,
    group: Batch,
    key: Array,
) -> Summary:
    """`_forward` of one group, whose arrays have no axis of groups."""
    pixels, chosen, noise_key = model_inputs(config, patches, group, key)
    pictures, captions, length = group.texts.shape
    output = functional.bind(params)(
        pixels,
        group.texts.reshape(-1, length),
        patches=chosen,
        windows=group.windows,
        noise=noise_key,
    )
    deviation = config.model.router_deviation or None
    sums = [
        RouterSums.of(RoutedTokens(routing, output.valid, output.modality, deviation), _ROUTER_SUMS)
        for routing in output.routings
    ]
    texts = output.text_embeddings.reshape(pictures, captions, -1)
    return Summary(output.image_embeddings, texts, sums)


def model_inputs(
    config: Config, patches: int, group: Batch, key: Array
) -> tuple[Float[Array, "b S S 3"], Int[Array, "b P"] | None, Array]:
    """One routing group's augmented pixels, the patches to see of them, and the key of noise."""
    picture_key, patch_key, noise_key = jax.random.split(key, 3)
    size = config.model.image_size
    if config.data.augment:
        pixels = augment(group.pictures, picture_key, size)
    else:
        pixels = plain(group.pictures, size)
    chosen = _choose_patches(patch_key, pixels.shape[0], config.model.patches, patches)
    return pixels, chosen, noise_key


def _choose_patches(
    key: jax.Array, pictures: int, patches: int, keep: int
) -> Int[Array, "B P"] | None:
    """The patches that each picture shows, drawn without replacement; None for all."""
    if keep == patches:
        return None
    return jax.lax.top_k(jax.random.uniform(key, (pictures, patches)), keep)[1]


def _loss(
    summary: Summary,
    labels: Int[Array, "*parts b k"],
    temperature: Float[Array, ""],
    config: Config,
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """The total loss, and what is logged of it."""
    images = summary.images.reshape(-1, summary.images.shape[-1])
    captions = summary.texts.reshape(images.shape[0], -1, images.shape[1])
    labels = labels.reshape(images.shape[0], -1)
    # Captions of one picture are positives of one another's picture, never negatives: each set of
    # captions makes a similarity matrix of its own.
    per_set = [
        losses.contrast(
            images,
            captions[:, i],
            temperature,
            config.loss.contrastive_block,
            _labels_of_set(labels, i, captions.shape[1]),
        )
        for i in range(captions.shape[1])
    ]
    contrastive = jnp.mean(jnp.stack([loss for loss, _ in per_set]))
    routers = [sums.total() for sums in summary.routers]
    auxiliary = losses.auxiliary_losses(routers, config.loss)
    total = contrastive + losses.auxiliary_total(auxiliary, config.loss)
    metrics = {
        "loss": total,
        "contrastive": contrastive,
        "batch_accuracy": per_set[0][1],
        "temperature": temperature,
        "auxiliary": auxiliary,
        "routers": [router_statistics(sums) for sums in routers],
        "choices": [sums[choices] for sums in routers],
    }
    return total, metrics


def _labels_of_set(labels: Int[Array, "b k"], i: int, sets: int) -> losses.Labels:
    """Labels of the pictures with their captions of the i-th set.

    A caption is compared with all captions of every picture, of which each is true.
    """
    shared, texts = labels[:, :-sets], labels[:, -sets:]
    own = jnp.broadcast_to(texts[:, i, None], texts.shape)
    return losses.Labels(labels, jnp.concatenate([shared, own], axis=1))
