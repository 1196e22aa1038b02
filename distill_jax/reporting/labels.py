"""The scores of each of several labels a row: for the terminal, as an HTML section, and as CSV."""

import csv
import io

from distill_jax.console import format_table
from distill_jax.metrics.interval import finite
from distill_jax.reporting.classes import CSV_COLUMNS, ClassScore, class_score, notes_on
from distill_jax.reporting.html_tables import escape, numbers_table, table_line
from distill_jax.reporting.numbers import count, score
from distill_jax.reporting.results import csv_field
from distill_jax.reporting.task_table import TaskRow, TaskTable

_HEADER = ("Label", "Test texts", "Answered from", "Precision", "Recall", "F1", "Average precision", "Teacher’s F1")
_MOST_IN_TERMINAL, _MOST = 20, 100


def has_labels(table: TaskTable) -> bool:
    """Whether rows have any number of labels, and not a number."""
    return bool(table.best.labels)


def labels_csv(table: TaskTable) -> str:
    """Return every model's scores of every label as CSV: full precision, an undefined number is an empty field."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, "average_precision", "threshold"])
    for row in table.rows:
        for each, result in zip(_scores(table, row), row.labels, strict=True):
            numbers = (each.precision, each.recall, each.f1, each.count, each.predicted)
            further = (finite(result.average_precision), result.threshold)
            writer.writerow([csv_field(value) for value in (row.model, row.run, each.name, *numbers, *further)])
    return stream.getvalue()


def terminal_labels(table: TaskTable) -> str:
    """Return the best student's scores of each label beside the teacher's; of many, those of the lowest F1."""
    lines = _lines(table, _MOST_IN_TERMINAL)
    left = len(table.label_names) - len(lines)
    more = f"\n(and {left:,} labels of a higher F1)" if left else ""
    return f"{table.best.model}, label by label:\n{format_table(_HEADER, lines)}{more}"


def labels_section(table: TaskTable) -> str:
    """Return the page's section of the best student's labels, as HTML; nothing where rows have a number."""
    if not has_labels(table):
        return ""
    lines = _lines(table, _MOST)
    which = f" The {len(lines)} labels of the lowest F1 are shown." if len(lines) < len(table.label_names) else ""
    text = f"The best student, {table.best.model}, label by label. classes.csv has every model’s scores.{which}"
    body = [table_line("student", escape(name), list(map(escape, numbers))) for name, *numbers in lines]
    found = numbers_table(_HEADER, body, "Scores of each label")
    return f"<section>\n<h2>Label by label</h2>\n<p>{escape(text)}</p>\n{found}\n</section>"


def label_notes(table: TaskTable) -> list[str]:
    """Return sentences on labels of no or few test texts, and on those that the best student never names."""
    if not has_labels(table):
        return []
    more = "give more rows"  # stratified splits and weights are of rows of one class each
    return notes_on(_scores(table, table.best), table.best.model, more, f"train longer, or {more}")


def _scores(table: TaskTable, row: TaskRow) -> list[ClassScore]:
    return [
        class_score(name, each.right, each.true, each.answered)
        for name, each in zip(table.label_names, row.labels, strict=True)
    ]


def _lines(table: TaskTable, most: int) -> list[list[str]]:
    """Return a line for each label in their order; of more than ``most``, for those of the lowest F1."""
    own, teacher = _scores(table, table.best), _scores(table, table.teacher)
    places = sorted(range(len(own)), key=lambda place: (own[place].f1 is None, own[place].f1 or 0.0))[:most]
    return [
        [
            own[place].name,
            count(own[place].count),
            f"{table.best.labels[place].threshold:.2f}",
            *(score(value) for value in (own[place].precision, own[place].recall, own[place].f1)),
            score(finite(table.best.labels[place].average_precision)),
            score(teacher[place].f1),
        ]
        for place in sorted(places)
    ]
