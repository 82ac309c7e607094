"""How a router's weights come of its logits, found by trying the known rules on what it gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float

from limoe_core.recording.decisions import Decision
from limoe_core.recording.routers import Router
from limoe_core.trace.parts import UNKNOWN

#: Largest relative error of a rule: rounding of weights in bfloat16, and of those in float32.
_ROUNDING, _EXACT = 2e-2, 1e-3
#: Tokens that a rule is tried on.
_TRIED = 4096


@dataclass(frozen=True)
class Scoring:
    """A rule, in the words of `docs/trace-format.md`."""

    name: str
    scaling: float = 1.0
    """What weights are multiplied by in the end."""

    def scores(self, logits: Float[torch.Tensor, "n E"]) -> Float[torch.Tensor, "n E"] | None:
        """The score of every expert; None where the rule is unknown."""
        if self.name == UNKNOWN:
            return None
        return _sigmoid(logits) if self.name.startswith("sigmoid") else _softmax(logits)


def found_rule(decisions: Sequence[Decision], routers: Sequence[Router]) -> Scoring:
    """The rule that gives all weights of some decisions; `unknown` if none does."""
    exact = all(decision.weight.dtype == torch.float32 for decision in decisions)
    best, name, scaling = torch.inf, UNKNOWN, 1.0
    for kind, scored in (("softmax", _softmax), ("sigmoid", _sigmoid)):
        for of_chosen in (False, True):
            error, factor = _error(decisions, scored, of_chosen)
            if error < best:
                best, scaling = error, factor
                name = "softmax of the chosen" if kind == "softmax" and of_chosen else kind
    if best > (_EXACT if exact else _ROUNDING):
        return Scoring(UNKNOWN)
    rule = Scoring(name, float(f"{scaling:.4g}"))
    if not all(_by_score(decision, rule) for decision in decisions):
        biased = any(bias_of(router) is not None for router in routers)
        rule = Scoring(f"{name}, chosen {'with a bias' if biased else 'otherwise'}", rule.scaling)
    return rule


def bias_of(router: Router) -> Float[torch.Tensor, " E"] | None:
    """What a router adds to scores to choose; None if it adds nothing that is known."""
    found = [_bias(gate.module) for gate in router.gates]
    known = [each for each in found if each is not None]
    if len(known) < len(found) or not any(bool(each.any()) for each in known):
        return None
    return torch.cat(known)


def _bias(module: Any) -> torch.Tensor | None:
    named = [*module.named_buffers(), *module.named_parameters()]
    for name, value in named:
        if name.endswith("e_score_correction_bias"):
            return value.detach().float().cpu().reshape(-1)
    return None


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    values = logits.float()
    # Some routers state probabilities already.
    if bool((values >= 0).all()) and torch.allclose(values.sum(-1), torch.ones(1), atol=1e-3):
        return values
    return values.softmax(-1)


def _sigmoid(logits: torch.Tensor) -> torch.Tensor:
    return logits.float().sigmoid()


def _error(decisions: Sequence[Decision], scored: Any, of_chosen: bool) -> tuple[float, float]:
    """Largest relative error of a rule, and the factor with which it is least."""
    ratios = []
    for decision in decisions:
        weight = scored(decision.logits[:_TRIED]).gather(1, decision.choice[:_TRIED].long())
        if of_chosen:
            weight = weight / weight.sum(-1, keepdim=True)
        ratios.append((decision.weight[:_TRIED].float() / weight).reshape(-1))
    ratio = torch.cat(ratios)
    factor = float(ratio.median())
    if not ratio.isfinite().all() or factor <= 0:
        return torch.inf, 1.0
    return float((ratio / factor - 1).abs().max()), factor


def _by_score(decision: Decision, rule: Scoring) -> bool:
    """Whether the experts of the highest scores are chosen, equal scores apart."""
    scores = rule.scores(decision.logits[:_TRIED])
    assert scores is not None
    choice = decision.choice[:_TRIED].long()
    most = scores.topk(choice.shape[1], dim=-1).values.sum(-1)
    return torch.allclose(scores.gather(1, choice).sum(-1), most, rtol=1e-2)
