"""First parameters of a run from those of a trained one: fine-tuning and sparse upcycling.

What both models have is copied. Of the rest:

- Each expert of a mixture that stands where the trained model had an MLP is a copy of that MLP, and
  its router is new (sparse upcycling: Komatsuzaki et al., arXiv 2212.05055). A token's output is
  weighted by its gates, whose sum is near K/E under a new router, so copies alone would all but
  silence the block. That paper divides a token's gates by their sum in vision models; with K = 1
  they would then be 1 whatever the router does, and the router would learn nothing from the task.
  So gates stay as they are, and the copies' last layer is divided by the gates' mean sum instead
  (as He et al., arXiv 2410.07524, scale weights): the average token gets what the MLP gave it.
- Positions of a picture's patches are interpolated (Dosovitskiy et al., arXiv 2010.11929, 3.2).
- Text positions behind the last one are new.
- Pieces of another vocabulary: see `limoe_core.training.vocabulary`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from limoe_core.config import Config, ModelConfig
from limoe_core.devices.mesh import placed_shapes, shardings
from limoe_core.model.functional import FunctionalModel, Params, initial_params
from limoe_core.runs import RunError
from limoe_core.runs.origin import Origin
from limoe_core.tokenizer import Tokenizer
from limoe_core.training.source import Source, upcycled_blocks
from limoe_core.training.vocabulary import Descent, strange_captions

#: Made-up tokens that the mean sum of gates is taken over.
_TOKENS = 1024


@dataclass(frozen=True, eq=False)
class Initial:
    """Parameters of a trained run that a new one can start from."""

    source: Source
    params: Params
    """Of the source, on the new run's devices."""
    tokenizer: Tokenizer
    """Of the source."""
    new_vocabulary: bool

    @classmethod
    def read(cls, source: Source, mesh: Mesh, *, new_vocabulary: bool) -> Initial:
        """Reads the parameters. Where there are several processes, each must make the same call.

        Raises:
          RunError: the source is damaged, or training of it diverged.
        """
        tokenizer = source.run.tokenizer()
        functional = FunctionalModel.of(source.run.config)
        target = placed_shapes(functional.shapes, mesh, functional.roles)
        params = source.run.restore_params(source.step, target)
        if not bool(_all_finite(params)):
            raise RunError(
                f"the parameters of {source.run.path} at step {source.step} are not all finite "
                "numbers: training diverged, or they are damaged; name an earlier step with "
                f"--init-from {source.run.path}@STEP"
            )
        return cls(source, params, tokenizer, new_vocabulary)

    def origin(self, config: Config, tokenizer: Tokenizer) -> Origin:
        """What the new run remembers.

        Args:
          tokenizer: of the new run.
        """
        told = self.source.changes(config)
        if self.new_vocabulary:
            told.append(Descent.of(self.tokenizer, tokenizer).sentence)
        return self.source.origin(told)

    def told(self, config: Config, tokenizer: Tokenizer, captions: Iterable[str]) -> list[str]:
        """What is said at the start, in sentences.

        Args:
          tokenizer: of the new run.
          captions: that it is trained on.
        """
        origin = self.origin(config, tokenizer)
        told = [
            f"it starts from {origin}: all parameters are copied, but for what follows"
            if origin.changes
            else f"it starts from {origin}: all parameters are copied",
            *origin.changes,
        ]
        strange, looked_at = strange_captions(tokenizer, captions)
        if strange and not self.new_vocabulary:
            told.append(
                f"{strange:,} of {looked_at:,} captions have characters that are not in its "
                "vocabulary, and are read as bytes; --new-vocabulary trains one on the captions"
            )
        return told

    def parameters(self, config: Config, tokenizer: Tokenizer, mesh: Mesh) -> Params:
        """First parameters of the new run, where they lie on its devices.

        Args:
          tokenizer: of the new run.
        """
        functional = FunctionalModel.of(config)
        descent = Descent.of(self.tokenizer, tokenizer) if self.new_vocabulary else None

        def make(trained: Params) -> Params:
            fresh = initial_params(config, config.train.seed)  # of which little is used
            made = transferred(trained, fresh, self.source.model, config.model, descent)
            return functional.within_bounds(made)

        places = shardings(
            functional.shapes, mesh, functional.roles, split=config.train.shards_parameters
        )
        return jax.jit(make, out_shardings=places)(self.params)


def transferred(
    trained: Params,
    fresh: Params,
    old: ModelConfig,
    new: ModelConfig,
    descent: Descent | None = None,
) -> Params:
    """Parameters of a new model from those of a trained one that fits: see `Source.check_fits`.

    Args:
      trained: parameters of the trained model.
      fresh: parameters that the new model would have from scratch.
      old: settings of the trained model.
      new: settings of the new one.
      descent: how the new vocabulary goes back to the old one; None if it is the same.
    """
    made = {**trained, "blocks": dict(trained["blocks"])}
    if descent is not None:
        table, begun = (each["token_embedding"]["embedding"] for each in (trained, fresh))
        made["token_embedding"] = {"embedding": embeddings(table, begun, descent)}
    made["image_positions"] = resampled(trained["image_positions"], old.grid, new.grid)
    kept = trained["text_positions"][: new.text_length]
    made["text_positions"] = jnp.concatenate([kept, fresh["text_positions"][len(kept) :]])
    sparse = upcycled_blocks(old, new)
    for block in new.moe_layers:
        was, begun = trained["blocks"][block], fresh["blocks"][block]["mlp"]
        if block in sparse:
            mixture = upcycled(was["mlp"], was["norm_mlp"], begun, new.top_k)
        else:
            mixture = {name: was["mlp"].get(name, begun[name]) for name in begun}
        made["blocks"][block] = {**was, "mlp": mixture}
    return made


def upcycled(mlp: Params, norm: Params, fresh: Params, top_k: int) -> Params:
    """A mixture whose experts are copies of an MLP, scaled against the gates of a new router.

    Args:
      mlp: parameters of the MLP.
      norm: parameters of the norm before it.
      fresh: parameters of the mixture from scratch.
      top_k: experts of a token (K).
    """
    experts = fresh["w_in"].shape[0]
    share = mean_gates(norm, fresh["router"], top_k)

    def copies(x: Array) -> Array:
        return jnp.broadcast_to(x, (experts, *x.shape))

    return {
        **fresh,
        "w_in": copies(mlp["w_in"]["kernel"]),
        "b_in": copies(mlp["w_in"]["bias"]),
        "w_out": copies(mlp["w_out"]["kernel"] / share),
        "b_out": copies(mlp["w_out"]["bias"] / share),
    }


def mean_gates(norm: Params, router: Float[Array, "d E"], top_k: int) -> Float[Array, ""]:
    """The sum of a token's K largest gates, on average over normally distributed channels.

    Args:
      norm: parameters of the LayerNorm that the router's tokens come from.
      router: its weights.
      top_k: experts of a token (K).
    """
    channels = jax.random.normal(jax.random.key(0), (_TOKENS, router.shape[0]), jnp.float32)
    tokens = channels * norm["scale"] + norm["bias"]
    gates = jax.nn.softmax(tokens @ router, axis=-1)
    return jnp.mean(jnp.sum(jax.lax.top_k(gates, top_k)[0], axis=-1))


def resampled(positions: Float[Array, "P d"], old: int, new: int) -> Float[Array, "Q d"]:
    """Positions of a grid of patches, interpolated linearly at the places of another grid.

    Args:
      positions: of an `old` by `old` grid, row by row.
      old: patches along a side.
      new: patches along a side of the other grid.
    """
    if new == old:
        return positions
    grid = positions.reshape(old, old, -1)
    return jax.image.resize(grid, (new, new, grid.shape[-1]), "linear").reshape(new * new, -1)


def embeddings(
    old: Float[Array, "V d"], fresh: Float[Array, "W d"], descent: Descent
) -> Float[Array, "W d"]:
    """Embeddings of a new vocabulary: means of old ones, or fresh where a piece goes back to none.

    Args:
      old: of the old vocabulary.
      fresh: of the new one, from scratch.
      descent: which old pieces each new one goes back to.
    """
    size = len(fresh)
    total = jax.ops.segment_sum(old[descent.old], descent.new, size)
    count = jnp.bincount(descent.new, length=size)[:, None]
    return jnp.where(count > 0, total / jnp.maximum(count, 1), fresh)


@jax.jit
def _all_finite(params: Params) -> Any:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]))
