"""Measuring in a process of its own: a module that takes JSON and answers with JSON."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError

_SECONDS = 600


def in_own_process(path: Path, texts: Sequence[str] = ()) -> dict[str, Any]:
    """Measure a packed file or a run in a process of its own.

    Args:
        path: the student.
        texts: what time is measured with; without any the process ends with its first answer.

    Returns:
        ``memory_bytes``, what it holds after its first answer; with texts ``p50_ms``, ``p99_ms`` and
        ``texts_per_second``, too.

    Raises:
        InputError: the process failed, or took more than ten minutes.
    """
    done = run_measurement("distill_jax.choosing.worker", path, list(texts), _SECONDS)
    if done.returncode:
        raise InputError(f"{path}: it could not be measured in a process of its own: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def run_measurement(module: str, path: Path, asked: Any, seconds: int) -> subprocess.CompletedProcess[str]:
    """Run a module that measures; return how it ended and what it said.

    Args:
        module: its name.
        path: what it measures: its one argument.
        asked: its standard input, as JSON.
        seconds: how long it may take.

    Raises:
        InputError: it took longer.
    """
    try:
        return subprocess.run(
            [sys.executable, "-m", module, str(path)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{path}: measuring it took more than {seconds} seconds; is the machine busy with other work?"
        ) from None
