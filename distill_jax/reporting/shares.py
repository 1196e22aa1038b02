"""How an accuracy stands to the teacher's: the share of it that is kept, the share of a gap that is closed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill_jax.reporting.table import Row


# Differences of accuracies that are equal are this small.
ROUNDING = 1e-12


def most_frequent_share(row: "Row") -> float:
    """Return the share of the labelled test rows that have the most frequent label; 0 where all have the same.

    To name that label is then no measure: nobody could do better.
    """
    true = row.confusion.sum(axis=1)
    return float(true.max() / true.sum()) if (true > 0).sum() > 1 else 0.0


def share_kept(accuracy: float, teacher: "Row") -> float | None:
    """Return an accuracy as a share of the teacher's; None where that is no better than naming one class for all."""
    return accuracy / teacher.accuracy if teacher.accuracy > most_frequent_share(teacher) + ROUNDING else None


def share_of_gap(gain: float, direct: float, teacher: "Row") -> float | None:
    """Return a gain as a share of what a direct student lacks to the teacher; None where that is nothing.

    It is nothing too where the teacher is no better than the most frequent class: there is nothing to learn from it.

    Args:
        gain: the distilled student's accuracy - ``direct``.
        direct: its direct twin's accuracy.
        teacher: the teacher's row.
    """
    gap = teacher.accuracy - direct
    return gain / gap if gap > ROUNDING and share_kept(direct, teacher) is not None else None
