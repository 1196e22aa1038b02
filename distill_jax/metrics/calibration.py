"""Are a model's probabilities to be believed, what makes them so, and how far are they from its teacher's? In NumPy."""

import dataclasses
import math

import numpy as np

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0
"""The temperatures that are looked among: beyond them a student knows nothing, or its rows say nothing of it."""
_MOST_STEPS, _PRECISION = 100, 1e-10


@dataclasses.dataclass(frozen=True)
class ReliabilityCurve:
    """Accuracy against confidence, in bins of equal width; empty bins are left out.

    Attributes:
        confidence: float64 [bins], the mean confidence of a bin's rows.
        accuracy: float64 [bins], the share of them that are right.
        rows: int64 [bins], how many they are.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    rows: np.ndarray

    @property
    def expected_calibration_error(self) -> float:
        """ECE = Σ over the bins of rows/n · |accuracy - confidence|; 0 is perfect."""
        return float((self.rows * np.abs(self.accuracy - self.confidence)).sum() / self.rows.sum())


def reliability_curve(logits: np.ndarray, labels: np.ndarray, bins: int = BINS) -> ReliabilityCurve:
    """Sort rows by confidence, the probability that softmax gives the predicted class, and see how many are right.

    Bin i of ``bins`` holds the confidences in (i/bins, (i+1)/bins].

    Args:
        logits: float [n, classes], finite; n is at least 1.
        labels: int [n], the true classes.
        bins: how many.

    Raises:
        ValueError: no rows, or arrays of different lengths.

    References:
        Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks", equations 2 and 3 (15 bins).
    """
    _require_labels(logits, labels)
    confidence = np.exp(log_softmax(logits).max(axis=1))
    right = logits.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(index, minlength=bins)
    filled = rows > 0
    sums = [np.bincount(index, weights, bins)[filled] / rows[filled] for weights in (confidence, right)]
    return ReliabilityCurve(confidence=sums[0], accuracy=sums[1], rows=rows[filled])


def fitted_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature T from ``COLDEST`` to ``HOTTEST`` of the least mean of -log softmax(logits / T)[label].

    That is convex in 1/T, so there is one such T. Newton's steps find it, and a bisection where one of them would leave
    the bracket. Where no row is wrong, the least T is the best.

    Args:
        logits: float [n, classes], finite; n is at least 1.
        labels: int [n], the true classes.

    Raises:
        ValueError: no rows, or arrays of different lengths.

    References:
        Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    _require_labels(logits, labels)
    leads = logits.astype(np.float64)
    leads = leads - leads[np.arange(len(labels)), labels][:, None]
    low, high, inverse = 1 / HOTTEST, 1 / COLDEST, 1.0
    for _ in range(_MOST_STEPS):
        slope, curvature = _slope_and_curvature(leads, inverse)
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        step = inverse - slope / curvature if curvature > 0 else np.inf
        previous, inverse = inverse, step if low < step < high else math.sqrt(low * high)
        if abs(inverse - previous) <= _PRECISION * previous:
            break
    return 1 / inverse


def _slope_and_curvature(leads: np.ndarray, inverse: float) -> tuple[float, float]:
    """Return the first two derivatives by 1/T of the mean loss: means of the leads' mean and variance under softmax."""
    scaled = inverse * leads
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    means = (shares * leads).sum(axis=1, keepdims=True)
    return float(means.mean()), float((shares * (leads - means) ** 2).sum(axis=1).mean())


def divergence(teacher_logits: np.ndarray, logits: np.ndarray) -> float:
    """Return KL(teacher ‖ student) = Σ p_teacher · log(p_teacher / p_student), in nats, the mean over the rows.

    Args:
        teacher_logits: float [n, classes], finite; n is at least 1. The probabilities are their softmax, temperature 1.
        logits: float [n, classes], the student's.

    Raises:
        ValueError: no rows, or arrays of different shapes.
    """
    _require_one_shape(teacher_logits, logits)
    teacher, student = log_softmax(teacher_logits), log_softmax(logits)
    # never below zero but by rounding
    return max(0.0, float((np.exp(teacher) * (teacher - student)).sum(axis=1).mean()))


def bernoulli_divergence(teacher_logits: np.ndarray, logits: np.ndarray) -> float:
    """Return Σ KL(teacher ‖ student) over the independent labels of a row, in nats, the mean over the rows.

    Args:
        teacher_logits: float [n, labels], finite; n is at least 1. The probabilities are their sigmoid.
        logits: float [n, labels], the student's.

    Raises:
        ValueError: no rows, or arrays of different shapes.
    """
    _require_one_shape(teacher_logits, logits)
    teacher, student = teacher_logits.astype(np.float64), logits.astype(np.float64)
    present, absent = (np.logaddexp(0, sign * student) - np.logaddexp(0, sign * teacher) for sign in (-1, 1))
    share = np.exp(-np.logaddexp(0, -teacher))
    return max(0.0, float((share * present + (1 - share) * absent).sum(axis=1).mean()))


def _require_labels(logits: np.ndarray, labels: np.ndarray) -> None:
    if len(labels) == 0 or len(labels) != len(logits):
        raise ValueError(f"expected as many labels as rows of logits, at least one, got {len(labels)}, {len(logits)}")


def _require_one_shape(teacher_logits: np.ndarray, logits: np.ndarray) -> None:
    if len(logits) == 0 or logits.shape != teacher_logits.shape:
        raise ValueError(f"expected logits of one shape, [n, classes], got {teacher_logits.shape} and {logits.shape}")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithms of softmax over the classes, float64 [n, classes]; no logit is too large for it."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
