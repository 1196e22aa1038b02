"""What several seeds of the same training add to a report: means, spreads, and what follows from the means."""

import dataclasses

from distill_jax.report_table import Row, Table, share_of_gap
from distill_jax.runs.seed_scores import SeedScores

SEED_COLUMNS = (
    "seeds",
    "accuracy_mean",
    "accuracy_standard_deviation",
    "macro_f1_mean",
    "macro_f1_standard_deviation",
    "accuracy_kept_by_mean",
    "gap_closed_by_means",
)


@dataclasses.dataclass(frozen=True)
class SeedLine:
    """A student that was trained with several seeds.

    Attributes:
        model: its name in the report.
        scores: its scores with each seed.
        kept: mean accuracy / the teacher's accuracy; None where that is 0.
        twin: the direct twin's name; None on a direct student, and where the twin was trained with one seed.
        gain: mean accuracy - the direct twin's; None where there is no twin.
        gap_closed: gain / (the teacher's accuracy - the twin's mean); None unless the teacher is the better one.
    """

    model: str
    scores: SeedScores
    kept: float | None
    twin: str | None
    gain: float | None
    gap_closed: float | None


def seed_lines(table: Table) -> list[SeedLine]:
    """Return a line for each student that was trained with several seeds."""
    twins = {row.model: row.seeds for row in table.students}
    return [_line(row, row.seeds, twins.get(row.twin or ""), table) for row in table.students if row.seeds is not None]


def _line(row: Row, scores: SeedScores, twin: SeedScores | None, table: Table) -> SeedLine:
    gain = gap_closed = None
    if twin is not None:
        gain = scores.test_acc.mean - twin.test_acc.mean
        gap_closed = share_of_gap(gain, twin.test_acc.mean, table.teacher)
    return SeedLine(
        model=row.model,
        scores=scores,
        kept=kept_by_mean(row, table.teacher),
        twin=None if twin is None else row.twin,
        gain=gain,
        gap_closed=gap_closed,
    )


def kept_by_mean(row: Row, teacher: Row) -> float | None:
    """Return a student's accuracy, its mean where there are several seeds, as a share of the teacher's."""
    return row.mean_accuracy / teacher.accuracy if teacher.accuracy else None


def seed_values(line: SeedLine) -> dict[str, float | None]:
    """Return a line's numbers, by ``SEED_COLUMNS``."""
    accuracy, macro_f1 = line.scores.test_acc, line.scores.test_f1_macro
    values = (
        len(line.scores.seeds),
        accuracy.mean,
        accuracy.standard_deviation,
        macro_f1.mean,
        macro_f1.standard_deviation,
        line.kept,
        line.gap_closed,
    )
    return dict(zip(SEED_COLUMNS, values, strict=True))
