"""A number and how sure it is."""

import dataclasses
import math

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    """A number and the interval that says how sure it is."""

    value: float
    low: float
    high: float


def finite(value: float) -> float | None:
    """Return a number, None where it is undefined: JSON has no NaN."""
    return value if math.isfinite(value) else None
