"""A number and how sure it is."""

import dataclasses

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    """A number and the interval that says how sure it is."""

    value: float
    low: float
    high: float
