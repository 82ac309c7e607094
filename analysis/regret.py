"""Regret of routing decisions: what each token's other routes would have given.

A route is one expert in each mixture-of-experts layer. Routes of one token are tried, and all else
is left to the routers: other tokens, which see the token through attention, choose anew. A forced
expert counts by the gate value that the router gives it, as if it had come out first, so what is
tried is the choice and not the weight. With several choices a token, the first one is tried.

With E experts in L layers a token has E^L routes, all of which are tried where they are few; else
only those that differ from the router's own in one layer. The best of many routes is better than
the router's by chance alone, so a regret is never 0 for long: what tells is where the router's
route stands among all of them. A route drawn at random beats half of the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from scipy.special import logsumexp

from analysis.arguments import check_count, check_pairs
from analysis.errors import AnalysisError
from analysis.halves import Halves
from limoe_core.trace import IMAGE, MODALITIES

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel

#: Routes in one forward pass.
_BATCH = 64


def route_losses(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    pair: int,
    modality: str,
    position: int,
    *,
    most: int = 1024,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The loss of a pair on every route of one of its tokens, nothing dropped.

    Args:
      images, texts: pairs; all but `pair` give the negatives, as they are; no text twice.
      pair: whose token it is.
      modality: "image" or "text".
      position: patch in row-major order, or place in the text.
      most: try all E^L routes if they are at most this many.
      progress: called with (done, total) routes.

    Returns: one row per route, the router's own first, with a column for the expert in each block
      ("block 2", …); changed (blocks in which it differs from the router's own); loss (nats: the
      pair's part in the contrastive loss); similarity (cosine of its picture and text).

    Raises:
      AnalysisError: the model is a dense twin; there is no such token; fewer than two pairs, a text
        twice, or not as many pictures as texts.
    """
    tried = _Tried.of(model, images, texts)
    code = _code(modality)
    check_count(pair, "pair", 0)
    check_count(position, "position", 0)
    check_count(most, "most")
    if pair >= len(texts):
        raise AnalysisError(f"there is no pair {pair}; they are 0 to {len(texts) - 1}")
    if position >= tried.tokens(code, pair):
        kind = "patch" if code == IMAGE else "piece of this text"
        last = tried.tokens(code, pair) - 1
        raise AnalysisError(f"there is no {kind} {position}; they are 0 to {last}")
    return tried.of_token(code, pair, position, most, progress)


def routing_regret(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    pairs: Sequence[int] | None = None,
    modality: str | None = None,
    *,
    most: int = 1024,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Regret of the route of every token of some pairs.

    Args:
      images, texts: as `route_losses` takes them.
      pairs: whose tokens; all by default.
      modality: "image" or "text"; both by default.
      most: try all E^L routes of a token if they are at most this many.
      progress: called with (done, total) tokens.

    Returns: one row per token, with columns pair, modality, position, routes (how many were tried),
      loss (nats, on the router's route), best (the least loss of any route), random (the mean over
      all routes), regret (loss less best), spread (random less best: the regret of a random route)
      and beaten (share of the other routes whose loss is larger, ties by half: 0.5 for a random
      route).

    Raises:
      AnalysisError: as `route_losses`.
    """
    tried = _Tried.of(model, images, texts)
    check_count(most, "most")
    chosen = range(len(texts)) if pairs is None else pairs
    if any(not 0 <= pair < len(texts) for pair in chosen):
        raise AnalysisError(f"pairs must lie in 0 to {len(texts) - 1}")
    codes = range(2) if modality is None else [_code(modality)]
    places = [
        (code, pair, position)
        for pair in chosen
        for code in codes
        for position in range(tried.tokens(code, pair))
    ]
    rows = []
    for done, (code, pair, position) in enumerate(places, start=1):
        losses = tried.of_token(code, pair, position, most)["loss"].to_numpy()
        rows.append(
            {
                "pair": int(pair),
                "modality": MODALITIES[code],
                "position": position,
                **_regret(losses),
            }
        )
        if progress is not None:
            progress(done, len(places))
    return pd.DataFrame(rows, columns=["pair", "modality", "position", *_REGRET])


def regret_summary(frame: pd.DataFrame, *, samples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Mean regret by modality, with intervals over pairs.

    Args:
      frame: `routing_regret`.
      samples: bootstrap resamples of pairs.

    Returns: one row per modality and measure (regret, spread, beaten), with columns value (the mean
      over pairs of the mean over a pair's tokens), low and high (95 %), null (what random routes
      would have: 0.5 for beaten, the spread's value for the regret, NaN for the spread), tokens and
      pairs. With one pair there is no interval.
    """
    check_count(samples, "samples")
    rng = np.random.default_rng(seed)
    rows = []
    for modality, mine in frame.groupby("modality", sort=False):
        of_pair = mine.groupby("pair")[["regret", "spread", "beaten"]].mean()
        draws = rng.integers(len(of_pair), size=(samples, len(of_pair)))
        for measure in of_pair:
            values = of_pair[measure].to_numpy()
            low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
            if len(values) == 1:
                low = high = np.nan
            null = {"beaten": 0.5, "regret": of_pair["spread"].mean()}.get(str(measure), np.nan)
            rows.append(
                {
                    "modality": modality,
                    "measure": measure,
                    "value": values.mean(),
                    "low": low,
                    "high": high,
                    "null": null,
                    "tokens": len(mine),
                    "pairs": len(of_pair),
                }
            )
    return pd.DataFrame(rows)


_REGRET = ("routes", "loss", "best", "random", "regret", "spread", "beaten")


def _regret(losses: Float[np.ndarray, " R"]) -> dict[str, float]:
    """Of the losses on all routes, the router's own first."""
    own, others = losses[0], losses[1:]
    beaten = (others > own).mean() + 0.5 * (others == own).mean() if len(others) else np.nan
    best, random = losses.min(), losses.mean()
    return {
        "routes": len(losses),
        "loss": own,
        "best": best,
        "random": random,
        "regret": own - best,
        "spread": random - best,
        "beaten": beaten,
    }


def _code(modality: str) -> int:
    if modality not in MODALITIES:
        raise AnalysisError(f"modality must be image or text, not {modality!r}")
    return MODALITIES.index(modality)


@dataclass(frozen=True)
class _Tried:
    """Pairs, embedded as they are, whose tokens are sent along other routes."""

    halves: Halves
    untouched: tuple[Float[np.ndarray, "N d"], Float[np.ndarray, "N d"]]
    temperature: float

    @classmethod
    def of(cls, model: LoadedModel, images: Sequence[Any], texts: Sequence[str]) -> _Tried:
        check_pairs(images, texts)
        if not model.config.model.moe_layers:
            raise AnalysisError("a dense twin has no routes")
        if len(texts) < 2 or len(set(texts)) < len(texts):
            raise AnalysisError("routes are compared among at least two pairs, and no text twice")
        halves = Halves.of(model, images, texts)
        temperature = float(model.functional.bind(model.params).temperature)
        return cls(halves, (halves.embed(0, None), halves.embed(1, None)), temperature)

    def tokens(self, code: int, pair: int) -> int:
        """Real tokens of a picture (0) or a text (1)."""
        if code == IMAGE:
            return self.halves.model.config.model.patches
        return int((self.halves.ids[pair] > 0).sum())

    def of_token(
        self,
        code: int,
        pair: int,
        position: int,
        most: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> pd.DataFrame:
        """See `route_losses`."""
        config = self.halves.model.config.model
        layers = len(config.moe_layers)
        free = np.full((1, layers), -1)
        own, embedding = next(self._along(code, pair, position, free))
        routes = _other_routes(own[0], config.experts, most)
        embeddings = [embedding]
        done = 0
        for _, found in self._along(code, pair, position, routes):
            embeddings.append(found)
            done += len(found)
            if progress is not None:
                progress(done, len(routes))
        blocks = [f"block {index + 1}" for index in config.moe_layers]
        frame = pd.DataFrame(np.concatenate([own, routes]), columns=blocks)
        frame["changed"] = (frame[blocks] != own[0]).sum(axis=1)
        found = np.concatenate(embeddings)
        frame["loss"], frame["similarity"] = self._losses(found, code, pair)
        return frame

    def _along(
        self, code: int, pair: int, position: int, routes: Integer[np.ndarray, "R L"]
    ) -> Iterator[tuple[Integer[np.ndarray, "r L"], Float[np.ndarray, "r d"]]]:
        """First choices of the token and embeddings of its half, for parts of the routes."""
        import jax.numpy as jnp

        from limoe_core.model.router import Intervention

        model = self.halves.model
        config = model.config.model
        layers, length = (
            len(config.moe_layers),
            config.patches if code == IMAGE else config.text_length,
        )
        places = np.arange(_BATCH) * length + position
        inputs = (self.halves.pixels if code == IMAGE else self.halves.ids)[[pair] * _BATCH]
        pixels = inputs if code == IMAGE else self.halves.pixels[:0]
        ids = self.halves.ids[:0] if code == IMAGE else inputs
        nothing = np.zeros((layers, 2, config.experts), np.float32)
        for start in range(0, len(routes), _BATCH):
            part = routes[start : start + _BATCH]
            forced = np.full((layers, _BATCH * length), -1, np.int32)
            forced[:, places[: len(part)]] = part.T
            output = model.functional.forward(
                model.params,
                pixels,
                ids,
                np.ones(len(pixels), bool),
                Intervention(jnp.asarray(nothing), jnp.asarray(nothing, bool), jnp.asarray(forced)),
                capacity_factor=0.0,
                batch_priority=config.batch_priority,
                hidden=False,
            )
            taken = [
                np.asarray(r.assignment.expert)[places[: len(part)], 0] for r in output.routings
            ]
            half = output.text_embeddings if code else output.image_embeddings
            yield np.stack(taken, axis=1), np.asarray(half)[: len(part)]

    def _losses(
        self, found: Float[np.ndarray, "R d"], code: int, pair: int
    ) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, " R"]]:
        """The pair's loss and similarity where its half has each of these embeddings."""
        mine, theirs = (
            each.astype(np.float64) for each in (self.untouched[code], self.untouched[1 - code])
        )
        similarity = found.astype(np.float64) @ theirs.T  # (R, N)
        scaled = similarity / self.temperature
        others = np.delete(mine, pair, axis=0) @ theirs[pair] / self.temperature
        beside = np.broadcast_to(others, (len(found), len(others)))
        back = np.concatenate([scaled[:, [pair]], beside], axis=1)
        losses = 0.5 * (logsumexp(scaled, axis=1) + logsumexp(back, axis=1)) - scaled[:, pair]
        return losses, similarity[:, pair]


def _other_routes(
    own: Integer[np.ndarray, " L"], experts: int, most: int
) -> Integer[np.ndarray, "R L"]:
    """All routes but the router's own, if they are few; else those that differ in one layer."""
    layers = len(own)
    if experts**layers <= most:
        routes = np.array(list(itertools.product(range(experts), repeat=layers)))
    else:
        routes = np.repeat(own[None], layers * experts, axis=0)
        routes[np.arange(len(routes)), np.repeat(np.arange(layers), experts)] = np.tile(
            np.arange(experts), layers
        )
    return routes[(routes != own).any(axis=1)]
