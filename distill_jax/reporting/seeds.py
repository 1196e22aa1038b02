"""What several seeds of the same training add to a report: means, spreads, and what follows from the means.

The means themselves are of ``runs/seed_scores.py``.
"""

import dataclasses

from distill_jax.console import format_table
from distill_jax.reporting.html_tables import escape, numbers_table, table_line
from distill_jax.reporting.numbers import count, join_names, percent, points, spread
from distill_jax.reporting.shares import share_kept, share_of_gap
from distill_jax.reporting.table import Row, Table
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
        kept: mean accuracy / the teacher's accuracy (``shares.share_kept``).
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
        gain = scores.first.mean - twin.first.mean
        gap_closed = share_of_gap(gain, twin.first.mean, table.teacher)
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
    return share_kept(row.mean_accuracy, teacher)


def seed_values(line: SeedLine) -> dict[str, float | None]:
    """Return a line's numbers, by ``SEED_COLUMNS``."""
    accuracy, macro_f1 = line.scores.first, line.scores.second
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


_NAMED = 4  # students, each with a note of its own
_MANY = (
    "{count} students were trained with several seeds: what has a ± is the mean and the spread over them; all other "
    "numbers are those of each one’s first seed."
)
_TITLE = "Over several seeds"
_HEADER = ("Seeds", "Accuracy", "Macro F1", "Teacher’s accuracy kept", "Gap closed")
_MEANING = (
    "The same training with another seed makes another model: it starts elsewhere and sees the texts in another order. "
    "Here are the means over the seeds and, after ±, how far single ones lie from them (sample standard deviation). "
    "The teacher’s accuracy kept and the gap closed follow from the means, the gap from those of a distilled student "
    "and its direct twin. But for the lines at the top, all else on this page is of each student’s first seed."
)


def terminal_seeds(table: Table) -> str:
    """Return a table of the students that were trained with several seeds; without any, nothing."""
    lines = seed_lines(table)
    if not lines:
        return ""
    header = (_TITLE, "Seeds", "Accuracy", "Macro F1", "Kept", "Gap closed")
    return format_table(header, [[line.model, *_cells(line)] for line in lines])


def seeds_section(table: Table) -> str:
    """Return the page's section on several seeds, as HTML; without any, nothing."""
    lines = seed_lines(table)
    if not lines:
        return ""
    rows = [table_line("student", escape(line.model), [escape(cell) for cell in _cells(line)]) for line in lines]
    numbers = numbers_table(("Model", *_HEADER), rows, _TITLE)
    return f"<section>\n<h2>{_TITLE}</h2>\n<p>{escape(_MEANING)}</p>\n{numbers}\n</section>\n\n"


def _cells(line: SeedLine) -> list[str]:
    scores = line.scores
    return [
        count(len(scores.seeds)),
        spread(scores.first),
        spread(scores.second),
        percent(line.kept),
        percent(line.gap_closed),
    ]


def cell_of_seeds(row: Row) -> tuple[str, str] | None:
    """Return what stands under a student's accuracy and macro F1: their means; None where there is one seed."""
    if row.seeds is None:
        return None
    return spread(row.seeds.first), spread(row.seeds.second)


def seed_notes(table: Table) -> list[str]:
    """Return what several seeds say, in sentences."""
    lines = seed_lines(table)
    found = [_line_note(line) for line in lines] if len(lines) <= _NAMED else [_MANY.format(count=len(lines))]
    gains = [f"{line.twin} by {points(line.gain)}" for line in lines if line.gain is not None]
    if gains:
        found.append(f"In the means over the seeds, distillation changed the accuracy of {join_names(gains)}.")
    return found


def _line_note(line: SeedLine) -> str:
    scores = line.scores
    return (
        f"{line.model}, mean ± spread over {_seeds(scores)}: accuracy {spread(scores.first)}, macro F1 "
        f"{spread(scores.second)}; its other numbers are those of seed {scores.seeds[0]}."
    )


def _seeds(scores: SeedScores) -> str:
    first, last = min(scores.seeds), max(scores.seeds)
    whole = last - first == len(scores.seeds) - 1
    named = f"{first} to {last}" if whole else ", ".join(map(str, scores.seeds))
    return f"{len(scores.seeds)} seeds ({named})"
