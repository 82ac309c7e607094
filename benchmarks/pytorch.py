"""A training step of the dense twin against the same step written plainly in PyTorch.

The project does not depend on PyTorch: if it is not installed, nothing is measured and the lines of
earlier measurements stay. It gets the pixels after augmentation, which our step does itself, and
the same packed tokens, so that neither has padding that the other does not.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import Line, medians
from benchmarks.training import first_state, patches_seen, random_batch, step_function
from limoe_core.config import Config
from limoe_core.model.functional import Params
from limoe_core.presets import dense_twin, preset
from limoe_core.training.step import Batch, model_inputs

_REPEATS = 9
#: Relative difference allowed between the first losses, which shows that the models are equal.
_TOLERANCE = 1e-3


def run(name: str = "emoji-tiny", repeats: int = _REPEATS) -> list[Line]:
    """One line, or none if PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed (pip install torch), so nothing is compared with it")
        return []
    config = dense_twin(preset(name))
    # AdamW in both: PyTorch's Muon takes no stacked matrices and scales its steps differently.
    config = dataclasses.replace(
        config, optimizer=dataclasses.replace(config.optimizer, name="adamw")
    )
    batch = random_batch(config)
    step, state = step_function(config), first_state(config)
    # Before the first step, which may overwrite the state that it is given.
    theirs = _Twin(config, state.params, _inputs(config, batch))

    def ours() -> Any:
        nonlocal state
        state, metrics = step(state, batch)
        return metrics["loss"]

    losses = float(ours()), theirs.step()
    if abs(losses[0] - losses[1]) > _TOLERANCE:
        raise RuntimeError(f"the two models differ: their first losses are {losses}")
    seconds = medians({"ours": ours, "theirs": theirs.step}, repeats)
    import torch

    return [
        Line(
            name="dense twin's training step ÷ PyTorch's",
            value=seconds["ours"] / seconds["theirs"],
            goal=1.0,
            how=f"{config.model.layers} blocks of {name}'s twin, batch {config.data.batch_size}, "
            f"the same tokens, AdamW; medians of {repeats} in turn, {seconds['ours']:.3g} s (with "
            f"augmentation) and {seconds['theirs']:.3g} s (without) of PyTorch "
            f"{torch.__version__} in eager mode",
        )
    ]


class _Inputs(NamedTuple):
    """A batch as the model sees it, as numpy arrays; R windows of L text positions."""

    patches: np.ndarray
    """(B, P, pixels·3)"""
    shown: np.ndarray
    """(B, P): indices of the patches."""
    ids: np.ndarray
    """(R, L)"""
    place: np.ndarray
    """(R, L): position in its caption."""
    caption: np.ndarray
    """(R, L): index of the token's caption; T for filler."""
    captions: int
    """Number of captions, T."""


def _inputs(config: Config, batch: Batch) -> _Inputs:
    """The inputs of the first step."""
    group = jax.tree.map(lambda x: x[0], batch)
    key = jax.random.fold_in(jax.random.key(config.train.seed), 0)
    key = jax.random.fold_in(key, 0)
    pixels, shown, _ = model_inputs(config, patches_seen(config), group, key)
    b, size, p = pixels.shape[0], config.model.image_size, config.model.patch_size
    grid = pixels.reshape(b, size // p, p, size // p, p, 3).swapaxes(2, 3)
    every = grid.reshape(b, -1, p * p * 3)
    if shown is None:
        shown = jnp.broadcast_to(jnp.arange(every.shape[1]), every.shape[:2])
    patches = jnp.take_along_axis(every, shown[..., None], axis=1)
    texts = np.asarray(group.texts)
    length, count = texts.shape[-1], texts.shape[0] * texts.shape[1]
    windows = np.asarray(group.windows)
    where = np.minimum(windows, texts.size - 1)
    ids = texts.reshape(-1)[where]
    real = (windows < texts.size) & (ids != 0)
    return _Inputs(
        np.asarray(patches),
        np.asarray(shown).astype(np.int64),
        ids.astype(np.int64),
        where % length,
        np.where(real, where // length, count),
        count,
    )


class _Twin:
    """The dense twin written plainly in PyTorch, with our parameters."""

    def __init__(self, config: Config, params: Params, inputs: _Inputs) -> None:
        import torch

        leaves = jax.tree_util.tree_leaves_with_path(params)
        self.p = {
            jax.tree_util.keystr(path, simple=True, separator="."): torch.tensor(
                np.asarray(leaf), requires_grad=True
            )
            for path, leaf in leaves
        }
        self.config = config
        as_tensor = torch.from_numpy
        self.patches, self.shown = as_tensor(inputs.patches.copy()), as_tensor(inputs.shown)
        self.ids, self.place = as_tensor(inputs.ids), as_tensor(inputs.place)
        self.caption, self.captions = as_tensor(inputs.caption), inputs.captions
        self.same = (self.caption[:, :, None] == self.caption[:, None, :])[:, None]
        settings = config.optimizer
        self.optimizer = torch.optim.AdamW(
            self.p.values(),
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            weight_decay=settings.weight_decay,
        )

    def step(self) -> float:
        """Make one step and return the loss before it."""
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.p.values(), self.config.optimizer.clip_norm)
        self.optimizer.step()
        return loss.item()

    def _loss(self) -> Any:
        import torch
        from torch.nn import functional as F

        p, model = self.p, self.config.model
        images, seen = self.shown.shape
        tokens = self._linear(self.patches, "patch_embedding") + p["image_positions"][self.shown]
        texts = p["token_embedding.embedding"][self.ids] + p["text_positions"][self.place]
        x = torch.cat([tokens.reshape(-1, model.width), texts.reshape(-1, model.width)])
        for block in range(model.layers):
            name = f"blocks.{block}"
            qkv = self._linear(self._norm(x, f"{name}.norm_attention"), f"{name}.attention.qkv")
            split = images * seen
            attended = torch.cat(
                [
                    self._attend(qkv[:split].reshape(images, seen, -1), None),
                    self._attend(qkv[split:].reshape(*self.ids.shape, -1), self.same),
                ]
            )
            x = x + self._linear(attended, f"{name}.attention.out")
            hidden = self._linear(self._norm(x, f"{name}.norm_mlp"), f"{name}.mlp.w_in")
            x = x + self._linear(F.gelu(hidden, approximate="tanh"), f"{name}.mlp.w_out")
        x = self._norm(x, "norm")
        split = images * seen
        image_mean = x[:split].reshape(images, seen, -1).mean(1)
        # The last row collects the filler.
        sums = torch.zeros(self.captions + 1, model.width)
        sums = sums.index_add(0, self.caption.reshape(-1), x[split:])[:-1]
        counts = torch.bincount(self.caption.reshape(-1), minlength=self.captions + 1)[:-1]
        image_out = F.normalize(image_mean @ p["image_head.kernel"], dim=-1)
        text_out = F.normalize((sums / counts[:, None]) @ p["text_head.kernel"], dim=-1)
        text_out = text_out.reshape(images, -1, text_out.shape[-1])
        temperature = p["log_temperature"].exp()
        target = torch.arange(images)
        total: Any = 0.0
        for i in range(text_out.shape[1]):
            logits = image_out @ text_out[:, i].T / temperature
            total = total + F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)
        return total / (2 * text_out.shape[1])

    def _attend(self, qkv: Any, mask: Any) -> Any:
        from torch.nn import functional as F

        b, s, c = qkv.shape
        q, k, v = qkv.reshape(b, s, 3, self.config.model.heads, -1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return out.transpose(1, 2).reshape(b * s, c // 3)

    def _linear(self, x: Any, name: str) -> Any:
        return x @ self.p[f"{name}.kernel"] + self.p[f"{name}.bias"]

    def _norm(self, x: Any, name: str) -> Any:
        from torch.nn import functional as F

        scale, bias = self.p[f"{name}.scale"], self.p[f"{name}.bias"]
        return F.layer_norm(x, (x.shape[-1],), scale, bias, eps=1e-6)
