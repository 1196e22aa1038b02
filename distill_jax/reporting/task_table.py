"""The numbers of a report on scores or on several labels a row: a line for the teacher and one for each student."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from distill_jax.baselines.kept import KeptBaselines
from distill_jax.baselines.of_export import Answered
from distill_jax.errors import InputError
from distill_jax.metrics.interval import Interval, finite
from distill_jax.metrics.resampling import Difference
from distill_jax.reporting.comparable_runs import display_names
from distill_jax.reporting.recorded import recorded_count, recorded_number
from distill_jax.reporting.scored_model import ScoredModel, labelled, plain_task, score_model, task_at
from distill_jax.reporting.table import TEACHER, find_twin
from distill_jax.runs.folder import METRICS, TEST_PREDICTIONS, Run
from distill_jax.runs.seed_scores import SeedScores, read_seeds_of
from distill_jax.runs.text_speed import TextSpeed
from distill_jax.tasks.task import LabelResult, Metric, Task

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
        calibration: the task's numbers of it, each with its interval.
        labels: of several labels a row, what is said of each.
        reliability: per bin the mean of what it says, of what is true, and the count.
        parameters: count.
        bytes: size of the parameters.
        train_seconds: wall time of the training.
        documents_per_second: from raw text.
        seeds: its scores with several seeds.
        still_learns: whether its training ended in the midst of learning.
        baseline_lead: each metric's difference from the best simple baseline's, where there is one.
    """

    model: str
    run: str
    distilled: bool | None
    scores: dict[str, Interval]
    fidelity: dict[str, float]
    twin: str | None
    lead: dict[str, Difference]
    calibration: dict[str, Interval]
    labels: list[LabelResult]
    reliability: list[tuple[float, float, int]]
    parameters: int | None
    bytes: int | None
    train_seconds: float | None
    documents_per_second: float | None
    seeds: SeedScores | None = None
    still_learns: bool = False
    baseline_lead: dict[str, Difference] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class TaskTable:
    """The teacher's row, the students' in the order of their runs, and what they were measured on.

    ``baselines`` are the simple baselines' rows; where there are none, ``why_no_baselines`` may say why.
    """

    teacher: TaskRow
    students: tuple[TaskRow, ...]
    task: Task
    label_names: tuple[str, ...]
    test_rows: int
    export_name: str
    teacher_name: str
    judged_by_teacher: bool
    baselines: tuple[TaskRow, ...] = ()
    why_no_baselines: str = ""

    @property
    def best_baseline(self) -> TaskRow | None:
        """The simple baseline that is best by the first metric; None where there is none."""
        return _best(self.baselines, self.metrics[0]) if self.baselines else None

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
        return _best(self.students, self.metrics[0])


def _best(rows: Sequence[TaskRow], metric: Metric) -> TaskRow:
    sign = 1 if metric.larger_is_better else -1

    def key(row: TaskRow) -> float:
        value = row.scores[metric.name].value
        return sign * value if math.isfinite(value) else -math.inf

    return max(rows, key=key)


def build_task_table(
    runs: Sequence[Run], threshold: float | None = None, kept: KeptBaselines | None = None
) -> TaskTable:
    """Compute the table of comparable runs.

    Args:
        runs: runs of one export.
        threshold: of scores, from where on the metrics say how well rows above it are found.
        kept: the simple baselines that stand beside them.

    Raises:
        InputError: a run's metrics and test predictions are of different epochs, or the task has no threshold.
    """
    task = runs[0].task if threshold is None else runs[0].task.above(threshold)
    names = display_names(runs)
    export = runs[0].config["export"]
    scored = [score_model(run, task_at(run, threshold)) for run in runs]
    students = []
    kept = kept or KeptBaselines()
    answered = [_score_baseline(runs[0], each, threshold) for each in kept.baselines]
    baselines = [_baseline_row(runs[0], *pair, threshold) for pair in zip(kept.baselines, answered, strict=True)]
    best = baselines.index(_best(baselines, task.metrics[0])) if baselines else None
    for run, name, own in zip(runs, names, scored, strict=True):
        twin = find_twin(run, runs)
        place = None if twin is None else next(i for i, other in enumerate(runs) if other is twin)
        of_twin = None if place is None else (names[place], scored[place])
        lead = {} if best is None else own.leads(answered[best])
        students.append(dataclasses.replace(_student_row(run, name, own, of_twin, threshold), baseline_lead=lead))
    teacher, of_teacher = export["teacher"], score_model(runs[0], plain_task(runs[0], threshold), teacher=True)
    return TaskTable(
        teacher=TaskRow(
            model=TEACHER,
            run="",
            distilled=None,
            scores=of_teacher.scores,
            fidelity={},
            twin=None,
            lead={},
            calibration=of_teacher.calibration,
            labels=of_teacher.labels,
            reliability=of_teacher.reliability,
            parameters=recorded_count(teacher.get("parameters")),
            bytes=recorded_count(teacher.get("bytes")),
            train_seconds=None,
            documents_per_second=recorded_number(teacher.get("documents_per_second")),
        ),
        students=tuple(students),
        task=task,
        label_names=tuple(runs[0].label_names),
        test_rows=int(task.is_labelled(runs[0].predictions.labels).sum()),
        export_name=export["name"],
        teacher_name=str(teacher.get("name", TEACHER.lower())),
        judged_by_teacher=runs[0].judged_by_teacher,
        baselines=tuple(baselines),
        why_no_baselines=kept.why_none,
    )


def _answering(run: Run, baseline: Answered) -> Run:
    """Return a run whose student gave a baseline's answers."""
    return dataclasses.replace(run, predictions=dataclasses.replace(run.predictions, logits=baseline.logits))


def _score_baseline(run: Run, baseline: Answered, threshold: float | None) -> ScoredModel:
    return score_model(_answering(run, baseline), plain_task(run, threshold))


def _baseline_row(run: Run, baseline: Answered, own: ScoredModel, threshold: float | None) -> TaskRow:
    references = plain_task(run, threshold).answers(run.predictions.teacher_logits)
    return TaskRow(
        model=baseline.name,
        run="",
        distilled=None,
        scores=own.scores,
        fidelity={metric.name: metric.of(references, baseline.logits) for metric in own.task.metrics},
        twin=None,
        lead={},
        calibration=own.calibration,
        labels=own.labels,
        reliability=own.reliability,
        parameters=baseline.numbers,
        bytes=baseline.bytes,
        train_seconds=None,
        documents_per_second=None,
    )


def _student_row(
    run: Run, name: str, own: ScoredModel, twin: tuple[str, ScoredModel] | None, threshold: float | None
) -> TaskRow:
    metrics, predictions = run.metrics, run.predictions
    _require_same_epoch(run)
    references = plain_task(run, threshold).answers(predictions.teacher_logits)
    speed = TextSpeed.read(metrics.get("raw_text_documents_per_second"))
    first = run.task.scores(*_answered(run))[0]
    return TaskRow(
        model=name,
        run=str(run.folder),
        distilled=run.config["train"]["distil"],
        scores=own.scores,
        fidelity={metric.name: metric.of(references, predictions.logits) for metric in own.task.metrics},
        twin=None if twin is None else twin[0],
        lead={} if twin is None else own.leads(twin[1]),
        calibration=own.calibration,
        labels=own.labels,
        reliability=own.reliability,
        parameters=metrics["parameters"],
        bytes=metrics["bytes"],
        train_seconds=recorded_number(metrics.get("train_seconds")),
        documents_per_second=None if speed is None else speed.median,
        seeds=read_seeds_of(run.folder, run.config["train"].get("seed"), _history_score(run, first), run.task),
        still_learns=metrics.get("still_learns") is True,
    )


def _answered(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and answers as the history has them: by nothing that was fitted to the validation split."""
    labels, logits = labelled(run, run.predictions.logits)
    return labels, run.task.undecided().answers(logits)


def _history_score(run: Run, computed: float) -> float:
    said = recorded_number(run.metrics.get(f"test_{run.task.history_scores[0]}"))
    return computed if said is None else said


def _require_same_epoch(run: Run) -> None:
    said = recorded_number(run.metrics.get(f"test_{run.task.history_scores[0]}"))
    found = run.task.undecided().scores(*_answered(run))[0]
    if run.judged_by_teacher or said is None or not math.isfinite(found):
        return
    if abs(said - found) > _TOLERANCE * max(1.0, abs(found)):
        raise InputError(
            f"run folder {run.folder}: {METRICS} says {run.task.history_scores[0]} {said:.4f}, {TEST_PREDICTIONS} "
            f"gives {found:.4f}, so they are of different epochs; wait for the training, or go on with it: the same "
            "command with --resume"
        )


def interval_json(value: Interval) -> dict[str, float | None]:
    """Return an interval as a JSON object."""
    return {name: finite(number) for name, number in dataclasses.asdict(value).items()}
