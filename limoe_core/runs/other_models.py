"""A model that a run has traces of and no parameters, as the run's config.json describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from limoe_core.trace import RoutingTrace

#: Longest text, and most routers and facts, that are read; a run may come from anywhere.
_LONGEST, _MOST_ROUTERS, _MOST_FACTS = 4_000, 1_024, 64


@dataclass(frozen=True)
class OtherModel:
    """What is known of it before any trace is read."""

    numbers: tuple[int, ...]
    """Numbers of its routers in traces, rising."""
    names: tuple[str, ...]
    """What they are called."""
    experts: tuple[int, ...]
    """How many experts each chooses from."""
    top_k: int
    """Most choices of a token."""
    scoring: str
    """How scores come of logits."""
    made_by: Mapping[str, str]
    """What made the traces: library, version, model, revision, dtype, prompt, …"""

    @classmethod
    def of(cls, trace: RoutingTrace) -> OtherModel:
        """The model that a trace is of."""
        return cls(
            tuple(trace.layers.tolist()),
            trace.names,
            tuple(trace.experts.tolist()),
            trace.top_k,
            trace.scoring,
            dict(trace.made_by),
        )

    @classmethod
    def read(cls, said: Any) -> OtherModel:
        """From what config.json says.

        Raises:
          ValueError: it does not describe a model.
        """
        about = said if isinstance(said, Mapping) else {}
        listed = about.get("routers")
        if not isinstance(listed, list) or not 1 <= len(listed) <= _MOST_ROUTERS:
            raise ValueError(f"recorded.routers is no list of 1 to {_MOST_ROUTERS:,} routers")
        routers = [each if isinstance(each, Mapping) else {} for each in listed]
        numbers = _whole([each.get("number") for each in routers], "number", 2**20)
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            raise ValueError("recorded.routers are not in the order of their numbers")
        top_k = _whole([about.get("top_k")], "top_k", 4_096)[0]
        facts = about.get("made_by", {})
        if not isinstance(facts, Mapping) or len(facts) > _MOST_FACTS:
            raise ValueError(f"recorded.made_by is no object of at most {_MOST_FACTS} texts")
        return cls(
            numbers,
            tuple(_text(each.get("name"), "routers[].name") for each in routers),
            _whole([each.get("experts") for each in routers], "experts", 4_096),
            top_k,
            _text(about.get("scoring"), "scoring"),
            {_text(name, "made_by"): _text(value, "made_by") for name, value in facts.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """The inverse of `read`."""
        routers = [
            {"number": number, "name": name, "experts": experts}
            for number, name, experts in zip(self.numbers, self.names, self.experts, strict=True)
        ]
        said = {"routers": routers, "top_k": self.top_k, "scoring": self.scoring}
        return {**said, "made_by": dict(self.made_by)}

    def check(self, trace: RoutingTrace) -> None:
        """Looks whether a trace is of this model.

        Raises:
          ValueError: it is of another, and how.
        """
        theirs = OtherModel.of(trace)
        for name in ("numbers", "names", "experts", "top_k", "scoring"):
            mine, found = getattr(self, name), getattr(theirs, name)
            if mine != found:
                raise ValueError(
                    f"the trace is of another model: {name} {_brief(found)}, in config.json "
                    f"{_brief(mine)}"
                )
        if not trace.num_tokens:
            raise ValueError("the trace has no tokens")

    @cached_property
    def routers(self) -> dict[int, str]:
        """What each router is called, by its number."""
        return dict(zip(self.numbers, self.names, strict=True))

    @property
    def called(self) -> str:
        """The model's name, as far as it is known."""
        return self.made_by.get("model") or "another model"

    @property
    def summary(self) -> str:
        """The model in one line: its name, routers, and what made the traces."""
        fewest, most = min(self.experts), max(self.experts)
        experts = f"{most}" if fewest == most else f"{fewest} to {most}"
        said = f"{self.made_by.get('library', '')} {self.made_by.get('version', '')}".strip()
        parts = [
            self.called,
            f"{experts} experts, top {self.top_k}, {self.scoring}, in {len(self.numbers)} routers",
            f"traces alone, made by {said}" if said else "traces alone",
        ]
        return " · ".join(parts)


def _whole(values: list[Any], name: str, most: int) -> tuple[int, ...]:
    for value in values:
        if type(value) is not int or not 1 <= value <= most:
            raise ValueError(
                f"recorded: {name} {str(value)[:40]!r} is no number from 1 to {most:,}"
            )
    return tuple(values)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise ValueError(f"recorded: {name} is no text of 1 to {_LONGEST:,} characters")
    return value


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
