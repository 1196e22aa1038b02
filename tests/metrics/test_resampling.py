"""Scores on resamples, computed from how often each row was drawn, are those of the rows drawn."""

import numpy as np
import pytest

from distill_jax.metrics.resampling import RESAMPLES, difference, percentile_interval, resampled
from distill_jax.tasks.registry import task_named

RNG = np.random.default_rng(0)


def _rows(task, count, seed=0):
    """Return labels and logits of rows that agree somewhat, with equals among the logits."""
    rng = np.random.default_rng(seed)
    if task == "score":
        labels = np.round(rng.normal(3, 1, count), 1).astype(np.float32)
        return labels, np.round(labels + rng.normal(0, 1, count), 1).astype(np.float32)[:, None]
    if task == "multi-label":
        labels = (rng.random((count, 4)) < [0.5, 0.2, 0.02, 0]).astype(np.int8)
        return labels, np.round(2 * labels + rng.normal(-1, 1, labels.shape), 1).astype(np.float32)
    labels = rng.integers(0, 3, count).astype(np.int32)
    return labels, (np.eye(5)[labels] + rng.normal(0, 1, (count, 5))).astype(np.float32)


def _numbers(task):
    return [*task.metrics, *task.calibration]


@pytest.mark.parametrize("count", [1, 2, 3, 40, 300])
@pytest.mark.parametrize("name", ["single-label", "multi-label", "score"])
def test_a_weighted_score_is_that_of_the_rows_drawn(name, count):
    task = task_named(name)
    task = task.above(3.0) if name == "score" else task
    labels, logits = _rows(name, count)
    drawn = RNG.integers(0, count, (50, count))
    drawn[0] = 0  # one row alone, again and again
    weights = np.array([np.bincount(rows, minlength=count) for rows in drawn], np.float32)
    for metric in _numbers(task):
        expected = [metric.of(labels[rows], logits[rows]) for rows in drawn]
        np.testing.assert_allclose(metric.resampler(labels, logits)(weights), expected, err_msg=metric.name, **CLOSE)


CLOSE = {"rtol": 1e-6, "atol": 1e-9}  # logits are of float32, and sums are in another order


def test_an_offset_of_the_scores_does_not_hide_that_a_resample_is_constant():
    labels, logits = np.array([1e6, 1e6 + 1], np.float32), np.array([[0.1], [0.7]], np.float32)
    weights = np.array([[2, 0], [0, 2], [1, 1]], np.float32)
    for metric in task_named("score").metrics[:2]:
        found = metric.resampler(labels, logits)(weights)
        assert np.isnan(found[:2]).all()
        assert found[2] == pytest.approx(1)


def test_draws_are_with_replacement_and_the_same_for_every_model():
    seen = []

    def watch(weights):
        seen.append(weights.copy())
        return weights[:, 0].astype(np.float64)

    first = resampled([watch, watch], 70)
    assert first.shape == (RESAMPLES, 2)
    assert all((weights.sum(axis=1) == 70).all() for weights in seen)
    np.testing.assert_array_equal(first[:, 0], first[:, 1])
    np.testing.assert_array_equal(first, resampled([watch, watch], 70))
    assert not np.array_equal(first, resampled([watch, watch], 70, seed=1))
    assert first.var() == pytest.approx(1, abs=0.15)  # binomial: n · 1/n · (1 − 1/n)


def test_many_rows_are_drawn_a_few_times_at_once_and_the_draws_are_the_same():
    shapes = []

    def watch(weights):
        shapes.append(weights.shape)
        return weights[:, -1].astype(np.float64)

    resampled([watch], 200_000)
    assert sum(draws for draws, _ in shapes) == RESAMPLES
    assert max(draws * rows * 4 for draws, rows in shapes) < 1e8


def test_an_interval_holds_what_another_sample_of_the_same_source_scores():
    task = task_named("score")
    (metric,) = (metric for metric in task.metrics if metric.name == "spearman")
    labels, logits = _rows("score", 400)
    interval = percentile_interval(metric.of(labels, logits), resampled([metric.resampler(labels, logits)], 400)[:, 0])
    others = [metric.of(*_rows("score", 400, seed)) for seed in range(1, 41)]
    assert np.mean([interval.low <= other <= interval.high for other in others]) > 0.6


def test_a_model_against_itself_is_no_better():
    found = difference([0.5, 0.5], np.ones((10, 2)))
    assert (found.probability_positive, found.interval.low, found.interval.high) == (0.5, 0, 0)
