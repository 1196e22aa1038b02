"""A report's numbers as text: for people, for the terminal, and as CSV."""

import csv
import io
from collections.abc import Sequence

from distill_jax.console import format_table
from distill_jax.metrics.bootstrap import Interval
from distill_jax.report_seeds import SEED_COLUMNS, seed_lines, seed_values
from distill_jax.report_table import Row, Table
from distill_jax.runs.seed_scores import Spread

UNKNOWN = "–"
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
)
_TERMINAL_COLUMNS = 120
_SURE = 0.999


def score(value: float | None) -> str:
    """Return an accuracy or F1 with three decimals."""
    return UNKNOWN if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal and a true minus sign."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %".replace("-", "−")


def points(value: float) -> str:
    """Return a difference of accuracies, signed, with three decimals."""
    return f"{round(value, 3) + 0.0:+.3f}".replace("-", "−")


def spread(value: Spread) -> str:
    """Return a score over several seeds, mean and sample standard deviation: ``0.632 ± 0.004``."""
    return f"{value.mean:.3f} ± {value.standard_deviation:.3f}"


def interval(value: Interval) -> str:
    """Return a score's interval: ``0.370–0.406``."""
    return f"{value.low:.3f}–{value.high:.3f}"


def points_interval(value: Interval) -> str:
    """Return a difference's interval: ``−0.004 to +0.021``."""
    return f"{points(value.low)} to {points(value.high)}"


def probability(value: float) -> str:
    """Return a probability as a percentage; what only finitely many draws can tell from certainty is not called so."""
    if value > _SURE:
        return f"> {100 * _SURE:.1f} %"
    if value < 1 - _SURE:
        return f"< {100 * (1 - _SURE):.1f} %"
    return percent(value)


def p_value(value: float) -> str:
    """Return a test's p with its relation: ``= 0.032``, ``< 0.001``."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def count(value: float | None) -> str:
    """Return a count with thousands separators; below ten with one decimal, where it is a rate."""
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if value < 10 and value != int(value) else f"{value:,.0f}"


def size(value: int | None) -> str:
    """Return bytes in decimal units of three significant digits: ``512 B``, ``23.9 MB``."""
    if value is None:
        return UNKNOWN
    if value < 1000:
        return f"{value} B"
    amount, unit = float(value), "B"
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007 - the unit reached is what counts
        amount /= 1000
        if amount < 999.5:
            break
    return (
        f"{amount:.2f} {unit}"
        if amount < 9.995
        else f"{amount:.1f} {unit}"
        if amount < 99.95
        else f"{amount:.0f} {unit}"
    )


def duration(seconds: float | None) -> str:
    """Return a time: ``0.42 s``, ``8.3 s``, ``2 min 05 s``, ``1 h 04 min``."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def factor(ratio: float) -> str:
    """Return how many times, to two significant digits below a hundred and three above: ``1.3``, ``42``, ``1,230``."""
    if ratio < 9.95:
        return f"{ratio:.1f}"
    if ratio < 999.5:
        return f"{ratio:.0f}"
    step = 10 ** (len(str(int(ratio))) - 3)
    return f"{round(ratio / step) * step:,}"


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
    rows = [cells(row) for row in table.rows]
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
    for row in table.rows:
        known = {**_measured(row), **of_seeds.get(row.model, dict.fromkeys(SEED_COLUMNS))}
        writer.writerow([_field(known[name] if name in known else getattr(row, name, None)) for name in columns])
    return stream.getvalue()


def _measured(row: Row) -> dict[str, float | None]:
    """Return the columns that stand deeper in a row; those of a pair or of ratings are absent where there is none."""
    measures, lead, ratings = row.measures, row.lead, row.measures.ratings
    values: dict[str, float | None] = {
        "agreement": measures.agreement,
        "calibration_error": measures.reliability.expected_calibration_error,
        "kl_from_teacher": measures.divergence,
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


def _field(value: str | float | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def join_names(names: Sequence[str]) -> str:
    """Return names as a sentence has them: ``A``, ``A and B``, ``A, B and C``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
