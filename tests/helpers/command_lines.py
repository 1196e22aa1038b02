"""Call a command line inside the test's process (fast), or as a process of its own (the real thing)."""

import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from distill_jax.console import run_command

ROOT = Path(__file__).resolve().parent.parent.parent


def call(capsys, main, *arguments, stdin=b""):
    """Run ``main`` as its command line would; return ``(status, standard output, standard error)``."""
    standard_input = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with (
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", ["command", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", standard_input),
    ):
        capsys.readouterr()
        try:
            run_command(main)
            status = 0
        except SystemExit as exit_:
            status = exit_.code
    output = capsys.readouterr()
    return status, output.out, output.err


def refusal(capsys, main, *arguments, stdin=b""):
    """Run ``main``, require exit status 2 and one sentence without a traceback; return the sentence."""
    status, _, error = call(capsys, main, *arguments, stdin=stdin)
    assert status == 2, error
    sentences = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1, error
    assert "Traceback" not in error
    return sentences[0].removeprefix("error: ")


def start(module, *arguments, **options):
    """Start ``python -m module`` as a process of its own group, output captured as text."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def finish(process, seconds=120):
    """Wait for a process; return ``(status, standard output, standard error)``."""
    try:
        output, error = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, error = process.communicate()
        pytest.fail(f"the process did not end in {seconds} s:\n{output}\n{error}")
    return process.returncode, output, error


def python(code, *arguments, seconds=120):
    """Run Python code in a new process that must succeed; return its standard output."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
