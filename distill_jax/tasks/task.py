"""The tasks' seam: what a row's label is, and all that follows from it.

Both halves of the product ask a task, so NumPy alone is imported here; losses, which JAX differentiates, import it when
they are asked for.
"""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from distill_jax.errors import InputError
from distill_jax.metrics.resampling import Resampler
from distill_jax.tasks import AS_THEY_ARE, Link, SoftLoss
from distill_jax.tasks.answer_columns import AnswerColumns

if TYPE_CHECKING:
    from jax import Array

    from distill_jax.arrays import AnyArray

LEAST_LABELLED_ROWS = 100
"""Labelled validation rows from which on something is fitted to them or chosen by them: fewer tell their own chance."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """A score of answers.

    Attributes:
        name: what CSV files and manifests call it.
        title: what people read.
        of: from labels and logits of labelled rows to the score; NaN where it is undefined.
        resampler: from the same to the score on resamples of the rows.
        larger_is_better: its direction.
    """

    name: str
    title: str
    of: Callable[[np.ndarray, np.ndarray], float]
    resampler: Callable[[np.ndarray, np.ndarray], Resampler]
    larger_is_better: bool = True


@dataclasses.dataclass(frozen=True)
class LabelResult:
    """What logits say of one of several labels.

    Attributes:
        right: rows that have it and are answered so.
        true: rows that have it.
        answered: rows that are answered so.
        average_precision: NaN where no row has it.
        threshold: the probability from which on it is answered.
    """

    right: int
    true: int
    answered: int
    average_precision: float
    threshold: float


class Lines(Protocol):
    """Writes predictions as lines of JSON."""

    def format(self, logits: np.ndarray) -> str:
        """Return a line for each row of logits, [texts, classes], each ended by a line feed."""


class Task(abc.ABC):
    """A task: it knows labels and logits, and neither students nor files.

    Logits are a student's or a teacher's, and mean the same of both; what a student's network computes is made such by
    ``outputs``.

    Attributes:
        name: what manifests and ``config.json`` call it.
        label_counts: how many labels there are at least and at most.
        label_dtype: the type of an array of labels.
        answer_dtype: that of answers.
        history_scores: the two scores of an epoch, as the history's columns call them.
        history_titles: the same, as people read them.
        selected_by: which of them chooses the best epoch of a training on labels.
        has_classes: whether each row has one of several classes, so that there is a confusion matrix.
        link: what makes probabilities of logits, where these are divided by ``temperature``; None = there are none.
        soft_losses: how its logits can be compared with a teacher's.
        distance_name: what ``distance`` is, in a word or two.
        reliability_words: what the bins of ``reliability`` are, as a sentence.
    """

    name: ClassVar[str]
    label_counts: ClassVar[tuple[int, int]]
    label_dtype: ClassVar[np.dtype]
    answer_dtype: ClassVar[np.dtype]
    history_scores: ClassVar[tuple[str, str]]
    history_titles: ClassVar[tuple[str, str]]
    selected_by: ClassVar[str]
    has_classes: ClassVar[bool] = False
    link: ClassVar[Link | None] = None
    soft_losses: ClassVar[tuple[SoftLoss, ...]] = ("mse", "kl")
    distance_name: ClassVar[str] = "divergence"
    reliability_words: ClassVar[str] = ""

    def standardised_by(self, values: tuple[float, ...]) -> Self:
        """Return the task with the training split's mean and deviation; ``InputError`` where it has no use for them."""
        if values != AS_THEY_ARE:
            raise InputError(f"standardisation: expected none for the task {self.name}, got {list(values)}")
        return self

    def standardisation(self, labels: np.ndarray, teacher_logits: np.ndarray | None) -> tuple[float, float]:
        """Return the mean and the deviation by which a student's network is spared the labels' unit."""
        del labels, teacher_logits
        return AS_THEY_ARE

    @property
    def history_columns(self) -> tuple[str, ...]:
        """The history's numbers: loss and two scores of training and test, then those of a validation split."""
        return ("epoch", *(f"{split}_{name}" for split in ("train", "test") for name in ("loss", *self.history_scores)))

    @property
    def validation_columns(self) -> tuple[str, ...]:
        """The history's further columns where there is a validation split."""
        return tuple(f"validation_{name}" for name in ("loss", *self.history_scores))

    def check_label_names(self, names: Sequence[str]) -> str | None:
        """Return what is wrong with the labels' names, as ``expected …, got …``; None where nothing is."""
        least, most = self.label_counts
        if least <= len(names) <= most and all(isinstance(name, str) for name in names):
            return None
        counts = {1: "one string", 2: "two strings"}
        return f"expected {'at least ' if most > least else ''}{counts[least]}, got {names!r}"

    def label_shape(self, rows: int, num_labels: int) -> tuple[int, ...]:
        """Return the shape of the labels of so many rows."""
        del num_labels
        return (rows,)

    def no_answers(self, num_labels: int) -> np.ndarray:
        """Return the answers for no rows."""
        return np.zeros(self.label_shape(0, num_labels), self.answer_dtype)

    @abc.abstractmethod
    def unlabelled(self, rows: int, num_labels: int) -> np.ndarray:
        """Return the labels of rows that have none."""

    @abc.abstractmethod
    def is_labelled(self, labels: np.ndarray) -> np.ndarray:
        """Return which rows have a label, bool [n]."""

    @abc.abstractmethod
    def check_labels(self, labels: np.ndarray, num_labels: int) -> tuple[int, str] | None:
        """Return the first row whose label is wrong, and how, as ``expected …, got …``; None where none is."""

    def check_soft_loss(self, kind: SoftLoss, *, standardised: bool) -> None:
        """Raise ``InputError`` for an option of the soft loss that means nothing for this task."""
        del kind, standardised

    def robust(self, huber: float) -> Self:
        """Return the task with losses to which large errors count linearly.

        Raises:
            InputError: its losses are of no such errors.
        """
        if huber:
            raise InputError(f"--huber {huber:g} goes with the task score, got {self.name}")
        return self

    def outputs(self, computed: Any) -> Any:
        """Return logits from what a student's network computes, [n, classes]; both NumPy's or both JAX's."""
        return computed

    @abc.abstractmethod
    def answers(self, logits: Any) -> Any:
        """Return each row's answer from logits [n, classes]; both NumPy's or both JAX's."""

    @abc.abstractmethod
    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities, float64 [n, classes], from logits of the same shape; ``InputError`` if it has none."""

    @abc.abstractmethod
    def named(self, answers: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        """Return answers as a user reads them: names, lists of names, or numbers, [n]."""

    @abc.abstractmethod
    def answered(self, logits: np.ndarray) -> list[int]:
        """Return the labels that one row's answer is made of; ``logits`` [classes]."""

    def evidence(self, logits: np.ndarray, label: int) -> np.ndarray:
        """Return by how much each logit of one row, as it rises, speaks for a label of it, float64 [classes].

        Args:
            logits: the row's, [classes].
            label: of which this is asked.
        """
        return np.asarray(np.arange(len(logits)) == label, np.float64)

    def references(self, labels: np.ndarray, teacher_logits: np.ndarray | None, least: int = 1) -> np.ndarray:
        """Return what a split's answers are judged by: its labels; where too few rows have one, the teacher's answers.

        Args:
            labels: the split's.
            teacher_logits: of all rows; None = there are none.
            least: how many rows with a label are enough.
        """
        if teacher_logits is None or self.is_labelled(labels).sum() >= least:
            return labels
        return np.asarray(self.answers(teacher_logits), labels.dtype)

    @abc.abstractmethod
    def losses(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the loss by which labelled rows are evaluated, float64 [n]."""

    @abc.abstractmethod
    def distance(self, teacher_logits: np.ndarray, logits: np.ndarray) -> float:
        """Return how far a student is from its teacher, the mean over the rows; 0 = it says the same of each.

        It asks for no label and no temperature, so that students of whatever loss can be compared.
        """

    @abc.abstractmethod
    def scores(self, labels: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
        """Return the scores of an epoch's labelled rows, as ``history_scores`` names them."""

    @property
    @abc.abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """The scores of a report, the one by which models are put in order first."""

    @property
    def calibration(self) -> tuple[Metric, ...]:
        """Numbers that say whether what is predicted can be taken at its word; none of them puts models in order."""
        return ()

    def by_label(self, labels: np.ndarray, logits: np.ndarray) -> list[LabelResult]:
        """Return what labelled rows' logits say of each label, where a row has any number of them."""
        del labels, logits
        return []

    def tuned(self, labels: np.ndarray, logits: np.ndarray, teacher_logits: np.ndarray | None = None) -> Self:
        """Return the task with what its answers or probabilities hang on fitted to validation rows, labelled or not."""
        del labels, logits, teacher_logits
        return self

    @property
    def temperature(self) -> float | None:
        """What logits are divided by before they become probabilities, where it was fitted so; None = nothing was."""
        return None

    def decision(self) -> dict[str, Any]:
        """Return what was fitted so, as JSON values; {} = nothing."""
        return {}

    @property
    def decision_words(self) -> tuple[str, ...]:
        """What a report says of what was fitted so."""
        return ()

    def decided(self, decision: dict[str, Any], num_labels: int) -> Self:
        """Return the task with what ``decision`` gave; raises ``InputError`` where that is not this task's."""
        del num_labels
        if decision:
            raise InputError(f"expected nothing for the task {self.name}, got {', '.join(map(repr, decision))}")
        return self

    def is_constant(self, logits: np.ndarray) -> bool:
        """Whether logits say the same of every row."""
        return bool((logits == logits[0]).all())

    def undecided(self) -> Self:
        """Return the task without what ``tuned`` fitted."""
        return self

    def above(self, threshold: float) -> Self:
        """Return the task with metrics of how well rows from a threshold on are found.

        Raises:
            InputError: its rows have no number to compare with it.
        """
        raise InputError(f"--threshold {threshold:g} goes with the task score, got runs of the task {self.name}")

    def reliability(self, labels: np.ndarray, logits: np.ndarray) -> list[tuple[float, float, int]]:
        """Return, bin by bin, the mean of what labelled rows' logits say, the mean of what is true, and the count."""
        del labels, logits
        return []

    def is_at_chance(self, score: float, labels: np.ndarray) -> bool:
        """Whether the first of the history's scores is no better than chance on these training labels."""
        del score, labels
        return False

    @abc.abstractmethod
    def untrained(self, loss: float, labels: np.ndarray, answers: np.ndarray, num_labels: int) -> str:
        """Return in words how an untrained student does, and how one that knows nothing should."""

    @abc.abstractmethod
    def json_lines(self, label_names: tuple[str, ...], *, ensure_ascii: bool) -> Lines:
        """Return what writes predictions as lines of JSON."""

    @abc.abstractmethod
    def answer_columns(self, label_names: Sequence[str], *, probabilities: bool) -> AnswerColumns:
        """Return predictions as columns of a table; ``InputError`` for probabilities that there are none of."""

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
