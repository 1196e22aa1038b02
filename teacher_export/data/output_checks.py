"""What numbers can be a teacher's answer for a row, and what is wrong with those that cannot."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

from distill_jax.tables.rows import Row, RowError
from teacher_export.options.table_teacher import OutputKind

NumberKind = OutputKind | Literal["label-probabilities"]
"""What numbers are; of several labels each has a probability of its own."""
LABEL_PROBABILITIES: NumberKind = "label-probabilities"
LOGITS: NumberKind = "logits"

ABOVE_ONE = 1e-3  # by so much a probability may lie above 1, as rounding makes it
_LARGEST = 3e38  # what float32 holds
_COLUMNS_NAMED = 6
_NOT_NEGATIVE: dict[NumberKind, tuple[str, str]] = {
    "probabilities": ("a probability", "; are these --outputs-are log-probabilities or logits?"),
    "votes": ("a number of votes", ""),
}


def _are_shares(values: Sequence[float]) -> bool:
    return 0 < sum(values) < math.inf and min(values) >= 0


def _are_logits(values: Sequence[float]) -> bool:
    return not math.isnan(sum(values)) and min(values) > -_LARGEST and max(values) < _LARGEST


def _are_log_probabilities(values: Sequence[float]) -> bool:
    return not math.isnan(sum(values)) and -math.inf < max(values) <= ABOVE_ONE


def _are_label_probabilities(values: Sequence[float]) -> bool:
    return min(values) >= 0 and max(values) <= 1 and not math.isnan(sum(values))


CHECKS: dict[NumberKind, Callable[[Sequence[float]], bool]] = {
    "label-probabilities": _are_label_probabilities,
    "probabilities": _are_shares,
    "votes": _are_shares,
    "logits": _are_logits,
    "log-probabilities": _are_log_probabilities,
    "score": _are_logits,
}


def refuse(row: Row, columns: Sequence[str], values: Sequence[float], kind: NumberKind) -> None:
    """Raise ``RowError`` for what is wrong with a row's numbers: the first that is, or all of them together."""
    for column, value in zip(columns, values, strict=True):
        fault = _fault(value, kind)
        if fault:
            raise RowError(f"{row.where}: column {column!r}: {fault}")
    what = (
        "a log-probability above minus infinity" if kind == "log-probabilities" else "a number above 0, finite in sum"
    )
    named = ", ".join(map(repr, columns[:_COLUMNS_NAMED]))
    raise RowError(f"{row.where}: columns {named}: expected {what}, got {[*values][:_COLUMNS_NAMED]}")


def _fault(value: float, kind: NumberKind) -> str | None:
    if math.isnan(value) or value == math.inf or (value == -math.inf and kind != "log-probabilities"):
        return f"expected a finite number, got {value}"
    if kind == "logits" and abs(value) >= _LARGEST:
        return f"expected a number that float32 holds, got {value:g}"
    if kind == "log-probabilities" and value > ABOVE_ONE:
        return f"expected a log-probability, at most 0, got {value:g}; are these --outputs-are logits?"
    if kind == "label-probabilities" and not 0 <= value <= 1:
        return f"expected a label's probability, 0 to 1, got {value:g}; are these --outputs-are logits?"
    if kind in _NOT_NEGATIVE and value < 0:
        what, advice = _NOT_NEGATIVE[kind]
        return f"expected {what}, at least 0, got {value:g}{advice}"
    return None
