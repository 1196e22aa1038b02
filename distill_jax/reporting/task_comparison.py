"""The comparison of two models of scores or of several labels a row, on the same test rows."""

import dataclasses
from typing import Any

from distill_jax.console import format_table
from distill_jax.metrics.interval import Interval, finite
from distill_jax.metrics.resampling import Difference
from distill_jax.metrics.significance import CLEAR
from distill_jax.reporting.comparable_runs import exports_of, names_of, other_teachers_note
from distill_jax.reporting.numbers import points
from distill_jax.reporting.results import number_of_texts
from distill_jax.reporting.scored_model import plain_task, score_model, task_at
from distill_jax.reporting.table import TEACHER
from distill_jax.reporting.task_report import chance_of_better, chance_text, lead_limits, lead_text, limits, number
from distill_jax.reporting.task_table import interval_json
from distill_jax.runs.folder import Run
from distill_jax.tasks.task import Metric


@dataclasses.dataclass(frozen=True)
class TaskComparison:
    """Two models on the same test rows.

    Attributes:
        names: theirs.
        folders: their run folders; the teacher's is that of the student it taught.
        scores: each one's metrics with their intervals.
        lead: each metric's difference.
        metrics: the metrics.
        test_rows: the labelled rows.
        judged_by_teacher: whether none had a label, and the teacher's answers stand for the right ones.
        exports: what to call the two exports, where they are of different teachers' logits.
    """

    names: tuple[str, str]
    folders: tuple[str, str]
    scores: tuple[dict[str, Interval], dict[str, Interval]]
    lead: dict[str, Difference]
    metrics: tuple[Metric, ...]
    test_rows: int
    judged_by_teacher: bool
    exports: tuple[str, str] | None = None


def compare_task_runs(first: Run, second: Run | None, threshold: float | None) -> TaskComparison:
    """Compare a run's student with another's, or with its own teacher where there is no second."""
    other = first if second is None else second
    ours = score_model(first, task_at(first, threshold))
    if second is None:
        theirs = score_model(first, plain_task(first, threshold), teacher=True)
    else:
        theirs = score_model(second, task_at(second, threshold))
    names = (first.model, TEACHER) if second is None else tuple(names_of([first, second]))
    return TaskComparison(
        names=(names[0], names[1]),
        folders=(str(first.folder), str(other.folder)),
        scores=(ours.scores, theirs.scores),
        lead=ours.leads(theirs),
        metrics=ours.task.metrics,
        test_rows=int(first.task.is_labelled(first.predictions.labels).sum()),
        judged_by_teacher=first.judged_by_teacher,
        exports=None if second is None else exports_of(first, second),
    )


def task_comparison_json(comparison: TaskComparison) -> dict[str, Any]:
    """Return the comparison's numbers as JSON values; what is undefined is null."""
    models = {
        key: {
            "name": comparison.names[index],
            "run": comparison.folders[index],
            "scores": {name: interval_json(value) for name, value in comparison.scores[index].items()},
        }
        for index, key in enumerate(("first", "second"))
    }
    lead = {
        name: {**interval_json(found.interval), "probability_higher": finite(found.probability_positive)}
        for name, found in comparison.lead.items()
    }
    return {
        **models,
        "lead": lead,
        "test_rows": comparison.test_rows,
        "judged_by_teacher": comparison.judged_by_teacher,
        "exports": comparison.exports,
    }


def task_comparison_text(comparison: TaskComparison) -> list[str]:
    """Return the comparison's lines."""
    rows = [[metric.title, *_cells(comparison, metric)] for metric in comparison.metrics]
    return [
        *(f"{letter}: {comparison.names[i]} ({comparison.folders[i]})" for i, letter in enumerate("AB")),
        f"{number_of_texts(comparison.test_rows)}; intervals are of 95 %, by bootstrap over the texts",
        *(["No test text has a label: the teacher’s answers stand for them."] * comparison.judged_by_teacher),
        *other_teachers_note(comparison.exports),
        "",
        format_table(("", "A", "B", "A − B", "P(A better)"), rows),
        "",
        _verdict(comparison),
    ]


def _cells(comparison: TaskComparison, metric: Metric) -> list[str]:
    values = [scores[metric.name] for scores in comparison.scores]
    lead = comparison.lead[metric.name]
    return [
        *(f"{number(value.value)} ({limits(value)})" for value in values),
        f"{points(lead.interval.value)} ({lead_limits(lead)})",
        chance_text(chance_of_better(lead, metric)),
    ]


def _verdict(comparison: TaskComparison) -> str:
    metric = comparison.metrics[0]
    lead = comparison.lead[metric.name]
    said, better = lead_text(metric.title, lead), chance_of_better(lead, metric)
    if better >= CLEAR:
        return f"A is clearly better ({said})."
    if better <= 1 - CLEAR:
        return f"A is clearly worse ({said})."
    return f"No clear difference ({said}): so much may be chance."
