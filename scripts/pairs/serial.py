"""What commands leave and say one after the other: what two at once are held against."""

import dataclasses
import itertools
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.pairs.catalogue import Step
from scripts.trials.folders import describe
from scripts.trials.processes import Command, Ended, Process, answer_of, run

_SECONDS = 300


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a row of commands has led to.

    Attributes:
        ends: how each ended.
        content: what the folder then holds, as ``describe`` says it.
    """

    ends: tuple[Ended, ...]
    content: dict[str, str]


class Serial:
    """Runs commands one after the other, each row of them once."""

    def __init__(self, place: Path) -> None:
        """Keep the folders in ``place``, beside the inputs."""
        self._place = place
        self._starts: dict[tuple[Step, ...], Path] = {}
        self._outcomes: dict[tuple[tuple[Step, ...], tuple[Command, ...]], Outcome] = {}

    def copy_of(self, start: tuple[Step, ...], name: str) -> Path:
        """Return a new folder with what the steps leave.

        Raises:
            RuntimeError: a step failed.
        """
        if start not in self._starts:
            folder = self._place / f"start-{len(self._starts)}"
            folder.mkdir()
            for step in start:
                _take(step, folder)
            self._starts[start] = folder
        copy = self._place / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._starts[start], copy)
        return copy

    def outcome(self, start: tuple[Step, ...], commands: Sequence[Command]) -> Outcome:
        """Return what commands lead to that are given in this order."""
        key = start, tuple(commands)
        if key not in self._outcomes:
            folder = self.copy_of(start, "serial")
            ends = tuple(run(command, folder, _SECONDS) for command in commands)
            self._outcomes[key] = Outcome(ends, answer_of(lambda: describe(folder)))
        return self._outcomes[key]

    def contents(self, start: tuple[Step, ...], commands: Sequence[Command]) -> list[dict[str, str]]:
        """Return what the folder holds after all of the commands, in each order in which all of them succeed."""
        outcomes = [self.outcome(start, order) for order in itertools.permutations(commands)]
        return [each.content for each in outcomes if all(ended.status == 0 for ended in each.ends)]


def _take(step: Step, folder: Path) -> None:
    process = Process(step.command, folder, first=stop_at(step.stopped_at) if step.stopped_at else None)
    ended = process.wait(_SECONDS)
    expected = 128 + signal.SIGTERM if step.stopped_at else 0
    if ended.status != expected:
        raise RuntimeError(f"{step.command}: expected status {expected}, got {ended}")


def stop_at(count: int) -> Callable[[], None]:
    """Return what lets SIGTERM come to a process when it has written so many files whole."""

    def install() -> None:
        replace, done = Path.replace, itertools.count(1)

        def counted(path: Path, target: Path) -> Path:
            found = replace(path, target)
            if next(done) == count:
                os.kill(os.getpid(), signal.SIGTERM)
            return found

        Path.replace = counted  # type: ignore[method-assign, assignment]

    return install
