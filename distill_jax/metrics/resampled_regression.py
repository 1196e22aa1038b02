"""Scores of predicted numbers on resamples of their rows (``metrics.resampling``); definitions: ``regression``."""

import numpy as np

from distill_jax.metrics.regression import require_pairs
from distill_jax.metrics.resampling import Resampler

_ROUNDING = 1e-12  # a variance of a smaller share of the square is none


def resampled_absolute_error(labels: np.ndarray, answers: np.ndarray) -> Resampler:
    """Return the resampler of ``mean_absolute_error``; arguments and errors as there."""
    require_pairs(labels, answers)
    errors = np.abs(answers.astype(np.float64) - labels)
    return lambda weights: weights @ errors / len(labels)


def resampled_squared_error(labels: np.ndarray, answers: np.ndarray) -> Resampler:
    """Return the resampler of ``root_mean_squared_error``; arguments and errors as there."""
    require_pairs(labels, answers)
    squares = (answers.astype(np.float64) - labels) ** 2
    return lambda weights: np.sqrt(weights @ squares / len(labels))


def resampled_pearson(labels: np.ndarray, answers: np.ndarray) -> Resampler:
    """Return the resampler of ``pearson``; arguments and errors as there."""
    moments = _moments(labels, answers)

    def of(weights: np.ndarray) -> np.ndarray:
        both, ours, theirs = moments(weights)[2:]
        return _ratio(both, np.sqrt(ours * theirs))

    return of


def resampled_line(labels: np.ndarray, answers: np.ndarray) -> tuple[Resampler, Resampler]:
    """Return the resamplers of the slope and the intercept of ``calibration_line``; arguments and errors as there."""
    moments, centre = _moments(labels, answers), (labels.mean(dtype=np.float64), answers.mean(dtype=np.float64))

    def slope(weights: np.ndarray) -> np.ndarray:
        _, _, both, _, theirs = moments(weights)
        return _ratio(both, theirs)

    def intercept(weights: np.ndarray) -> np.ndarray:
        true, said, both, _, theirs = moments(weights)
        return true + centre[0] - _ratio(both, theirs) * (said + centre[1])

    return slope, intercept


def _moments(labels: np.ndarray, answers: np.ndarray) -> Resampler:
    """Return what gives both means, less those of all rows, the covariance and both variances, [5, draws]."""
    require_pairs(labels, answers)
    ours, theirs = (array.astype(np.float64) - array.mean(dtype=np.float64) for array in (labels, answers))
    columns = np.stack([ours, theirs, ours * theirs, ours**2, theirs**2], axis=1)

    def of(weights: np.ndarray) -> np.ndarray:
        means = (weights @ columns / len(labels)).T
        spread = means[2:] - np.stack([means[0] * means[1], means[0] ** 2, means[1] ** 2])
        spread[1:][spread[1:] <= _ROUNDING * means[3:]] = 0  # what a constant leaves by rounding
        return np.concatenate([means[:2], spread])

    return of


def resampled_spearman(labels: np.ndarray, answers: np.ndarray) -> Resampler:
    """Return the resampler of ``spearman``; arguments and errors as there."""
    require_pairs(labels, answers)
    places = [np.unique(array, return_inverse=True)[1].reshape(-1) for array in (labels, answers)]
    counts = [int(place.max()) + 1 for place in places]

    def of(weights: np.ndarray) -> np.ndarray:
        return np.array([_rank_correlation(drawn.astype(np.float64), places, counts) for drawn in weights])

    return of


def _rank_correlation(weights: np.ndarray, places: list[np.ndarray], counts: list[int]) -> float:
    """Return the correlation of the drawn rows' ranks, from the places of their values among the different ones."""
    ranks, squares = [], []
    for place, count in zip(places, counts, strict=True):
        drawn = np.bincount(place, weights, count)
        centred = np.cumsum(drawn) - drawn / 2 - len(weights) / 2  # equal values have the mean of their ranks
        squares.append(float(drawn @ centred**2))
        ranks.append(centred[place])
    if not all(squares):
        return float("nan")
    return float(np.clip(weights @ (ranks[0] * ranks[1]) / np.sqrt(squares[0] * squares[1]), -1, 1))


def resampled_found_above(labels: np.ndarray, answers: np.ndarray, threshold: float, name: str) -> Resampler:
    """Return the resampler of one of ``found_above``'s shares; arguments and errors as there."""
    require_pairs(labels, answers)
    truth, found = labels >= threshold, answers >= threshold
    columns = np.stack([truth & found, truth, found, truth == found], axis=1).astype(np.float32)

    def of(weights: np.ndarray) -> np.ndarray:
        right, true, said, same = (weights @ columns).T.astype(np.float64)
        if name == "accuracy":
            return same / len(labels)
        whole = {"precision": said, "recall": true, "f1": (said + true) / 2}[name]
        return right / np.maximum(whole, 0.5)  # nothing of nothing is 0

    return of


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
