"""An export's parts computed by several processes that are killed every few seconds, until it is finished."""

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from distill_jax.files import read_json
from scripts.shards.workers import Actors, Commands, Workers, require_well
from scripts.trials.folders import describe, differences
from scripts.trials.processes import Command, Ended, run

Engine = Literal["processes", "ray"]
ENGINES: dict[Engine, Callable[[Path, str, int], Workers]] = {"processes": Commands, "ray": Actors}
INPUTS = ("teacher", "texts.csv", "cache")
WHOLE, PLANNED, OUT = "whole", "planned", "out"
_LONGEST = 3600.0  # seconds of a command
_POLL = 0.01  # seconds


@dataclasses.dataclass(frozen=True)
class Result:
    """One export, finished under kills.

    Attributes:
        workers: how many processes shared its parts.
        every: mean seconds between two kills of one of them; 0 = none was to be killed.
        kills: how many of them were killed.
        parts: how many parts it has.
        seconds: from the first process's beginning to the last part.
        starts: how often a process began.
        part_seconds: what each part took, but for its writing.
        first: seconds until the first part was there.
        faults: files that are not those of the export in one go.
    """

    workers: int
    every: float
    kills: int
    parts: int
    seconds: float
    starts: int
    part_seconds: list[float]
    first: float
    faults: list[str]


class Campaign:
    """Exports of one plan.

    Args:
        root: an empty folder.
        options: of the export, but for its folder.
        seed: decides who is killed, and when.
    """

    def __init__(self, root: Path, options: tuple[str, ...], seed: int) -> None:
        self._root, self._rng = root, np.random.default_rng(seed)
        run_well(Command("teacher_export", (*options, "--output", WHOLE)), root)
        run_well(Command("teacher_export", ("plan", *options, "--output", PLANNED)), root)
        self._whole = _described(root / WHOLE)

    def export(self, engine: Engine, workers: int, every: float, say: Callable[[str], None], most: int = 0) -> Result:
        """Finish a copy of the plan.

        Args:
            engine: what the workers are.
            workers: how many of them.
            every: mean seconds between two kills of one of them.
            say: told of every tenth kill.
            most: so many are killed at most: where they take longer to begin than they live, there would be no end.
        """
        folder = self._root / OUT
        shutil.copytree(self._root / PLANNED, folder)
        start, first = time.monotonic(), None
        at_work, kills = ENGINES[engine](self._root, OUT, workers), 0
        next_kill = start + self._rng.exponential(every) if most else float("inf")
        while at_work.are_at_work():
            if first is None and next(folder.glob("*/part-*.json"), None):
                first = time.monotonic() - start
            if time.monotonic() >= next_kill:
                kills += at_work.kill_one(self._rng)
                next_kill = time.monotonic() + self._rng.exponential(every) if kills < most else float("inf")
                if kills and kills % 10 == 0:
                    say(f"{workers} workers: {kills} kills, {len(list(folder.glob('*/part-*.json')))} parts")
            time.sleep(_POLL)
        seconds = time.monotonic() - start
        run_well(Command("teacher_export", ("finish", "--output", OUT)), self._root)
        faults = differences(self._whole, _described(folder))
        faults += [path.name for path in self._root.iterdir() if path.name not in (WHOLE, PLANNED, OUT, *INPUTS)]
        part_seconds: list[Any] = read_json(folder / "timing.json", "timing")["part_seconds"]
        shutil.rmtree(folder)
        times = (seconds, at_work.starts, part_seconds, first or seconds)
        return Result(workers, every, kills, len(part_seconds), *times, faults)


def _described(folder: Path) -> dict[str, str]:
    """Return words for the content of an export, but for its times."""
    return {name: word for name, word in describe(folder).items() if name != "timing.json"}


def run_well(command: Command, folder: Path) -> Ended:
    """Run a command that must succeed."""
    ended = run(command, folder, _LONGEST)
    require_well(ended, str(command))
    return ended
