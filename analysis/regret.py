"""What a token's routes would have given: each is tried, everything else routed by the model.

A route is the expert of each MoE layer. A token's route changes the other tokens of its sequence
through attention, and so, perhaps, their routes: these are the model's own choices, made anew. No
token is dropped, so that no other sequence changes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from scipy.special import logsumexp

from analysis.arguments import check_count, check_pairs
from analysis.colours import expert_label
from analysis.errors import AnalysisError
from limoe_core.evaluation.halves import Halves
from limoe_core.trace import IMAGE, MODALITIES, TEXT

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel

#: Routes that are all tried; of more, those are tried that differ from the chosen one in a layer.
MOST_ROUTES = 1024
#: Routes in one forward pass.
_BATCH = 128


def token_routes(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    pair: int,
    modality: str,
    position: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The loss of a pair with each route of one of its tokens.

    Args:
      images, texts: pairs, whose texts and pictures are the negatives; no text twice.
      pair: place of the pair.
      modality: "image" or "text".
      position: patch index in row-major order, or place in the text.
      progress: called with (done, total) routes.

    Returns: one row per route, lowest loss first, with columns route ("E1 → E3"), one column
      layer_<block> for each MoE layer with the expert, loss (the pair's part of the contrastive
      loss, in nats), chosen (whether it is the model's own).

    Raises:
      AnalysisError: tokens have several experts each, the model is a dense twin, there is no such
        token, fewer than two pairs, a text twice, or not as many pictures as texts.
    """
    routes = _Routes(model, images, texts)
    if modality not in MODALITIES:
        raise AnalysisError(f"modality must be 'image' or 'text', not {modality!r}")
    check_count(pair, "pair", 0)
    check_count(position, "position", 0)
    code = MODALITIES.index(modality)
    if pair >= len(texts) or position >= routes.tokens(pair, code):
        raise AnalysisError(f"pair {pair} has no {modality} token {position}")
    found, losses, chosen = routes.of(pair, code, position, progress)
    blocks = [layer + 1 for layer in model.config.model.moe_layers]
    frame = pd.DataFrame(found, columns=[f"layer_{block}" for block in blocks])
    frame.insert(0, "route", [" → ".join(map(expert_label, route)) for route in found.tolist()])
    frame = frame.assign(loss=losses, chosen=np.arange(len(found)) == chosen)
    return frame.sort_values("loss", kind="stable", ignore_index=True)


def routing_regret(
    model: LoadedModel,
    images: Sequence[Any],
    texts: Sequence[str],
    *,
    tokens: int = 32,
    seed: int = 0,
) -> pd.DataFrame:
    """How much better the best route of a token would have been than the router's.

    All E^L routes are tried where there are at most 1,024, else the chosen one and those that
    differ from it in one layer.

    Args:
      images, texts: pairs, whose texts and pictures are the negatives; no text twice.
      tokens: of each modality, drawn at random, at most one of a pair while there are pairs enough.

    Returns: one row per token, with columns pair, modality, position, route (the model's own), loss
      (the pair's part of the contrastive loss, in nats), best_route, best_loss, regret (loss −
      best_loss, from 0 on), random_regret (its mean over all routes that were tried: what a router
      that draws one at random would have), better (share of the other routes that are better than
      the model's; a half by chance), routes (that were tried), exact (whether they are all).

    Raises:
      AnalysisError: as `token_routes`, or `tokens` is below 1.
    """
    check_count(tokens, "tokens")
    routes = _Routes(model, images, texts)
    rng = np.random.default_rng(seed)
    rows = []
    for code, modality in enumerate(MODALITIES):
        counts = [routes.tokens(pair, code) for pair in range(len(texts))]
        some = [pair for pair, count in enumerate(counts) if count]
        drawn = itertools.chain.from_iterable(rng.permutation(some).tolist() for _ in range(tokens))
        seen: set[tuple[int, int]] = set()
        for pair in itertools.islice(drawn, min(tokens, sum(counts))):
            position = int(rng.integers(counts[pair]))
            if (pair, position) in seen:
                continue
            seen.add((pair, position))
            found, losses, chosen = routes.of(pair, code, position)
            best = int(losses.argmin())
            others = np.delete(losses, chosen)
            rows.append(
                {
                    "pair": pair,
                    "modality": modality,
                    "position": position,
                    "route": " → ".join(map(expert_label, found[chosen].tolist())),
                    "loss": float(losses[chosen]),
                    "best_route": " → ".join(map(expert_label, found[best].tolist())),
                    "best_loss": float(losses[best]),
                    "regret": float(losses[chosen] - losses[best]),
                    "random_regret": float(losses.mean() - losses[best]),
                    "better": float(np.mean(others < losses[chosen])),
                    "routes": len(losses),
                    "exact": routes.exact,
                }
            )
    return pd.DataFrame(rows)


def regret_summary(frame: pd.DataFrame, *, samples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Means of `routing_regret` by modality, with 95 % intervals over pairs.

    Returns: one row per modality, with columns modality, regret, regret_low, regret_high,
      random_regret, random_regret_low, random_regret_high, better, better_low, better_high (a half
      by chance), tokens, pairs.

    Raises:
      AnalysisError: `samples` is below 1.
    """
    check_count(samples, "samples")
    rows = []
    for modality, mine in frame.groupby("modality", sort=False):
        _, pair = np.unique(mine["pair"], return_inverse=True)
        pairs = int(pair.max()) + 1
        draws = np.random.default_rng(seed).multinomial(
            pairs, np.full(pairs, 1 / pairs), size=samples
        )
        weight = draws[:, pair]
        row: dict[str, object] = {"modality": modality}
        for name in ("regret", "random_regret", "better"):
            values = mine[name].to_numpy()
            low, high = np.quantile((weight @ values) / weight.sum(axis=1), [0.025, 0.975])
            row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
        rows.append({**row, "tokens": len(mine), "pairs": pairs})
    return pd.DataFrame(rows)


class _Routes:
    """Pairs, and what other routes of their tokens give."""

    def __init__(self, model: LoadedModel, images: Sequence[Any], texts: Sequence[str]) -> None:
        check_pairs(images, texts)
        config = model.config.model
        if not config.moe_layers:
            raise AnalysisError("a dense twin routes nothing")
        if config.top_k != 1:
            raise AnalysisError(
                f"routes are tried one by one where tokens have one expert; here they have "
                f"{config.top_k}"
            )
        if len(texts) < 2 or len(set(texts)) < len(texts):
            raise AnalysisError("routes need at least two pairs, and no text twice")
        self._model = model
        self._halves = Halves.of(model, images, texts)
        self._embedded = [self._halves.embed(code, None) for code in range(2)]
        self.exact = config.experts ** len(config.moe_layers) <= MOST_ROUTES

    def tokens(self, pair: int, code: int) -> int:
        """Tokens of a pair's picture or text."""
        if code == IMAGE:
            return self._model.config.model.patches
        return int(np.count_nonzero(self._halves.ids[pair]))

    def of(
        self,
        pair: int,
        code: int,
        position: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[Integer[np.ndarray, "R L"], Float[np.ndarray, " R"], int]:
        """Routes of a token, the pair's loss with each, and which of them is the model's own."""
        half = self._halves.part(slice(pair, pair + 1))
        own = half.choices(code)[:, position]
        config = self._model.config.model
        layers, experts = len(config.moe_layers), config.experts
        if self.exact:
            routes = np.array(list(itertools.product(range(experts), repeat=layers)), np.int32)
        else:
            routes = np.unique(
                [
                    [*own[:layer], expert, *own[layer + 1 :]]
                    for layer in range(layers)
                    for expert in range(experts)
                ],
                axis=0,
            ).astype(np.int32)
        found = []
        for start in range(0, len(routes), _BATCH):
            found.append(self._forced(half, code, position, routes[start : start + _BATCH]))
            if progress is not None:
                progress(min(start + _BATCH, len(routes)), len(routes))
        embeddings = np.concatenate(found)
        chosen = int(np.flatnonzero((routes == own).all(axis=1))[0])
        return routes, self._losses(pair, code, embeddings), chosen

    def _forced(
        self, half: Halves, code: int, position: int, routes: Integer[np.ndarray, "r L"]
    ) -> Float[np.ndarray, "r d"]:
        """Embeddings of one picture or text with each of some routes of one of its tokens."""
        import jax.numpy as jnp

        from limoe_core.model.router import Intervention

        config = self._model.config.model
        count, layers = routes.shape
        full = min(_BATCH, 1 << (count - 1).bit_length())  # few shapes, so that few compile
        pixels = np.repeat(half.pixels, full if code == IMAGE else 0, axis=0)
        ids = np.repeat(half.ids, full if code == TEXT else 0, axis=0)
        length = config.patches if code == IMAGE else config.text_length
        forced = np.full((layers, full * length), -1, np.int32)
        forced[:, np.arange(count) * length + position] = routes.T
        output = self._model.functional.forward(
            self._model.params,
            pixels,
            ids,
            np.ones(len(pixels), bool),
            Intervention(
                jnp.zeros((layers, 2, config.experts)),
                jnp.zeros((layers, 2, config.experts), bool),
                jnp.asarray(forced),
            ),
            capacity_factor=0.0,
            batch_priority=config.batch_priority,
            hidden=False,
        )
        found = output.image_embeddings if code == IMAGE else output.text_embeddings
        return np.asarray(found)[:count]

    def _losses(
        self, pair: int, code: int, embeddings: Float[np.ndarray, "r d"]
    ) -> Float[np.ndarray, " r"]:
        """The pair's part of the contrastive loss with other embeddings of its picture or text."""
        temperature = self._halves.temperature
        mine, theirs = (each.astype(np.float64) for each in self._both(code))
        new = embeddings.astype(np.float64)
        # From the changed half to all of the other; and from the pair's other half to all of this,
        # of which only its own has changed.
        there = new @ theirs.T / temperature
        back = np.tile(mine @ theirs[pair] / temperature, (len(new), 1))
        back[:, pair] = there[:, pair]
        both = logsumexp(there, axis=1) + logsumexp(back, axis=1)
        return 0.5 * both - there[:, pair]

    def _both(self, code: int) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of the half with this code, and of the other."""
        return self._embedded[code], self._embedded[1 - code]
