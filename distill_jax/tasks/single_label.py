"""Each row has one of several classes: softmax, cross-entropy, the most probable class, accuracy and macro F1."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from distill_jax.errors import InputError
from distill_jax.metrics.calibration import COLDEST, HOTTEST, divergence, fitted_temperature
from distill_jax.metrics.classification import accuracy, cross_entropies, macro_f1
from distill_jax.metrics.resampled_labels import resampled_macro_f1, resampled_subset_accuracy
from distill_jax.tasks import SINGLE_LABEL_NAME, Link, SoftLoss
from distill_jax.tasks.answer_columns import AnswerColumns, ClassColumns
from distill_jax.tasks.task import LEAST_LABELLED_ROWS, Lines, Metric, Task

if TYPE_CHECKING:
    from jax import Array

    from distill_jax.arrays import AnyArray

# Where guessing the most frequent class is right as often this rarely, the training has learnt something.
_SIGNIFICANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class SingleLabel(Task):
    """One class a row; a label is its number, −1 = unlabelled.

    Attributes:
        temperature: what logits are divided by before they become probabilities; None = 1. It changes neither answers,
            nor losses, nor the distance from a teacher, which are of the logits themselves.
    """

    name: ClassVar[str] = SINGLE_LABEL_NAME
    label_counts: ClassVar[tuple[int, int]] = (2, 2**31 - 1)
    label_dtype: ClassVar[np.dtype] = np.dtype(np.int32)
    answer_dtype: ClassVar[np.dtype] = np.dtype(np.int32)
    history_scores: ClassVar[tuple[str, str]] = ("acc", "f1_macro")
    history_titles: ClassVar[tuple[str, str]] = ("accuracy", "macro F1")
    selected_by: ClassVar[str] = "f1_macro"
    has_classes: ClassVar[bool] = True
    link: ClassVar[Link | None] = "softmax"

    temperature: float | None = None

    def unlabelled(self, rows: int, num_labels: int) -> np.ndarray:
        """Return −1 for each row."""
        return np.full(self.label_shape(rows, num_labels), -1, self.label_dtype)

    def is_labelled(self, labels: np.ndarray) -> np.ndarray:
        """Return which rows have a label, bool [n]."""
        return labels >= 0

    def check_labels(self, labels: np.ndarray, num_labels: int) -> tuple[int, str] | None:
        """Return the first row whose label is no class, int [n], and how; None where none is."""
        wrong = (labels < -1) | (labels >= num_labels)
        if not wrong.any():
            return None
        row = int(np.argmax(wrong))
        return row, f"expected -1 to {num_labels - 1}, got {labels[row]}"

    def answers(self, logits: Any) -> Any:
        """Return the most probable class of each row, int [n]."""
        return logits.argmax(axis=-1)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return softmax(logits / temperature), float64 [n, classes]; each row sums to 1."""
        logits = logits.astype(np.float64) / (self.temperature or 1.0)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def answered(self, logits: np.ndarray) -> list[int]:
        """Return the class."""
        return [int(self.answers(logits))]

    def evidence(self, logits: np.ndarray, label: int) -> np.ndarray:
        """Return by how much each logit raises the log-odds of a class: the others lower it as they are probable."""
        others = logits.astype(np.float64)
        others[label] = -np.inf
        weights = -self.probabilities(others[None])[0]
        weights[label] = 1
        return np.asarray(weights)

    def named(self, answers: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        """Return the classes' names."""
        return np.array(label_names, object)[answers]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy and macro F1."""
        return (
            Metric(
                "accuracy",
                "Accuracy",
                lambda labels, logits: accuracy(labels, self.answers(logits)),
                lambda labels, logits: resampled_subset_accuracy(*self._one_hot(labels, logits)),
            ),
            Metric(
                "macro_f1",
                "Macro F1",
                lambda labels, logits: macro_f1(labels, self.answers(logits)),
                lambda labels, logits: resampled_macro_f1(*self._one_hot(labels, logits)),
            ),
        )

    def _one_hot(self, labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        classes = np.arange(logits.shape[1])
        return labels[:, None] == classes, self.answers(logits)[:, None] == classes

    def is_constant(self, logits: np.ndarray) -> bool:
        """Whether logits are the same in every row but for a shift, which softmax does not see."""
        leads = logits - logits[:, :1]
        return bool((leads == leads[0]).all())

    def tuned(self, labels: np.ndarray, logits: np.ndarray, teacher_logits: np.ndarray | None = None) -> Self:
        """Return the task with the temperature under which the labels of validation rows are the likeliest.

        It stays as it is where fewer than ``LEAST_LABELLED_ROWS`` have a label: a teacher's answers are no truth to be
        sure of; where every one is answered rightly, which says only that no temperature is too low; and where the best
        one is no better than 1.
        """
        del teacher_logits
        known = self.is_labelled(labels)
        labels, logits = labels[known], logits[known].astype(np.float64)
        if len(labels) < LEAST_LABELLED_ROWS or (self.answers(logits) == labels).all():
            return self
        temperature = fitted_temperature(logits, labels)
        if not self.losses(logits / temperature, labels).mean() < self.losses(logits, labels).mean():
            return self
        return dataclasses.replace(self, temperature=temperature)

    def undecided(self) -> Self:
        """Return the task without a temperature."""
        return dataclasses.replace(self, temperature=None)

    def decision(self) -> dict[str, Any]:
        """Return the temperature."""
        return {} if self.temperature is None else {"temperature": self.temperature}

    @property
    def decision_words(self) -> tuple[str, ...]:
        """What a temperature is."""
        words = (
            "Before a student’s logits become probabilities they are divided by its calibration temperature, the "
            "number under which the labels of the validation split are the likeliest. Its answers, its losses and its "
            "distance from the teacher are those without it."
        )
        return () if self.temperature is None else (words,)

    def decided(self, decision: dict[str, Any], num_labels: int) -> Self:
        """Return the task with the temperature that ``decision`` gave.

        Raises:
            InputError: it is no number from ``COLDEST`` to ``HOTTEST``, or not alone.
        """
        del num_labels
        if not decision:
            return self
        found = decision.get("temperature")
        if (
            set(decision) != {"temperature"}
            or not isinstance(found, int | float)
            or isinstance(found, bool)
            or not COLDEST <= found <= HOTTEST
        ):
            raise InputError(
                f"expected a temperature from {COLDEST:g} to {HOTTEST:g} and nothing else, got {decision!r}"
            )
        return dataclasses.replace(self, temperature=float(found))

    def is_at_chance(self, score: float, labels: np.ndarray) -> bool:
        """Whether an accuracy is not above the most frequent class's share, by a one-sided binomial test.

        One that is far above it needs no test: of n rows chance gives d more than its share with a probability of at
        most exp(−2nd²) (Hoeffding 1963).
        """
        known = labels[labels >= 0]
        if not len(known):
            return False
        share, right = np.bincount(known).max() / len(known), round(score * len(known))
        lead = right / len(known) - share
        if share == 1 or (lead > 0 and math.exp(-2 * len(known) * lead**2) < _SIGNIFICANCE):
            return False
        from scipy.special import bdtrc  # a fifth of a second, which most trainings are spared

        return bool(bdtrc(right - 1, len(known), share) >= _SIGNIFICANCE)

    def untrained(self, loss: float, labels: np.ndarray, answers: np.ndarray, num_labels: int) -> str:
        """Return accuracy, and chance; and cross-entropy, which is about ln(classes) or something is wrong."""
        found = accuracy(labels, answers)
        return f"test accuracy {found:.3f} (chance: {1 / num_labels:.3f}), cross-entropy {loss:.3f}"

    def json_lines(self, label_names: tuple[str, ...], *, ensure_ascii: bool) -> Lines:
        """Return what writes the class and each class's probability."""
        from distill_jax.inference.json_lines import ClassLines

        return ClassLines(label_names, self.probabilities, ensure_ascii=ensure_ascii)

    def answer_columns(self, label_names: Sequence[str], *, probabilities: bool) -> AnswerColumns:
        """Return ``label``, ``confidence``, and each class's probability where that is asked for."""
        return ClassColumns(label_names, self.probabilities, each=probabilities)

    def losses(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return −log softmax(logits)[label], float64 [n]."""
        return cross_entropies(logits, labels)

    def distance(self, teacher_logits: np.ndarray, logits: np.ndarray) -> float:
        """Return KL(teacher ‖ student), in nats."""
        return divergence(teacher_logits, logits)

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
