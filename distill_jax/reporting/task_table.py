"""The numbers of a report on scores or on several labels a row: a line for the teacher and one for each student."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from distill_jax.errors import InputError
from distill_jax.metrics.bootstrap import Interval
from distill_jax.metrics.resampling import Difference, difference, percentile_interval, resampled
from distill_jax.reporting.comparable_runs import display_names
from distill_jax.reporting.table import TEACHER, find_twin
from distill_jax.runs.folder import METRICS, TEST_PREDICTIONS, Run
from distill_jax.runs.seed_scores import SeedScores, read_seeds_of
from distill_jax.runs.text_speed import TextSpeed
from distill_jax.tasks.task import Metric, Task

_TOLERANCE = 1e-4  # metrics.json and the predictions are written one after the other


@dataclasses.dataclass(frozen=True)
class TaskRow:
    """A model's line; None where a number is unknown.

    Attributes:
        model: its name in the report, different for every row.
        run: the run folder as it was named, empty for the teacher.
        distilled: whether it learned from the teacher; None for the teacher.
        scores: each metric's value over the labelled test rows, with its interval.
        fidelity: the same metrics against the teacher's answers, over all test rows.
        twin: of a distilled student, the name of the direct one of the same settings.
        lead: of a distilled student, each metric's difference from the twin's.
        reliability: per bin the mean of what it says, of what is true, and the count.
        parameters: count.
        bytes: size of the parameters.
        train_seconds: wall time of the training.
        documents_per_second: from raw text.
        seeds: its scores with several seeds.
    """

    model: str
    run: str
    distilled: bool | None
    scores: dict[str, Interval]
    fidelity: dict[str, float]
    twin: str | None
    lead: dict[str, Difference]
    reliability: list[tuple[float, float, int]]
    parameters: int | None
    bytes: int | None
    train_seconds: float | None
    documents_per_second: float | None
    seeds: SeedScores | None = None


@dataclasses.dataclass(frozen=True)
class TaskTable:
    """The teacher's row, the students' in the order of their runs, and what they were measured on."""

    teacher: TaskRow
    students: tuple[TaskRow, ...]
    task: Task
    label_names: tuple[str, ...]
    test_rows: int
    export_name: str
    teacher_name: str
    judged_by_teacher: bool

    @property
    def rows(self) -> tuple[TaskRow, ...]:
        """The teacher's row, then the students'."""
        return (self.teacher, *self.students)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The task's metrics; the first of them puts the models in order."""
        return self.task.metrics

    @property
    def best(self) -> TaskRow:
        """The student that is best by the first metric; an undefined score is never the best."""
        name = self.metrics[0].name
        sign = 1 if self.metrics[0].larger_is_better else -1

        def key(row: TaskRow) -> float:
            value = row.scores[name].value
            return sign * value if math.isfinite(value) else -math.inf

        return max(self.students, key=key)


def build_task_table(runs: Sequence[Run], threshold: float | None = None) -> TaskTable:
    """Compute the table of comparable runs.

    Args:
        runs: runs of one export.
        threshold: of scores, from where on the metrics say how well rows above it are found.

    Raises:
        InputError: a run's metrics and test predictions are of different epochs, or the task has no threshold.
    """
    task = runs[0].task if threshold is None else runs[0].task.above(threshold)
    names = display_names(runs)
    export = runs[0].config["export"]
    students = []
    for run, name in zip(runs, names, strict=True):
        twin = find_twin(run, runs)
        twin_name = None if twin is None else names[next(i for i, other in enumerate(runs) if other is twin)]
        students.append(_student_row(run, name, twin, twin_name, threshold))
    teacher = export["teacher"]
    return TaskTable(
        teacher=TaskRow(
            model=TEACHER,
            run="",
            distilled=None,
            scores=scores_of(runs[0], plain_task(runs[0], threshold), teacher=True),
            fidelity={},
            twin=None,
            lead={},
            reliability=_reliability(runs[0], runs[0].predictions.teacher_logits),
            parameters=teacher.get("parameters"),
            bytes=teacher.get("bytes"),
            train_seconds=None,
            documents_per_second=teacher.get("documents_per_second"),
        ),
        students=tuple(students),
        task=task,
        label_names=tuple(runs[0].label_names),
        test_rows=int(task.is_labelled(runs[0].predictions.labels).sum()),
        export_name=export["name"],
        teacher_name=str(teacher.get("name", TEACHER.lower())),
        judged_by_teacher=runs[0].judged_by_teacher,
    )


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


def scores_of(run: Run, task: Task, *, teacher: bool = False) -> dict[str, Interval]:
    """Return each metric of a run's student, or of its teacher, with its interval."""
    labels, logits = labelled(run, run.predictions.teacher_logits if teacher else run.predictions.logits)
    return {
        metric.name: percentile_interval(metric.of(labels, logits), resampled(metric.of, labels, [logits])[:, 0])
        for metric in task.metrics
    }


def leads(
    ours: Task, theirs: Task, labels: np.ndarray, our_logits: np.ndarray, their_logits: np.ndarray
) -> dict[str, Difference]:
    """Return, for each metric, how one model stands to another on the same rows; each answers by its own task."""
    found = {}
    for first, second in zip(ours.metrics, theirs.metrics, strict=True):
        draws = np.concatenate(
            [resampled(first.of, labels, [our_logits]), resampled(second.of, labels, [their_logits])], axis=1
        )  # of the same rows: the seed is the same
        found[first.name] = difference([first.of(labels, our_logits), second.of(labels, their_logits)], draws)
    return found


def _student_row(run: Run, name: str, twin: Run | None, twin_name: str | None, threshold: float | None) -> TaskRow:
    task = task_at(run, threshold)
    metrics, predictions = run.metrics, run.predictions
    _require_same_epoch(run)
    lead = {}
    if twin is not None:
        labels, logits = labelled(run, predictions.logits)
        lead = leads(task, task_at(twin, threshold), labels, logits, labelled(twin, twin.predictions.logits)[1])
    references = plain_task(run, threshold).answers(predictions.teacher_logits)
    speed = TextSpeed.read(metrics.get("raw_text_documents_per_second"))
    first = run.task.scores(*_answered(run))[0]
    return TaskRow(
        model=name,
        run=str(run.folder),
        distilled=run.config["train"]["distil"],
        scores=scores_of(run, task),
        fidelity={metric.name: metric.of(references, predictions.logits) for metric in task.metrics},
        twin=twin_name,
        lead=lead,
        reliability=_reliability(run, predictions.logits),
        parameters=metrics["parameters"],
        bytes=metrics["bytes"],
        train_seconds=metrics.get("train_seconds"),
        documents_per_second=None if speed is None else speed.median,
        seeds=read_seeds_of(run.folder, run.config["train"].get("seed"), _history_score(run, first), run.task),
    )


def _answered(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and answers as the history has them: by nothing that was fitted to the validation split."""
    labels, logits = labelled(run, run.predictions.logits)
    return labels, run.task.undecided().answers(logits)


def _history_score(run: Run, computed: float) -> float:
    said = run.metrics.get(f"test_{run.task.history_scores[0]}")
    return float(said) if isinstance(said, int | float) else computed


def _require_same_epoch(run: Run) -> None:
    said = run.metrics.get(f"test_{run.task.history_scores[0]}")
    found = run.task.undecided().scores(*_answered(run))[0]
    if run.judged_by_teacher or not isinstance(said, int | float) or not math.isfinite(found):
        return
    if abs(said - found) > _TOLERANCE * max(1.0, abs(found)):
        raise InputError(
            f"run folder {run.folder}: {METRICS} says {run.task.history_scores[0]} {said:.4f}, {TEST_PREDICTIONS} "
            f"gives {found:.4f}, so they are of different epochs; wait for the training, or go on with it: the same "
            "command with --resume"
        )


def _reliability(run: Run, logits: np.ndarray) -> list[tuple[float, float, int]]:
    return run.task.reliability(*labelled(run, logits))


def interval_json(value: Interval) -> dict[str, float | None]:
    """Return an interval as a JSON object."""
    return {name: finite(number) for name, number in dataclasses.asdict(value).items()}


def finite(value: float) -> float | None:
    """Return a number, None where it is undefined."""
    return value if math.isfinite(value) else None
