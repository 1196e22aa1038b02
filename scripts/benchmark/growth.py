"""Time and memory of whole commands by the number of rows: made-up export, training, prediction, export of texts."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from distill_jax.console import format_table, parse_options, run_command, say
from distill_jax.errors import InputError, require_range
from distill_jax.results_file import ResultsFile
from scripts.benchmark.machine import describe_machine, describe_versions

CommandName = Literal["train-fasttext", "train-cnn", "predict-fasttext", "predict-cnn", "export"]

COMMANDS: tuple[CommandName, ...] = ("train-fasttext", "predict-fasttext", "train-cnn", "predict-cnn", "export")
RESULTS = "growth.json"
_COSTS = ResultsFile("scripts.benchmark.growth", frozenset({"machine", "versions", "limits_gb", "costs"}))
_VOCABULARY, _OCCURRING, _LENGTH, _MEAN_LENGTH = 30_522, 25_000, 128, 70.0
_TEST_SHARE = 10
_ROOT = Path(__file__).resolve().parent.parent.parent
_SCRIPTS = _ROOT / "scripts"
# Gigabytes that a command may take, however many rows it is given up to a million.
_LIMITS: dict[str, float] = {"train-fasttext": 3, "train-cnn": 3, "export": 2}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """How many rows, what to run on them, and where the results go."""

    rows: Annotated[tuple[int, ...], tyro.conf.arg(metavar="ROWS…")] = (10_000, 100_000, 1_000_000)
    """Numbers of rows."""
    only: Annotated[tuple[CommandName, ...], tyro.conf.arg(metavar="COMMAND…")] = COMMANDS
    """Commands to measure; prediction needs the training of its student."""
    output: Path = Path("benchmarks")
    """Folder for growth.json."""
    scratch: Path | None = None
    """Folder for the made-up files, about 1 GB for a million rows (default: the system's temporary folder)."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        command: which.
        rows: rows it was given.
        seconds: wall-clock time, start-up included.
        peak_bytes: the most memory it held at once, as the system counts it.
    """

    command: CommandName
    rows: int
    seconds: float
    peak_bytes: int

    @property
    def within_limit(self) -> bool | None:
        """Whether it stayed within the memory it may take; None where nothing is asked."""
        limit = _LIMITS.get(self.command)
        return None if limit is None else self.peak_bytes <= limit * 1e9


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, write ``growth.json``.

    Raises:
        InputError: an option cannot be used.
    """
    options = parse_options(
        Arguments,
        arguments,
        prog="python -m scripts.benchmark.growth",
        description="Measure how the time and memory of training, prediction and export grow with the rows.",
    )
    for rows in options.rows:
        require_range("--rows", rows, 1000, 100_000_000)
    for student in ("fasttext", "cnn"):
        if f"predict-{student}" in options.only and f"train-{student}" not in options.only:
            raise InputError(f"--only: predict-{student} needs train-{student}, which was not named")
    _COSTS.require_replaceable("--output", options.output / RESULTS)
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="distill-jax-growth-", dir=options.scratch) as folder:
        for rows in options.rows:
            for cost in measure(Path(folder) / str(rows), rows, options.only):
                say(f"{cost.command}: {rows:,} rows in {cost.seconds:.1f} s, {cost.peak_bytes / 1e9:.2f} GB at most")
                costs.append(cost)
    write_results(options.output, costs)
    say("\n" + table(costs))


def measure(folder: Path, rows: int, commands: Sequence[CommandName]) -> Iterator[Cost]:
    """Make ``rows`` rows in ``folder`` and yield the cost of each command on them."""
    from scripts.benchmark.exports import write_export, write_texts
    from scripts.benchmark.synthetic import Language

    language = Language(_VOCABULARY, _OCCURRING)
    folder.mkdir(parents=True)
    export, texts, table_file = folder / "export", folder / "texts.txt", folder / "texts.csv"
    test = rows // _TEST_SHARE
    if any(command != "export" for command in commands):
        write_export(export, language, train=rows - test, test=test, length=_LENGTH, mean_length=_MEAN_LENGTH)
    if any(command.startswith("predict") for command in commands):
        write_texts(texts, language, rows, _MEAN_LENGTH, _LENGTH, table=False)
    for command in (name for name in COMMANDS if name in commands):
        step, _, student = command.partition("-")
        run = folder / f"run-{student}"
        if step == "train":
            words = ["-m", "distill_jax.train", "--export", str(export), "--workdir", str(run), "--student", student]
            yield _run(command, rows, [*words, "--recipe", "notebook", "--epochs", "1"], folder)
        elif step == "predict":
            yield _run(command, rows, ["-m", "distill_jax.predict", "--run", str(run), str(texts)], folder)
        else:
            write_texts(table_file, language, rows, _MEAN_LENGTH, _LENGTH, table=True)
            yield _run(command, rows, _export_words(folder, table_file), folder)


def _export_words(folder: Path, table_file: Path) -> list[str]:
    teacher = folder / "teacher"
    paths = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # A process of its own: a child's peak memory counts its parent's at the time of its birth.
    subprocess.run(
        [sys.executable, "-m", "scripts.benchmark.tiny_teacher", str(teacher), str(_VOCABULARY), str(_LENGTH)],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    words = [str(_SCRIPTS / "export_logits.py"), "--dataset", "table", "--data", str(table_file)]
    words += ["--text-column", "text", "--label-column", "label"]
    return [*words, "--teacher", str(teacher), "--output", str(folder / "exported")]


def _run(command: CommandName, rows: int, words: list[str], folder: Path) -> Cost:
    """Run Python with ``words`` and return what it took.

    Raises:
        RuntimeError: it failed; the message holds the end of what it said.
    """
    output, errors = folder / "output", folder / "errors"
    status, seconds, peak_bytes = run_measured(words, output, errors)
    if status:
        last = errors.read_bytes()[-3000:].decode(errors="replace")
        raise RuntimeError(f"{command} ended with status {status}:\n{last}")
    return Cost(command, rows, seconds, peak_bytes)


# Started between this process and the measured one; prints its exit status, its seconds and its peak memory.
_STARTER = """
import json, os, signal, subprocess, sys, time
limit = float(sys.argv[1])
with open(sys.argv[2], "wb") as output, open(sys.argv[3], "wb") as errors:
    started = time.perf_counter()
    command = [sys.executable, *sys.argv[4:]]
    process = subprocess.Popen(command, stdout=output, stderr=errors, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(process.pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, limit)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss]))
"""


def run_measured(words: Sequence[str], output: Path, errors: Path, limit_seconds: float = 0) -> tuple[int, float, int]:
    """Run Python with ``words``, its streams into files; return its exit status, seconds and peak memory in bytes.

    It is killed (status -9) after ``limit_seconds``; 0 = never.

    A small process stands between: the system counts a process's peak from that of the one which it was forked from,
    and this one may be larger than what is measured.
    """
    starter = [sys.executable, "-c", _STARTER, str(limit_seconds), str(output), str(errors), *words]
    done = subprocess.run(starter, check=True, stdout=subprocess.PIPE)
    status, seconds, peak = json.loads(done.stdout)
    return status, seconds, peak * (1 if sys.platform == "darwin" else 1024)


def table(costs: Sequence[Cost]) -> str:
    """Return the costs as a table, by command and rows, with the time a thousand further rows take."""
    ordered = sorted(costs, key=lambda cost: (COMMANDS.index(cost.command), cost.rows))
    body, before = [], None
    for cost in ordered:
        further = ""
        if before is not None and before.command == cost.command and cost.rows > before.rows:
            per_row = (cost.seconds - before.seconds) / (cost.rows - before.rows)
            bytes_per_row = (cost.peak_bytes - before.peak_bytes) / (cost.rows - before.rows)
            further = f"{1e6 * per_row:,.0f} µs, {bytes_per_row:,.0f} bytes"
        within = {None: "", True: "yes", False: "no"}[cost.within_limit]
        size = f"{cost.peak_bytes / 1e9:.2f} GB"
        body.append([cost.command, f"{cost.rows:,}", f"{cost.seconds:.1f} s", size, further, within])
        before = cost
    return format_table(["command", "rows", "time", "peak memory", "a further row", "within limit"], body)


def write_results(output: Path, costs: Sequence[Cost]) -> None:
    """Write ``growth.json``."""
    rows = [{**dataclasses.asdict(cost), "within_limit": cost.within_limit} for cost in costs]
    value = {"machine": describe_machine(), "versions": describe_versions(), "limits_gb": _LIMITS, "costs": rows}
    _COSTS.write(output / RESULTS, value)


if __name__ == "__main__":
    run_command(main)
