"""Whether ids that come block by block all differ: O(n log² n) time and 16 bytes an id, however many the blocks."""

import numpy as np


class DistinctIds:
    """The ids seen so far, as sorted runs whose lengths at least halve from one to the next.

    A new block is looked up in every run, of which there are few, and merged into those that are not longer than it: an
    id is moved once for each doubling, where one sorted array of all of them would be written anew with each block.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def add(self, ids: np.ndarray) -> bool:
        """Take a block in; return whether its ids, int [n], differ from one another and from all that came before."""
        block = np.sort(ids)
        if np.any(block[1:] == block[:-1]) or any(_have_common(run, block) for run in self._runs):
            return False
        if not len(block):
            return True
        while self._runs and len(self._runs[-1]) < 2 * len(block):
            # Two sorted runs in a row: a stable sort of NumPy merges them in one pass.
            block = np.sort(np.concatenate([self._runs.pop(), block]), kind="stable")
        self._runs.append(block)
        return True


def _have_common(run: np.ndarray, block: np.ndarray) -> bool:
    """Whether two sorted arrays have an element in common; ``run`` is not empty."""
    places = np.searchsorted(run, block)
    return bool(np.any(run[np.minimum(places, len(run) - 1)] == block))
