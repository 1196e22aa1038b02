"""Run a command that may be killed, and tell what it did to the files of its folder."""

import dataclasses
import json
import sys
from pathlib import Path

from scripts.kill.operations import KILLED_BY, Kill, Operation, Operations
from scripts.trials.processes import Command, Process

HUNG = None  # the status of a command that does not end


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: its exit status; minus the signal that ended it; ``HUNG`` where it did not end.
        killed: whether it was killed where it was to be.
        operations: what it did to the folder's files.
        words: what it wrote to standard error.
    """

    status: int | None
    killed: bool
    operations: tuple[Operation, ...]
    words: str


def run(
    command: Command, folder: Path, *, kill: Kill | None = None, output: str | None = None, seconds: float = 120
) -> Ended:
    """Run a command in a forked process.

    Args:
        command: what to run.
        folder: where; operations in it are counted.
        kill: where it is killed.
        output: a file of the folder that takes its standard output, as a shell's ``>`` does.
        seconds: after which it is taken to hang.
    """
    record = folder.with_name(f"{folder.name}.operations")

    def watch() -> None:
        operations = Operations(folder, kill, record)
        operations.watch()
        if output is not None:
            sys.stdout = operations.counted_stream(folder / output)

    ended = Process(command, folder, first=watch).wait(seconds)
    killed = kill is not None and ended.status is not None and -ended.status in KILLED_BY
    operations = [Operation(*json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines()]
    return Ended(ended.status, killed, tuple(operations), ended.error)
