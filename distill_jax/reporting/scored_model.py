"""What a model's answers are worth on the labelled test rows: its metrics and their resamples."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from distill_jax.metrics.interval import Interval
from distill_jax.metrics.resampling import Difference, difference, percentile_interval, resampled
from distill_jax.runs.folder import Run
from distill_jax.tasks.task import LabelResult, Metric, Task


def task_at(run: Run, threshold: float | None) -> Task:
    """Return a run's task, with the threshold of its scores where one is asked for."""
    return run.task if threshold is None else run.task.above(threshold)


def plain_task(run: Run, threshold: float | None) -> Task:
    """Return the task by which the teacher answers: nothing of it was fitted to the validation split."""
    task = run.task.undecided()
    return task if threshold is None else task.above(threshold)


def labelled(run: Run, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of the labelled test rows, and their logits."""
    known = run.task.is_labelled(run.predictions.labels)
    return run.predictions.labels[known], logits[known]


@dataclasses.dataclass(frozen=True)
class ScoredModel:
    """What a model's answers to the labelled test rows are worth.

    Attributes:
        task: by which it answers.
        values: each metric's, and after those the numbers of its calibration.
        draws: the same on resamples of the rows, [resamples, values]; the same rows for every model.
        labels: of several labels a row, what is said of each.
        reliability: per bin the mean of what it says, of what is true, and the count.
    """

    task: Task
    values: list[float]
    draws: np.ndarray
    labels: list[LabelResult]
    reliability: list[tuple[float, float, int]]

    @property
    def scores(self) -> dict[str, Interval]:
        """Each metric with its interval."""
        return self._intervals(self.task.metrics, 0)

    @property
    def calibration(self) -> dict[str, Interval]:
        """Each number of its calibration with its interval."""
        return self._intervals(self.task.calibration, len(self.task.metrics))

    def _intervals(self, metrics: Sequence[Metric], first: int) -> dict[str, Interval]:
        return {
            metric.name: percentile_interval(self.values[place], self.draws[:, place])
            for place, metric in enumerate(metrics, first)
        }

    def leads(self, other: "ScoredModel") -> dict[str, Difference]:
        """Return, for each metric, how it stands to another model on the same rows."""
        return {
            metric.name: difference(
                [self.values[place], other.values[place]],
                np.stack([self.draws[:, place], other.draws[:, place]], axis=1),
            )
            for place, metric in enumerate(self.task.metrics)
        }


def score_model(run: Run, task: Task, *, teacher: bool = False) -> ScoredModel:
    """Score a run's student, or its teacher, by what ``task`` answers to the labelled test rows."""
    labels, logits = labelled(run, run.predictions.teacher_logits if teacher else run.predictions.logits)
    numbers = [*task.metrics, *task.calibration]
    return ScoredModel(
        task=task,
        values=[metric.of(labels, logits) for metric in numbers],
        draws=resampled([metric.resampler(labels, logits) for metric in numbers], len(labels)),
        labels=task.by_label(labels, logits),
        reliability=task.reliability(labels, logits),
    )
