"""The comparison of two models on the same test rows: a student with another, or with its teacher."""

import dataclasses
from collections.abc import Callable
from typing import Any

from distill_jax.console import format_table
from distill_jax.metrics.calibration import ReliabilityCurve
from distill_jax.metrics.interval import Interval
from distill_jax.metrics.significance import CLEAR, PairCertainty
from distill_jax.reporting.comparable_runs import exports_of, names_of, other_teachers_note
from distill_jax.reporting.measures import Measures, measure, measure_pair
from distill_jax.reporting.numbers import count, interval, p_value, percent, points, points_interval, probability, score
from distill_jax.reporting.results import number_of_texts
from distill_jax.reporting.summary import UNLABELLED_TEST
from distill_jax.reporting.table import TEACHER
from distill_jax.runs.folder import Run


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
        judged_by_teacher: whether none had a label, and the teacher's answers stand for the right ones.
        exports: what to call the two exports, where they are of different teachers' logits.
    """

    first: Compared
    second: Compared
    lead: PairCertainty
    test_rows: int
    judged_by_teacher: bool = False
    exports: tuple[str, str] | None = None


def compare_runs(first: Run, second: Run) -> Comparison:
    """Compare the students of two runs that can stand in one table."""
    runs = [first, second]
    models = [Compared(name, str(run.folder), measure(run)) for name, run in zip(names_of(runs), runs, strict=True)]
    lead, rows = measure_pair(first, second), _test_rows(first.predictions.labels)
    return Comparison(models[0], models[1], lead, rows, first.judged_by_teacher, exports_of(first, second))


def compare_with_teacher(run: Run) -> Comparison:
    """Compare a run's student with the teacher, whose logits it holds."""
    student = Compared(run.model, str(run.folder), measure(run))
    teacher = Compared(TEACHER, str(run.folder), measure(run, teacher=True))
    lead = measure_pair(run, run, second_is_teacher=True)
    return Comparison(student, teacher, lead, _test_rows(run.predictions.labels), run.judged_by_teacher)


def _test_rows(labels: Any) -> int:
    return int((labels >= 0).sum())


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison's numbers as JSON values; the reliability curves as lists, ECE beside them."""
    value = dataclasses.asdict(comparison)
    for name, model in (("first", comparison.first), ("second", comparison.second)):
        measures = model.measures
        value[name]["measures"] |= {
            "reliability": _curve_json(measures.reliability),
            "expected_calibration_error": measures.reliability.expected_calibration_error,
            "calibrated": _curve_json(measures.calibrated),
            "expected_calibration_error_after": measures.calibrated.expected_calibration_error,
        }
    return value


def _curve_json(curve: ReliabilityCurve) -> dict[str, list[float]]:
    return {field.name: getattr(curve, field.name).tolist() for field in dataclasses.fields(curve)}


def comparison_text(comparison: Comparison) -> list[str]:
    """Return the comparison's lines."""
    first, second, lead = comparison.first, comparison.second, comparison.lead
    return [
        f"A: {first.name} ({first.run})",
        f"B: {second.name} ({second.run})",
        f"{number_of_texts(comparison.test_rows)}; intervals are of 95 %, by bootstrap over the texts",
        *([UNLABELLED_TEST] if comparison.judged_by_teacher else []),
        *other_teachers_note(comparison.exports),
        "",
        format_table(("", "A", "B", "A − B"), _rows(first.measures, second.measures, lead)),
        "",
        verdict(lead),
        "",
        *_mcnemar(lead),
        "",
        *_probabilities(lead),
    ]


def verdict(lead: PairCertainty) -> str:
    """Return in a sentence whether A is better than B in accuracy."""
    difference = f"{points(lead.accuracy_difference.value)} accuracy, {points_interval(lead.accuracy_difference)}"
    if lead.accuracy_probability >= CLEAR:
        return f"A is clearly better ({difference})."
    if lead.accuracy_probability <= 1 - CLEAR:
        return f"A is clearly worse ({difference})."
    return f"No clear difference ({difference}): so much may be chance."


def _rows(first: Measures, second: Measures, lead: PairCertainty) -> list[list[str]]:
    rows = [
        _interval_row("Accuracy", first.scores.accuracy, second.scores.accuracy, lead.accuracy_difference),
        _interval_row("Macro F1", first.scores.macro_f1, second.scores.macro_f1, lead.macro_f1_difference),
        _posterior_row("Accuracy, posterior", first.scores.accuracy_posterior, second.scores.accuracy_posterior),
        _posterior_row("Macro F1, posterior", first.scores.macro_f1_posterior, second.scores.macro_f1_posterior),
    ]
    if first.ratings is not None and second.ratings is not None:
        ours, theirs = first.ratings, second.ratings
        rows += [
            _plain_row("Mean absolute error", ours.mae, theirs.mae, score),
            _plain_row("Quadratic kappa", ours.quadratic_kappa, theirs.quadratic_kappa, score),
            _plain_row("Right or one off", ours.off_by_one, theirs.off_by_one, percent),
        ]
    return [
        *rows,
        *_calibration_rows(first, second),
        _plain_row("KL from the teacher", first.divergence, second.divergence, score),
        _plain_row("Agrees with teacher", first.agreement, second.agreement, percent),
    ]


def _calibration_rows(first: Measures, second: Measures) -> list[list[str]]:
    """Return the calibration errors; where a model has a temperature, that and the errors before it and after."""
    before, after = (
        (ours.expected_calibration_error, theirs.expected_calibration_error)
        for ours, theirs in ((first.reliability, second.reliability), (first.calibrated, second.calibrated))
    )
    if first.temperature is None and second.temperature is None:
        return [_plain_row("Calibration error", *before, score)]
    return [
        _plain_row("Calibration temperature", first.temperature, second.temperature, score),
        _plain_row("Calibration error before", *before, score),
        _plain_row("Calibration error after", *after, score),
    ]


def _interval_row(name: str, ours: Interval, theirs: Interval, difference: Interval) -> list[str]:
    difference_cell = f"{points(difference.value)} ({points_interval(difference)})"
    return [*_posterior_row(name, ours, theirs)[:-1], difference_cell]


def _posterior_row(name: str, ours: Interval, theirs: Interval) -> list[str]:
    return [name, *[f"{score(value.value)} ({interval(value)})" for value in (ours, theirs)], ""]


def _plain_row(name: str, ours: float | None, theirs: float | None, text: Callable[[float | None], str]) -> list[str]:
    return [name, text(ours), text(theirs), ""]


def _mcnemar(lead: PairCertainty) -> list[str]:
    test = lead.mcnemar
    rows = [
        ["A right", count(test.both_right), count(test.only_first)],
        ["A wrong", count(test.only_second), count(test.both_wrong)],
    ]
    return [format_table(("", "B right", "B wrong"), rows), f"McNemar's exact test: p {p_value(test.p_value)}"]


def _probabilities(lead: PairCertainty) -> list[str]:
    rows = [
        ["accuracy", probability(lead.accuracy_probability), probability(lead.independent_accuracy_probability)],
        ["macro F1", probability(lead.macro_f1_probability), probability(lead.independent_macro_f1_probability)],
    ]
    return [
        format_table(("Probability that A is better", "same texts", "as if independent"), rows),
        "From the Dirichlet posterior of the confusion matrices (Caelen 2017). The first column knows that both models",
        "saw the same texts, and is the one to quote; the second, Caelen's own, does not.",
    ]
