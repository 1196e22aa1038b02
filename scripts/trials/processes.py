"""Commands as forked processes: what takes seconds to import is imported once, before any of them.

``load`` imports it; neither JAX nor torch may compute before the last fork, for their threads are not in a child.
"""

import contextlib
import dataclasses
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

_TORCH_HALF = ("teacher_export.export", "teacher_export.data.dataset", "teacher_export.teacher.finetune")
_MODULES = (
    *("distill_jax.training.seed_runs", "distill_jax.inference.predictor", "orbax.checkpoint"),
    *("distill_jax.reporting.page", "distill_jax.reporting.charts", "distill_jax.reporting.comparison", "altair"),
    *(
        *_TORCH_HALF,
        "transformers.models.distilbert.modeling_distilbert",
        "scripts.convert.torch_checkpoint",
        "sklearn.metrics",
    ),
    "scripts.search.search",
)
_POLL = 0.002  # seconds


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line: ``python -m module words…``."""

    module: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> Self:
        """Return the command of a line without quotation marks."""
        module, *words = line.split()
        return cls(module, tuple(words))

    def __str__(self) -> str:
        """Return what a user would type."""
        return " ".join(["python -m", self.module, *self.words])


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: its exit status; minus the signal that killed it; None = it was still running at its time limit.
        output: what it wrote to standard output.
        error: what it wrote to standard error.
        seconds: how long it ran.
    """

    status: int | None
    output: str
    error: str
    seconds: float

    @property
    def refused(self) -> bool:
        """Whether it said one sentence of what is wrong, and no more."""
        sentences = [line for line in self.error.splitlines() if line.startswith("error: ")]
        return self.status == 2 and len(sentences) == 1 and "Traceback" not in self.error

    def __str__(self) -> str:
        """Return the status, and the end of what it said."""
        return f"status {self.status}: {self.error.strip()[-1500:]}"


def load(cache: Path) -> None:
    """Set the environment of all commands, and import what they need.

    Args:
        cache: a folder for compiled programs and downloads; nothing is written to the user's own.
    """
    from distill_jax.cache import CACHE_VARIABLE
    from distill_jax.jax_setup import configure_jax

    os.environ |= {CACHE_VARIABLE: str(cache), "JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1"}
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    configure_jax(fused_loops=True)  # for all, as JAX is imported now
    from distill_jax.inference import measure_speed
    from distill_jax.labelling import inputs, part_folder

    measure_speed.REPEATS = 1  # how fast a student predicts is not what is tried
    inputs.BLOCK_ROWS, part_folder.JOURNAL_SECONDS = 16, 0.0  # a small table has several blocks, each on record
    for module in _MODULES:
        importlib.import_module(module)
    from orbax.checkpoint import v1  # noqa: F401 - it is imported lazily, by name
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401

    gc.collect()
    gc.freeze()  # a child's collector leaves these pages alone, and so shared


class Process:
    """A command that runs in a forked process, in a session of its own."""

    def __init__(
        self, command: Command, folder: Path, *, delay: float = 0, first: Callable[[], None] | None = None
    ) -> None:
        """Start it.

        Args:
            command: what to run.
            folder: where.
            delay: seconds to wait before it begins.
            first: called in the process before the command: to make a fault happen.
        """
        self._streams = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - read when it has ended
        sys.stdout.flush()
        sys.stderr.flush()
        self.started = time.monotonic() + delay
        self.pid = os.fork()
        if self.pid == 0:
            _become(command, folder, delay, first, self._streams)

    def signal(self, number: int) -> None:
        """Send a signal; a process that has ended gets none."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> Ended:
        """Wait until it has ended; kill it where that takes longer than so many seconds from its beginning."""
        status = self._status(self.started + seconds)
        spent = time.monotonic() - self.started
        if status is None:
            self.signal(signal.SIGKILL)
            os.waitpid(self.pid, 0)
        output, error = map(_text_of, self._streams)
        return Ended(status, output, error, spent)

    def ended(self) -> Ended | None:
        """Return how it ended; None where it runs still. It is not to be asked again then."""
        status = self._status(time.monotonic() + _POLL)
        if status is None:
            return None
        output, error = map(_text_of, self._streams)
        return Ended(status, output, error, time.monotonic() - self.started)

    def _status(self, deadline: float) -> int | None:
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(_POLL)
        return None


def _text_of(stream: IO[bytes]) -> str:
    """Return what was written to a file, and close it."""
    with stream:
        stream.seek(0)
        return stream.read().decode(errors="replace")


def _become(
    command: Command,
    folder: Path,
    delay: float,
    first: Callable[[], None] | None,
    streams: tuple[IO[bytes], IO[bytes]],
) -> None:
    """Run a command in this process, which is a child, and end with its status."""
    status = 1
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, stream in enumerate(streams, start=1):
            os.dup2(stream.fileno(), number)
        sys.argv = [command.module, *command.words]
        time.sleep(delay)
        if first is not None:
            first()
        runpy.run_module(command.module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, a process would show it and end
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def run(command: Command, folder: Path, seconds: float = 120) -> Ended:
    """Run a command to its end."""
    return Process(command, folder).wait(seconds)


def answer_of(body: Callable[[], Any]) -> Any:
    """Return what a function returns, a JSON value, that must not run in this process, for JAX computes in it.

    Raises:
        RuntimeError: it failed; its traceback is on standard error.
    """
    with tempfile.TemporaryFile() as stream:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                stream.write(json.dumps(body()).encode())
                stream.flush()
                status = 0
            except BaseException:  # noqa: BLE001 - as a process of its own would
                traceback.print_exc()
            finally:
                os._exit(status)
        if os.waitpid(pid, 0)[1]:
            raise RuntimeError("a forked process failed")
        stream.seek(0)
        return json.loads(stream.read())
