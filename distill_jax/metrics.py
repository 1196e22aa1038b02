"""Scores of a classifier, by scikit-learn, on NumPy arrays.

scikit-learn is imported on the first call: it takes seconds on a cold disk, and a command's ``--help`` needs none.
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
    from sklearn.metrics import accuracy_score

    _require_rows(labels)
    return float(accuracy_score(labels, predictions))


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean over the classes of F1 = 2·TP / (2·TP + FP + FN), every class weighing the same.

    The classes are those that occur in either array, as scikit-learn has it by default; a class never predicted
    counts as 0, without a warning.

    Args:
        labels: int [n], the true classes; n is at least 1.
        predictions: int [n], the predicted classes.

    Raises:
        ValueError: no rows, or arrays of different lengths.
    """
    from sklearn.metrics import f1_score

    _require_rows(labels)
    return float(f1_score(labels, predictions, average="macro", zero_division=0))


def confusion(labels: np.ndarray, predictions: np.ndarray, num_labels: int) -> np.ndarray:
    """Return the confusion matrix, int64 [num_labels, num_labels]: row = true class, column = predicted class.

    Args:
        labels: int [n], 0 … num_labels-1.
        predictions: int [n], 0 … num_labels-1.
        num_labels: the number of classes, those that do not occur included.

    Raises:
        ValueError: no rows, or arrays of different lengths.
    """
    from sklearn.metrics import confusion_matrix

    _require_rows(labels)
    return np.asarray(confusion_matrix(labels, predictions, labels=np.arange(num_labels)), dtype=np.int64)


def agreement(logits: np.ndarray, teacher_logits: np.ndarray) -> float:
    """Return the share of rows for which two models predict the same class; both arrays are [n, classes]."""
    return accuracy(teacher_logits.argmax(axis=1), logits.argmax(axis=1))


def _require_rows(labels: np.ndarray) -> None:
    if len(labels) == 0:
        raise ValueError("expected at least one row to score, got none")
