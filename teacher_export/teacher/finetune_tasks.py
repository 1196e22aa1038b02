"""What fine-tuning asks of a task: the head and its loss, the rows held out, and what says that it has not learnt.

A further task is a class here; torch is imported when a loss is asked for.
"""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from distill_jax.class_weights import class_weights
from distill_jax.errors import InputError
from distill_jax.tasks import MULTI_LABEL_NAME, SCORE_NAME, SINGLE_LABEL_NAME
from distill_jax.tasks.registry import task_named
from distill_jax.tasks.task import Task
from teacher_export.teacher.head import last_linear, rescale

if TYPE_CHECKING:
    from torch import Tensor

_NAMED = 8  # labels that a warning names


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a fine-tuning came to, by the rows that judge it.

    Attributes:
        labels: theirs, all known, as the task has them.
        answers: the teacher's to them.
        label_names: the classes or labels.
        trained_on: the labels of the rows trained on.
        judged_by: what the rows are; None = those trained on, in the last epoch of a number asked for.
    """

    labels: np.ndarray
    answers: np.ndarray
    label_names: Sequence[str]
    trained_on: np.ndarray
    judged_by: str | None = None

    def warning(self, fault: str, remedy: str) -> str:
        """Return a warning: the fault, a clause whose subject is the teacher, and a remedy that goes on ``give …``."""
        where = "the last epoch" if self.judged_by is None else f"on the {self.judged_by} the teacher"
        longer = "more --finetune-epochs or " if self.judged_by is None else ""
        return f"warning: fine-tuning: {where} {fault}; give {longer}{remedy}"

    def never_named(self, kind: str, true: np.ndarray, named: np.ndarray, training_rows: np.ndarray) -> str:
        """Return a clause of the labels that rows have and no answer names; empty where there are none.

        Args:
            kind: what they are called.
            true: int [labels], how many rows have each.
            named: int [labels], how many answers name each.
            training_rows: int [labels], how many of the rows trained on have each.
        """
        never = np.flatnonzero((true > 0) & (named == 0)).tolist()
        if not never:
            return ""
        names = [f"{self.label_names[place]!r} ({training_rows[place]:,} training rows)" for place in never[:_NAMED]]
        more = ", …" if len(never) > _NAMED else ""
        return f"never named {len(never)} of {len(self.label_names)} {kind}: {', '.join(names)}{more}"


@dataclasses.dataclass(frozen=True)
class FinetuneTask(abc.ABC):
    """A task in fine-tuning.

    Attributes:
        task: what labels and logits mean.
    """

    task: Task

    def fitted(self, labels: np.ndarray, model: Any) -> Self:
        """Return it with what it must know of the rows to train on; ``labels`` are theirs, ``model`` has the head."""
        del labels, model
        return self

    @abc.abstractmethod
    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Return each row's group, int [n]: of every group the same share is held out."""

    def class_weights(self, wanted: str, labels: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        """Return what ``--class-weights`` multiplies each row's loss by, float64 [n].

        Raises:
            InputError: it cannot be read, or rows have no classes.
        """
        del labels, label_names
        raise InputError(
            f"--class-weights {wanted} goes with --task {SINGLE_LABEL_NAME}, got {self.task.name}; what a row weighs "
            "can stand in a column, --weight-column"
        )

    @abc.abstractmethod
    def targets(self, labels: np.ndarray) -> np.ndarray:
        """Return what the loss compares logits with, of n labelled rows."""

    @abc.abstractmethod
    def losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return each row's loss, float32 [n], from logits, float32 [n, labels]."""

    def loss(self, logits: "Tensor", targets: "Tensor", weights: "Tensor | None") -> "Tensor":
        """Return the mean of the rows' losses, each multiplied by the row's weight."""
        losses = self.losses(logits, targets)
        return losses.mean() if weights is None else (losses * weights).mean()

    @abc.abstractmethod
    def answers(self, logits: "Tensor") -> "Tensor":
        """Return the answers, as ``Task.answers`` has them."""

    def named(self, answers: np.ndarray, num_labels: int) -> str:
        """Return words for how many labels are answered at all; empty where answers are no labels."""
        del answers, num_labels
        return ""

    def finish(self, model: Any) -> None:
        """Let the trained model give logits that mean what ``task`` says."""
        del model

    @abc.abstractmethod
    def fault(self, outcome: Outcome) -> str | None:
        """Return a warning where answers say that it has not learnt; None where they do not."""


class SingleLabelFinetuning(FinetuneTask):
    """One class a row: cross-entropy."""

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Return the classes."""
        return labels

    def class_weights(self, wanted: str, labels: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        """Return the weights of the rows' classes."""
        return np.asarray(class_weights(wanted, labels, label_names)[labels])

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """Return the classes, int64 [n]."""
        return labels.astype(np.int64)

    def losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the cross-entropies."""
        from torch.nn import functional

        return functional.cross_entropy(logits, targets, reduction="none")

    def loss(self, logits: "Tensor", targets: "Tensor", weights: "Tensor | None") -> "Tensor":
        """Return their mean, by torch's own where no row weighs more: its last bits are those of every version."""
        from torch.nn import functional

        return functional.cross_entropy(logits, targets) if weights is None else super().loss(logits, targets, weights)

    def answers(self, logits: "Tensor") -> "Tensor":
        """Return the most probable classes."""
        return logits.argmax(dim=1)

    def named(self, answers: np.ndarray, num_labels: int) -> str:
        """Return how many classes are answered."""
        return f"{len(np.unique(answers))} of {num_labels} classes named"

    def fault(self, outcome: Outcome) -> str | None:
        """Return a warning where classes are never named, or the most frequent one's share is not exceeded."""
        labels, answers, classes = outcome.labels, outcome.answers, len(outcome.label_names)
        counts = np.bincount(labels, minlength=classes)
        trained = np.bincount(outcome.trained_on, minlength=classes)
        never = outcome.never_named("classes", counts, np.bincount(answers, minlength=classes), trained)
        right, most = float((labels == answers).mean()), float(counts.max() / counts.sum())
        if not never and right > most:
            return None
        fault = (
            f"{never or 'learnt nothing'}; its accuracy there is {right:.3f}, and the most frequent class has a share "
            f"of {most:.3f}"
        )
        return outcome.warning(fault, "more rows, or --class-weights balanced for rare classes")


class MultiLabelFinetuning(FinetuneTask):
    """Any number of labels a row: binary cross-entropy, summed over the labels."""

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Return each row's rarest label, or one more than all where it has none."""
        counts = np.where(labels > 0, labels.sum(axis=0, dtype=np.int64), len(labels) + 1)
        return np.asarray(np.where(labels.any(axis=1), counts.argmin(axis=1), labels.shape[1]))

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels, float32 [n, labels]."""
        return labels.astype(np.float32)

    def losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the cross-entropies: their sum, so that a label counts as much where there are more of them."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1)

    def answers(self, logits: "Tensor") -> "Tensor":
        """Return the labels of a probability of 0.5 and more."""
        return logits >= 0

    def named(self, answers: np.ndarray, num_labels: int) -> str:
        """Return how many labels are answered."""
        return f"{int(answers.any(axis=0).sum())} of {num_labels} labels named"

    def fault(self, outcome: Outcome) -> str | None:
        """Return a warning where labels are never named."""
        counts = [each.sum(axis=0, dtype=np.int64) for each in (outcome.labels, outcome.answers, outcome.trained_on)]
        never = outcome.never_named("labels", *counts)
        return (
            outcome.warning(f"{never}, from a probability of 0.5 on", "more rows of them, or another learning rate")
            if never
            else None
        )


class ScoreFinetuning(FinetuneTask):
    """One number a row: squared error of standardised scores; the head is given the scores' own unit in the end."""

    def fitted(self, labels: np.ndarray, model: Any) -> Self:
        """Take the scores' mean and deviation; for a head without a bias 0 and their root mean square."""
        mean, deviation = self.task.standardisation(labels, None)
        if last_linear(model).bias is None:
            mean, deviation = 0.0, float(np.sqrt(np.mean(labels.astype(np.float64) ** 2))) or 1.0
        return dataclasses.replace(self, task=self.task.standardised_by((mean, deviation)))

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Return one group of all rows."""
        return np.zeros(len(labels), np.int64)

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """Return the scores of mean 0 and deviation 1, float32 [n]."""
        unit, zero = self._scale()
        return ((labels.astype(np.float64) - zero) / unit).astype(np.float32)

    def _scale(self) -> tuple[float, float]:
        """Return the factor and the summand that lead from standardised scores to the data's."""
        zero, one = (float(self.task.outputs(value)) for value in (0.0, 1.0))
        return one - zero, zero

    def losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the squared errors."""
        return (logits[:, 0] - targets).square()

    def answers(self, logits: "Tensor") -> "Tensor":
        """Return the scores in the data's unit."""
        return logits[:, 0] * self._scale()[0] + self._scale()[1]

    def finish(self, model: Any) -> None:
        """Give the head's last layer the data's unit."""
        rescale(model, *self._scale())

    def fault(self, outcome: Outcome) -> str | None:
        """Return a warning where always answering the mean is as near to the scores."""
        error, correlation = self.task.scores(outcome.labels, outcome.answers)
        spread = float(outcome.labels.std(dtype=np.float64))
        if error < spread:
            return None
        fault = f"learnt nothing; its RMSE there is {error:.3g}, and that of always answering the mean is {spread:.3g}"
        return outcome.warning(f"{fault} (Spearman {correlation:.3f})", "more rows, or another learning rate")


_KINDS: dict[str, type[FinetuneTask]] = {
    SINGLE_LABEL_NAME: SingleLabelFinetuning,
    MULTI_LABEL_NAME: MultiLabelFinetuning,
    SCORE_NAME: ScoreFinetuning,
}


def finetune_task(settings: Mapping[str, Any]) -> FinetuneTask:
    """Return the task of a fine-tuning's settings, which name it where it is not one class a row."""
    task = task_named(settings.get("task", SINGLE_LABEL_NAME))
    return _KINDS[task.name](task)
