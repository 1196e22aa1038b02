"""Numbers that all workers write and any of them sums: a row of shared memory for each worker."""

import mmap
from collections.abc import Mapping

import numpy as np


class SharedNumbers:
    """Named blocks of float64, a row of them for each worker process.

    It is made before the workers are forked. Each writes its own row alone, so that nothing is locked; a worker that
    takes the place of a dead one goes on with its numbers, so that counters never fall.

    Args:
        blocks: each block's name and its count of numbers.
        workers: how many there are.
    """

    def __init__(self, blocks: Mapping[str, int], workers: int = 1) -> None:
        stops = np.cumsum([0, *blocks.values()])
        self._places = {name: slice(int(stops[i]), int(stops[i + 1])) for i, name in enumerate(blocks)}
        memory = mmap.mmap(-1, max(8 * workers * int(stops[-1]), 1))
        self._rows = np.frombuffer(memory, np.float64, workers * int(stops[-1])).reshape(workers, -1)
        self._mine = self._rows[0]

    def use_row(self, worker: int) -> None:
        """Make the row of this process that of a worker, from 0."""
        self._mine = self._rows[worker]

    def add(self, block: str, index: int = 0, value: float = 1.0) -> None:
        """Add to a number of this process."""
        self._mine[self._places[block].start + index] += value

    def mine(self, block: str) -> np.ndarray:
        """Return this process's numbers of a block, to be written."""
        return self._mine[self._places[block]]

    def total(self, block: str) -> np.ndarray:
        """Return the sums over all workers, float64 [numbers of the block]."""
        return self._rows[:, self._places[block]].sum(axis=0)
