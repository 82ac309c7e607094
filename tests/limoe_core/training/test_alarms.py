"""When a run is stopped, and when it is warned about."""

from __future__ import annotations

import math

import pytest

from limoe_core.training.alarms import Watch


def router(image: list[float], text: list[float], layer: int = 4) -> dict:
    return {"layer": layer, "share": {"image": image, "text": text}}


def said(watch: Watch, lines: int, *routers: dict) -> list[str]:
    return [sentence for _ in range(lines) for sentence in watch.collapsed(routers)]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf, 100.0])
def test_a_loss_that_left_is_noticed(loss: float) -> None:
    watch = Watch(batch_size=256)
    assert not watch.diverged(6.0)
    assert watch.diverged(loss)


def test_a_loss_as_high_as_guessing_is_not() -> None:
    watch = Watch(batch_size=256)
    assert not any(watch.diverged(loss) for loss in (5.5, 0.1, 5.5, 8.0))


def test_a_loss_is_measured_against_where_it_began() -> None:
    watch = Watch(batch_size=16)
    assert not any(watch.diverged(loss) for loss in (30.0, 80.0))
    assert watch.diverged(91.0)


def test_a_modality_in_one_expert_is_named_once_and_with_patience() -> None:
    watch = Watch(16)
    collapsed = router([0.3, 0.3, 0.4], [0.01, 0.98, 0.01])
    assert said(watch, 19, collapsed) == []
    (sentence,) = said(watch, 30, collapsed)
    assert sentence.startswith("block 4: expert 1 takes over 95% of all text tokens")


def test_a_dead_expert_is_named() -> None:
    (sentence,) = said(Watch(16), 20, router([0.5, 0.5, 0.0], [0.4, 0.6, 0.0], layer=2))
    assert sentence.startswith("block 2: expert 2 gets under 0.1% of the tokens of any modality")


def test_recovery_starts_the_count_again() -> None:
    watch = Watch(16)
    bad, good = router([1.0, 0.0], [0.5, 0.5]), router([0.5, 0.5], [0.5, 0.5])
    assert said(watch, 19, bad) + said(watch, 1, good) + said(watch, 19, bad) == []
    assert len(said(watch, 1, bad)) == 1


def test_what_is_well_is_not_spoken_of() -> None:
    assert said(Watch(16), 50, router([0.9, 0.1, 0.0], [0.0, 0.1, 0.9])) == []
    assert said(Watch(16), 50, router([1.0], [1.0])) == [], "one expert takes all by design"
    assert said(Watch(16), 50, router([0.5, 0.5], [0.0, 0.0])) == [], "no text at all"
