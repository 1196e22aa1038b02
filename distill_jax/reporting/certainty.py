"""How sure the report's differences are, and the measures beside accuracy, as HTML tables."""

from distill_jax.metrics.interval import Interval
from distill_jax.reporting.html_tables import escape, numbers_table, table_line, with_interval
from distill_jax.reporting.numbers import UNKNOWN, count, p_value, percent, points, points_interval, probability, score
from distill_jax.reporting.results import number_of_texts
from distill_jax.reporting.table import Row, Table

_PAIR_HEADER = (
    "Distilled against direct",
    "Accuracy gained",
    "Macro F1 gained",
    "Probability of better accuracy",
    "Probability of better macro F1",
    "Only distilled right",
    "Only direct right",
    "McNemar’s p",
)
_RATING_HEADER = ("Mean absolute error", "Quadratic kappa", "Right or one off")
_MEASURE_HEADER = ("Calibration error", "KL from the teacher")
_CALIBRATED_HEADER = (
    "Calibration temperature",
    "Calibration error before",
    "Calibration error after",
    "KL from the teacher",
)


def pairs_table(table: Table) -> str:
    """Return a line for each distilled student that has its direct twin here, as HTML; without any, nothing."""
    lines = [_pair_line(row) for row in table.students if row.lead is not None]
    if not lines:
        return ""
    return numbers_table(_PAIR_HEADER, lines, "How sure the gains are")


def _pair_line(row: Row) -> str:
    lead = row.lead
    if lead is None:
        raise AssertionError("a pair has a lead")
    cells = [
        _difference(lead.accuracy_difference),
        _difference(lead.macro_f1_difference),
        escape(probability(lead.accuracy_probability)),
        escape(probability(lead.macro_f1_probability)),
        count(lead.mcnemar.only_first),
        count(lead.mcnemar.only_second),
        escape(p_value(lead.mcnemar.p_value).removeprefix("= ")),
    ]
    twin = f'<span class="interval">against {escape(row.twin or "")}</span>'
    return table_line("student", escape(row.model) + twin, cells)


def _difference(difference: Interval) -> str:
    return with_interval(points(difference.value), points_interval(difference))


def measures_table(table: Table) -> str:
    """Return the measures beside accuracy, a line a model, as HTML; those of ratings where the classes are ratings.

    Where a student has a temperature, the calibration error stands there before it and after.
    """
    rated = table.teacher.measures.ratings is not None
    measure_header = _CALIBRATED_HEADER if table.is_calibrated else _MEASURE_HEADER
    header = ("Model", *(_RATING_HEADER if rated else ()), *measure_header)
    return numbers_table(header, [_measure_line(row, table) for row in table.rows], "More measures of every model")


def _measure_line(row: Row, table: Table) -> str:
    measures, cells = row.measures, []
    if measures.ratings is not None:
        ratings = measures.ratings
        cells = [score(ratings.mae), score(ratings.quadratic_kappa), percent(ratings.off_by_one)]
    is_teacher = row is table.teacher
    error = score(measures.reliability.expected_calibration_error)
    calibrated = score(measures.calibrated.expected_calibration_error)
    cells += [
        *([score(measures.temperature), error, calibrated] if table.is_calibrated else [error]),
        UNKNOWN if is_teacher else score(measures.divergence),
    ]
    return table_line("teacher" if is_teacher else "student", escape(row.model), [escape(cell) for cell in cells])


def certainty_text(table: Table) -> str:
    """Return what the intervals and probabilities mean, in words."""
    verb = "is" if table.test_rows == 1 else "are"
    text = (
        f"The {number_of_texts(table.test_rows)} {verb} a sample: other texts would have given other scores. The small "
        "figures are 95 % intervals, by drawing the test texts again and again with replacement."
    )
    if any(row.lead is not None for row in table.students):
        text += (
            " A probability is that of the distilled student being the better one of the two on texts like these. "
            "It speaks of the models trained here: another seed makes another model."
        )
    return text
