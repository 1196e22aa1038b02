"""A prediction speed as runs record it: raw texts a second, over several repeats."""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class TextSpeed:
    """Documents a second from raw text to label, tokenizing included.

    Attributes:
        median: over the repeats.
        low: the slowest repeat's.
        high: the fastest repeat's.
        repeats: how often the texts were labelled.
        device: what computed: ``cpu``, or a GPU's name.
        machine: its processor and cores, as ``machine.machine`` names them.
    """

    median: float
    low: float
    high: float
    repeats: int
    device: str
    machine: str

    @classmethod
    def of_repeats(cls, documents: int, seconds: Sequence[float], device: str, machine: str) -> "TextSpeed":
        """Return the speed of labelling so many documents, given the seconds of each repeat."""
        speeds = [documents / spent for spent in seconds]
        return cls(statistics.median(speeds), min(speeds), max(speeds), len(speeds), device, machine)

    @classmethod
    def read(cls, value: Any) -> "TextSpeed | None":
        """Return what JSON holds of a speed; None where it holds none, as in runs of older versions."""
        match value:
            case {
                "median": int() | float() as median,
                "low": int() | float() as low,
                "high": int() | float() as high,
                "repeats": int(repeats),
                "device": str(device),
                "machine": str(machine),
            } if 0 < low <= median <= high < math.inf:
                return cls(float(median), float(low), float(high), repeats, device, machine)
        return None
