"""How long a user waits: for the help, and until the first training step shows."""

import contextlib
import os
import re
import subprocess
import sys
import termios
import time
from pathlib import Path

from scripts.benchmark.rows import Match, Measurement, Row, Side, Turn
from scripts.benchmark.sizes import Sizes

_STEPS_DONE = re.compile(rb"\| *[1-9]\d*/\d+ \[")  # of a progress bar: a count that is not 0
_DEMO_VOCABULARY, _DEMO_OCCURRING, _DEMO_LENGTH = 30_522, 15_000, 22
_LIMIT = 300  # seconds


def show_help() -> Turn:
    """Prepare ``python -m distill_jax.train --help``."""

    def turn() -> Measurement:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "distill_jax.train", "--help"], check=True, capture_output=True)
        return Measurement(1, time.perf_counter() - started)

    return turn


def first_steps(folder: str, rows: int) -> Turn:
    """Prepare training from an export of the demo's size, until its progress bar moves; the first turn compiles."""
    from scripts.benchmark.exports import write_export
    from scripts.benchmark.synthetic import Language

    place = Path(folder)
    export = place / "start-export"
    if not export.exists():
        language = Language(_DEMO_VOCABULARY, _DEMO_OCCURRING)
        write_export(export, language, train=rows, test=rows // 4, length=128, mean_length=_DEMO_LENGTH)
    command = [sys.executable, "-m", "distill_jax.train", "--export", str(export)]
    command += ["--workdir", str(place / "start-run"), "--overwrite", "--recipe", "notebook"]
    environment = {**os.environ, "DISTILL_JAX_CACHE": str(place / "start-cache")}

    def turn() -> Measurement:
        return Measurement(1, _seconds_until(_STEPS_DONE, command, environment))

    return turn


def _seconds_until(pattern: re.Pattern[bytes], command: list[str], environment: dict[str, str]) -> float:
    """Return the seconds until a command's terminal shows a pattern; the command is then killed.

    Raises:
        RuntimeError: it ended before.
    """
    ours, its = os.openpty()
    termios.tcsetwinsize(its, (24, 120))  # a terminal of no width gets no bar
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its, env=environment) as process:
        os.close(its)
        seen = b""
        try:
            while not pattern.search(seen):
                with contextlib.suppress(OSError):  # the terminal is closed: reading fails until we see it ended
                    seen += os.read(ours, 4096)
                if process.poll() is not None or time.perf_counter() - started > _LIMIT:
                    raise RuntimeError(f"{' '.join(command)}: no training step seen:\n{seen.decode(errors='replace')}")
            return time.perf_counter() - started
        finally:
            process.kill()
            os.close(ours)


def startup_match(sizes: Sizes, folder: str) -> Match:
    """Return the waits."""
    return Match(
        {
            "help": Side("scripts.benchmark.startup:show_help", {}),
            "steps": Side("scripts.benchmark.startup:first_steps", {"folder": folder, "rows": sizes.start_rows}),
        },
        (
            Row("start-help", "start-up: train --help", "s", "help", None, 1, 0.5, in_seconds=True),
            Row("start-train", "start-up: train until its first steps show", "s", "steps", None, 6, 4, in_seconds=True),
        ),
    )
