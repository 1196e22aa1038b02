"""What JSON of a run or an export records beside what is required: a value of the kind that is meant, or none."""

import math
from typing import Any


def recorded_number(value: Any) -> float | None:
    """Return a finite number as a float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def recorded_count(value: Any) -> int | None:
    """Return a finite number as a whole one, None for anything else."""
    number = recorded_number(value)
    return None if number is None else int(number)


def recorded_text(value: Any) -> str | None:
    """Return a string, None for anything else."""
    return value if isinstance(value, str) else None
