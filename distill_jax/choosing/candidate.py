"""Something that could be shipped, in the numbers by which it is chosen."""

import dataclasses
from typing import Any, Literal, get_args

import numpy as np

from distill_jax.metrics.interval import Interval

Kind = Literal["student", "baseline", "teacher"]


@dataclasses.dataclass(frozen=True)
class Cost:
    """What answering costs; None = it was not measured.

    Attributes:
        bytes: the size of the file.
        p50_ms: half of the texts, one at a time, are answered within so many milliseconds.
        p99_ms: 99 of 100 are.
        texts_per_second: of many texts at once.
        memory_bytes: what a process that has loaded it holds.
    """

    bytes: int | None
    p50_ms: float | None = None
    p99_ms: float | None = None
    texts_per_second: float | None = None
    memory_bytes: int | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A student, a baseline or the teacher.

    Attributes:
        name: its name.
        kind: which of the three.
        score: the task's first metric on the test rows, with its interval.
        draws: the same on resamples of the rows, the same for every candidate: float64 [resamples].
        cost: what it costs.
    """

    name: str
    kind: Kind
    score: Interval
    draws: np.ndarray
    cost: Cost

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Candidate":
        """Return the candidate whose numbers these are; it has no draws."""
        if found["kind"] not in get_args(Kind):
            raise ValueError(f"kind {found['kind']!r}")
        costs = {field.name: _number(found[field.name]) for field in dataclasses.fields(Cost)}
        score = Interval(*(float(found["score"][field.name]) for field in dataclasses.fields(Interval)))
        return cls(str(found["name"]), found["kind"], score, np.empty(0), Cost(**costs))

    def to_json(self) -> dict[str, Any]:
        """Return its numbers as JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "score": dataclasses.asdict(self.score),
            **dataclasses.asdict(self.cost),
        }


def _number(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0):
        raise ValueError(f"expected a number from 0 on, got {value!r}")
    return value
