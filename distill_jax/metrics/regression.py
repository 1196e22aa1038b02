"""Scores of predicted numbers on NumPy arrays, as SciPy and scikit-learn define them."""

import numpy as np


def pearson(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return the correlation of true and predicted numbers, −1 to 1; NaN where one side is constant.

    Args:
        labels: float [n]; n is at least 1.
        answers: float [n].

    Raises:
        ValueError: no rows, or arrays of different lengths.
    """
    require_pairs(labels, answers)
    ours, theirs = (array.astype(np.float64) - array.mean(dtype=np.float64) for array in (labels, answers))
    size = np.sqrt((ours**2).sum() * (theirs**2).sum())
    if (labels == labels[0]).all() or (answers == answers[0]).all() or not size:
        return float("nan")
    return float(np.clip((ours * theirs).sum() / size, -1, 1))


def spearman(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return the correlation of the ranks, equals sharing theirs; arguments and errors as of ``pearson``."""
    require_pairs(labels, answers)
    return pearson(ranks(labels), ranks(answers))


def calibration_line(labels: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the straight line that gives true numbers from predicted ones by least squares.

    They are 1 and 0 where what is predicted can be taken at its word; below a slope of 1 predictions differ too much.
    They are NaN where the predictions are constant. Arguments and errors as of ``pearson``.
    """
    require_pairs(labels, answers)
    true, said = (array.mean(dtype=np.float64) for array in (labels, answers))
    offsets = answers.astype(np.float64) - said
    if (answers == answers[0]).all():
        return float("nan"), float("nan")
    slope = float((offsets * (labels.astype(np.float64) - true)).sum() / (offsets**2).sum())
    return slope, float(true - slope * said)


def ranks(values: np.ndarray) -> np.ndarray:
    """Return each value's rank, counted from 1, float64 [n]; equal values have the mean of their places."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place.reshape(-1)])


def mean_absolute_error(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return the mean distance of true and predicted numbers, in their unit; arguments and errors as of ``pearson``."""
    require_pairs(labels, answers)
    return float(np.abs(answers.astype(np.float64) - labels).mean())


def root_mean_squared_error(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return the root of the mean squared distance, in the numbers' unit; arguments and errors as of ``pearson``."""
    require_pairs(labels, answers)
    return float(np.sqrt(((answers.astype(np.float64) - labels) ** 2).mean()))


def require_pairs(labels: np.ndarray, answers: np.ndarray) -> None:
    """Raise ``ValueError`` where there are no rows, or not as many answers as labels."""
    if not len(labels) or labels.shape != answers.shape:
        shapes = f"{list(labels.shape)} and {list(answers.shape)}"
        raise ValueError(f"expected labels and answers of one shape, at least one row, got {shapes}")


def found_above(labels: np.ndarray, answers: np.ndarray, threshold: float) -> dict[str, float]:
    """Return ``accuracy``, ``precision``, ``recall`` and ``f1`` of answering which numbers are at least a threshold.

    A share of nothing is 0. Arguments and errors as of ``pearson``.
    """
    require_pairs(labels, answers)
    truth, found = labels >= threshold, answers >= threshold
    right = int((truth & found).sum())
    return {
        "accuracy": float((truth == found).mean()),
        "precision": right / max(int(found.sum()), 1),
        "recall": right / max(int(truth.sum()), 1),
        "f1": 2 * right / max(int(found.sum()) + int(truth.sum()), 1),
    }
