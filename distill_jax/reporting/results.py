"""A report's numbers as text: for people, for the terminal, and as CSV."""

import csv
import io

from distill_jax.console import format_table
from distill_jax.errors import printable
from distill_jax.reporting.numbers import count, duration, percent, score, size
from distill_jax.reporting.seeds import SEED_COLUMNS, seed_lines, seed_values
from distill_jax.reporting.table import Row, Table

HEADER = (
    "Model",
    "Accuracy",
    "Macro F1",
    "Kept",
    "Gap closed",
    "Agreement",
    "Parameters",
    "Size",
    "Training",
    "Docs/s",
)
CSV_COLUMNS = (
    "model",
    "run",
    "student",
    "distilled",
    "accuracy",
    "macro_f1",
    "accuracy_kept",
    "gap_closed",
    "agreement",
    "parameters",
    "bytes",
    "train_seconds",
    "documents_per_second",
    "accuracy_low",
    "accuracy_high",
    "macro_f1_low",
    "macro_f1_high",
    "gain",
    "gain_low",
    "gain_high",
    "macro_f1_gain",
    "macro_f1_gain_low",
    "macro_f1_gain_high",
    "probability_better",
    "macro_f1_probability_better",
    "mcnemar_p",
    "mean_absolute_error",
    "quadratic_kappa",
    "off_by_one",
    "calibration_error",
    "kl_from_teacher",
    "calibration_temperature",
    "calibration_error_after",
)
_OF_PROBABILITIES = ("calibration_error", "calibration_error_after", "kl_from_teacher")
_TERMINAL_COLUMNS = 120

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def number_of_texts(rows: int) -> str:
    """Return how many test texts there are: ``1 test text``, ``2,826 test texts``."""
    return f"{count(rows)} test {'text' if rows == 1 else 'texts'}"


def cells(row: Row) -> list[str]:
    """Return a row's texts, in the order of ``HEADER``."""
    return [
        row.model,
        score(row.accuracy),
        score(row.macro_f1),
        percent(row.accuracy_kept),
        percent(row.gap_closed),
        percent(row.measures.agreement),
        count(row.parameters),
        size(row.bytes),
        duration(row.train_seconds),
        count(row.documents_per_second),
    ]


def terminal_table(table: Table) -> str:
    """Return the table as plain text of at most 120 columns; a model name too long for that loses its middle."""
    rows = [cells(row) for row in (*table.rows, *table.baselines)]
    others = sum(2 + max(len(row[column]) for row in [HEADER, *rows]) for column in range(1, len(HEADER)))
    room = max(_TERMINAL_COLUMNS - others, 12)
    for row in rows:
        if len(row[0]) > room:
            start = room // 3
            row[0] = f"{row[0][:start]}…{row[0][len(row[0]) - (room - start - 1) :]}"
    return format_table(HEADER, rows)


def csv_text(table: Table) -> str:
    """Return the table as CSV: full precision, plain units; an unknown number is an empty field.

    Its columns are ``CSV_COLUMNS``, and ``SEED_COLUMNS`` where a student was trained with several seeds.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    of_seeds = {line.model: seed_values(line) for line in seed_lines(table)}
    columns = (*CSV_COLUMNS, *(SEED_COLUMNS if of_seeds else ()))
    writer.writerow(columns)
    for row in (*table.rows, *table.baselines):
        measured = _measured(row)
        if row in table.baselines:  # their probabilities are nobody's
            measured |= dict.fromkeys(_OF_PROBABILITIES)
        known = {**measured, **of_seeds.get(row.model, dict.fromkeys(SEED_COLUMNS))}
        writer.writerow([csv_field(known[name] if name in known else getattr(row, name, None)) for name in columns])
    return stream.getvalue()


def _measured(row: Row) -> dict[str, float | None]:
    """Return the columns that stand deeper in a row; those of a pair or of ratings are absent where there is none."""
    measures, lead, ratings = row.measures, row.lead, row.measures.ratings
    values: dict[str, float | None] = {
        "agreement": measures.agreement,
        "calibration_error": measures.reliability.expected_calibration_error,
        "kl_from_teacher": measures.divergence,
        "calibration_temperature": measures.temperature,
        "calibration_error_after": measures.calibrated.expected_calibration_error,
    }
    intervals = {"accuracy": measures.scores.accuracy, "macro_f1": measures.scores.macro_f1}
    if lead is not None:
        intervals |= {"gain": lead.accuracy_difference, "macro_f1_gain": lead.macro_f1_difference}
        values["macro_f1_gain"] = lead.macro_f1_difference.value
        values["probability_better"] = lead.accuracy_probability
        values["macro_f1_probability_better"] = lead.macro_f1_probability
        values["mcnemar_p"] = lead.mcnemar.p_value
    for name, found in intervals.items():
        values |= {f"{name}_low": found.low, f"{name}_high": found.high}
    if ratings is not None:
        values["mean_absolute_error"] = ratings.mae
        values["quadratic_kappa"] = ratings.quadratic_kappa
        values["off_by_one"] = ratings.off_by_one
    return values


def csv_field(value: str | float | None) -> str:
    """Return a value as a CSV field: an unknown one is empty, a text is never a formula nor steers a terminal."""
    if value is None:
        return ""
    if isinstance(value, str):
        # A spreadsheet would take it for a formula; the apostrophe says that it is text.
        return printable(f"'{value}" if value.startswith(_FORMULA) else value)
    return str(value).lower() if isinstance(value, bool) else str(value)
