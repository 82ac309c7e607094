"""The paper's claims, each as one comparison that decides: see docs/study/plan.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from benchmarks.study.statistics import LEVEL, Paired, Spread, holm, moderated, paired, slope

#: What is recorded of the run of an arm with a seed, by both.
Table = dict[tuple[str, int], dict[str, Any]]
#: One number of a run.
Measure = Callable[[dict[str, Any]], float]

#: Margins: points of zero-shot accuracy, mutual information, and experts.
_POINTS, _INFORMATION, _EXPERTS = 2.0, 0.05, 0.5


def points(line: dict[str, Any]) -> float:
    """The primary outcome: mean of both top-5 accuracies over all languages, in percent."""
    return 100 * float(np.mean([each["top5_mean"] for each in line["zero_shot"].values()]))


def mean_of_layers(name: str) -> Measure:
    """A number of each layer's, averaged over them."""
    return lambda line: float(np.mean([layer[name] for layer in line["layers"]]))


def _above(baseline: str) -> Measure:
    nmi, other = mean_of_layers("nmi"), mean_of_layers(baseline)
    return lambda line: nmi(line) - other(line)


@dataclass(frozen=True, eq=False)
class Claim:
    """A claim or a question, and what decides it."""

    text: str
    weights: dict[str, float]
    """Of each arm in the sum that is tested."""
    measure: Measure = points
    what: str = "zero-shot"
    margin: float = _POINTS
    unit: str = "points"
    claimed: bool = True
    """Whether the paper says that the sum is above 0; else it is a question."""

    @property
    def formula(self) -> str:
        """The comparison in words."""
        arms = [f"`{arm}`" for arm in self.weights]
        compared = "slope over " + ", ".join(arms) if len(arms) > 2 else " − ".join(arms)
        return f"{self.what}: {compared}"

    def values(self, table: Table) -> Float[np.ndarray, " n"]:
        """The sum for each seed that all its arms have, in the order of seeds."""
        seeds = sorted({seed for _, seed in table})
        return np.array(
            [
                sum(weight * self.measure(table[arm, seed]) for arm, weight in self.weights.items())
                for seed in seeds
                if all((arm, seed) in table for arm in self.weights)
            ],
            np.float64,
        )


def _less(arm: str, other: str) -> dict[str, float]:
    return {arm: 1.0, other: -1.0}


def _slope(arms: Sequence[str], places: Sequence[float]) -> dict[str, float]:
    """Weights that make a slope of the sum."""
    return dict(zip(arms, slope(np.eye(len(arms)), places).tolist(), strict=True))


_LIMOE = {"limoe": 1.0}
_NMI: dict[str, Any] = {"margin": _INFORMATION, "unit": "NMI"}
_FROM_START = {**_NMI, "what": "NMI less that at step 0"}
_FROM_KMEANS = {**_NMI, "what": "NMI less that of k-means"}
_EXPERTS_4_TO_32 = _slope(("experts-4", "limoe", "experts-16", "experts-32"), (2, 3, 4, 5))
_PATCHES = _slope(("patches-16", "limoe", "patches-256"), (2, 3, 4))

CLAIMS = (
    Claim("LIMoE is better than a dense model of equal FLOPs", _less("limoe", "dense")),
    Claim("importance and load do not suffice for two modalities", _less("limoe", "balance")),
    Claim("without auxiliary losses it fails", _less("limoe", "no-losses")),
    Claim("the local entropy loss of text is needed", _less("limoe", "no-local-text")),
    Claim("the global entropy loss of images is needed", _less("limoe", "no-global-image")),
    Claim("the global entropy loss of text is needed", _less("limoe", "no-global-text")),
    Claim("Batch Priority Routing is needed", _less("limoe", "no-priority")),
    Claim(
        "experts become specialised by modality", {"limoe": 1.0}, _above("nmi_start"), **_FROM_START
    ),
    Claim(
        "and more so than their inputs are",
        {"limoe": 1.0},
        _above("nmi_kmeans"),
        **_FROM_KMEANS,
    ),
    Claim("more experts are better (per doubling)", _EXPERTS_4_TO_32),
    Claim("is it the routing or the parameters?", _less("limoe", "dense-wide"), claimed=False),
    Claim("does a router have to learn?", _less("limoe", "frozen"), claimed=False),
    Claim("what does one gain over no router?", _less("limoe", "hash"), claimed=False),
    Claim("can loss-free balancing stand in?", _less("limoe", "loss-free"), claimed=False),
    Claim("with a bias per modality?", _less("limoe", "loss-free-modality"), claimed=False),
    Claim("is a dense start better?", _less("upcycled", "dense"), claimed=False),
    Claim(
        "do text's experts change with the patches (per four times as many)?",
        _PATCHES,
        mean_of_layers("text_experts"),
        "text's experts",
        _EXPERTS,
        "experts",
        claimed=False,
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What the runs say of a claim."""

    claim: Claim
    test: Paired | None
    """None where fewer seeds than are needed have all arms."""
    p_different: float
    """Corrected over all claims."""
    p_equivalent: float

    @property
    def text(self) -> str:
        """The verdict in the plan's words."""
        if self.test is None:
            return "too few runs yet"
        said = []
        if self.p_different < LEVEL:
            up = self.test.mean > 0
            if self.claim.claimed:
                said.append("reproduced" if up else "opposite")
            else:
                said.append("higher" if up else "lower")
        if self.p_equivalent < LEVEL:
            said.append("equivalent")
        return ", ".join(said) or "not decided"


#: Seeds that a comparison needs to be reported.
LEAST_SEEDS = 3


def verdicts(table: Table, claims: Sequence[Claim] = CLAIMS) -> list[Verdict]:
    """The verdict on every claim, with p-values corrected over all of them.

    A slope of four arms spreads a third as far as a difference of two does, of the same runs. So
    spreads are likened as those of sums with weights of length 1.
    """
    found = {claim: values for claim in claims if len(values := claim.values(table)) >= LEAST_SEEDS}
    spreads: dict[Claim, Spread] = {}
    for unit in {claim.unit for claim in found}:
        alike = [claim for claim in found if claim.unit == unit]
        lengths = [float(np.linalg.norm([*claim.weights.values()])) for claim in alike]
        scaled = [found[claim] / length for claim, length in zip(alike, lengths, strict=True)]
        for claim, length, (variance, freedom) in zip(
            alike, lengths, moderated(scaled), strict=True
        ):
            spreads[claim] = Spread(variance * length**2, freedom)
    tests = [
        paired(found[claim], claim.margin, spreads[claim]) if claim in found else None
        for claim in claims
    ]
    nothing = float("nan")
    different = holm([nothing if test is None else test.p_different for test in tests])
    equivalent = holm([nothing if test is None else test.p_equivalent for test in tests])
    return [
        Verdict(claim, test, float(p), float(q))
        for claim, test, p, q in zip(claims, tests, different, equivalent, strict=True)
    ]
