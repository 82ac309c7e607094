"""Share of the machine's matrix rate that a training step reaches."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.flops import linear_products, muon_flops, total, training_flops
from benchmarks.machine import product_runs, seconds_of, with_gradients
from benchmarks.measure import Line, Run, medians
from benchmarks.training import Tokens, random_batch, stepper, tokens_of
from limoe_core.presets import preset

_REPEATS = 9


def run(name: str = "emoji-tiny", repeats: int = _REPEATS) -> list[Line]:
    """The share and the two rates behind it."""
    config = preset(name)
    batch = random_batch(config)
    tokens = tokens_of(batch, config)
    advance = stepper(config)
    metrics: dict[str, Any] = {}

    def step() -> Any:
        metrics.update(advance(batch))
        return metrics["loss"]

    # The yardstick is the mix of products that makes up nearly all of the step: those with the
    # blocks' weights. A router's is left out, since its few columns cannot use the machine fully.
    yardstick = [
        part
        for product in linear_products(config.model, tokens.total)
        if product.n != config.model.experts
        for part in with_gradients(product)
    ]
    runs: dict[str, Run] = {"step": step, **product_runs(yardstick)}
    seconds = medians(runs, repeats)
    rate = total(yardstick) / seconds_of(yardstick, seconds)

    kept = _kept(metrics, tokens)
    useful = training_flops(config.model, tokens, kept)
    muon = muon_flops(config)
    reached = useful / seconds["step"]
    work = (
        f"{name}, batch {config.data.batch_size}: {tokens.total} real tokens, "
        f"{useful / 1e9:.4g} GFLOP in {seconds['step']:.3g} s"
    )
    products = f"products of ({tokens.total}, {config.model.width}) with the blocks' weights"
    rated = f"{products}, and of their gradients; medians of {repeats} in turn with the step"
    return [
        Line(
            name="training step's share of the matrix rate",
            value=reached / rate,
            goal=0.60,
            bound="at least",
            limit=1.0,
            how=f"{work}, over {rate / 1e9:.4g} GFLOP/s; forward ×3, without capacity padding, "
            "dropped tokens, augmentation and optimizer",
        ),
        Line(
            name="training step's share of the matrix rate, optimizer's products counted",
            value=(useful + muon) / seconds["step"] / rate,
            limit=1.0,
            how=f"as above, with the {muon / 1e9:.3g} GFLOP of {config.optimizer.name}'s products",
        ),
        Line(
            name="rate of a training step",
            value=reached / 1e9,
            unit="GFLOP/s",
            limit=rate / 1e9,
            how=work,
        ),
        Line(name="matrix rate", value=rate / 1e9, unit="GFLOP/s", how=rated),
    ]


def _kept(metrics: dict[str, Any], tokens: Tokens) -> list[float]:
    """Share of all tokens' choices that found a slot, for each mixture-of-experts layer."""
    texts = tokens.total - tokens.images
    return [
        1.0
        - (
            float(np.asarray(router["dropped"]["image"])) * tokens.images
            + float(np.asarray(router["dropped"]["text"])) * texts
        )
        / tokens.total
        for router in metrics["routers"]
    ]
