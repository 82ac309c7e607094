"""Few-shot linear probes against algebra done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from limoe_core.config import ConfigError
from limoe_core.evaluation.intervals import wilson_interval
from limoe_core.evaluation.linear_probe import (
    STRENGTHS,
    classify_linearly,
    draw_examples,
    linear_probe,
)


class Points:
    """Pictures that are points, whose reader counts how many labels were looked at."""

    def __init__(self, labels, points=None):
        self.all = np.asarray(labels)
        self.points = points
        self.read = 0

    def __len__(self):
        return len(self.all)

    @property
    def pictures(self):
        return self

    def batch(self, places):
        return self.points[places]

    def labels(self, places):
        self.read += len(places)
        return self.all[places]


class Itself:
    """A model whose embedding of a point is the point."""

    def encode_images(self, images):
        return np.asarray(images, np.float32)

    def encode_texts(self, texts):
        raise AssertionError("a linear probe reads no text")


def clouds(classes, each, seed, spread=1.0):
    """Points of classes around centres that do not depend on the seed."""
    centres = np.random.default_rng(99).normal(size=(classes, 6))
    labels = np.repeat(np.arange(classes), each)
    noise = np.random.default_rng(seed).normal(size=(len(labels), 6))
    return (centres[labels] + spread * noise).astype(np.float32), labels


def ridge_by_hand(examples, labels, strength, classes):
    """Weights and offsets from the normal equations, the offsets without a penalty."""
    x = np.concatenate([examples, np.ones((len(examples), 1))], axis=1).astype(np.float64)
    targets = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
    penalty = np.diag([strength] * examples.shape[1] + [0.0])
    return np.linalg.solve(x.T @ x + penalty, x.T @ targets)


def with_one(points):
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def test_the_probe_is_ridge_regression_with_the_best_left_out_error():
    examples, labels = clouds(4, 10, seed=0)
    pictures, _ = clouds(4, 30, seed=1)
    errors = []
    for strength in STRENGTHS:
        error = 0.0
        for out in range(len(examples)):
            rest = np.arange(len(examples)) != out
            weights = ridge_by_hand(examples[rest], labels[rest], strength, 4)
            target = np.where(np.arange(4) == labels[out], 1.0, -1.0)
            error += np.sum((with_one(examples[[out]]) @ weights - target) ** 2)
        errors.append(error)
    best = STRENGTHS[int(np.argmin(errors))]
    answers, strength = classify_linearly(examples, labels, pictures)
    assert strength == best
    weights = ridge_by_hand(examples, labels, best, 4)
    assert answers.tolist() == (with_one(pictures) @ weights).argmax(axis=1).tolist()


def test_every_class_gives_its_examples_and_no_more_is_read_than_needed():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, size=5000)
    labels[labels == 2] = np.where(rng.random(np.sum(labels == 2)) < 0.1, -1, 2)
    data = Points(labels)
    places, own = draw_examples(data, 3, seed=1)
    assert len(set(places.tolist())) == 30
    assert own.tolist() == labels[places].tolist()
    assert np.bincount(own).tolist() == [10, 10, 10]
    assert data.read < 600
    again, _ = draw_examples(data, 3, seed=1)
    other, _ = draw_examples(data, 3, seed=2)
    assert places.tolist() == again.tolist()
    assert set(places.tolist()) != set(other.tolist())


def test_a_class_with_few_pictures_gives_all_of_them():
    labels = np.array([0] * 40 + [1] * 4)
    _, own = draw_examples(Points(labels), 2, seed=0)
    assert np.bincount(own).tolist() == [10, 4]


def test_the_mean_over_draws_and_its_interval():
    points, labels = clouds(3, 50, seed=0, spread=2.0)
    test, truth = clouds(3, 40, seed=1, spread=2.0)
    data = Points(labels, points)
    truth = np.append(truth, -1)  # a picture without a label is not asked for
    test = np.concatenate([test, test[:1]])
    found = linear_probe(Itself(), data, test, truth, 3, seed=5)
    accuracies = []
    for draw in range(5):
        places, own = draw_examples(data, 3, seed=(5, draw))
        answers, _ = classify_linearly(points[places], own, test[:-1])
        right = sum(int(a == b) for a, b in zip(answers, truth[:-1], strict=True))
        accuracies.append(right / 120)
    assert found["top1_by_draw"] == pytest.approx(accuracies)
    assert (found["n"], found["ways"], found["examples"]) == (120, 3, 30)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(accuracies), scale=stats.sem(accuracies))
    assert len(set(accuracies)) > 1
    assert found["top1"] == pytest.approx({"value": np.mean(accuracies), "low": low, "high": high})


def test_draws_that_agree_leave_what_the_test_pictures_leave_open():
    points, labels = clouds(2, 20, seed=0, spread=0.001)
    found = linear_probe(Itself(), Points(labels, points), points, labels, 2)
    assert found["top1_by_draw"] == [1.0] * 5
    low, high = wilson_interval(40, 40)
    assert found["top1"] == {"value": 1.0, "low": low, "high": high}


def test_one_class_cannot_be_told_from_others():
    points, labels = clouds(1, 20, seed=0)
    with pytest.raises(ConfigError, match="at least two classes"):
        linear_probe(Itself(), Points(labels, points), points, labels, 2)
