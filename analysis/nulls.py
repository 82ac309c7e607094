"""What a measure of tokens and labels would be if the labels had nothing to do with the routing.

The tokens of one picture are not independent: they share its labels, and they are routed alike. So
tokens are not shuffled over all pairs, which would make a null far too narrow, but every pair takes
the labels of another one, in random order. Pairs of one concept are alike too, and have its
category in common, so categories are exchanged between concepts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Integer
from scipy.special import gammaln, xlogy

from limoe_core.trace import RoutingTrace


def labels_of_other_pairs(
    labels: Integer[np.ndarray, " t"],
    pair: Integer[np.ndarray, " t"],
    samples: int,
    seed: int,
) -> Iterator[Integer[np.ndarray, " t"]]:
    """The labels, `samples` times, each pair with those of another one drawn without replacement.

    A pair with more tokens than the other one repeats its labels; one with fewer has some of them.
    So labels lose what ties them to the routing, between pairs and within each, and keep how they
    lie together in pairs.

    Args:
      labels: of each token.
      pair: the pair of each token, any numbers; or its concept, see `exchanged_units`.
    """
    rng = np.random.default_rng(seed)
    _, member, count = np.unique(pair, return_inverse=True, return_counts=True)
    start = np.cumsum(count) - count
    in_pairs = np.argsort(member, kind="stable")
    rank = np.empty_like(in_pairs)
    rank[in_pairs] = np.arange(len(pair)) - start[member[in_pairs]]
    for _ in range(samples):
        mixed = labels[np.lexsort((rng.random(len(pair)), member))]
        other = rng.permutation(len(count))[member]
        yield mixed[start[other] + rank % count[other]]


def tables_with_other_labels(
    labels: Integer[np.ndarray, " t"],
    unit: Integer[np.ndarray, " t"],
    chosen: Integer[np.ndarray, "L t"],
    experts: int,
    samples: int,
    seed: int,
) -> Iterator[Integer[np.ndarray, "L V E"]]:
    """Tokens by layer, label and expert with the labels of other units, `samples` times.

    As tables of `labels_of_other_pairs`; where all tokens of each unit have one label, whole units
    are counted, which takes a hundredth of the time.

    Args:
      labels: of each token, counted from 0.
      unit: of each token, see `exchanged_units`.
      chosen: expert of each token by layer.
      experts: how many there are (E).
    """
    layers, kinds = len(chosen), int(labels.max(initial=-1)) + 1
    _, member = np.unique(unit, return_inverse=True)
    units = int(member.max(initial=-1)) + 1
    of_unit = np.zeros(units, np.int64)
    of_unit[member] = labels
    if np.array_equal(of_unit[member], labels):
        counts = np.zeros((units, layers, experts), np.int64)
        for layer in range(layers):
            np.add.at(counts[:, layer], (member, chosen[layer]), 1)
        rng = np.random.default_rng(seed)
        for _ in range(samples):
            found = np.zeros((kinds, layers, experts), np.int64)
            np.add.at(found, of_unit[rng.permutation(units)], counts)
            yield found.swapaxes(0, 1)
        return
    for other in labels_of_other_pairs(labels, unit, samples, seed):
        yield np.stack([table(other, of_layer, kinds, experts) for of_layer in chosen])


def table(
    labels: Integer[np.ndarray, " t"],
    chosen: Integer[np.ndarray, " t"],
    kinds: int,
    experts: int,
) -> Integer[np.ndarray, "V E"]:
    """Tokens by label and expert."""
    found = np.bincount(labels * experts + chosen, minlength=kinds * experts)
    return found.reshape(kinds, experts)


def exchanged_units(
    trace: RoutingTrace, tokens: Bool[np.ndarray, " T"], labels: Integer[np.ndarray, " t"]
) -> Integer[np.ndarray, " t"]:
    """Whose labels are exchanged: of each token its concept, where concepts have labels, else pair.

    A concept has one where all its pairs share it, as a category. Where every concept has a label
    of its own, an exchange between concepts would change nothing. Concepts also have the labels
    that differ within pairs, as words do: their pairs share most of these, and are routed alike.

    Args:
      tokens: those that are looked at.
      labels: of these.
    """
    pair = trace.pair[tokens]
    if "concept" not in trace.meta:
        return pair
    # A pair without a concept is one by itself.
    names = [f"c{name}" if name else f"p{at}" for at, name in enumerate(trace.meta["concept"])]
    concept = np.unique(names, return_inverse=True)[1][pair]
    concepts = len(np.unique(concept))
    pairs, each = len(np.unique(pair)), len(np.unique(labels))
    if concepts in (1, pairs):
        return pair
    if _kinds(pair, labels) > pairs:
        return concept
    return concept if _kinds(concept, labels) == concepts != each else pair


def _kinds(one: Integer[np.ndarray, " t"], other: Integer[np.ndarray, " t"]) -> int:
    """How many different combinations there are."""
    return len(np.unique(np.column_stack([one, other]), axis=0))


class AdjustedInformation:
    """Adjusted mutual information with one fixed labelling of tokens, many times over.

    As `sklearn.metrics.adjusted_mutual_info_score` with its arithmetic mean: what two labellings
    with these numbers of tokens share by chance, tokens being independent, is taken away (Vinh,
    Epps and Bailey, 2010). Chances depend on the numbers alone, so they are kept.
    """

    def __init__(self, fixed: Integer[np.ndarray, " k"]) -> None:
        """
        Args:
          fixed: number of tokens with each label of the fixed labelling.
        """
        self._counts = fixed[fixed > 0]
        self._tokens = int(fixed.sum())
        self._entropy = self._entropy_of(self._counts)
        self._by_chance: dict[int, float] = {}

    def __call__(self, both: Integer[np.ndarray, "v k"]) -> float:
        """The measure for another labelling; 0 if either is constant, NaN of no tokens.

        Args:
          both: tokens by the other label and the fixed one.
        """
        if not self._tokens:
            return float("nan")
        counts = both.sum(axis=1)
        counts = counts[counts > 0]
        if len(counts) == 1 or len(self._counts) == 1:
            return 0.0
        if len(counts) == len(self._counts) == self._tokens:
            return 1.0  # each token has labels of its own; of 0/0, as in scikit-learn
        entropy = self._entropy_of(counts)
        shared = entropy + self._entropy - self._entropy_of(both.reshape(-1))
        sizes, times = np.unique(counts, return_counts=True)
        chance = float(times @ np.array([self._of_chance(size) for size in sizes.tolist()]))
        most = (entropy + self._entropy) / 2 - chance
        # scikit-learn's guard against 0/0 where every token has a label of its own.
        tiny = np.finfo(np.float64).eps
        return float((shared - chance) / (min(most, -tiny) if most < 0 else max(most, tiny)))

    def _entropy_of(self, counts: Integer[np.ndarray, " k"]) -> float:
        share = counts / self._tokens
        return float(-xlogy(share, share).sum())

    def _of_chance(self, count: int) -> float:
        """What a label of `count` tokens adds to the expected mutual information, in nats."""
        if count not in self._by_chance:
            self._by_chance[count] = sum(
                _expected(count, other, self._tokens) for other in self._counts.tolist()
            )
        return self._by_chance[count]


def _expected(one: int, other: int, tokens: int) -> float:
    """Expected share of the mutual information of two labels of `one` and `other` tokens.

    Over the hypergeometric distribution of how many tokens have both.
    """
    both = np.arange(max(1, one + other - tokens), min(one, other) + 1, dtype=np.float64)
    chance = (
        gammaln(one + 1)
        + gammaln(other + 1)
        + gammaln(tokens - one + 1)
        + gammaln(tokens - other + 1)
        - gammaln(tokens + 1)
        - gammaln(both + 1)
        - gammaln(one - both + 1)
        - gammaln(other - both + 1)
        - gammaln(tokens - one - other + both + 1)
    )
    shared = both / tokens * np.log(tokens * both / (one * other))
    return float(np.sum(shared * np.exp(chance)))
