"""Scores of a classifier on NumPy arrays, as scikit-learn defines them and bit for bit what it returns.

Counted here and not there: training scores every epoch, and scikit-learn takes longer to look at such arrays than to
count them, and seconds to be imported from a cold disk.
"""

import numpy as np


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the share of rows whose predicted class is the true one.

    Args:
        labels: int [n], the true classes; n is at least 1.
        predictions: int [n], the predicted classes.

    Raises:
        ValueError: no rows, or arrays of different lengths.
    """
    _require_rows(labels, predictions)
    return float(np.mean(labels == predictions))


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean over the classes of F1 = 2·TP / (2·TP + FP + FN), every class weighing the same.

    The classes are those that occur in either array; a class never predicted counts as 0.

    Args:
        labels: int [n], the true classes; n is at least 1.
        predictions: int [n], the predicted classes.

    Raises:
        ValueError: no rows, or arrays of different lengths.
    """
    _require_rows(labels, predictions)
    classes = int(max(labels.max(), predictions.max())) + 1
    # One count of pairs gives true positives and, along its sides, how often each class is true and predicted.
    counts = confusion(labels, predictions, classes)
    occurrences = counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean((2 * counts.diagonal() / np.maximum(occurrences, 1))[occurrences > 0]))


def confusion(labels: np.ndarray, predictions: np.ndarray, num_labels: int) -> np.ndarray:
    """Return the confusion matrix, int64 [num_labels, num_labels]: row = true class, column = predicted class.

    Args:
        labels: int [n], 0 … num_labels-1.
        predictions: int [n], 0 … num_labels-1.
        num_labels: the number of classes, those that do not occur included.

    Raises:
        ValueError: no rows, or arrays of different lengths.
    """
    _require_rows(labels, predictions)
    pairs = labels.astype(np.int64) * num_labels + predictions
    return np.bincount(pairs, minlength=num_labels * num_labels).reshape(num_labels, num_labels)


def agreement(logits: np.ndarray, teacher_logits: np.ndarray) -> float:
    """Return the share of rows for which two models predict the same class; both arrays are [n, classes]."""
    return accuracy(teacher_logits.argmax(axis=1), logits.argmax(axis=1))


def _require_rows(labels: np.ndarray, predictions: np.ndarray) -> None:
    if len(labels) == 0:
        raise ValueError("expected at least one row to score, got none")
    if len(labels) != len(predictions):
        raise ValueError(f"expected a prediction for each of {len(labels)} labels, got {len(predictions)}")


NOTEBOOK_EVAL_BATCH = 32


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return −log softmax(logits)[label] of each row, float64 [n]."""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]


def mean_of_batch_means(values: np.ndarray, batch_size: int) -> float:
    """Return the mean over batches of each batch's mean: the notebook's way, a short batch counts whole."""
    return float(np.mean([values[i : i + batch_size].mean() for i in range(0, len(values), batch_size)]))
