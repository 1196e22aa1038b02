"""The tasks' seam: what a row's label is, and all that follows from it.

Both halves of the product ask a task, so NumPy alone is imported here; losses, which JAX differentiates, import it when
they are asked for.
"""

import abc
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from distill_jax.tasks import SoftLoss

if TYPE_CHECKING:
    from jax import Array

    from distill_jax.arrays import AnyArray


class Task(abc.ABC):
    """A task: it knows labels and logits, and neither students nor files.

    Attributes:
        name: what manifests and ``config.json`` call it.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def is_labelled(self, labels: np.ndarray) -> np.ndarray:
        """Return which rows have a label, bool [n]."""

    @abc.abstractmethod
    def check_labels(self, labels: np.ndarray, num_labels: int) -> str | None:
        """Return what is wrong with the labels [n] of a split, as ``expected …, got …``; None where nothing is."""

    @abc.abstractmethod
    def answers(self, logits: Any) -> Any:
        """Return each row's answer, int [n], from logits [n, classes]; both NumPy's or both JAX's."""

    @abc.abstractmethod
    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities, float64 [n, classes], from logits of the same shape."""

    def references(self, labels: np.ndarray, teacher_logits: np.ndarray | None) -> np.ndarray:
        """Return what a split's answers are judged by: its labels; where no row has one, the teacher's answers, [n]."""
        if teacher_logits is None or self.is_labelled(labels).any():
            return labels
        return np.asarray(self.answers(teacher_logits), labels.dtype)

    @abc.abstractmethod
    def losses(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the loss by which labelled rows are evaluated, float64 [n]."""

    @abc.abstractmethod
    def scores(self, labels: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
        """Return accuracy and macro F1 of labelled rows, or what stands in their columns for another task."""

    @abc.abstractmethod
    def label_loss(self, logits: "AnyArray", labels: "AnyArray") -> "Array":
        """Return the loss against the labels that training minimises, [batch]; 0 for rows without a label."""

    @abc.abstractmethod
    def soft_loss(
        self, logits: "AnyArray", teacher_logits: "AnyArray", kind: SoftLoss, temperature: float, *, standardised: bool
    ) -> "Array":
        """Return the loss against the teacher's logits that training minimises, [batch].

        Args:
            logits: the student's, [batch, classes].
            teacher_logits: [batch, classes], raw.
            kind: ``mse`` on logits, or ``kl`` at a temperature.
            temperature: of ``kl``.
            standardised: give both sides' logits mean 0 and deviation 1 first.
        """
