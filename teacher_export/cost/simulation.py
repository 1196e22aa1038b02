"""A job of many parts on machines that fail, simulated from the seconds that parts took."""

import dataclasses
import heapq
import itertools
import math
from collections.abc import Sequence

import numpy as np

from distill_jax.errors import InputError

_TRIES = 100  # as many events as a part or a worker may have; beyond that the job is hopeless


@dataclasses.dataclass(frozen=True)
class Job:
    """A job: parts that workers take one after the other until all are done.

    Attributes:
        parts: how many parts there are.
        seconds: the seconds that parts took where they were measured; a part here takes one of them, by chance.
        workers: how many workers there are.
        start: seconds from a worker's beginning to its first part (imports, the teacher's files).
        between_failures: mean seconds from a worker's beginning to its death, exponentially distributed; infinite =
            none dies. The part that it was at is lost, and is anybody's at once.
        restart: seconds from a worker's death to its next beginning.
        slow_share: the share of workers that are slow.
        slow_times: how many times the seconds of others a slow one takes.
    """

    parts: int
    seconds: Sequence[float]
    workers: int
    start: float = 0.0
    between_failures: float = math.inf
    restart: float = 0.0
    slow_share: float = 0.0
    slow_times: float = 1.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        seconds: from its beginning to the last part's end.
        lost: how many parts were computed in vain, in part.
        failures: how many workers died.
        useful: the share of the workers' seconds in which parts were computed that count.
    """

    seconds: float
    lost: int
    failures: int
    useful: float


def simulate(job: Job, seed: int) -> Outcome:
    """Return what becomes of a job; the same seed gives the same.

    Raises:
        InputError: machines are lost before they have finished a part, over and over.
    """
    return _Simulation(job, np.random.default_rng(seed)).run()


class _Simulation:
    """The workers' events in the order of time: each is free, ends its part, or dies."""

    def __init__(self, job: Job, rng: np.random.Generator) -> None:
        self._job, self._rng, self._left, self._done = job, rng, job.parts, 0
        self._numbers = itertools.count()  # so that events of one moment keep an order
        self._seen = itertools.count(1)
        self._events: list[tuple[float, int, str, int, float]] = []
        self._idle: list[int] = []
        self._dies_at = [math.inf] * job.workers
        self._times = np.where(rng.random(job.workers) < job.slow_share, job.slow_times, 1.0)
        self._seconds = np.asarray(job.seconds, float)
        self._lost = self._failures = 0
        self._useful = 0.0

    def run(self) -> Outcome:
        job, now = self._job, 0.0
        most = _TRIES * job.parts + _TRIES * job.workers
        for worker in range(job.workers):
            self._begin(0.0, worker)
        while self._done < job.parts:
            if next(self._seen) > most:
                raise InputError(
                    f"the simulated job does not end: machines that are lost after {job.between_failures / 3600:g} "
                    f"hours in the mean (--failures) hardly finish a part of {float(self._seconds.mean()):,.0f} s, "
                    f"{job.start:,.0f} s to begin not counted; expected a higher rate, or fewer failures"
                )
            now, _, what, worker, spent = heapq.heappop(self._events)
            if what == "dies":
                self._die(now, worker, lost=spent > 0)
                continue
            if what == "ends":
                self._done += 1
                self._useful += spent
            self._take(now, worker)
        return Outcome(now, self._lost, self._failures, self._useful / (now * job.workers) if now else 1.0)

    def _push(self, time: float, what: str, worker: int, spent: float = 0.0) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), what, worker, spent))

    def _begin(self, now: float, worker: int) -> None:
        """Let a worker begin; it may die before it is ready."""
        self._dies_at[worker] = now + float(self._rng.exponential()) * self._job.between_failures
        ready = now + self._job.start
        if self._dies_at[worker] < ready:
            self._push(self._dies_at[worker], "dies", worker)
        else:
            self._push(ready, "free", worker)

    def _take(self, now: float, worker: int) -> None:
        if not self._left:
            self._idle.append(worker)
            return
        self._left -= 1
        spent = float(self._rng.choice(self._seconds)) * float(self._times[worker])
        if now + spent > self._dies_at[worker]:
            self._push(max(now, self._dies_at[worker]), "dies", worker, spent)
        else:
            self._push(now + spent, "ends", worker, spent)

    def _die(self, now: float, worker: int, *, lost: bool) -> None:
        self._failures += 1
        if lost:
            self._lost += 1
            self._left += 1
            if self._idle:
                self._take(now, self._idle.pop(0))
        self._begin(now + self._job.restart, worker)


def mean_of(job: Job, seeds: Sequence[int]) -> Outcome:
    """Return the means over several simulations, counts rounded."""
    found = [simulate(job, seed) for seed in seeds]
    return Outcome(
        seconds=float(np.mean([outcome.seconds for outcome in found])),
        lost=round(np.mean([outcome.lost for outcome in found])),
        failures=round(np.mean([outcome.failures for outcome in found])),
        useful=float(np.mean([outcome.useful for outcome in found])),
    )
