"""A report on scores or on several labels a row: for the terminal, as CSV, and as a page that needs nothing else."""

import csv
import io
import math
from typing import TYPE_CHECKING

from distill_jax.console import format_table
from distill_jax.metrics.interval import Interval, finite
from distill_jax.metrics.resampling import Difference
from distill_jax.metrics.significance import CLEAR
from distill_jax.reporting.baselines import none_sentence
from distill_jax.reporting.html_tables import escape, notes_list, numbers_table, table_line, with_interval
from distill_jax.reporting.labels import label_notes, labels_section
from distill_jax.reporting.numbers import UNKNOWN, count, duration, points, probability, size, spread
from distill_jax.reporting.page_frame import framed
from distill_jax.reporting.results import csv_field, number_of_texts
from distill_jax.reporting.task_table import TaskRow, TaskTable
from distill_jax.reporting.training_notes import still_learns_note
from distill_jax.tasks.task import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt

    from distill_jax.runs.folder import Run

_WIDE, _NARROW = 900, 270
_FIGURES = ("Parameters", "Size", "Training", "Docs/s")


def number(value: float | None) -> str:
    """Return a score with three decimals; a dash where it is undefined."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:.3f}".replace("-", "−")


def limits(value: Interval) -> str:
    """Return an interval's ends."""
    return f"{number(value.low)} to {number(value.high)}"


def lead_limits(lead: Difference) -> str:
    """Return the ends of a difference's interval."""
    return f"{points(lead.interval.low)} to {points(lead.interval.high)}"


def lead_text(title: str, lead: Difference) -> str:
    """Return a difference in words, with its interval."""
    return f"{points(lead.interval.value)} {title} ({lead_limits(lead)})"


def chance_of_better(lead: Difference, metric: Metric) -> float:
    """Return the probability that the first of two models is better by a metric; NaN where it is undefined."""
    return lead.probability_positive if metric.larger_is_better else 1 - lead.probability_positive


def chance_text(better: float) -> str:
    """Return such a probability as text; a dash where it is undefined."""
    return probability(better) if math.isfinite(better) else UNKNOWN


def terminal_table(table: TaskTable) -> str:
    """Return the results as plain text."""
    header = ("Model", *(metric.title for metric in table.metrics), *_FIGURES)
    return format_table(header, [[row.model, *_scores(row, table), *_figures(row)] for row in _shown(table)])


def _shown(table: TaskTable) -> tuple[TaskRow, ...]:
    """Return the rows of the table of results."""
    return (*table.rows, *table.baselines)


def _scores(row: TaskRow, table: TaskTable) -> list[str]:
    return [number(row.scores[metric.name].value) for metric in table.metrics]


def _figures(row: TaskRow) -> list[str]:
    return [count(row.parameters), size(row.bytes), duration(row.train_seconds), count(row.documents_per_second)]


def sentences(table: TaskTable) -> list[str]:
    """Return what the table says in words: the best student, whether distillation helped, and what to know."""
    first = table.metrics[0]
    best, teacher = table.best, table.teacher
    found = [
        (
            f"{best.model} is the best student by {first.title}: {number(best.scores[first.name].value)} (95 % "
            f"interval {limits(best.scores[first.name])}) on {number_of_texts(table.test_rows)}; the teacher has "
            f"{number(teacher.scores[first.name].value)}."
        )
    ]
    if table.judged_by_teacher:
        found.insert(0, "No test text has a label, so the teacher’s answers stand for the right ones.")
    found += [_helped(row, table) for row in table.students if row.lead]
    for row in table.students:
        if row.seeds is not None:
            named = ", ".join(f"{name.replace('_', ' ')} {spread(value)}" for name, value in row.seeds.named().items())
            found.append(f"{row.model}, mean ± spread over {len(row.seeds.seeds)} seeds: {named}.")
    found += [still_learns_note(row.model) for row in table.students if row.still_learns]
    found += _of_baselines(table)
    return [*found, *table.task.decision_words, *label_notes(table)]


def _of_baselines(table: TaskTable) -> list[str]:
    """Return how each student stands to the best simple baseline."""
    best, metric = table.best_baseline, table.metrics[0]
    if best is None:
        return [none_sentence(table.why_no_baselines)] if table.why_no_baselines else []
    named = f"the simple baseline {best.model} ({number(best.scores[metric.name].value)} {metric.title})"
    found = []
    for row in table.students:
        lead = row.baseline_lead[metric.name]
        better = chance_of_better(lead, metric)
        how = "better, within chance alone, than" if better > 1 / 2 else "no better than"
        how = "clearly better than" if better >= CLEAR else how
        found.append(f"{row.model} is {how} {named}: {lead_text(metric.title, lead)}.")
    return found


def _helped(row: TaskRow, table: TaskTable) -> str:
    metric = table.metrics[0]
    lead = row.lead[metric.name]
    better = chance_of_better(lead, metric)
    how = "made no clear difference for"
    if better >= CLEAR:
        how = "helped"
    elif better <= 1 - CLEAR:
        how = "did not help"
    return (
        f"Learning from the teacher instead of the labels {how} {row.twin}: {lead_text(metric.title, lead)}, "
        f"probability of being better {chance_text(better)}."
    )


def csv_text(table: TaskTable) -> str:
    """Return the table as CSV: full precision; an unknown number is an empty field."""
    names = [metric.name for metric in table.metrics]
    columns = ["model", "run", "student", "distilled"]
    columns += [part for name in names for part in (name, f"{name}_low", f"{name}_high")]
    columns += [f"{name}_against_teacher" for name in names] + [f"{name}_gain" for name in names]
    columns += ["probability_higher", "parameters", "bytes", "train_seconds", "documents_per_second"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in _shown(table):
        intervals = [row.scores[name] for name in names]
        values: list[float | str | None] = [
            row.model,
            row.run,
            "" if row.distilled is None else row.model.split(",")[0].removesuffix(" (distilled)"),
            None if row.distilled is None else str(row.distilled).lower(),
            *(part for value in intervals for part in (value.value, value.low, value.high)),
            *(row.fidelity.get(name) for name in names),
            *(row.lead[name].interval.value if name in row.lead else None for name in names),
            row.lead[names[0]].probability_positive if row.lead else None,
            *(row.parameters, row.bytes, row.train_seconds, row.documents_per_second),
        ]
        writer.writerow([csv_field(finite(value) if isinstance(value, float) else value) for value in values])
    return stream.getvalue()


def render_page(table: TaskTable, runs: "Sequence[Run]", title: str, choice: str = "") -> str:
    """Return the report's HTML; every name from a run is escaped.

    ``choice`` is the section on what to ship, as HTML.
    """
    from distill_jax.reporting.chart_style import svg

    words = sentences(table)
    chart_title = _chart_title(table)
    charts = {
        name: svg(task_chart(runs, table, width=width), name, f"{chart_title} by epoch")
        for name, width in (("wide", _WIDE), ("narrow", _NARROW))
    }
    return framed(
        "task_page.html",
        title,
        headline=escape(words[0]),
        notes=notes_list(words[1:]),
        choice=choice,
        results=_results(table),
        fidelity=_fidelity(table),
        chart_title=escape(chart_title),
        chart_wide=charts["wide"],
        chart_narrow=charts["narrow"],
        labels=labels_section(table),
        reliability_text=escape(table.task.reliability_words),
        calibration=_calibration(table),
        reliability=_reliability(table),
    )


def _results(table: TaskTable) -> str:
    header = (
        "Model",
        *(metric.title for metric in table.metrics),
        "Parameters",
        "Size",
        "Training time",
        "Documents/s",
    )
    lines = []
    for row in _shown(table):
        scores = [with_interval(number(value.value), limits(value)) for value in row.scores.values()]
        kind = "teacher" if row is table.teacher else "best" if row is table.best else "student"
        kind = "baseline" if row in table.baselines else kind
        lines.append(table_line(kind, escape(row.model), [*scores, *map(escape, _figures(row))]))
    return numbers_table(header, lines, "Results of every model")


def _fidelity(table: TaskTable) -> str:
    header = ("Model", *(metric.title for metric in table.metrics))
    lines = [
        table_line("student", escape(row.model), [number(row.fidelity[metric.name]) for metric in table.metrics])
        for row in table.students
    ]
    return numbers_table(header, lines, "Every student against the teacher")


def _reliability(table: TaskTable) -> str:
    bins = max((len(row.reliability) for row in table.rows), default=0)
    header = ("Model", *(f"Bin {index + 1}" for index in range(bins)))
    lines = []
    for row in table.rows:
        cells = [with_interval(f"{number(said)} → {number(true)}", count(rows)) for said, true, rows in row.reliability]
        lines.append(table_line("student", escape(row.model), [*cells, *[UNKNOWN] * (bins - len(cells))]))
    return numbers_table(header, lines, "What is predicted and what is true")


def _calibration(table: TaskTable) -> str:
    """Return the numbers of the models' calibration as HTML; nothing where the task has none."""
    metrics = table.task.calibration
    if not metrics:
        return ""
    lines = [
        table_line(
            "teacher" if row is table.teacher else "student",
            escape(row.model),
            [with_interval(number(value.value), limits(value)) for value in row.calibration.values()],
        )
        for row in table.rows
    ]
    text = (
        "The straight line from what is predicted to what is true: a slope of 1 and an intercept of 0 can be taken at "
        "their word; below 1, predictions lie too far apart."
    )
    found = numbers_table(("Model", *(metric.title for metric in metrics)), lines, "Slope and intercept")
    return f"<p>{escape(text)}</p>\n{found}"


def _chart_title(table: TaskTable) -> str:
    return table.metrics[0].title


def task_chart(runs: "Sequence[Run]", table: TaskTable, *, width: int) -> "alt.LayerChart":
    """Return the chart of the first metric by epoch."""
    from distill_jax.reporting.charts import history_chart

    teacher = table.teacher.scores[table.metrics[0].name].value
    column = f"test_{table.task.selected_by}"
    return history_chart(runs, table, width=width, column=column, title=_chart_title(table), teacher=teacher)
