"""The processes that share an export's parts: commands beside each other, or one command and Ray's actors."""

import contextlib
import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from scripts.trials.processes import Command, Ended, Process

_PART = ("part", "--output")
_ACTOR = b"ray::PartActor"  # as Ray calls the process of an actor


class Workers(ABC):
    """Processes at work on the parts of an export.

    Attributes:
        starts: how often one of them began.
    """

    starts: int

    @abstractmethod
    def are_at_work(self) -> bool:
        """Return whether parts are left.

        Raises:
            RuntimeError: one has ended otherwise than well.
        """

    @abstractmethod
    def kill_one(self, rng: np.random.Generator) -> bool:
        """Kill one of them, by chance, with SIGKILL, and have another in its place; False where none can be killed."""


class Commands(Workers):
    """So many commands ``part``; a killed one is given again.

    Args:
        root: where they run.
        folder: the export folder there.
        count: how many.
    """

    def __init__(self, root: Path, folder: str, count: int) -> None:
        self._root, self._command = root, Command("teacher_export", (*_PART, folder))
        self._running = [Process(self._command, root) for _ in range(count)]
        self.starts = count

    def are_at_work(self) -> bool:  # noqa: D102 - above
        self._running = [process for process in self._running if not has_ended(process)]
        return bool(self._running)

    def kill_one(self, rng: np.random.Generator) -> bool:  # noqa: D102 - above
        victim = self._running.pop(int(rng.integers(len(self._running))))
        victim.signal(signal.SIGKILL)
        victim.wait(0)
        self._running.append(Process(self._command, self._root))
        self.starts += 1
        return True


class Actors(Workers):
    """One command ``part --engine ray``; Ray makes a killed actor anew.

    Args:
        root: where it runs.
        folder: the export folder there.
        count: how many actors.
    """

    def __init__(self, root: Path, folder: str, count: int) -> None:
        words = (*_PART, folder, "--engine", "ray", "--workers", str(count))
        self._driver = Process(Command("teacher_export", words), root, first=_leave_ray_alone)
        self.starts = count

    def are_at_work(self) -> bool:  # noqa: D102 - above
        return not has_ended(self._driver)

    def kill_one(self, rng: np.random.Generator) -> bool:  # noqa: D102 - above
        actors = _actors()
        if not actors:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(rng.choice(actors)), signal.SIGKILL)
        self.starts += 1
        return True


def _leave_ray_alone() -> None:
    """Set what Ray reads: nothing is reported to anybody, and no processor is hidden."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


def _actors() -> list[int]:
    """Return the process numbers of this machine's actors."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if path.read_bytes().startswith(_ACTOR):
                found.append(int(path.parent.name))
    return sorted(found)


def has_ended(process: Process) -> bool:
    """Return whether a process has ended by itself.

    Raises:
        RuntimeError: it has ended otherwise than well.
    """
    ended = process.ended()
    if ended is not None:
        require_well(ended, "part")
    return ended is not None


def require_well(ended: Ended, what: str) -> None:
    """Raise ``RuntimeError`` where a command has ended otherwise than well."""
    if ended.status != 0:
        raise RuntimeError(f"{what}: {ended}")
