"""Trials of all scenarios in turn, on several workers, until the time is over."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError
from scripts.kill.scenarios import Scenario
from scripts.kill.trials import Result


@dataclasses.dataclass(frozen=True)
class Campaign:
    """What a campaign is told.

    Attributes:
        scenarios: which.
        seconds: for the trials; making ready comes before.
        seed: decides the trials.
        workers: processes at a time.
        root: an empty folder for everything.
        keep: takes the folders of trials that went wrong.
        trial: this one alone of each scenario; None = as many as there is time for.
    """

    scenarios: Sequence[Scenario]
    seconds: float
    seed: int
    workers: int
    root: Path
    keep: Path
    trial: int | None = None


@dataclasses.dataclass
class Outcome:
    """What a campaign has found: each scenario's number of operations, and all trials."""

    operations: dict[str, int] = dataclasses.field(default_factory=dict)
    results: list[Result] = dataclasses.field(default_factory=list)


def conduct(campaign: Campaign, advance: Callable[[str], object]) -> Outcome:
    """Run the trials; each scenario has at least one.

    Args:
        campaign: which.
        advance: is called with a line for every scenario that is ready and every trial that went wrong.

    Raises:
        InputError: a command fails without any kill; the message has its output.
    """
    outcome = Outcome()
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_worker(campaign)) for _ in range(campaign.workers)]

        def make_ready(worker: "_Worker", task: tuple[str, int | None]) -> None:
            outcome.operations[task[0]] = worker.ask(*task)["operations"]
            advance(f"{task[0]}: {outcome.operations[task[0]]} operations")

        def attempt(worker: "_Worker", task: tuple[str, int | None]) -> None:
            result = Result(**worker.ask(*task))
            outcome.results.append(result)
            if result.verdict != "equal":
                advance(f"{result.scenario}, trial {result.number}: {result.verdict}: {result.words}")

        names = [scenario.name for scenario in campaign.scenarios]
        _share(workers, iter([(name, None) for name in names]), make_ready)
        _share(workers, _trials(names, campaign), attempt)
    return outcome


def _trials(names: Sequence[str], campaign: Campaign) -> Iterator[tuple[str, int | None]]:
    if campaign.trial is not None:
        yield from ((name, campaign.trial) for name in names)
        return
    until, number = time.monotonic() + campaign.seconds, 0
    while True:
        for name in names:
            if number and time.monotonic() > until:
                return
            yield name, number
        number += 1


class _Worker:
    """A process of ``worker.py``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answer()

    def ask(self, name: str, number: int | None) -> dict[str, Any]:
        """Return what it answers; raises ``InputError`` where it cannot."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, number]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"failed": "a worker has died"}
        if "failed" in answer:
            raise InputError(answer["failed"])
        return answer


@contextlib.contextmanager
def _worker(campaign: Campaign) -> Iterator[_Worker]:
    words = [str(campaign.root), str(campaign.keep), str(campaign.seed)]
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.kill.worker", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield _Worker(process)
    finally:
        process.communicate()  # the end of its standard input ends it


def _share(
    workers: Sequence[_Worker],
    tasks: Iterator[tuple[str, int | None]],
    do: Callable[[_Worker, tuple[str, int | None]], None],
) -> None:
    """Let the workers do the tasks, each the next one when it is free; raise what one of them raised."""
    lock = threading.Lock()
    failures: list[Exception] = []

    def serve(worker: _Worker) -> None:
        while not failures:
            with lock:
                task = next(tasks, None)
            if task is None:
                return
            try:
                do(worker, task)
            except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
                failures.append(error)

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
