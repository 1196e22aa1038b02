"""What packing costs: the packed student beside the one that it comes from and their teacher, on the same rows."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from distill_jax.data.examples import Examples
from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.inference.predictor import Predictor
from distill_jax.metrics.calibration import reliability_curve
from distill_jax.metrics.interval import finite
from distill_jax.metrics.resampling import Difference, difference, resampled
from distill_jax.packed.student import PackedStudent
from distill_jax.packed.vocabulary import vocabulary_ids
from distill_jax.tasks.task import Task

_MOST_ROWS = 20_000  # of a split: beyond that its intervals are narrow enough
_BATCH = 256


@dataclasses.dataclass(frozen=True)
class MetricLoss:
    """A metric of the task before and after, with the interval of the difference on the same rows."""

    name: str
    title: str
    before: float
    after: float
    teacher: float | None
    change: Difference


@dataclasses.dataclass(frozen=True)
class SplitLoss:
    """What packing does to the answers for a split's rows.

    Attributes:
        split: its name.
        rows: how many there are.
        labelled: how many of them have a label.
        metrics: the task's, on the labelled rows; none where no row has a label.
        agreement: the share of rows with the same answer before and after; None for scores.
        teacher_agreement: with the teacher, before and after; None where there is none.
        expected: what is lost of the accuracy if the student's probabilities are the truth; None = no such thing.
    """

    split: str
    rows: int
    labelled: int
    metrics: tuple[MetricLoss, ...]
    agreement: float | None
    teacher_agreement: tuple[float, float] | None
    expected: float | None

    @property
    def clear_points(self) -> float:
        """What is lost of the first metric at least, with 97.5 % certainty by the labels, in hundredths."""
        return -100 * self.metrics[0].change.interval.high if self.metrics else 0.0

    @property
    def clear_fall(self) -> str:
        """The same in words."""
        return f"{self.metrics[0].title} on the {self.split} rows falls by at least {self.clear_points:.2f} points"


@dataclasses.dataclass(frozen=True)
class Judged:
    """Rows with what the student says of them before it is packed."""

    split: str
    examples: Examples
    before: np.ndarray


@dataclasses.dataclass(frozen=True)
class Judge:
    """Compares packed students with the one that they come from.

    Attributes:
        task: the student's.
        tokenizer: the student's before it is packed.
        pad_id: the id of padding.
        splits: the rows by which it judges.
    """

    task: Task
    tokenizer: FastTokenizer
    pad_id: int
    splits: tuple[Judged, ...]
    _read: dict[str, dict[str, Ragged]] = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)
    """Each split's tokens by the tokenizer that has read them: many levels of a student have one."""

    @classmethod
    def of(cls, student: Predictor, splits: Mapping[str, Examples]) -> "Judge":
        """Return the judge of a student on rows of its export, the first 20,000 of each split."""
        judged = []
        for split, examples in splits.items():
            rows = examples.take(np.arange(min(len(examples), _MOST_ROWS)))
            judged.append(Judged(split, rows, student.network.start(rows.tokens, _BATCH)()))
        return cls(student.task, student.tokenizer, student.config.pad_id, tuple(judged))

    def answers_of(self, student: PackedStudent) -> dict[str, np.ndarray]:
        """Return a packed student's logits of each split, from texts as its own tokenizer reads them."""
        if student.tokenizer not in self._read:
            self._read[student.tokenizer] = self._read_by(student)
        network = student.network()
        return {split: network.start(tokens, _BATCH)() for split, tokens in self._read[student.tokenizer].items()}

    def _read_by(self, student: PackedStudent) -> dict[str, Ragged]:
        """Return each split's tokens as a packed student's tokenizer reads them."""
        tokenizer, known = student.predictor().tokenizer, np.zeros(student.config.vocab_size, bool)
        known[vocabulary_ids(student.tokenizer)] = True
        return {each.split: self._spelt(each.examples.tokens, tokenizer, known) for each in self.splits}

    def _spelt(self, tokens: Ragged, tokenizer: FastTokenizer, known: np.ndarray) -> Ragged:
        missing = np.append(0, np.cumsum(~known[tokens.ids]))
        other = missing[tokens.stops] > missing[tokens.starts]
        if not other.any():
            return tokens
        changed = np.flatnonzero(other)
        texts = self.tokenizer.decode(tokens.take(changed), self.pad_id)
        both = Ragged.concatenate([tokens.take(~other), tokenizer.encode(texts)])
        return both.take(np.argsort(np.concatenate([np.flatnonzero(~other), changed]), kind="stable"))

    def losses(self, logits: Mapping[str, np.ndarray]) -> list[SplitLoss]:
        """Return what packing costs on each split, from the packed student's logits."""
        return [self._loss(each, logits[each.split]) for each in self.splits]

    def points(self, logits: Mapping[str, np.ndarray]) -> float:
        """Return what is lost of the first metric on the first split, in hundredths; below 0 = gained.

        Where no row has a label the student's own answers before are the truth. A metric that is not defined, as the
        correlation of one score for all rows, has lost everything.

        Rows that change their answer are near a tie, so that their labels say little of it: a thousand rows tell half
        a point from nothing. The student's own probabilities of both answers say the same in expectation, far more
        surely. The teacher's scatter too, and on rows that the student knows by heart they call it a gain to forget.
        """
        task, each = self.task, self.splits[0]
        after, labels = logits[each.split], each.examples.labels
        expected = expected_loss(task, each.before, after)
        if expected is not None:
            return 100 * expected
        known = task.is_labelled(labels)
        truth, rows = (labels, known) if known.any() else (task.answers(each.before), np.ones(len(labels), bool))
        before, found = (task.metrics[0].of(truth[rows], which[rows]) for which in (each.before, after))
        return 100.0 if np.isnan(before - found) else 100 * (before - found)

    def _loss(self, each: Judged, after: np.ndarray) -> SplitLoss:
        task, examples = self.task, each.examples
        known = task.is_labelled(examples.labels)
        labels, teacher = examples.labels[known], examples.teacher_logits
        metrics = []
        if len(labels):
            for metric in task.metrics:
                pair = [logits[known] for logits in (each.before, after)]
                values = [metric.of(labels, logits) for logits in pair]
                draws = resampled([metric.resampler(labels, logits) for logits in pair], len(labels))
                found = None if teacher is None else metric.of(labels, teacher[known])
                change = difference(values[::-1], draws[:, ::-1])
                metrics.append(MetricLoss(metric.name, metric.title, values[0], values[1], found, change))
        agreement = agreement_of(task, each.before, after)
        teacher_s = None
        if teacher is not None and agreement is not None:
            teacher_s = tuple(float(agreement_of(task, teacher, logits) or 0) for logits in (each.before, after))
        return SplitLoss(
            split=each.split,
            rows=len(examples),
            labelled=len(labels),
            metrics=tuple(metrics),
            agreement=agreement,
            teacher_agreement=None if teacher_s is None else (teacher_s[0], teacher_s[1]),
            expected=expected_loss(task, each.before, after),
        )


def agreement_of(task: Task, first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the share of rows with the same answer; None for scores, which are never the same."""
    answers = [np.asarray(task.answers(logits)) for logits in (first, second)]
    if np.issubdtype(answers[0].dtype, np.floating):
        return None
    same = answers[0] == answers[1]
    return float(np.mean(same if same.ndim == 1 else same.all(axis=1)))


def expected_loss(task: Task, before: np.ndarray, after: np.ndarray) -> float | None:
    """Return how much less probable the answers are after than before; None without one class a row.

    Args:
        task: it knows the temperature at which the student's probabilities are right.
        before: the student's logits, whose probabilities count.
        after: the packed student's.

    Returns:
        At least 0, as no answer is more probable than the student's own.
    """
    if not task.has_classes:
        return None
    probabilities, rows = task.probabilities(before), np.arange(len(before))
    chosen = [probabilities[rows, task.answers(logits)] for logits in (before, after)]
    return float(np.mean(chosen[0] - chosen[1]))


def calibration_errors(task: Task, judged: Judged, logits: np.ndarray) -> tuple[float, float] | None:
    """Return a split's expected calibration error before the task's temperature and after it; None = there is none."""
    temperature = task.decision().get("temperature")
    known = task.is_labelled(judged.examples.labels)
    if temperature is None or not known.any():
        return None
    labels = judged.examples.labels[known]
    before, after = (reliability_curve(logits[known] / each, labels) for each in (1.0, temperature))
    return before.expected_calibration_error, after.expected_calibration_error


def loss_json(loss: SplitLoss) -> dict[str, Any]:
    """Return a split's numbers as JSON values; null for a metric that the rows do not define."""

    def limits(change: Difference) -> list[float | None]:
        return [finite(change.interval.low), finite(change.interval.high)]

    metrics = {
        metric.name: {
            "before": finite(metric.before),
            "after": finite(metric.after),
            **({} if metric.teacher is None else {"teacher": finite(metric.teacher)}),
            "change": finite(metric.change.interval.value),
            "change_interval": limits(metric.change),
        }
        for metric in loss.metrics
    }
    known = {
        "agreement": loss.agreement,
        "teacher_agreement": None if loss.teacher_agreement is None else list(loss.teacher_agreement),
        "expected_loss": loss.expected,
    }
    said = {name: value for name, value in known.items() if value is not None}
    return {"rows": loss.rows, "labelled": loss.labelled, "metrics": metrics, **said}
