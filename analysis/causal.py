"""Causal specialisation: the loss when an expert is off for one modality.

For each expert and modality, the routing of that modality's tokens is changed and nothing else;
what is measured is the rise of the contrastive loss on fixed pairs. There are two variants:

- "next best": the expert's logit is -inf for these tokens, so they go to the best of the other
  experts, over which the gate distribution is renormalised.
- "none": tokens that choose the expert get nothing from the layer and keep their residual alone,
  as if they were dropped.

No token is dropped for lack of capacity, so that experts are measured and not their buffers.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from analysis.arguments import check_count, check_pairs
from analysis.errors import AnalysisError
from analysis.pairs import probe_pairs as probe_pairs
from limoe_core.config import Config
from limoe_core.confined import ANYWHERE
from limoe_core.evaluation.causal import VARIANTS, Variant, losses_as_it_is, rises
from limoe_core.evaluation.halves import Halves
from limoe_core.files import replacing
from limoe_core.runs.files import RunError, causal_file, read_json
from limoe_core.trace import IMAGE, MODALITIES, TEXT

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel
    from limoe_core.runs.experts import ExpertRecord

#: Settings that came after version 0.3.
_LATER = {
    "model": (
        "expert_dim", "shared_dim", "router", "balance", "balance_rate", "attention",
        "residual_dtype", "equal_blocks",
    ),
    "data": ("damaged", "path", "image_column", "text_column", "workers", "first_share"),
    "train": ("shard",),
}  # fmt: skip

#: Rises of the loss up to this, in nats, are rounding and no effect.
_ROUNDING = 1e-9

#: What is kept on disk, since version 0.3.
_COLUMNS = [
    "layer",
    "expert",
    "variant",
    "delta_image",
    "delta_image_low",
    "delta_image_high",
    "delta_text",
    "delta_text_low",
    "delta_text_high",
    "index",
    "index_low",
    "index_high",
    "image_tokens",
    "text_tokens",
    "baseline",
    "pairs",
]


def causal_specialisation(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    *,
    variant: Variant = "next best",
    layers: Sequence[int] | None = None,
    samples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Rise of the contrastive loss when an expert is off for image or for text tokens.

    Args:
      images, texts: pairs; no text twice, since its pictures would be false negatives.
      layers: block numbers; all MoE layers by default.
      samples: bootstrap resamples of pairs for the intervals.
      progress: called with (done, total) forward passes.

    Returns: one row per layer and expert, with columns layer, expert, variant; delta_image and
      delta_text (rise of the loss in nats when the expert is off for that modality, with _low and
      _high ends of a 95 % interval over pairs, the negatives of each held fixed); effect_image and
      effect_text ("needed" where that interval lies above 0, "harmful" where it lies below, so that
      the loss is lower without the expert, "" where it holds 0, and where with K = 1 no token of
      the modality chooses the expert, so that only the other gates are scaled; of a hundred experts
      without any effect five have one); index (|δ_image − δ_text| / (|δ_image| + |δ_text|): 0 if
      both δ are equal, 1 if one is 0 or their signs differ, with _low and _high; NaN for an expert
      without effect, of which it would tell noise, and 1 by itself where the other
      modality never chooses the expert);
      image_tokens, text_tokens (tokens that choose it first); baseline (the loss with nothing
      changed); chance (the loss of guessing among the pairs, ln n: near it no rise means anything);
      pairs.

    Raises:
      AnalysisError: for a dense twin, an unknown layer or variant, fewer than two pairs, a repeated
        text, not as many pictures as texts, or `samples` below 1.
    """
    return _told(
        _measured(
            model, images, texts, variant, layers, samples=samples, seed=seed, progress=progress
        ),
        model.config.model.top_k,
    )


def _measured(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    variant: Variant,
    layers: Sequence[int] | None = None,
    *,
    samples: int,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> pd.DataFrame:
    """What is kept of `causal_specialisation`; `_told` adds what follows from it."""
    check_pairs(images, texts)
    check_count(samples, "samples")
    if variant not in VARIANTS:
        raise AnalysisError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
    config = model.config.model
    blocks = [index + 1 for index in config.moe_layers]
    if not blocks:
        raise AnalysisError("a dense twin has no experts to switch off")
    chosen = list(blocks if layers is None else layers)
    unknown = sorted(set(chosen) - set(blocks))
    if unknown:
        raise AnalysisError(f"block {unknown[0]} holds no mixture of experts; {blocks} do")
    if len(texts) < 2 or len(set(texts)) < len(texts):
        raise AnalysisError("causal specialisation needs at least two pairs, and no text twice")
    halves = Halves.of(model, images, texts)
    layers_off = [blocks.index(block) for block in chosen]
    found = list(rises(halves, layers_off, variant, progress))
    counts = np.stack([halves.first_choices(code) for code in range(2)], axis=1)
    baseline = float(losses_as_it_is(halves).mean())
    return _frame(blocks, found, counts, baseline, variant, samples=samples, seed=seed)


def _frame(
    blocks: Sequence[int],
    found: Iterable[tuple[int, int, Float[np.ndarray, "2 N"]]],
    counts: Integer[np.ndarray, "L 2 E"],
    baseline: float,
    variant: Variant,
    *,
    samples: int,
    seed: int,
) -> pd.DataFrame:
    rows = [
        {
            "layer": blocks[layer],
            "expert": expert,
            "variant": variant,
            **_summary(rise, samples, seed),
            "image_tokens": int(counts[layer, IMAGE, expert]),
            "text_tokens": int(counts[layer, TEXT, expert]),
            "baseline": baseline,
            "pairs": rise.shape[1],
        }
        for layer, expert, rise in found
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def measured_causes(measured: ExpertRecord, *, samples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """`causal_specialisation` as `evaluate --experts` measured it and the run keeps it.

    No concept or text comes twice among its pairs, so intervals resample pairs.

    Args:
      measured: from `run.experts(step)`.

    Raises:
      AnalysisError: `samples` is below 1.
    """
    check_count(samples, "samples")
    causal = measured.causal
    layers, experts = causal.rises.shape[:2]
    found = [
        (layer, expert, causal.rises[layer, expert].astype(np.float64))
        for layer in range(layers)
        for expert in range(experts)
    ]
    blocks, baseline = measured.trace.layers.tolist(), float(causal.losses.mean())
    return _told(
        _frame(blocks, found, causal.tokens, baseline, "next best", samples=samples, seed=seed),
        measured.trace.top_k,
    )


def _told(measured: pd.DataFrame, top_k: int) -> pd.DataFrame:
    """With effects and chance, and without the index of experts that have no effect."""
    frame = measured.copy()
    for place, modality in zip((6, 10), MODALITIES, strict=True):
        delta = f"delta_{modality}"
        above, below = frame[f"{delta}_low"] > _ROUNDING, frame[f"{delta}_high"] < -_ROUNDING
        # Without a first choice of it, another gate is scaled a little, if it is no second one.
        asked = (frame[f"{modality}_tokens"] > 0) | (top_k > 1)
        effect = np.select([asked & above, asked & below], ["needed", "harmful"], "")
        frame.insert(place, f"effect_{modality}", effect)
    without = (frame["effect_image"] == "") & (frame["effect_text"] == "")
    frame.loc[without, ["index", "index_low", "index_high"]] = np.nan
    frame.insert(len(frame.columns) - 1, "chance", np.log(frame["pairs"].astype(float)))
    return frame


def specialisation_index(
    delta_image: Float[np.ndarray, "*b"] | float, delta_text: Float[np.ndarray, "*b"] | float
) -> Float[np.ndarray, "*b"]:
    """|δ_image − δ_text| / (|δ_image| + |δ_text|); NaN where both are 0."""
    size = np.abs(delta_image) + np.abs(delta_text)
    gap = np.abs(np.asarray(delta_image) - np.asarray(delta_text))
    index = np.divide(gap, size, out=np.full(np.shape(size), np.nan), where=size > _ROUNDING)
    return np.asarray(index.clip(0, 1))


def _summary(rise: Float[np.ndarray, "2 N"], samples: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    pairs = rise.shape[1]
    draws = rng.multinomial(pairs, np.full(pairs, 1 / pairs), size=samples) / pairs
    resampled = draws @ rise.T
    index = specialisation_index(resampled[:, 0], resampled[:, 1])
    found: dict[str, float] = {}
    for code, modality in enumerate(MODALITIES):
        low, high = np.quantile(resampled[:, code], [0.025, 0.975])
        found[f"delta_{modality}"] = float(rise[code].mean())
        found[f"delta_{modality}_low"], found[f"delta_{modality}_high"] = float(low), float(high)
    found["index"] = float(specialisation_index(rise[0].mean(), rise[1].mean()))
    some = index[~np.isnan(index)]
    low, high = np.quantile(some, [0.025, 0.975]) if len(some) else (np.nan, np.nan)
    found["index_low"], found["index_high"] = float(low), float(high)
    return found


def cached_causal_specialisation(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    variant: Variant = "next best",
    samples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """`causal_specialisation` of all layers, cached as JSON in `folder`.

    The file's name holds a digest of the run, its step, the pairs and the settings, so another
    question never gets this one's answer. A damaged file is computed anew. Where the folder takes
    no more, the result is returned all the same, with a warning.
    """
    path = _path(model, images, texts, folder, variant, samples, seed)
    found = _read(path)
    if found is None:
        found = _measured(
            model, images, texts, variant, samples=samples, seed=seed, progress=progress
        )
        # By `repr`, which keeps every bit of a number; pandas writes fifteen digits.
        rows = found.astype(object).where(found.notna(), None).to_dict("records")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_text(json.dumps({"step": model.step, "data": rows}))
        except OSError as error:
            warnings.warn(f"{path} cannot be kept: {error.strerror}", stacklevel=2)
    return _told(found, model.config.model.top_k)


def stored_causal_specialisation(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    variant: Variant = "next best",
    samples: int = 1000,
    seed: int = 0,
    within: Path = ANYWHERE,
) -> pd.DataFrame | None:
    """The result that `cached_causal_specialisation` keeps in `folder`, or None.

    Args:
      within: folder that the result must lie in, links followed.
    """
    found = _read(_path(model, images, texts, folder, variant, samples, seed), within)
    return None if found is None else _told(found, model.config.model.top_k)


def _path(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    folder: str | os.PathLike[str],
    variant: str,
    samples: int,
    seed: int,
) -> Path:
    return causal_file(Path(folder), _digest(model, images, texts, variant, samples, seed))


def _digest(
    model: LoadedModel,
    images: Sequence[np.ndarray],
    texts: Sequence[str],
    variant: str,
    samples: int,
    seed: int,
) -> str:
    digest = hashlib.sha256()
    run = model.run
    question: Mapping[str, Any] = {
        "version": 1,
        "run": [run.name, run.info.get("created")] if run is not None else None,
        "config": _settings(model.config, run.unfollowed if run is not None else {}),
        "step": model.step,
        "texts": list(texts),
        "variant": variant,
        "samples": samples,
        "seed": seed,
    }
    digest.update(json.dumps(question, sort_keys=True).encode())
    for image in images:
        array = np.asarray(image)
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:20]


def _settings(config: Config, unfollowed: Mapping[str, str]) -> dict[str, Any]:
    """Settings as version 0.3 wrote them, so that its results are found; later ones if changed.

    With the places that the run names, as the same result is found by all who read it, whether
    they have named those places or not.
    """
    settings, default = config.to_dict(), Config().to_dict()
    for option, place in unfollowed.items():
        part, name = option.split(".")
        settings[part][name] = place
    for part, names in _LATER.items():
        for name in names:
            if settings[part][name] == default[part][name]:
                del settings[part][name]
    remat = settings["model"]["remat"]  # was a switch
    settings["model"]["remat"] = {"none": False, "full": True}.get(remat, remat)
    return settings


def _read(path: Path, within: Path = ANYWHERE) -> pd.DataFrame | None:
    """A stored result; None if there is none, or it is not what `causal_specialisation` gives."""
    try:
        rows = read_json(path, within=within).get("data")
    except RunError:
        return None
    if not isinstance(rows, list) or not rows:
        return None
    if any(not isinstance(row, dict) or set(row) != set(_COLUMNS) for row in rows):
        return None
    real = ("delta", "index", "baseline")
    kinds = {
        name: float if name.startswith(real) else "int64" for name in _COLUMNS if name != "variant"
    }
    try:
        return pd.DataFrame(rows, columns=_COLUMNS).astype(kinds)
    except (TypeError, ValueError, OverflowError):
        return None
