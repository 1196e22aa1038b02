"""The comparison of two models on the same test rows: a student with another, or with its teacher."""

import dataclasses
from pathlib import Path
from typing import Any

from distill_jax.metrics.significance import PairCertainty
from distill_jax.model_measures import Measures, measure, measure_pair
from distill_jax.report_runs import display_names, read_runs

TEACHER = "Teacher"


@dataclasses.dataclass(frozen=True)
class Compared:
    """One of the two models: its name, its run folder (the teacher's: that of the student it taught), its measures."""

    name: str
    run: str
    measures: Measures


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models on the same test rows.

    Attributes:
        first: the model that is asked about.
        second: what it is compared with.
        lead: what the rows say of the first's lead over the second.
        test_rows: the labelled rows, which the scores are taken over.
    """

    first: Compared
    second: Compared
    lead: PairCertainty
    test_rows: int


def compare_runs(first: Path, second: Path) -> Comparison:
    """Read two run folders and compare their students.

    Raises:
        InputError: one is broken or unfinished, or they differ in test rows, labels, classes or teacher.
    """
    runs = read_runs([first, second], together="be compared", remedy="compare runs of one export")
    names = display_names(runs) if first.resolve() != second.resolve() else [run.model for run in runs]
    models = [Compared(name, str(run.folder), measure(run)) for name, run in zip(names, runs, strict=True)]
    return Comparison(models[0], models[1], measure_pair(runs[0], runs[1]), _test_rows(runs[0].predictions.labels))


def compare_with_teacher(folder: Path) -> Comparison:
    """Read a run folder and compare its student with the teacher, whose logits it holds.

    Raises:
        InputError: it is broken or unfinished, or no test row has a label.
    """
    run = read_runs([folder])[0]
    student = Compared(run.model, str(run.folder), measure(run))
    teacher = Compared(TEACHER, str(run.folder), measure(run, teacher=True))
    lead = measure_pair(run, run, second_is_teacher=True)
    return Comparison(student, teacher, lead, _test_rows(run.predictions.labels))


def _test_rows(labels: Any) -> int:
    return int((labels >= 0).sum())


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison's numbers as JSON values; the reliability curves as lists, ECE beside them."""
    value = dataclasses.asdict(comparison)
    for name, model in (("first", comparison.first), ("second", comparison.second)):
        curve = model.measures.reliability
        value[name]["measures"]["reliability"] = {
            field.name: getattr(curve, field.name).tolist() for field in dataclasses.fields(curve)
        }
        value[name]["measures"]["expected_calibration_error"] = curve.expected_calibration_error
    return value
