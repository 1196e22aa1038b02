"""Scores of rows with any number of labels each, on NumPy arrays, as scikit-learn defines them."""

import numpy as np

from distill_jax.metrics.regression import require_pairs

_EVEN = 0.5


def micro_f1(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return 2·TP / (2·TP + FP + FN) over all rows and labels; 0 where nothing is true or answered.

    Args:
        labels: 0 or 1, int [n, labels]; n is at least 1.
        answers: 0 or 1, int [n, labels].

    Raises:
        ValueError: no rows, or arrays of different shapes.
    """
    right, total = _counts(labels, answers)
    return float(2 * right.sum() / max(total.sum(), 1))


def macro_f1(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return the mean of F1 over the labels that are true or answered anywhere; arguments as of ``micro_f1``."""
    right, total = _counts(labels, answers)
    occurs = total > 0
    return float((2 * right[occurs] / total[occurs]).mean()) if occurs.any() else 0.0


def subset_accuracy(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return the share of rows whose every label is right; arguments and errors as of ``micro_f1``."""
    require_pairs(labels, answers)
    return float((labels == answers).all(axis=1).mean())


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean, over the labels that some row has, of Σ (R_k − R_{k−1}) · P_k down the label's ranking.

    Args:
        labels: 0 or 1, int [n, labels]; n is at least 1.
        scores: float [n, labels]; the higher, the surer. Equal ones are taken together.

    Raises:
        ValueError: no rows, or arrays of different shapes.
    """
    require_pairs(labels, scores)
    found = [_label_precision(labels[:, i], scores[:, i]) for i in range(labels.shape[1]) if labels[:, i].any()]
    return float(np.mean(found)) if found else float("nan")


def _label_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    order = np.argsort(-scores, kind="stable")
    labels, scores = labels[order].astype(np.float64), scores[order]
    ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    right = np.cumsum(labels)[ends]
    return float((np.diff(right, prepend=0.0) * right / (ends + 1)).sum() / labels.sum())


def best_thresholds(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, ...]:
    """Return, for each label, the probability from which on answering it gives the best F1.

    It lies halfway between two probabilities that occur, or between the least and 0; of equals the highest is taken. A
    label that no row has keeps 0.5: nothing is known of it.

    Args:
        labels: 0 or 1, int [n, labels]; n is at least 1.
        probabilities: float [n, labels].

    Raises:
        ValueError: no rows, or arrays of different shapes.
    """
    require_pairs(labels, probabilities)
    return tuple(_best_threshold(labels[:, i], probabilities[:, i]) for i in range(labels.shape[1]))


def _best_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    total = int(labels.sum())
    if not total:
        return _EVEN
    order = np.argsort(-probabilities, kind="stable")
    right, ranked = np.cumsum(labels[order], dtype=np.int64), probabilities[order]
    f1 = 2 * right / (np.arange(1, len(order) + 1) + total)
    ends = np.append(ranked[1:] != ranked[:-1], True)  # equal probabilities are answered alike
    last = int(np.argmax(np.where(ends, f1, -1)))
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + below) / 2)


def _counts(labels: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each label how often it is rightly answered, and how often it is true plus how often answered."""
    require_pairs(labels, answers)
    right = (labels * answers).sum(axis=0, dtype=np.int64)
    return right, labels.sum(axis=0, dtype=np.int64) + answers.sum(axis=0, dtype=np.int64)
