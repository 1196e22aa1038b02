"""Play a match: every side in a process of its own, in turn, several times, never two at once."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmark.rows import Match, Measurement, Row, RowResult, Side

_ROOT = Path(__file__).resolve().parent.parent.parent
_LINES_OF_A_FAILURE = 15
_GRACE = 30  # seconds that a side has to end


class RefusedError(Exception):
    """A side cannot run here (a package or file is missing); the message says why."""


class FailedError(Exception):
    """A side's process ended with an error; the message holds the end of what it said."""


class _Worker:
    """A side's process."""

    def __init__(self, side: Side) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **side.environment},
        )
        self._side = side

    def warm_up(self) -> float:
        """Return the seconds of the side's first turn, compilation included."""
        asked = {"function": self._side.function, "settings": dict(self._side.settings)}
        return float(self._ask(json.dumps(asked))["warm_up"])

    def turn(self) -> Measurement:
        """Let the side take a turn."""
        return Measurement(**self._ask("turn"))

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the answer will be missing, and say more
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._complaints.seek(0)
            last = self._complaints.read().decode(errors="replace").splitlines()[-_LINES_OF_A_FAILURE:]
            raise FailedError(
                f"{self._side.function} ended with status {self._process.returncode}:\n" + "\n".join(last)
            )
        found: dict[str, Any] = json.loads(answer)
        if "refused" in found:
            raise RefusedError(found["refused"])
        return found

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._complaints.close()


def play(
    match: Match, rows: Sequence[Row], repeats: int, advance: Callable[[], object] = lambda: None
) -> list[RowResult]:
    """Return the results of some of a match's rows.

    Args:
        match: the sides.
        rows: those of its rows that are wanted; sides that none of them needs do not run.
        repeats: turns of each side.
        advance: is called after every turn, warming up included.

    Raises:
        RefusedError: a side cannot run here.
        FailedError: a side failed.
    """
    sides = match.sides_of(rows)
    taken: dict[str, list[Measurement]] = {key: [] for key in sides}
    with contextlib.ExitStack() as stack:
        workers, warm_up = {}, {}
        for key, side in sides.items():
            workers[key] = _Worker(side)
            stack.callback(workers[key].close)
            warm_up[key] = workers[key].warm_up()
            advance()
        for _ in range(match.turns(repeats)):
            for key, worker in workers.items():
                taken[key].append(worker.turn())
                advance()
    return [
        RowResult(
            row,
            tuple(taken[row.ours]),
            tuple(taken[row.theirs]) if row.theirs else (),
            {name: warm_up[key] for name, key in (("ours", row.ours), ("theirs", row.theirs)) if key},
        )
        for row in rows
    ]
