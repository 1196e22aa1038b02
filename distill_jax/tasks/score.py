"""Each row has a number: one logit, which is the number itself; squared error, correlations, mean errors."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from distill_jax.errors import InputError
from distill_jax.metrics.regression import (
    calibration_line,
    found_above,
    mean_absolute_error,
    pearson,
    root_mean_squared_error,
    spearman,
)
from distill_jax.metrics.resampled_regression import (
    resampled_absolute_error,
    resampled_found_above,
    resampled_line,
    resampled_pearson,
    resampled_spearman,
    resampled_squared_error,
)
from distill_jax.metrics.resampling import Resampler
from distill_jax.tasks import AS_THEY_ARE, SCORE_NAME, SoftLoss
from distill_jax.tasks.answer_columns import AnswerColumns, ScoreColumns
from distill_jax.tasks.task import Lines, Metric, Task

if TYPE_CHECKING:
    from jax import Array

    from distill_jax.arrays import AnyArray

_Scores = Callable[[np.ndarray, np.ndarray], float]
_AT_THRESHOLD = ("accuracy", "precision", "recall", "f1")


@dataclasses.dataclass(frozen=True)
class Score(Task):
    """One number a row, in the data's own unit; NaN = unlabelled.

    A student's network computes numbers of mean 0 and deviation 1, so that the learning rates and the initial weights
    that suit classes suit scores of any unit; ``outputs`` puts them into the data's.

    Attributes:
        mean: of the training split's scores.
        deviation: theirs, more than 0; losses are in units of its square.
        threshold: from where on a report counts a row as found; None = it does not.
        huber: beyond so many deviations an error counts linearly in training; 0 = none does.
    """

    reliability_words: ClassVar[str] = (
        "The test texts in ten bins of equally many, by the predicted score: its mean, and the true ones’ mean."
    )
    name: ClassVar[str] = SCORE_NAME
    label_counts: ClassVar[tuple[int, int]] = (1, 1)
    label_dtype: ClassVar[np.dtype] = np.dtype(np.float32)
    answer_dtype: ClassVar[np.dtype] = np.dtype(np.float32)
    history_scores: ClassVar[tuple[str, str]] = ("rmse", "spearman")
    history_titles: ClassVar[tuple[str, str]] = ("RMSE", "Spearman")
    selected_by: ClassVar[str] = "spearman"
    soft_losses: ClassVar[tuple[SoftLoss, ...]] = ("mse",)
    distance_name: ClassVar[str] = "squared distance"

    mean: float = 0.0
    deviation: float = 1.0
    threshold: float | None = None
    huber: float = 0.0

    def standardised_by(self, values: tuple[float, ...]) -> Self:
        """Return the task with the training scores' mean and deviation.

        Raises:
            InputError: they are not two finite numbers, the second above 0.
        """
        numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
        if len(numbers) != 2 or len(values) != 2 or not numbers[1] > 0:
            raise InputError(f"standardisation: expected a mean and a deviation above 0, got {list(values)}")
        return dataclasses.replace(self, mean=float(numbers[0]), deviation=float(numbers[1]))

    def standardisation(self, labels: np.ndarray, teacher_logits: np.ndarray | None) -> tuple[float, float]:
        """Return mean and deviation of the scores, or where there are none the teacher's; equal ones deviate by 1."""
        known = labels[self.is_labelled(labels)]
        scores = known if len(known) or teacher_logits is None else teacher_logits[:, 0]
        scores = scores.astype(np.float64)
        if not len(scores):
            return AS_THEY_ARE
        return float(scores.mean()), float(scores.std()) or 1.0

    def unlabelled(self, rows: int, num_labels: int) -> np.ndarray:
        """Return NaN for each row."""
        return np.full(self.label_shape(rows, num_labels), np.nan, self.label_dtype)

    def is_labelled(self, labels: np.ndarray) -> np.ndarray:
        """Return which rows have a score, bool [n]."""
        return ~np.isnan(labels)

    def check_labels(self, labels: np.ndarray, num_labels: int) -> tuple[int, str] | None:
        """Return the first row whose score is infinite, and how; None where none is."""
        del num_labels
        infinite = np.isinf(labels)
        return (int(infinite.argmax()), "expected a finite number or NaN, got infinity") if infinite.any() else None

    def check_soft_loss(self, kind: SoftLoss, *, standardised: bool) -> None:
        """Refuse what compares distributions over classes: a score is none."""
        for option, given in (("--soft-loss kl", kind == "kl"), ("--standardised", standardised)):
            if given:
                raise InputError(
                    f"{option} compares classes, and a score has none: expected --soft-loss mse, without --standardised"
                )

    def robust(self, huber: float) -> Self:
        """Return the task with Huber's loss."""
        return dataclasses.replace(self, huber=huber)

    def outputs(self, computed: Any) -> Any:
        """Return the numbers in the data's unit, [n, 1]."""
        return computed * self.deviation + self.mean

    def answers(self, logits: Any) -> Any:
        """Return the scores, [n]."""
        return logits[..., 0]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Refuse: a score has no probability."""
        del logits
        raise InputError("predict_proba: a student of scores gives numbers and no probabilities; call predict")

    def named(self, answers: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        """Return the scores as they are."""
        del label_names
        return answers

    def answered(self, logits: np.ndarray) -> list[int]:
        """Return the score, which is the only one."""
        del logits
        return [0]

    def losses(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the squared error in units of the training scores' variance, float64 [n]."""
        return ((logits[:, 0].astype(np.float64) - labels) / self.deviation) ** 2

    def distance(self, teacher_logits: np.ndarray, logits: np.ndarray) -> float:
        """Return the squared distance from the teacher's scores, in units of the training scores' variance."""
        return float(self.losses(logits, teacher_logits[:, 0]).mean())

    def scores(self, labels: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
        """Return the root of the mean squared error, in the data's unit, and Spearman's correlation."""
        return root_mean_squared_error(labels, answers), spearman(labels, answers)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The correlations, which do not ask for the unit, and the errors, which are in it."""
        return (
            *self._plain_metrics(),
            *(() if self.threshold is None else map(self._threshold_metric, _AT_THRESHOLD)),
        )

    def _plain_metrics(self) -> tuple[Metric, ...]:
        return (
            _metric("spearman", "Spearman", spearman, resampled_spearman),
            _metric("pearson", "Pearson", pearson, resampled_pearson),
            _metric("mae", "MAE", mean_absolute_error, resampled_absolute_error, larger_is_better=False),
            _metric("rmse", "RMSE", root_mean_squared_error, resampled_squared_error, larger_is_better=False),
        )

    @property
    def calibration(self) -> tuple[Metric, ...]:
        """Slope and intercept of the line from what is predicted to what is true."""
        names = ("calibration_slope", "Slope"), ("calibration_intercept", "Intercept")
        return tuple(
            _metric(name, title, _part_of(calibration_line, place), _part_of(resampled_line, place))
            for place, (name, title) in enumerate(names)
        )

    def _threshold_metric(self, name: str) -> Metric:
        threshold = self.threshold or 0.0
        return _metric(
            f"{name}_at_{threshold:g}",
            f"{name.capitalize()} ≥ {threshold:g}",
            lambda labels, answers: found_above(labels, answers, threshold)[name],
            lambda labels, answers: resampled_found_above(labels, answers, threshold, name),
        )

    def above(self, threshold: float) -> Self:
        """Return the task with accuracy, precision, recall and F1 of the rows from a threshold on.

        Raises:
            InputError: it is no finite number.
        """
        if not math.isfinite(threshold):
            raise InputError(f"--threshold: expected a finite number, got {threshold}")
        return dataclasses.replace(self, threshold=threshold)

    def reliability(self, labels: np.ndarray, logits: np.ndarray) -> list[tuple[float, float, int]]:
        """Return ten bins of equally many rows, by what is predicted."""
        order = np.argsort(logits[:, 0], kind="stable")
        bins = [rows for rows in np.array_split(order, min(10, len(order))) if len(rows)]
        return [(float(logits[b, 0].mean()), float(labels[b].mean()), len(b)) for b in bins]

    def untrained(self, loss: float, labels: np.ndarray, answers: np.ndarray, num_labels: int) -> str:
        """Return the error; about 1 in units of the variance, or something is wrong."""
        del num_labels
        return f"test RMSE {root_mean_squared_error(labels, answers):.3f}, squared error {loss:.3f} of the variance"

    def json_lines(self, label_names: tuple[str, ...], *, ensure_ascii: bool) -> Lines:
        """Return what writes ``{"score": …}``."""
        from distill_jax.inference.json_lines import ScoreLines

        del label_names, ensure_ascii
        return ScoreLines()

    def answer_columns(self, label_names: Sequence[str], *, probabilities: bool) -> AnswerColumns:
        """Return ``score``."""
        del label_names
        if probabilities:
            raise InputError("--probabilities: a student of scores gives numbers and no probabilities; leave it out")
        return ScoreColumns()

    def label_loss(self, logits: "AnyArray", labels: "AnyArray") -> "Array":
        """Return the squared error in units of the training scores' variance, [batch]; 0 for unlabelled rows.

        With ``huber`` it is twice Huber's loss, which is the squared error up to there.
        """
        import jax.numpy as jnp

        known = ~jnp.isnan(labels)
        # The label is replaced before it is subtracted: a gradient through NaN is NaN, chosen or not.
        error = (logits[..., 0] - jnp.where(known, labels, 0).astype(logits.dtype)) / self.deviation
        return jnp.where(known, self._cost(error), 0)

    def soft_loss(
        self, logits: "AnyArray", teacher_logits: "AnyArray", kind: SoftLoss, temperature: float, *, standardised: bool
    ) -> "Array":
        """Return the squared distance from the teacher's score, in the same units, [batch]."""
        del kind, temperature, standardised  # refused by check_soft_loss
        return self._cost((logits[..., 0] - teacher_logits[..., 0]) / self.deviation)

    def _cost(self, error: "AnyArray") -> "Array":
        import jax.numpy as jnp

        if not self.huber:
            return jnp.square(error)
        near = jnp.minimum(jnp.abs(error), self.huber)
        return near * (2 * jnp.abs(error) - near)


def _part_of(pair: Callable[[np.ndarray, np.ndarray], tuple[Any, Any]], place: int) -> Callable[..., Any]:
    """Return a function that gives one of the two things that ``pair`` gives."""
    return lambda labels, answers: pair(labels, answers)[place]


def _metric(
    name: str,
    title: str,
    score: _Scores,
    resampler: Callable[[np.ndarray, np.ndarray], Resampler],
    *,
    larger_is_better: bool = True,
) -> Metric:
    """Return a metric of labels and scores as one of labels and logits."""
    return Metric(
        name,
        title,
        lambda labels, logits: score(labels, logits[:, 0]),
        lambda labels, logits: resampler(labels, logits[:, 0]),
        larger_is_better,
    )
