"""Bootstrap intervals of accuracy and macro F1, and of two models' differences on the same rows, by SciPy."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from distill_jax.metrics.interval import CONFIDENCE, Interval
from distill_jax.metrics.outcomes import OutcomeTable, class_sums

RESAMPLES = 5_000
_ELEMENTS_AT_ONCE = 4_000_000  # of the arrays [resamples, rows], to bound the memory


@dataclasses.dataclass(frozen=True)
class BootstrapIntervals:
    """The 95 % intervals of each model, and of the first's lead over the second where there are two.

    Attributes:
        accuracy: one a model.
        macro_f1: one a model.
        accuracy_difference: the first model's accuracy - the second's; None for one model.
        macro_f1_difference: the same for macro F1.
    """

    accuracy: tuple[Interval, ...]
    macro_f1: tuple[Interval, ...]
    accuracy_difference: Interval | None
    macro_f1_difference: Interval | None


def bootstrap_intervals(table: OutcomeTable, *, resamples: int = RESAMPLES, seed: int = 0) -> BootstrapIntervals:
    """Return percentile intervals from rows drawn with replacement.

    A row is drawn with the label and every model's prediction at once, so the differences are paired. The intervals
    are percentile, not BCa: BCa is undefined where no resample differs (two equal models) and costs a jackknife of n²
    elements, and over hundreds of rows the two agree. One row alone says nothing of others: its intervals are all that
    is possible, 0 to 1 for a score and -1 to 1 for a difference.

    Args:
        table: one or two models' outcomes.
        resamples: how many.
        seed: the same seed gives the same intervals.

    References:
        Efron, Tibshirani 1993, *An Introduction to the Bootstrap*, chapter 13; ``scipy.stats.bootstrap``.
    """
    from scipy import stats

    if table.models > 2:
        raise ValueError(f"expected the outcomes of one or two models, got {table.models}")

    def statistic(cells: np.ndarray, axis: int = -1) -> np.ndarray:
        drawn = np.moveaxis(np.atleast_2d(cells), axis, -1)
        return _statistics(table, _count_cells(drawn, len(table.counts))).T.reshape(-1, *cells.shape[:-1])

    observed = _statistics(table, table.counts[None])[0]
    if table.rows == 1:
        return _by_model(_whole_range(observed, table.models), table.models)
    found = stats.bootstrap(
        (table.row_cells,),
        statistic,
        vectorized=True,
        method="percentile",
        n_resamples=resamples,
        batch=max(1, _ELEMENTS_AT_ONCE // table.rows),
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    limits = zip(observed, found.low, found.high, strict=True)
    return _by_model([Interval(float(value), float(low), float(high)) for value, low, high in limits], table.models)


def _whole_range(observed: np.ndarray, models: int) -> list[Interval]:
    """Return the intervals that one row allows, which says nothing of others: all that a number may be."""
    lows = [0.0] * 2 * models + [-1.0] * (len(observed) - 2 * models)
    return [Interval(float(value), low, 1.0) for value, low in zip(observed, lows, strict=True)]


def _by_model(intervals: Sequence[Interval], models: int) -> BootstrapIntervals:
    """Return the intervals of accuracies, of macro F1 scores and, for two models, of their differences, by name."""
    differences = intervals[2 * models :] or (None, None)
    return BootstrapIntervals(
        tuple(intervals[:models]), tuple(intervals[models : 2 * models]), differences[0], differences[1]
    )


def _count_cells(drawn: np.ndarray, cells: int) -> np.ndarray:
    """Return how often each of ``cells`` values occurs in each line of ``drawn``, int [lines, cells]."""
    shifted = drawn + (np.arange(len(drawn)) * cells)[:, None]
    return np.bincount(shifted.reshape(-1), minlength=len(drawn) * cells).reshape(len(drawn), cells)


def _statistics(table: OutcomeTable, counts: np.ndarray) -> np.ndarray:
    """Return accuracies, macro F1 scores and, for two models, both differences: float [draws, 2 or 6]."""
    sums = class_sums(table, counts)
    accuracy, macro_f1 = sums.accuracy(), sums.macro_f1()
    columns = [accuracy, macro_f1]
    if table.models == 2:
        columns += [score[:, :1] - score[:, 1:] for score in (accuracy, macro_f1)]
    return np.concatenate(columns, axis=1)
