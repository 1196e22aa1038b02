"""A choice on the terminal."""

from distill_jax.choosing.candidate import Candidate
from distill_jax.choosing.choice import Choice
from distill_jax.console import format_table

UNKNOWN = "–"
FRONT = " *"  # behind the names of what nothing surpasses


def choice_text(choice: Choice) -> list[str]:
    """Return the table's lines, and the recommendation."""
    return [
        f"{choice.metric} on {choice.rows:,} test texts, intervals of 95 % by bootstrap; *: nothing as small is better",
        format_table(HEADER, [cells(each, choice) for each in choice.candidates]),
        "",
        choice.recommendation.reason,
    ]


HEADER = ("", "score", "95 %", "bytes", "p50 ms", "p99 ms", "texts/s", "memory MB")


def cells(candidate: Candidate, choice: Choice) -> list[str]:
    """Return a candidate's row."""
    score, cost = candidate.score, candidate.cost
    return [
        candidate.name + (FRONT if candidate in choice.front else ""),
        f"{score.value:.4f}",
        f"{score.low:.4f}–{score.high:.4f}",
        _number(cost.bytes, ",.0f"),
        _number(cost.p50_ms, ".3f"),
        _number(cost.p99_ms, ".3f"),
        _number(cost.texts_per_second, ",.0f"),
        _number(None if cost.memory_bytes is None else cost.memory_bytes / 1e6, ".0f"),
    ]


def _number(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)
