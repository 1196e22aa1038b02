"""What one or several classifiers did on the same rows, counted: how often each combination of classes occurs.

A resample of the rows, and a draw from a posterior over them, are nothing but other weights of these combinations, so
the scores of thousands of them are one matrix product.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class OutcomeTable:
    """The combinations (true class, prediction of each model) that occur, and how often.

    Attributes:
        labels: int [cells], a combination's true class.
        predictions: int [models, cells], what each model names for it.
        counts: int64 [cells], the rows that show it, at least 1 each.
        row_cells: int [n], each row's combination.
        num_labels: classes, those that do not occur included.
    """

    labels: np.ndarray
    predictions: np.ndarray
    counts: np.ndarray
    row_cells: np.ndarray
    num_labels: int

    @property
    def rows(self) -> int:
        """The rows counted."""
        return len(self.row_cells)

    @property
    def models(self) -> int:
        """The classifiers compared."""
        return len(self.predictions)


@dataclasses.dataclass(frozen=True)
class ClassSums:
    """The weights that macro F1 and accuracy are made of.

    Attributes:
        true: float [draws, classes], the weight of each true class.
        predicted: float [draws, models, classes], the weight of what each model names so.
        correct: float [draws, models, classes], the weight of what it names so rightly.
    """

    true: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray

    def __add__(self, other: "ClassSums") -> "ClassSums":
        """Return the sums of both rows' weights together."""
        return ClassSums(self.true + other.true, self.predicted + other.predicted, self.correct + other.correct)

    def accuracy(self) -> np.ndarray:
        """Return the accuracies, float [draws, models]."""
        return self.correct.sum(axis=2) / self.true.sum(axis=1, keepdims=True)

    @property
    def weight(self) -> np.ndarray:
        """The weight of each class, true and predicted, float [draws, models, classes]."""
        return self.true[:, None, :] + self.predicted

    def macro_f1(self, occurs: np.ndarray | None = None) -> np.ndarray:
        """Return the macro F1 scores, float [draws, models].

        F1 = 2·correct / (true + predicted), meaned over the classes that occur, as ``metrics.macro_f1`` does.

        Args:
            occurs: bool [1, models, classes], which do; None = those that have any weight.
        """
        weight = self.weight
        occurs = np.broadcast_to(weight > 0 if occurs is None else occurs & (weight > 0), weight.shape)
        f1 = np.divide(2 * self.correct, weight, out=np.zeros(weight.shape), where=occurs)
        return np.asarray(f1.sum(axis=2) / occurs.sum(axis=2))


def count_outcomes(labels: np.ndarray, *predictions: np.ndarray, num_labels: int) -> OutcomeTable:
    """Count the combinations of true and predicted classes over rows that all models share.

    Args:
        labels: int [n], 0 … num_labels-1; n is at least 1.
        predictions: int [n] for each model, 0 … num_labels-1.
        num_labels: the number of classes.

    Raises:
        ValueError: no rows, no model, arrays of different lengths, or a class out of range.
    """
    if not predictions or any(array.shape != labels.shape for array in predictions) or labels.ndim != 1:
        shapes = [list(array.shape) for array in (labels, *predictions)]
        raise ValueError(f"expected labels and at least one model's predictions, all [n], got shapes {shapes}")
    if labels.size == 0:
        raise ValueError("expected at least one row to score, got none")
    columns = np.stack([labels, *predictions]).astype(np.int64)
    if columns.min() < 0 or columns.max() >= num_labels:
        raise ValueError(f"expected classes 0 to {num_labels - 1}, got {columns.min()} to {columns.max()}")
    cells, row_cells, counts = np.unique(columns, axis=1, return_inverse=True, return_counts=True)
    return OutcomeTable(cells[0], cells[1:], counts, row_cells.reshape(-1), num_labels)


def class_sums(table: OutcomeTable, weights: np.ndarray) -> ClassSums:
    """Return the sums by class where the table's combinations have the given weights, float [draws, cells]."""
    classes = np.arange(table.num_labels)
    true = table.labels[:, None] == classes
    predicted = table.predictions[:, :, None] == classes
    # one product instead of several: [draws, cells] @ [cells, (1 + 2·models)·classes]
    indicators = np.concatenate([true[None], predicted, predicted & true], axis=0)
    flat = indicators.transpose(1, 0, 2).reshape(len(table.labels), -1).astype(np.float64)
    sums = (weights @ flat).reshape(len(weights), 1 + 2 * table.models, table.num_labels)
    return ClassSums(sums[:, 0], sums[:, 1 : 1 + table.models], sums[:, 1 + table.models :])
