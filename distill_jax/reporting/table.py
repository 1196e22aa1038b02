"""The numbers of a report: a row for the teacher and one for each student, computed from the test predictions."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from distill_jax.baselines.kept import KeptBaselines
from distill_jax.baselines.of_export import Answered
from distill_jax.errors import InputError
from distill_jax.metrics.classification import confusion
from distill_jax.metrics.significance import PairCertainty
from distill_jax.reporting.comparable_runs import display_names
from distill_jax.reporting.measures import Measures, measure, measure_pair
from distill_jax.reporting.recorded import recorded_count, recorded_number, recorded_text
from distill_jax.reporting.shares import ROUNDING, most_frequent_share, share_kept, share_of_gap
from distill_jax.runs.folder import METRICS, TEST_PREDICTIONS, Run, scored
from distill_jax.runs.seed_scores import SeedScores, read_seeds_of
from distill_jax.runs.text_speed import TextSpeed

TEACHER = "Teacher"
# What a distilled run and its direct twin may differ in: all that says how to learn from the teacher.
_TWIN_FREE_SETTINGS = frozenset(
    {
        *("distil", "alpha", "soft_loss", "temperature", "standardised", "hint_weight"),
        *("transfer", "transfer_share", "transfer_passes"),
    }
)
# metrics.json and the predictions are written one after the other: beyond this they are of different epochs.
_ACCURACY_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class Row:
    """A model's line of the table; None where a number is unknown or undefined.

    Attributes:
        model: its name in the report, different for every row.
        run: the run folder as it was named, empty for the teacher.
        student: ``cnn``, ``fasttext``, …; empty for the teacher.
        distilled: whether it learned from the teacher's logits; None for the teacher.
        accuracy: over the labelled test rows.
        macro_f1: the same rows.
        accuracy_kept: accuracy / the teacher's accuracy (``shares.share_kept``).
        twin: the model name of the direct twin, on a distilled row that has one.
        gain: accuracy - the direct twin's.
        lead: what the test rows say of that gain: its interval, McNemar's test, the probability that it is one.
        gap_closed: gain / (the teacher's accuracy - the direct twin's) (``shares.share_of_gap``).
        teacher_lead: what the test rows say of its lead over the teacher, where it has one.
        measures: accuracy and macro F1 with their intervals, agreement with the teacher, calibration, ratings.
        parameters: count.
        bytes: size of the parameters.
        train_seconds: wall time of the training.
        documents_per_second: from raw text; a student's is the median over repeats, the teacher's its export's.
        text_speed: a student's speed with its spread; None in a run of an older version.
        token_speed: in a run of an older version its documents a second from token ids, without tokenizing.
        device: what it was trained on; the teacher's, what the export was made on.
        machine: the processor that the teacher's export was made with; None where that is not recorded.
        epochs_done: epochs trained.
        epochs: epochs asked for.
        confusion: int64 [classes, classes], row = true class.
        unlearnt: whether its training accuracy is no better than chance while its training loss still falls.
        still_learns: whether its training ended in the midst of learning.
        seeds: its scores with several seeds, of which the run's is the first; None where it was trained once.
        baseline_lead: what the test rows say of a student's lead over the best simple baseline, where there is one.
    """

    model: str
    run: str
    student: str
    distilled: bool | None
    accuracy: float
    macro_f1: float
    accuracy_kept: float | None
    twin: str | None
    gain: float | None
    lead: PairCertainty | None
    gap_closed: float | None
    teacher_lead: PairCertainty | None
    measures: Measures
    parameters: int | None
    bytes: int | None
    train_seconds: float | None
    documents_per_second: float | None
    text_speed: TextSpeed | None
    token_speed: float | None
    device: str | None
    machine: str | None
    epochs_done: int | None
    epochs: int | None
    confusion: np.ndarray
    unlearnt: bool = False
    still_learns: bool = False
    seeds: SeedScores | None = None
    baseline_lead: PairCertainty | None = None

    @property
    def mean_accuracy(self) -> float:
        """The accuracy's mean over the seeds, where there are several."""
        return self.accuracy if self.seeds is None else self.seeds.first.mean

    @property
    def mean_macro_f1(self) -> float:
        """The macro F1's mean over the seeds, where there are several."""
        return self.macro_f1 if self.seeds is None else self.seeds.second.mean


@dataclasses.dataclass(frozen=True)
class Table:
    """The teacher's row, the students' in the order of their runs, and what they were measured on.

    ``test_rows`` counts the labelled rows, which the scores are taken over. Where no row has a label they are all rows,
    and the teacher's answers stand for the right ones (``judged_by_teacher``): accuracy is agreement with them.
    ``baselines`` are the simple baselines' rows; where there are none, ``why_no_baselines`` may say why.
    """

    teacher: Row
    students: tuple[Row, ...]
    label_names: tuple[str, ...]
    test_rows: int
    export_name: str
    teacher_name: str
    judged_by_teacher: bool = False
    teacher_is_table: bool = False
    baselines: tuple[Row, ...] = ()
    why_no_baselines: str = ""

    @property
    def best_baseline(self) -> Row | None:
        """The simple baseline of the highest accuracy; None where there is none."""
        return max(self.baselines, key=lambda row: (row.accuracy, row.macro_f1), default=None)

    @property
    def teacher_at_chance(self) -> bool:
        """Whether the teacher is no more accurate than naming the most frequent class for every test text."""
        return self.teacher.accuracy <= most_frequent_share(self.teacher) + ROUNDING

    @property
    def is_calibrated(self) -> bool:
        """Whether a student has a temperature."""
        return any(row.measures.temperature is not None for row in self.students)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The teacher's row, then the students'."""
        return (self.teacher, *self.students)

    @property
    def best(self) -> Row:
        """The student of the highest accuracy; between equals that of the higher macro F1, then the smaller one.

        Where a student was trained with several seeds, their means count.
        """
        return max(self.students, key=lambda row: (row.mean_accuracy, row.mean_macro_f1, -(row.bytes or math.inf)))


def build_table(runs: Sequence[Run], kept: KeptBaselines | None = None) -> Table:
    """Compute the table of comparable runs (``comparable_runs.read_runs``).

    Args:
        runs: the runs.
        kept: the simple baselines that stand beside them.

    Raises:
        InputError: a run's ``metrics.json`` and test predictions are of different epochs.
    """
    names = display_names(runs)
    teacher, kept = _teacher_row(runs[0]), kept or KeptBaselines()
    baselines = [_baseline_row(runs[0], each, teacher) for each in kept.baselines]
    best = max(zip(baselines, kept.baselines, strict=True), key=lambda pair: pair[0].accuracy, default=None)
    students = []
    for run, name in zip(runs, names, strict=True):
        twin = find_twin(run, runs)
        twin_name = None if twin is None else names[next(i for i, other in enumerate(runs) if other is twin)]
        row = _student_row(run, name, teacher, twin, twin_name)
        lead = None if best is None else measure_pair(run, _answering(runs[0], best[1]))
        students.append(dataclasses.replace(row, baseline_lead=lead))
    export = runs[0].config["export"]
    return Table(
        teacher=teacher,
        students=tuple(students),
        label_names=tuple(runs[0].label_names),
        test_rows=int((runs[0].predictions.labels >= 0).sum()),
        export_name=export["name"],
        teacher_name=str(export["teacher"].get("name", TEACHER.lower())),
        judged_by_teacher=runs[0].judged_by_teacher,
        teacher_is_table=export["teacher"].get("kind") == "table",
        baselines=tuple(baselines),
        why_no_baselines=kept.why_none,
    )


def find_twin(run: Run, runs: Sequence[Run]) -> Run | None:
    """Return a distilled run's direct twin: the same export, epochs done and settings, but for the distillation."""
    if not run.config["train"]["distil"]:
        return None
    return next(
        (other for other in runs if not other.config["train"]["distil"] and _twin_key(other) == _twin_key(run)), None
    )


def _twin_key(run: Run) -> tuple[Any, ...]:
    train = {name: value for name, value in run.config["train"].items() if name not in _TWIN_FREE_SETTINGS}
    train.setdefault("class_weights", "")  # runs of versions without this option do not name it
    settings = json.dumps([train, run.config.get("student")], sort_keys=True)
    # Where a run may stop early, when it does is a result and no setting.
    epochs_done = None if run.config["train"].get("patience") else run.metrics["epochs_done"]
    return run.config["export"].get("fingerprint"), epochs_done, settings


def _teacher_row(run: Run) -> Row:
    teacher = run.config["export"]["teacher"]
    labels, predicted = scored(run, run.predictions.teacher_logits)
    measures = measure(run, teacher=True)
    return Row(
        model=TEACHER,
        run="",
        student="",
        distilled=None,
        accuracy=measures.scores.accuracy.value,
        macro_f1=measures.scores.macro_f1.value,
        accuracy_kept=1.0,
        twin=None,
        gain=None,
        lead=None,
        gap_closed=None,
        teacher_lead=None,
        measures=measures,
        parameters=recorded_count(teacher.get("parameters")),
        bytes=recorded_count(teacher.get("bytes")),
        train_seconds=recorded_number(teacher.get("train_seconds")),
        documents_per_second=recorded_number(teacher.get("documents_per_second")),
        text_speed=None,
        token_speed=None,
        device=recorded_text(teacher.get("device")),
        machine=recorded_text(teacher.get("machine")),
        epochs_done=None,
        epochs=None,
        confusion=confusion(labels, predicted, len(run.label_names)),
    )


def _answering(run: Run, baseline: Answered) -> Run:
    """Return a run whose student gave a baseline's answers."""
    return dataclasses.replace(
        run,
        predictions=dataclasses.replace(run.predictions, logits=baseline.logits),
        task=run.task.undecided(),
    )


def _baseline_row(run: Run, baseline: Answered, teacher: Row) -> Row:
    answering = _answering(run, baseline)
    labels, predicted = scored(answering, baseline.logits)
    measures = measure(answering)
    return dataclasses.replace(
        teacher,
        model=baseline.name,
        accuracy=measures.scores.accuracy.value,
        macro_f1=measures.scores.macro_f1.value,
        accuracy_kept=share_kept(measures.scores.accuracy.value, teacher),
        measures=measures,
        parameters=baseline.numbers,
        bytes=baseline.bytes,
        train_seconds=None,
        documents_per_second=None,
        device=None,
        machine=None,
        confusion=confusion(labels, predicted, len(run.label_names)),
    )


def _student_row(run: Run, name: str, teacher: Row, twin: Run | None, twin_name: str | None) -> Row:
    train, metrics = run.config["train"], run.metrics
    labels, predicted = scored(run, run.predictions.logits)
    measures = measure(run)
    score = measures.scores.accuracy.value
    _require_same_epoch(run, score)
    speed = TextSpeed.read(metrics.get("raw_text_documents_per_second"))
    lead = gain = gap_closed = None
    if twin is not None:
        lead = measure_pair(run, twin)
        gain = lead.accuracy_difference.value
        gap_closed = share_of_gap(gain, score - gain, teacher)
    above = score > teacher.accuracy + ROUNDING
    return Row(
        model=name,
        run=str(run.folder),
        student=train["student"],
        distilled=train["distil"],
        accuracy=score,
        macro_f1=measures.scores.macro_f1.value,
        accuracy_kept=share_kept(score, teacher),
        twin=twin_name,
        gain=gain,
        lead=lead,
        gap_closed=gap_closed,
        teacher_lead=measure_pair(run, run, second_is_teacher=True) if above else None,
        measures=measures,
        parameters=metrics["parameters"],
        bytes=metrics["bytes"],
        train_seconds=recorded_number(metrics.get("train_seconds")),
        documents_per_second=None if speed is None else speed.median,
        text_speed=speed,
        token_speed=recorded_number(metrics.get("predict_examples_per_second")),
        device=recorded_text(metrics.get("device")),
        machine=None,
        epochs_done=metrics["epochs_done"],
        epochs=recorded_count(train.get("epochs")),
        confusion=confusion(labels, predicted, len(run.label_names)),
        unlearnt=metrics.get("at_chance") is True,
        still_learns=metrics.get("still_learns") is True,
        seeds=read_seeds_of(run.folder, train.get("seed"), score),
    )


def _require_same_epoch(run: Run, score: float) -> None:
    said = recorded_number(run.metrics.get("test_acc"))
    if said is None or abs(said - score) <= _ACCURACY_TOLERANCE or (run.predictions.labels < 0).any():
        return
    raise InputError(
        f"run folder {run.folder}: {METRICS} says test accuracy {said:.4f}, {TEST_PREDICTIONS} gives {score:.4f}, so "
        "they are of different epochs; wait for the training, or go on with it: the same command with --resume"
    )
