"""A folder of small runs for tests of the dashboard, made through the public API.

`small` holds a model of random parameters that routes for real: its probe traces are its own.
The other folders are what a reader may stumble upon.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from limoe_core.config import Config
from limoe_core.presets import preset
from limoe_core.runs.directory import Run

SIZE = 32
#: Steps of `small` that have a probe trace, and those that have parameters too.
PROBED, STORED = (0, 10, 20), (10, 20)
#: Captions of the probe pairs of `small` with their language.
PAIRS = (
    ("a red apple", "en"),
    ("una manzana roja", "es"),
    ("تفاحة حمراء", "ar"),
    ("赤いりんご", "ja"),
    ("the big dog", "en"),
    ("<b>bold</b>", "en"),
)


def small_config() -> Config:
    """Two MoE layers of four experts; sixteen patches; texts of at most 12 pieces."""
    config = preset("debug")
    model = dataclasses.replace(config.model, image_size=SIZE, vocab_size=310, text_length=12)
    return dataclasses.replace(config, model=model)


def make_runs(folder: Path) -> Path:
    """Fills `folder` with runs, whole and broken."""
    make_small(folder / "small")
    dense = dataclasses.replace(small_config().model, experts=0)
    Run.create(folder / "dense", dataclasses.replace(small_config(), model=dense))
    Run.create(folder / "just-started", small_config())
    make_broken(folder)
    return folder


def make_small(path: Path, **settings: Any) -> Run:
    """The run `small`: a probe trace at three steps, parameters at the last two.

    Args:
      settings: of its model, where they are not those of `small_config`.
    """
    from limoe_core.inference import LoadedModel
    from limoe_core.model.functional import FunctionalModel, initial_params
    from limoe_core.tokenizer import Tokenizer

    config = small_config()
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, **settings))
    tokenizer = Tokenizer.train([caption for caption, _ in PAIRS] + _WORDS, config.model.vocab_size)
    run = Run.create(path, config, data={"name": "emoji/base:1.0.0"}, parameters=12345)
    run.save_tokenizer(tokenizer)
    pictures = np.stack([picture(i) for i in range(len(PAIRS))])
    run.save_probe_pictures(pictures)
    meta = {
        "language": [language for _, language in PAIRS],
        "category": ["Food", "Food", "Food", "Food", "Animals", "Symbols"],
        "concept": [f"concept{i}" for i in range(len(PAIRS))],
    }
    functional = FunctionalModel.of(config)
    initial = initial_params(config, seed=0)
    with run.checkpoints(keep=0) as store:
        for step in PROBED:
            params = _moved(initial, step)
            model = LoadedModel(config, functional, params, tokenizer, step, run)
            trace = model.trace(
                list(pictures),
                [caption for caption, _ in PAIRS],
                meta=meta,
                capacity_factor=config.model.capacity_factor,
            )
            run.save_probe(step, trace.half())
            run.append_metrics({"step": step, "loss": 5.0 - step / 10})
            if step in STORED:
                store.save(step, params)
    return run


def _moved(params: Any, step: int) -> Any:
    """The parameters after `step` steps of a random walk."""
    import jax

    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda x: x + np.float32(0.02 * step) * rng.normal(size=x.shape).astype(np.float32), params
    )


def make_broken(folder: Path) -> None:
    """Folders that are no usable runs."""
    for name in ("torn", "holiday-photos", "from-the-future"):
        (folder / name).mkdir(parents=True)
    (folder / "torn" / "config.json").write_text('{"format": 1, "conf')
    (folder / "holiday-photos" / "beach.txt").write_text("sun")
    future = {"format": 99, "config": {}}
    (folder / "from-the-future" / "config.json").write_text(json.dumps(future))


def picture(seed: int) -> np.ndarray:
    """A coloured disc on white, (32, 32, 3) uint8: other colours and places for other seeds."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    inside = (x - rng.integers(10, 22)) ** 2 + (y - rng.integers(10, 22)) ** 2 < 90
    return np.where(inside[..., None], rng.integers(0, 200, 3), 255).astype(np.uint8)


_WORDS = [
    f"{colour} {thing}"
    for colour in ("red", "green", "blue", "yellow", "white", "black", "small", "big")
    for thing in ("apple", "dog", "house", "flag", "heart", "flower", "car", "mountain", "boat")
]
