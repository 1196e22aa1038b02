"""Inputs for all loaders in turn, read in forked processes, until the time or the number is over."""

import collections
import dataclasses
import gc
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from scripts.fuzz.loaders.loader import Loader
from scripts.fuzz.trials import FAULT, Result, Trials, be_quiet

_HANG = 30  # seconds that an input may take, compiling included
_STATUS = 99
_AN_INPUT = 0.1  # seconds that an input counts for besides those that it takes


@dataclasses.dataclass(frozen=True)
class Campaign:
    """What a campaign is told.

    Attributes:
        loaders: which.
        seconds: begin no input later.
        most: nor more inputs than so many of all loaders; None = any number.
        seed: decides the inputs.
        workers: processes at a time.
        inputs: the corpus.
        place: an empty folder for the copies.
        keep: takes the inputs of faults.
        only: this input alone of each loader; None = one after the other.
    """

    loaders: Sequence[Loader]
    seconds: float
    most: int | None
    seed: int
    workers: int
    inputs: Path
    place: Path
    keep: Path
    only: int | None = None


@dataclasses.dataclass
class Outcome:
    """What a campaign has found: of each loader how its inputs ended, and the faults."""

    verdicts: dict[str, collections.Counter[str]] = dataclasses.field(default_factory=dict)
    faults: list[Result] = dataclasses.field(default_factory=list)

    @property
    def inputs(self) -> int:
        """How many inputs there were."""
        return sum(map(collections.Counter.total, self.verdicts.values()))


class _Worker:
    """A forked process that reads one input after the other."""

    def __init__(self, campaign: Campaign, number: int) -> None:
        self._campaign, self._number = campaign, number
        self.task: tuple[Loader, int] | None = None
        self._begin()

    def _begin(self) -> None:
        tasks, self._tasks = os.pipe()
        self.answers, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._tasks)
            os.close(self.answers)
            try:
                _serve(self._campaign, self._number, os.fdopen(tasks, "r"), os.fdopen(answers, "w"))
            finally:
                os._exit(_STATUS)
        os.close(tasks)
        os.close(answers)
        self._stream = os.fdopen(self.answers, "r")

    def give(self, task: tuple[Loader, int]) -> None:
        """Let it read an input."""
        self.task, self.since = task, time.monotonic()
        os.write(self._tasks, f"{json.dumps([task[0].name, task[1]])}\n".encode())

    def answer(self) -> Result:
        """Return how its input ended; a process that has died or hangs is replaced."""
        assert self.task is not None
        (loader, number), self.task = self.task, None
        line = self._stream.readline() if self._is_ready() else ""
        if line:
            return Result(**json.loads(line))
        hangs = time.monotonic() - self.since > _HANG
        self.end()
        cause = f"no answer in {_HANG} s" if hangs else f"the process died ({self._died})"
        result = Result(loader.name, number, FAULT, cause, cause)
        Trials(self._campaign.inputs, self._place, self._campaign.seed).keep(result, self._campaign.keep)
        self._begin()
        return result

    @property
    def _place(self) -> Path:
        return self._campaign.place / str(self._number)

    def _is_ready(self) -> bool:
        return bool(select.select([self.answers], [], [], 0)[0])

    def end(self) -> None:
        """End the process; one that has died keeps its status."""
        os.kill(self.pid, signal.SIGKILL)
        os.close(self._tasks)
        self._died = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._stream.close()


def _serve(campaign: Campaign, number: int, tasks: IO[str], answers: IO[str]) -> None:
    be_quiet()
    scratch = campaign.place / f"{number}-scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    os.chdir(scratch)  # commands write where they are told, or where they are
    loaders = {loader.name: loader for loader in campaign.loaders}
    trials = Trials(campaign.inputs, campaign.place / str(number), campaign.seed)
    gc.disable()  # without it Python 3.11's parser, which the commands' help calls, has raised a SystemError of its own
    for line in tasks:
        gc.collect()
        name, index = json.loads(line)
        result = trials.run(loaders[name], index, campaign.keep)
        answers.write(json.dumps(dataclasses.asdict(result)) + "\n")
        answers.flush()


def conduct(campaign: Campaign, advance: Callable[[str], object]) -> Outcome:
    """Try inputs; each loader has at least one.

    Args:
        campaign: which.
        advance: is called with a line for the first fault of each cause.
    """
    outcome = Outcome({loader.name: collections.Counter() for loader in campaign.loaders})
    turns = _Turns(campaign)
    tasks, causes = iter(turns), set[tuple[str, str]]()
    workers = [_Worker(campaign, number) for number in range(campaign.workers)]
    try:
        for worker in workers:
            _give(worker, tasks)
        while busy := [worker for worker in workers if worker.task is not None]:
            ready = select.select([worker.answers for worker in busy], [], [], 1)[0]
            for worker in busy:
                if worker.answers not in ready and time.monotonic() - worker.since <= _HANG:
                    continue
                turns.note(worker)
                result = worker.answer()
                outcome.verdicts[result.loader][result.verdict] += 1
                if result.verdict == FAULT:
                    outcome.faults.append(result)
                    if (result.loader, result.cause) not in causes:
                        causes.add((result.loader, result.cause))
                        advance(f"{result.loader} {result.number}: {result.cause}")
                _give(worker, tasks)
    finally:
        for worker in workers:
            worker.end()
    return outcome


def _give(worker: _Worker, tasks: Iterator[tuple[Loader, int]]) -> None:
    task = next(tasks, None)
    if task is not None:
        worker.give(task)


class _Turns:
    """Which loader's turn it is: the one's that has taken least so far, so that slow ones do not take all the time."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._given = dict.fromkeys((loader.name for loader in campaign.loaders), 0)
        self._taken = dict.fromkeys(self._given, 0.0)

    def note(self, worker: _Worker) -> None:
        """Count the time that a worker's input has taken."""
        assert worker.task is not None
        self._taken[worker.task[0].name] += time.monotonic() - worker.since

    def __iter__(self) -> Iterator[tuple[Loader, int]]:
        campaign = self._campaign
        if campaign.only is not None:
            yield from ((loader, campaign.only) for loader in campaign.loaders)
            return
        until = time.monotonic() + campaign.seconds
        while True:
            loader = min(campaign.loaders, key=self._spent)
            given = sum(self._given.values())
            over = time.monotonic() > until or (campaign.most is not None and given >= campaign.most)
            if self._given[loader.name] and over:
                return
            self._given[loader.name] += 1
            yield loader, self._given[loader.name] - 1

    def _spent(self, loader: Loader) -> tuple[bool, float]:
        given = self._given[loader.name]
        return given > 0, self._taken[loader.name] + _AN_INPUT * given
