"""Bootstrap intervals of any score of labels and logits, and of two models' differences on the same rows."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from distill_jax.metrics.bootstrap import CONFIDENCE, Interval

RESAMPLES = 1_000  # ranks are sorted anew for each

Score = Callable[[np.ndarray, np.ndarray], float]


@dataclasses.dataclass(frozen=True)
class Difference:
    """The first model's score − the second's.

    Attributes:
        interval: of the difference, 95 %.
        probability_positive: the share of resamples in which the first's is the higher, equals counting half.
    """

    interval: Interval
    probability_positive: float


def resampled(score: Score, labels: np.ndarray, models: Sequence[np.ndarray], *, seed: int = 0) -> np.ndarray:
    """Return the score of each model on rows drawn with replacement, float64 [resamples, models].

    A row is drawn with its label and every model's logits at once, so that differences are paired. A resample may have
    no score (one value alone has no correlation): it is NaN.

    Args:
        score: of labels and logits.
        labels: of n rows, at least one.
        models: each one's logits of the rows.
        seed: the same seed draws the same rows.
    """
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, len(labels), len(labels)) for _ in range(RESAMPLES))
    return np.array([[score(labels[rows], logits[rows]) for logits in models] for rows in draws])


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
