"""An export's parts computed by several processes that are killed every few seconds, until it is finished."""

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import numpy as np

from distill_jax.files import read_json
from scripts.trials.folders import describe, differences
from scripts.trials.processes import Command, Ended, Process, run

_LONGEST = 3600.0  # seconds of a command
_POLL = 0.01  # seconds


@dataclasses.dataclass(frozen=True)
class Result:
    """One export, finished under kills.

    Attributes:
        workers: how many processes shared its parts.
        kills: how many of them were killed.
        parts: how many parts it has.
        seconds: from the first process's beginning to the last part.
        starts: how often a process began.
        part_seconds: what each part took, but for its writing.
        first: seconds until the first part was there.
        faults: files that are not those of the export in one go.
    """

    workers: int
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
        run_well(Command("teacher_export", (*options, "--output", "whole")), root)
        run_well(Command("teacher_export", ("plan", *options, "--output", "planned")), root)
        self._whole = _described(root / "whole")

    def export(self, workers: int, every: float, say: Callable[[str], None]) -> Result:
        """Finish a copy of the plan.

        Args:
            workers: how many processes.
            every: mean seconds between two kills of one of them; 0 = none is killed.
            say: told of every tenth kill.
        """
        folder = self._root / "out"
        shutil.copytree(self._root / "planned", folder)
        command = Command("teacher_export", ("part", "--output", "out"))
        start, first = time.monotonic(), None
        running, kills, starts = [Process(command, self._root) for _ in range(workers)], 0, workers
        next_kill = start + self._rng.exponential(every) if every else float("inf")
        while running:
            if first is None and next(folder.glob("*/part-*.json"), None):
                first = time.monotonic() - start
            if time.monotonic() >= next_kill:
                victim = running.pop(int(self._rng.integers(len(running))))
                victim.signal(SIGKILL)
                victim.wait(_LONGEST)
                running.append(Process(command, self._root))
                kills, starts = kills + 1, starts + 1
                next_kill = time.monotonic() + self._rng.exponential(every)
                if kills % 10 == 0:
                    say(f"{workers} workers: {kills} kills, {len(list(folder.glob('*/part-*.json')))} parts")
            running = [process for process in running if not _has_ended(process)]
            time.sleep(_POLL)
        seconds = time.monotonic() - start
        run_well(Command("teacher_export", ("finish", "--output", "out")), self._root)
        faults = differences(self._whole, _described(folder))
        faults += [path.name for path in self._root.iterdir() if path.name not in ("whole", "planned", "out", *INPUTS)]
        part_seconds: list[Any] = read_json(folder / "timing.json", "timing")["part_seconds"]
        shutil.rmtree(folder)
        return Result(workers, kills, len(part_seconds), seconds, starts, part_seconds, first or seconds, faults)


def _described(folder: Path) -> dict[str, str]:
    """Return words for the content of an export, but for its times."""
    return {name: word for name, word in describe(folder).items() if name != "timing.json"}


INPUTS = ("teacher", "texts.csv", "cache")


def _has_ended(process: Process) -> bool:
    """Whether a process has ended by itself; it must have ended well."""
    ended = process.ended()
    if ended is not None:
        _require_well(ended, "part")
    return ended is not None


def run_well(command: Command, folder: Path) -> Ended:
    """Run a command that must succeed."""
    ended = run(command, folder, _LONGEST)
    _require_well(ended, str(command))
    return ended


def _require_well(ended: Ended, what: str) -> None:
    if ended.status != 0:
        raise RuntimeError(f"{what}: {ended}")
