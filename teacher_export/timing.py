"""``timing.json``: how fast the teacher labelled an export's documents, where, and how many."""

from typing import TYPE_CHECKING, Any

from distill_jax.machine import machine

if TYPE_CHECKING:
    from teacher_export.teacher.labeller import RowLabeller

TIMING = "timing.json"


def place_of(teacher: "RowLabeller") -> dict[str, Any] | None:
    """Return where a teacher computes, the machine included; None where its speed means nothing."""
    place = teacher.place()
    return None if place is None else {**place, "machine": machine()}


def totals(splits: dict[str, dict[str, Any]]) -> tuple[int, float]:
    """Return the documents of all splits, and the seconds that they took."""
    documents, seconds = (sum(spent[what] for spent in splits.values()) for what in ("documents", "seconds"))
    return documents, seconds


def timing_of(splits: dict[str, dict[str, Any]], place: dict[str, Any]) -> dict[str, Any]:
    """Return the file's content.

    Args:
        splits: each one's ``documents``, and the ``seconds`` from raw texts to written parts; loading is not in them.
        place: as ``place_of`` has it.
    """
    documents, seconds = totals(splits)
    return {
        "teacher_documents_per_second": documents / seconds,
        "documents": documents,
        "seconds": seconds,
        "splits": splits,
        **place,
    }
