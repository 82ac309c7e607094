"""Where pictures and captions lie in the flat array of tokens."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from limoe_core.model.dispatch import gather_rows


class Layout(NamedTuple):
    """How the flat array of tokens is made up: pictures first, then R rows of L text positions.

    Without packing, each row is one caption and its padding, so R = T. With it, a row is a window
    that holds several captions (`limoe_core.data.packing`).
    """

    images: int
    patches: int
    valid: Bool[Array, " n"]
    modality: Int[Array, " n"]
    caption: Int[Array, "R L"]
    """Which caption a row's position belongs to; T for padding."""
    source: Int[Array, " RL"]
    """Where, in T·L, the token at each position of the rows comes from; anywhere for padding."""
    in_rows: Int[Array, " TL"] | None
    """Where, in R·L, each of the captions' T·L tokens lies; R·L for padding. None without
    packing."""
    in_captions: Int[Array, " RL"] | None
    """Its inverse."""
    text_valid: Bool[Array, "T L"]

    @classmethod
    def of(
        cls,
        texts: Int[Array, "T L"],
        windows: Int[Array, "R L"] | None,
        image_valid: Bool[Array, " B"],
        patches: int,
    ) -> Layout:
        """The layout of B pictures of `patches` patches, and of captions.

        Args:
          texts: token ids, 0 for padding.
          windows: how captions lie side by side: see `limoe_core.data.packing.pack_windows`. None
            gives each caption, and its padding, a row.
          image_valid: False for pictures that only fill up a batch.
        """
        places = jnp.arange(texts.size).reshape(texts.shape) if windows is None else windows
        source = jnp.minimum(places, texts.size - 1).reshape(-1)
        real = (places < texts.size).reshape(-1) & (texts.reshape(-1)[source] != 0)
        valid = jnp.concatenate([jnp.repeat(image_valid, patches), real])
        image_tokens = len(image_valid) * patches
        caption = jnp.where(real, source // max(texts.shape[1], 1), texts.shape[0])
        in_rows = None
        if windows is not None:
            positions = jnp.arange(windows.size, dtype=jnp.int32)
            in_rows = jnp.full(texts.size, windows.size, jnp.int32)
            in_rows = in_rows.at[windows.reshape(-1)].set(positions, mode="drop")
        return cls(
            images=len(image_valid),
            patches=patches,
            valid=valid,
            modality=(jnp.arange(len(valid)) >= image_tokens).astype(jnp.int32),
            caption=caption.reshape(places.shape),
            source=source,
            in_rows=in_rows,
            in_captions=None if windows is None else windows.reshape(-1),
            text_valid=texts != 0,
        )

    @property
    def image_tokens(self) -> int:
        """Tokens of all pictures, which come first."""
        return self.images * self.patches

    def split(self, x: Float[Array, "n d"]) -> tuple[Float[Array, "B P d"], Float[Array, "R L d"]]:
        """The flat array unfolded into pictures and rows of text."""
        d = x.shape[-1]
        images, texts = x[: self.image_tokens], x[self.image_tokens :]
        return (
            images.reshape(self.images, self.patches, d),
            texts.reshape(*self.caption.shape, d),
        )

    def join(
        self, images: Float[Array, "B P d"], texts: Float[Array, "R L d"]
    ) -> Float[Array, "n d"]:
        """The inverse of `split`."""
        d = images.shape[-1]
        return jnp.concatenate([images.reshape(-1, d), texts.reshape(-1, d)])

    def captions(self, texts: Float[Array, "R L d"]) -> Float[Array, "T L d"]:
        """Rows of text as one row a caption."""
        if self.in_rows is None or self.in_captions is None:
            return texts
        d = texts.shape[-1]
        apart = gather_rows(texts.reshape(-1, d), self.in_rows, self.in_captions)
        return apart.reshape(*self.text_valid.shape, d)
