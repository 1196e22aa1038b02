"""Each row has one of several classes: softmax, cross-entropy, the most probable class, accuracy and macro F1."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from distill_jax.metrics.classification import accuracy, cross_entropies, macro_f1
from distill_jax.tasks import SINGLE_LABEL_NAME, SoftLoss
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    from jax import Array

    from distill_jax.arrays import AnyArray


@dataclasses.dataclass(frozen=True)
class SingleLabel(Task):
    """One class a row; a label is its number, −1 = unlabelled."""

    name: ClassVar[str] = SINGLE_LABEL_NAME

    def is_labelled(self, labels: np.ndarray) -> np.ndarray:
        """Return which rows have a label, bool [n]."""
        return labels >= 0

    def check_labels(self, labels: np.ndarray, num_labels: int) -> str | None:
        """Return what is wrong with labels, int [n]; None where nothing is."""
        if labels.min() >= -1 and labels.max() < num_labels:
            return None
        return f"expected −1 to {num_labels - 1}, got {labels.min()} to {labels.max()}"

    def answers(self, logits: Any) -> Any:
        """Return the most probable class of each row, int [n]."""
        return logits.argmax(axis=-1)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return softmax(logits), float64 [n, classes]; each row sums to 1."""
        logits = logits.astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def losses(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return −log softmax(logits)[label], float64 [n]."""
        return cross_entropies(logits, labels)

    def scores(self, labels: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
        """Return accuracy and macro F1."""
        return accuracy(labels, answers), macro_f1(labels, answers)

    def label_loss(self, logits: "AnyArray", labels: "AnyArray") -> "Array":
        """Return −log softmax(logits)[label], [batch]; 0 for unlabelled rows."""
        import jax.numpy as jnp

        from distill_jax.losses import cross_entropy

        return jnp.where(labels >= 0, cross_entropy(logits, jnp.maximum(labels, 0)), 0)

    def soft_loss(
        self, logits: "AnyArray", teacher_logits: "AnyArray", kind: SoftLoss, temperature: float, *, standardised: bool
    ) -> "Array":
        """Return the logits' squared error, or the Kullback-Leibler divergence of the two distributions, [batch]."""
        from distill_jax.losses import kl_at_temperature, logit_mse, standardise

        if standardised:
            logits, teacher_logits = standardise(logits), standardise(teacher_logits)
        if kind == "kl":
            return kl_at_temperature(logits, teacher_logits, temperature)
        return logit_mse(logits, teacher_logits)
