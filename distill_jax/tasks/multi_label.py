"""Each row has any number of labels: sigmoid, binary cross-entropy, a threshold a label, F1 and average precision."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from distill_jax.errors import InputError
from distill_jax.metrics.calibration import bernoulli_divergence
from distill_jax.metrics.multi_label import average_precision, best_thresholds, macro_f1, micro_f1, subset_accuracy
from distill_jax.metrics.resampled_labels import (
    resampled_average_precision,
    resampled_macro_f1,
    resampled_micro_f1,
    resampled_subset_accuracy,
)
from distill_jax.metrics.resampling import Resampler
from distill_jax.tasks import MULTI_LABEL_NAME, Link, SoftLoss
from distill_jax.tasks.answer_columns import AnswerColumns, LabelsColumns
from distill_jax.tasks.task import LEAST_LABELLED_ROWS, LabelResult, Lines, Metric, Task

if TYPE_CHECKING:
    from jax import Array

    from distill_jax.arrays import AnyArray

_EVEN = 0.5


@dataclasses.dataclass(frozen=True)
class MultiLabel(Task):
    """A yes or no for each label; labels are 0 and 1, [n, labels], and a row of −1 alone is unlabelled.

    Attributes:
        thresholds: the probability from which on each label is answered; None = 0.5 for all.
    """

    reliability_words: ClassVar[str] = (
        "All texts and labels in ten bins by the probability given: its mean, and the share that is true."
    )
    name: ClassVar[str] = MULTI_LABEL_NAME
    label_counts: ClassVar[tuple[int, int]] = (1, 2**31 - 1)
    label_dtype: ClassVar[np.dtype] = np.dtype(np.int8)
    answer_dtype: ClassVar[np.dtype] = np.dtype(np.int8)
    history_scores: ClassVar[tuple[str, str]] = ("f1_micro", "f1_macro")
    history_titles: ClassVar[tuple[str, str]] = ("micro F1", "macro F1")
    selected_by: ClassVar[str] = "f1_micro"
    link: ClassVar[Link | None] = "sigmoid"

    thresholds: tuple[float, ...] | None = None

    def label_shape(self, rows: int, num_labels: int) -> tuple[int, ...]:
        """Return [rows, labels]."""
        return (rows, num_labels)

    def unlabelled(self, rows: int, num_labels: int) -> np.ndarray:
        """Return −1 for each row and label."""
        return np.full(self.label_shape(rows, num_labels), -1, self.label_dtype)

    def is_labelled(self, labels: np.ndarray) -> np.ndarray:
        """Return which rows have labels, bool [n]; a row that has none of them is labelled too."""
        return np.asarray(labels[:, 0] >= 0)

    def check_labels(self, labels: np.ndarray, num_labels: int) -> tuple[int, str] | None:
        """Return the first row of wrong labels, and how; None where none is."""
        if labels.shape[1:] != (num_labels,):
            return 0, f"expected [{len(labels)}, {num_labels}] of them, got {list(labels.shape)}"
        right = ((labels == 0) | (labels == 1)).all(axis=1) | (labels == -1).all(axis=1)
        if right.all():
            return None
        row = int(np.argmin(right))
        return row, f"expected 0 and 1, or -1 for all labels of the row, got {labels[row].tolist()}"

    def check_soft_loss(self, kind: SoftLoss, *, standardised: bool) -> None:
        """Refuse what puts the labels of a row in relation to each other: here they are independent."""
        del kind
        if standardised:
            raise InputError("--standardised compares the classes of a text, and labels are independent: leave it out")

    def answers(self, logits: Any) -> Any:
        """Return 0 or 1 for each row and label, from its threshold on, int8 [n, labels]."""
        return (logits >= self._edges(logits.dtype)).astype(self.answer_dtype)

    def _edges(self, dtype: Any) -> np.ndarray:
        """Return the logits of the thresholds, [labels], or 0 for all."""
        if self.thresholds is None:
            return np.zeros((), dtype)
        shares = np.clip(np.array(self.thresholds, np.float64), 1e-12, 1 - 1e-12)
        return np.log(shares / (1 - shares)).astype(dtype)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return 1 / (1 + exp(−logits)), float64 [n, labels]: each label's own."""
        return np.asarray(np.exp(-np.logaddexp(0, -logits.astype(np.float64))))

    def named(self, answers: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        """Return a tuple of names for each row, [n]."""
        names = np.array(label_names, object)
        found = np.empty(len(answers), object)
        found[:] = [tuple(names[row.astype(bool)]) for row in answers]
        return found

    def answered(self, logits: np.ndarray) -> list[int]:
        """Return the labels from their thresholds on."""
        return np.flatnonzero(self.answers(logits)).tolist()

    def losses(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the binary cross-entropy, the sum over the labels, float64 [n]."""
        logits = logits.astype(np.float64)
        return np.asarray((np.logaddexp(0, logits) - logits * labels).sum(axis=1))

    def distance(self, teacher_logits: np.ndarray, logits: np.ndarray) -> float:
        """Return KL(teacher ‖ student) of a row's independent labels, their sum, in nats."""
        return bernoulli_divergence(teacher_logits, logits)

    def scores(self, labels: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
        """Return micro F1 and macro F1."""
        return micro_f1(labels, answers), macro_f1(labels, answers)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """F1 both ways and whole rows at the thresholds; average precision, which has none."""
        return (
            self._of_answers("micro_f1", "Micro F1", micro_f1, resampled_micro_f1),
            self._of_answers("macro_f1", "Macro F1", macro_f1, resampled_macro_f1),
            Metric("average_precision", "Average precision", average_precision, resampled_average_precision),
            self._of_answers("subset_accuracy", "Whole rows", subset_accuracy, resampled_subset_accuracy),
        )

    def _of_answers(
        self,
        name: str,
        title: str,
        score: Callable[[np.ndarray, np.ndarray], float],
        resampler: Callable[[np.ndarray, np.ndarray], Resampler],
    ) -> Metric:
        return Metric(
            name,
            title,
            lambda labels, logits: score(labels, self.answers(logits)),
            lambda labels, logits: resampler(labels, self.answers(logits)),
        )

    def by_label(self, labels: np.ndarray, logits: np.ndarray) -> list[LabelResult]:
        """Return what the logits say of each label."""
        answers, thresholds = self.answers(logits), self.thresholds or (_EVEN,) * labels.shape[1]
        return [
            LabelResult(
                right=int((labels[:, place] & answers[:, place]).sum()),
                true=int(labels[:, place].sum()),
                answered=int(answers[:, place].sum()),
                average_precision=average_precision(labels[:, [place]], logits[:, [place]]),
                threshold=threshold,
            )
            for place, threshold in enumerate(thresholds)
        ]

    def tuned(self, labels: np.ndarray, logits: np.ndarray, teacher_logits: np.ndarray | None = None) -> Self:
        """Return the task with each label's threshold of the best F1 on validation rows, against their labels.

        Where fewer than ``LEAST_LABELLED_ROWS`` have any, the teacher's answers to all rows say more.
        """
        labels = self.references(labels, teacher_logits, min(LEAST_LABELLED_ROWS, len(labels)))
        known = self.is_labelled(labels)
        if not known.any():
            return self
        return dataclasses.replace(self, thresholds=best_thresholds(labels[known], self.probabilities(logits[known])))

    def undecided(self) -> Self:
        """Return the task with 0.5 for each threshold."""
        return dataclasses.replace(self, thresholds=None)

    def reliability(self, labels: np.ndarray, logits: np.ndarray) -> list[tuple[float, float, int]]:
        """Return the bins, a tenth wide, of all rows' and labels' probabilities."""
        shares, truth = self.probabilities(logits).ravel(), labels.ravel()
        place = np.minimum((shares * 10).astype(np.int64), 9)
        bins = [place == index for index in range(10)]
        return [(float(shares[b].mean()), float(truth[b].mean()), int(b.sum())) for b in bins if b.any()]

    def decision(self) -> dict[str, Any]:
        """Return the thresholds."""
        return {} if self.thresholds is None else {"thresholds": list(self.thresholds)}

    @property
    def decision_words(self) -> tuple[str, ...]:
        """Whether the thresholds were tuned."""
        untuned = "Each label is answered from a probability of 0.5 on: there was no validation split to tune that on."
        tuned = (
            "Each label is answered from the probability on that gave the best F1 on the validation split; the "
            "teacher’s labels from 0.5 on."
        )
        return (untuned if self.thresholds is None else tuned,)

    def decided(self, decision: dict[str, Any], num_labels: int) -> Self:
        """Return the task with the thresholds that ``decision`` gave.

        Raises:
            InputError: they are not a number from 0 to 1 for each label.
        """
        if not decision:
            return self
        found = decision.get("thresholds")
        if (
            set(decision) != {"thresholds"}
            or not isinstance(found, list)
            or len(found) != num_labels
            or not all(isinstance(value, int | float) and 0 <= value <= 1 for value in found)
        ):
            raise InputError(f"thresholds: expected {num_labels} numbers from 0 to 1, got {found!r}")
        return dataclasses.replace(self, thresholds=tuple(map(float, found)))

    def untrained(self, loss: float, labels: np.ndarray, answers: np.ndarray, num_labels: int) -> str:
        """Return micro F1, and a label's cross-entropy, which is about ln 2 or something is wrong."""
        return (
            f"test micro F1 {micro_f1(labels, answers):.3f}, binary cross-entropy {loss / num_labels:.3f} a label "
            "(knowing nothing: 0.693)"
        )

    def json_lines(self, label_names: tuple[str, ...], *, ensure_ascii: bool) -> Lines:
        """Return what writes the labels answered and each label's probability."""
        from distill_jax.inference.json_lines import LabelsLines

        return LabelsLines(label_names, self.answers, self.probabilities, ensure_ascii=ensure_ascii)

    def answer_columns(self, label_names: Sequence[str], *, probabilities: bool) -> AnswerColumns:
        """Return ``labels``, and each label's probability where that is asked for."""
        return LabelsColumns(label_names, self.answers, self.probabilities, each=probabilities)

    def label_loss(self, logits: "AnyArray", labels: "AnyArray") -> "Array":
        """Return the binary cross-entropy, the sum over the labels, [batch]; 0 for unlabelled rows.

        A sum, as fastText's one-vs-all has it: the gradient at a label does not shrink where there are more of them.
        """
        import jax
        import jax.numpy as jnp

        truth = jnp.maximum(labels, 0).astype(logits.dtype)
        return jnp.where(labels[..., 0] >= 0, (jax.nn.softplus(logits) - logits * truth).sum(axis=-1), 0)

    def soft_loss(
        self, logits: "AnyArray", teacher_logits: "AnyArray", kind: SoftLoss, temperature: float, *, standardised: bool
    ) -> "Array":
        """Return the logits' mean squared error, or the sum of the labels' Bernoulli KL divergences, [batch]."""
        from distill_jax.losses import bernoulli_kl_at_temperature, logit_mse

        del standardised  # refused by check_soft_loss
        if kind == "kl":
            return bernoulli_kl_at_temperature(logits, teacher_logits, temperature)
        return logit_mse(logits, teacher_logits)
