"""The scores of each class: for the terminal, as an HTML section, and as CSV."""

import csv
import dataclasses
import io
from collections.abc import Sequence

import numpy as np

from distill_jax.console import format_table
from distill_jax.reporting.html_tables import escape, numbers_table, table_line
from distill_jax.reporting.numbers import count, join_names, score
from distill_jax.reporting.results import csv_field
from distill_jax.reporting.table import Row, Table

CSV_COLUMNS = ("model", "run", "class", "precision", "recall", "f1", "count", "predicted")
# A class of fewer test texts has scores that one text moves by a fifth or more.
FEW = 5
_MOST = 100
_MOST_IN_TERMINAL = 20
_NAMED = 8


@dataclasses.dataclass(frozen=True)
class ClassScore:
    """A model's scores of one class; None where a number is undefined.

    Attributes:
        name: the class.
        precision: of the texts that it is named for, the share that are of it; None where it is never named.
        recall: of its texts, the share that it is named for; None where no test text is of it.
        f1: 2·TP / (its texts + the texts that it is named for); None where both are none.
        count: its labelled test texts.
        predicted: the test texts that it is named for.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    count: int
    predicted: int


def class_scores(confusion: np.ndarray, label_names: Sequence[str]) -> list[ClassScore]:
    """Return a model's scores of each class from its confusion matrix, int [classes, classes], row = true class."""
    right, true, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        class_score(*of_class)
        for of_class in zip(label_names, right.tolist(), true.tolist(), predicted.tolist(), strict=True)
    ]


def class_score(name: str, right: int, true: int, predicted: int) -> ClassScore:
    """Return a class's scores from its texts, those that it is named for, and those of both."""
    return ClassScore(
        name, _share(right, predicted), _share(right, true), _share(2 * right, true + predicted), true, predicted
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def classes_csv(table: Table) -> str:
    """Return every model's scores of every class as CSV: full precision, an undefined number is an empty field."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table.rows:
        for each in class_scores(row.confusion, table.label_names):
            values = (row.model, row.run, each.name, each.precision, each.recall, each.f1, each.count, each.predicted)
            writer.writerow([csv_field(value) for value in values])
    return stream.getvalue()


def terminal_classes(table: Table) -> str:
    """Return the best student's scores of each class beside the teacher's; of many classes, those of the lowest F1."""
    lines = _lines(table, _MOST_IN_TERMINAL)
    text = format_table(("Class", "Texts", "Precision", "Recall", "F1", "Teacher’s F1"), lines)
    left = len(table.label_names) - len(lines)
    return f"{text}\n(and {left:,} classes of a higher F1)" if left else text


def classes_section(table: Table) -> str:
    """Return the page's section of the best student's classes, as HTML."""
    lines = _lines(table, _MOST)
    which = f" The {len(lines)} classes of the lowest F1 are shown." if len(lines) < len(table.label_names) else ""
    text = f"The best student, {table.best.model}, class by class. classes.csv has every model’s scores.{which}"
    header = ("Class", "Test texts", "Precision", "Recall", "F1", "Teacher’s F1")
    body = [table_line("student", escape(name), list(map(escape, numbers))) for name, *numbers in lines]
    return f"<p>{escape(text)}</p>\n{numbers_table(header, body, 'Scores of each class')}"


def _lines(table: Table, most: int) -> list[list[str]]:
    """Return a line for each class in their order; of more than ``most``, for those of the lowest F1."""
    pairs = list(zip(_of(table, table.best), _of(table, table.teacher), strict=True))
    if len(pairs) > most:
        worst = sorted(range(len(pairs)), key=lambda place: (pairs[place][0].f1 is None, pairs[place][0].f1 or 0.0))
        pairs = [pairs[place] for place in sorted(worst[:most])]
    return [
        [own.name, count(own.count), score(own.precision), score(own.recall), score(own.f1), score(teacher.f1)]
        for own, teacher in pairs
    ]


def _of(table: Table, row: Row) -> list[ClassScore]:
    return class_scores(row.confusion, table.label_names)


def class_notes(table: Table) -> list[str]:
    """Return what is to be said of the best student's classes."""
    weight = "train longer, give more rows, or more weight (--class-weights balanced)"
    return notes_on(_of(table, table.best), table.best.model, "give more rows, or export with --stratify", weight)


def notes_on(scores: Sequence[ClassScore], model: str, for_none: str, for_never: str) -> list[str]:
    """Return a sentence on the classes without a test text, one on those of a few, one on those never named.

    Args:
        scores: a model's.
        model: its name.
        for_none: what to do for test texts of a class.
        for_never: what to do for a class to be named.
    """
    without = [each.name for each in scores if not each.count]
    few = [f"{each.name} ({each.count})" for each in scores if 0 < each.count < FEW]
    never = [each.name for each in scores if each.count >= FEW and not each.predicted]
    found = []
    if without:
        found.append(f"No test text is of {_named(without)}, so nothing is known of the scores there: {for_none}.")
    if few:
        found.append(
            f"Fewer than {FEW} test texts are of {_named(few)}, too few to judge by: give more rows, a larger test "
            "split, or join such a class to another one."
        )
    if never:
        found.append(f"{model} never names {_named(never)}: {for_never}.")
    return found


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return join_names(names[:_NAMED]) + more
