"""Bootstrap intervals of scores, and of two models' differences on the same rows.

A resample of n rows with replacement is how often each row was drawn, so scores are computed from such weights: what
takes sorting is sorted once, and thousands of draws are products of matrices.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from distill_jax.metrics.interval import CONFIDENCE, Interval

RESAMPLES = 1_000
_ELEMENTS_AT_ONCE = 10_000_000  # of the weights [draws, rows], to bound the memory

Resampler = Callable[[np.ndarray], np.ndarray]
"""A score of rows that are there: from how often each was drawn, float32 [draws, n], to scores, float64 [draws].

A draw may have no score (one value alone has no correlation): it is NaN.
"""


@dataclasses.dataclass(frozen=True)
class Difference:
    """The first model's score − the second's.

    Attributes:
        interval: of the difference, 95 %.
        probability_positive: the share of resamples in which the first's is the higher, equals counting half.
    """

    interval: Interval
    probability_positive: float


def resampled(scores: Sequence[Resampler], rows: int, *, seed: int = 0) -> np.ndarray:
    """Return scores on rows drawn with replacement, float64 [resamples, scores].

    The same seed draws the same rows, so scores of other models on as many rows are paired with these.

    Args:
        scores: what is computed on every draw.
        rows: how many there are, at least one.
        seed: draws.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, min(RESAMPLES, _ELEMENTS_AT_ONCE // rows))
    parts = []
    for first in range(0, RESAMPLES, at_once):
        draws = range(first, min(first + at_once, RESAMPLES))
        weights = np.empty((len(draws), rows), np.float32)
        for row in weights:
            row[:] = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        parts.append(np.stack([score(weights) for score in scores], axis=1))
    return np.concatenate(parts)


def percentile_interval(value: float, draws: np.ndarray) -> Interval:
    """Return a score with the interval that holds 95 % of its resamples; NaN where there is none."""
    known = draws[np.isfinite(draws)]
    if not len(known):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))


def difference(values: Sequence[float], draws: np.ndarray) -> Difference:
    """Return the first's lead of two scores, from both on all rows and on the resamples, [resamples, 2]."""
    leads = draws[:, 0] - draws[:, 1]
    leads = leads[np.isfinite(leads)]
    share = float(np.mean(leads > 0) + np.mean(leads == 0) / 2) if len(leads) else float("nan")
    return Difference(percentile_interval(values[0] - values[1], leads), share)
