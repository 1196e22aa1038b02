"""Measuring a student in a process of its own."""

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
        InputError: the process failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "distill_jax.choosing.worker", str(path)],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise InputError(f"{path}: it could not be measured in a process of its own: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)
