"""What is measured: sides that take turns on the same work, and rows that compare two of them."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One turn of a side.

    Attributes:
        work: units of work done (steps, documents).
        seconds: wall-clock time that they took; compilation and other preparation excluded.
        notes: other figures worth recording.
    """

    work: float
    seconds: float
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Units of work a second."""
        return self.work / self.seconds


# What a side's function returns after its preparation: called once a turn.
Turn = Callable[[], Measurement]


@dataclasses.dataclass(frozen=True)
class Side:
    """One contestant: a function in a process of its own, so that thread pools and memory do not mix.

    Attributes:
        function: ``module:name`` of a function that prepares and returns a ``Turn``.
        settings: its keyword arguments; they must go through JSON.
        environment: environment variables of its process beside the user's.
        packages: what it imports that an installation without extras does not have.
    """

    function: str
    settings: Mapping[str, Any]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    packages: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Row:
    """A comparison, and what is asked of it.

    Attributes:
        name: what ``--only`` takes.
        title: what it measures, for people.
        unit: of the work.
        ours: key of our side in the match.
        theirs: key of the other side; None where the rate itself is asked for.
        at_least: what the figure must reach; None = nothing is asked.
        aim: what it should reach.
        in_seconds: the figure is our seconds a unit of work, and the less the better.
    """

    name: str
    title: str
    unit: str
    ours: str
    theirs: str | None = None
    at_least: float | None = None
    aim: float | None = None
    in_seconds: bool = False


@dataclasses.dataclass(frozen=True)
class Match:
    """Sides that take turns, and the rows that are read off them.

    Attributes:
        sides: key → side, in the order in which they take turns.
        rows: the comparisons.
        most_turns: turns a side at most, for sides whose turns are long; None = as many as ``--repeats``.
        skip: why this match cannot be played here; None = it can.
    """

    sides: Mapping[str, Side]
    rows: tuple[Row, ...]
    most_turns: int | None = None
    skip: str | None = None

    def sides_of(self, rows: Sequence[Row]) -> dict[str, Side]:
        """Return the sides that some of the rows need, in the order in which they take turns."""
        needed = {side for row in rows for side in (row.ours, row.theirs)}
        return {key: side for key, side in self.sides.items() if key in needed}

    def turns(self, repeats: int) -> int:
        """Return how many turns each side takes where ``repeats`` are asked for."""
        return min(repeats, self.most_turns or repeats)


@dataclasses.dataclass(frozen=True)
class Spread:
    """The median, the least and the greatest of some values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one or more values."""
        return cls(statistics.median(values), min(values), max(values))


@dataclasses.dataclass(frozen=True)
class RowResult:
    """A row with every turn of its two sides: turn i of one stood next to turn i of the other.

    Attributes:
        row: what was asked.
        ours: our turns.
        theirs: the other side's, as many; empty where the row has no other side.
        warm_up: seconds of each side's first, unmeasured turn, where programs are compiled.
    """

    row: Row
    ours: tuple[Measurement, ...]
    theirs: tuple[Measurement, ...] = ()
    warm_up: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def figures(self) -> list[float]:
        """The figure of each turn: ratio of the rates, or the rate, or the seconds a unit."""
        if self.row.in_seconds:
            return [turn.seconds / turn.work for turn in self.ours]
        if self.row.theirs is None:
            return [turn.rate for turn in self.ours]
        return [ours.rate / theirs.rate for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def figure(self) -> Spread:
        """The spread of the figures; its median is what counts."""
        return Spread.of(self.figures)

    def reaches(self, target: float | None) -> bool | None:
        """Whether the median reaches a target; None where there is none."""
        if target is None:
            return None
        return self.figure.median <= target if self.row.in_seconds else self.figure.median >= target
