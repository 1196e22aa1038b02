"""The command line: a service of its own, many requests to it, what came of them."""

import asyncio
import dataclasses
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import tyro

from distill_jax.console import format_table, parse_options, say
from distill_jax.errors import InputError, require_range
from distill_jax.results_file import ResultsFile
from scripts.benchmark.machine import describe_machine
from scripts.soak.client import Found, ask_many
from scripts.soak.requests import pool_of_texts

DESCRIPTION = """Send a service many requests, some of them malformed, over several connections.

Each answer is looked at: a text must get the answer that the student gives it alone; what is malformed one sentence
and a status from 400 to 499. The service's memory must not grow after the first tenth. Exit status 1: it failed."""
_FOUND = ResultsFile("scripts.soak", frozenset({"machine", "soak"}))
_POOL, _ROUNDS = 3_000, 10


@dataclasses.dataclass(frozen=True)
class Arguments:
    """How much to ask."""

    file: Annotated[Path, tyro.conf.Positional]
    """A packed student."""
    requests: int = 200_000
    """How many requests."""
    malformed: float = 0.1
    """The share of malformed ones."""
    connections: int = 16
    """Connections at once."""
    growth: float = 0.05
    """How much the service's memory may grow from the end of the first tenth on, as a share."""
    seed: int = 0
    """Decides texts and requests."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """A JSON file for what was found."""

    def __post_init__(self) -> None:
        require_range("--requests", self.requests, _ROUNDS, 1e9)
        require_range("--malformed", self.malformed, 0, 1)
        require_range("--connections", self.connections, 1, 60)


def main(words: list[str] | None = None) -> None:
    """Parse, serve, ask, say.

    Raises:
        InputError: an option is not usable.
        SystemExit: status 1, something failed.
    """
    options = parse_options(Arguments, words, prog="python -m scripts.soak", description=DESCRIPTION)
    if options.output is not None:
        _FOUND.require_replaceable("--output", options.output)
    answers = _answers(options)
    command = [sys.executable, "-m", "distill_jax.serve", str(options.file), "--port", "0", "--workers", "1"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        port = _port(server)
        found, memory, seconds = _soak(options, answers, port, server.pid)
    finally:
        server.terminate()
        status = server.wait()
    if status:
        found.fault(f"the service ended with status {status}")
    _say(options, found, memory, seconds)


def _answers(options: Arguments) -> dict[str, Any]:
    """Return what the student says of each text alone."""
    from distill_jax.formats.registry import load

    model = load(options.file)
    lines = model.task.json_lines(model.label_names, ensure_ascii=False)
    texts = pool_of_texts(random.Random(options.seed), _POOL)  # noqa: S311 - nothing is secret
    return {text: json.loads(lines.format(model.logits([text]))) for text in texts}


def _port(server: "subprocess.Popen[str]") -> int:
    assert server.stderr is not None
    line = server.stderr.readline()
    if not line.startswith("{"):
        raise InputError(f"the service did not start: {line.strip()}")
    port: int = json.loads(line)["port"]
    return port


def _soak(options: Arguments, answers: dict[str, Any], port: int, process: int) -> tuple[Found, list[int], float]:
    """Return what came of it, the service's memory in KiB after each round, and the seconds."""
    found, memory, started = Found(), list[int](), time.perf_counter()
    each = -(-options.requests // (_ROUNDS * options.connections))
    for number in range(_ROUNDS):

        async def ask(number: int = number) -> None:
            seeds = (options.seed + 1 + number * options.connections + place for place in range(options.connections))
            await asyncio.gather(*(ask_many(port, each, options.malformed, seed, answers, found) for seed in seeds))

        asyncio.run(ask())
        memory.append(_resident(process))
        say(f"{sum(found.statuses.values()):>11,} requests, {memory[-1]:,} KiB, {len(found.faults)} faults")
    return found, memory, time.perf_counter() - started


def _resident(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _say(options: Arguments, found: Found, memory: list[int], seconds: float) -> None:
    grown = memory[-1] / memory[0] - 1
    if grown > options.growth:
        found.fault(f"memory grew by {100 * grown:.1f} %, from {memory[0]:,} to {memory[-1]:,} KiB")
    say(
        "\n"
        + format_table(
            ("status", "answers"), [[str(each), f"{found.statuses[each]:,}"] for each in sorted(found.statuses)]
        )
    )
    say(f"\n{found.texts:,} texts in {seconds:,.0f} s; memory {100 * grown:+.1f} % after the first tenth")
    if options.output is not None:
        about = {
            "file": options.file.name,
            "malformed": options.malformed,
            "statuses": {str(each): count for each, count in sorted(found.statuses.items())},
            "texts": found.texts,
            "seconds": round(seconds),
            "memory_kib": memory,
            "faults": found.faults,
        }
        _FOUND.write(options.output, {"machine": describe_machine(), "soak": about})
    for fault in found.faults:
        say(f"fault: {fault}")
    if found.faults:
        sys.exit(1)
