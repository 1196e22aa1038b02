"""The commands of a fold, one after the other; one that has ended is not run again."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from distill_jax.console import shell_line
from distill_jax.errors import InputError, Interrupted
from distill_jax.files import read_json, write_json

ROOT = Path(__file__).resolve().parent.parent.parent
EXPORT, TRAIN = ("-m", "teacher_export"), ("-m", "distill_jax.train")
DONE, LOG = "steps.json", "log.txt"
_LINES_OF_A_FAILURE = 15
_REFUSED = 2


@dataclasses.dataclass(frozen=True)
class Step:
    """A command.

    Attributes:
        name: what it is called in ``steps.json`` and on the screen.
        kind: what it is timed as, such as ``export`` or ``train cnn-distil``.
        program: Python's words before its own.
        words: its own.
    """

    name: str
    kind: str
    program: tuple[str, ...]
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Return the command, ready to paste."""
        return shell_line(["python", *self.program, *self.words])


class Steps:
    """The steps that a fold's folder records as done, and how long each took in its last sitting.

    Args:
        folder: the fold's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        path = folder / DONE
        self.done: dict[str, dict[str, Any]] = read_json(path, "steps that are done") if path.is_file() else {}

    def require_same(self, steps: Sequence[Step]) -> None:
        """Refuse steps that were done under the same name by another command.

        Raises:
            InputError: there is one.
        """
        for step in steps:
            before = self.done.get(step.name)
            if before is not None and before["command"] != str(step):
                raise InputError(
                    f"{self._folder / DONE}: {step.name} was done by another command, {before['command']}; now it is "
                    f"{step}; name another --output, or the variant otherwise"
                )

    def run(self, step: Step, say: Callable[[str], object]) -> None:
        """Run a step that is not done; what it says goes to the fold's log.

        Raises:
            InputError: the command refused.
            Interrupted: Ctrl-C; the command has saved what it had.
            RuntimeError: it failed; the message holds the end of the log.
        """
        if step.name in self.done:
            return
        started = time.perf_counter()
        self._folder.mkdir(parents=True, exist_ok=True)
        _run(step, self._folder / LOG)
        seconds = time.perf_counter() - started
        self.done[step.name] = {"kind": step.kind, "seconds": round(seconds, 1), "command": str(step)}
        write_json(self._folder / DONE, self.done)
        say(f"{self._folder.name}: {step.name}: {seconds:,.0f} s")


def _run(step: Step, log: Path) -> None:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with log.open("ab") as said:
        said.write(f"\n$ {step}\n".encode(errors="backslashreplace"))
        said.flush()
        process = subprocess.Popen(
            [sys.executable, *step.program, *step.words],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C comes from here, once, and not from the terminal too
        )
        try:
            status = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise Interrupted("interrupted; what is done is kept, and the same command goes on") from None
    if status == 0:
        return
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if status == _REFUSED:
        raise InputError(f"{step.name}: {next((line for line in last[::-1] if line.startswith('error: ')), last[-1])}")
    raise RuntimeError(f"{step} ended with status {status}:\n" + "\n".join(last[-_LINES_OF_A_FAILURE:]))
