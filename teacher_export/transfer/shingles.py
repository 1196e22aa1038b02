"""An index of texts' shingles (word n-grams) that says which other texts share enough of them with any one.

Texts that share a shingle make a pair, and a phrase that all texts begin with would make a pair of every two. So
shingles are *rare* or *common*, by how many indexed texts have them:

* A pair that shares a rare shingle is found by it: each of a text's shingles leads to few indexed texts.
* To a text that shares common shingles alone, nothing of an indexed one matters but its common shingles, its *core*,
  and its size. Of those with one core the smallest is the easiest to share enough of, and stands for all. The cores
  that can be enough alone are indexed in turn, with a higher bound of what is rare.

Reference for the inverted index and its bounds: R. Bayardo, Y. Ma, R. Srikant (2007), Scaling up all pairs similarity
search.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

MOST_RARE = 256  # indexed texts that may have a rare shingle
SLICE = 1 << 20  # pairs in memory at once
_RAISE = 4
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, with its bits well spread (2^64 over the golden ratio)
UNKNOWN = 0

Enough = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From the number of shingles that pairs share, and that the text and the indexed text have, to whether that is enough.

More shared shingles, and a smaller indexed text, must never be less.
"""


class Shingles(NamedTuple):
    """The different shingles of n texts.

    Attributes:
        rows: int64 [m], the text that has the shingle, ascending.
        keys: uint64 [m], the shingle, ascending within a text.
        sizes: int64 [n], how many different shingles each text has, those left out of ``keys`` included.
    """

    rows: np.ndarray
    keys: np.ndarray
    sizes: np.ndarray


class ShingleIndex:
    """From a shingle to the texts that have it.

    Args:
        texts: what to index.
        enough: which shared shingles are enough.
        most_rare: how many of these texts may have a rare shingle.
    """

    def __init__(self, texts: Shingles, enough: Enough, most_rare: int | None = None) -> None:
        most_rare = MOST_RARE if most_rare is None else most_rare
        self._enough = enough
        self._sizes = texts.sizes
        self._keys, ids, counts = np.unique(texts.keys, return_inverse=True, return_counts=True)
        common = counts[ids] > most_rare
        rare = ids[~common]
        self._rows = texts.rows[~common][np.argsort(rare, kind="stable")]
        self._counts = np.bincount(rare, minlength=len(self._keys))  # of a common shingle 0
        self._starts = np.cumsum(self._counts) - self._counts
        self._cores = _Cores(texts.rows[common], ids[common], texts.sizes)
        self._alone: ShingleIndex | None = None
        self._smallest = np.zeros(0, np.int64)  # of each core that the index of cores has
        if common.any():
            alone, self._smallest = self._cores.alone(enough)
            self._alone = ShingleIndex(alone._replace(keys=self._keys[alone.keys]), enough, _RAISE * most_rare)

    def mark(self, texts: Shingles, found: np.ndarray) -> None:
        """Set ``found``, bool [n], where a text shares enough with an indexed one; where it is set it stays."""
        for rows, _ in self.pairs(texts, found):
            found[rows] = True

    def twins(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield pairs of indexed texts of one core, which is enough of the first: its row, the core's smallest's."""
        if self._alone is None:
            return
        counts = self._cores.counts[self._cores.of_text]
        rows = np.flatnonzero((counts > 0) & self._enough(counts, counts, self._sizes))
        yield rows, self._cores.smallest[self._cores.of_text[rows]]
        for row, partner in self._alone.twins():
            yield self._smallest[row], self._smallest[partner]

    def pairs(self, texts: Shingles, found: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield pairs that share enough: the text's row, the indexed text's.

        Where a text shares nothing but a core, the smallest of the indexed texts of that core stands for the others
        (``twins``).

        Args:
            texts: n texts.
            found: bool [n], those that are left out; it may grow meanwhile.
        """
        if not len(self._keys):
            return
        ids = np.minimum(np.searchsorted(self._keys, texts.keys), len(self._keys) - 1)
        kept = (self._keys[ids] == texts.keys) & ~found[texts.rows]
        rows, ids = texts.rows[kept], ids[kept]
        if self._alone is not None:
            for row, partner in self._alone.pairs(Shingles(rows, self._keys[ids], texts.sizes), found):
                yield row, self._smallest[partner]
            kept = ~found[rows]
            rows, ids = rows[kept], ids[kept]
        owned = rows * len(self._keys) + ids  # ascending
        for row, partner, shared in self._pairs(rows, ids):
            core = self._cores.of_text[partner]
            most = shared + self._cores.counts[core]
            hopeful = np.flatnonzero(self._enough(most, texts.sizes[row], self._sizes[partner]))
            left, in_core = row[hopeful], core[hopeful]
            total = shared[hopeful] + self._cores.shared(left, in_core, owned, len(self._keys))
            matched = self._enough(total, texts.sizes[left], self._sizes[partner[hopeful]])
            yield left[matched], partner[hopeful][matched]

    def _pairs(self, rows: np.ndarray, ids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield pairs that share rare shingles: the text's row, the indexed text's, and how many they share."""
        texts = len(self._sizes)
        pairs = shared = np.zeros(0, np.int64)
        for owners, places in _slices(self._starts[ids], self._counts[ids]):
            more, counts = np.unique(rows[owners] * texts + self._rows[places], return_counts=True)
            pairs, inverse = np.unique(np.concatenate([pairs, more]), return_inverse=True)
            shared = np.bincount(inverse, np.concatenate([shared, counts])).astype(np.int64)
            whole = np.searchsorted(pairs, pairs[-1] // texts * texts)  # the last text may go on in the next slice
            yield pairs[:whole] // texts, pairs[:whole] % texts, shared[:whole]
            pairs, shared = pairs[whole:], shared[whole:]
        yield pairs // texts, pairs % texts, shared


class _Cores:
    """The different sets of common shingles that texts have; the first is the empty one.

    Args:
        rows: int64 [m], the text that has a common shingle, ascending.
        ids: int64 [m], the shingle, ascending within a text.
        sizes: int64 [n], how many shingles each text has in all.

    Attributes:
        of_text: int64 [n], each text's core.
        counts: int64 [cores], how many shingles each core has.
        smallest: int64 [cores], the smallest text of each core, the first of equal ones; -1 = there is none.
    """

    def __init__(self, rows: np.ndarray, ids: np.ndarray, sizes: np.ndarray) -> None:
        numbers = {b"": 0}
        lengths = np.bincount(rows, minlength=len(sizes))
        ends = np.cumsum(lengths)
        self.of_text = np.zeros(len(sizes), np.int64)
        for row in np.flatnonzero(lengths).tolist():
            content = ids[ends[row] - lengths[row] : ends[row]].tobytes()
            self.of_text[row] = numbers.setdefault(content, len(numbers))
        self._ids = np.frombuffer(b"".join(numbers), ids.dtype)
        self.counts = np.array([len(content) // ids.itemsize for content in numbers], np.int64)
        self._starts = np.cumsum(self.counts) - self.counts
        self._sizes = np.full(len(numbers), np.iinfo(np.int64).max)
        np.minimum.at(self._sizes, self.of_text, sizes)
        self.smallest = np.full(len(numbers), -1)
        order = np.lexsort((sizes, self.of_text))
        cores, first = np.unique(self.of_text[order], return_index=True)
        self.smallest[cores] = order[first]

    def alone(self, enough: Enough) -> tuple[Shingles, np.ndarray]:
        """Return the cores that are enough for a text that has no other shingle, and the smallest text of each.

        Ids stand for the keys.
        """
        kept = (self.counts > 0) & enough(self.counts, self.counts, self._sizes)
        rows = np.repeat(np.cumsum(kept) - 1, np.where(kept, self.counts, 0))
        return Shingles(rows, self._ids[np.repeat(kept, self.counts)], self._sizes[kept]), self.smallest[kept]

    def shared(self, rows: np.ndarray, cores: np.ndarray, owned: np.ndarray, keys: int) -> np.ndarray:
        """Return how many of its core's shingles each pair's text has.

        Args:
            rows: int64 [pairs], the text.
            cores: int64 [pairs], the core.
            owned: int64, ascending: row * ``keys`` + id of each shingle that a text has.
            keys: how many ids there are.
        """
        pairs, inverse = np.unique(rows * len(self.counts) + cores, return_inverse=True)
        rows, cores = pairs // len(self.counts), pairs % len(self.counts)
        shared = np.zeros(len(pairs), np.int64)
        for owners, places in _slices(self._starts[cores], self.counts[cores]):
            wanted = rows[owners] * keys + self._ids[places]
            at = np.minimum(np.searchsorted(owned, wanted), len(owned) - 1)
            shared += np.bincount(owners[owned[at] == wanted], minlength=len(pairs))
        return shared[inverse]


def _slices(starts: np.ndarray, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the members of ranges, one range after the other, ``SLICE`` at a time: the range's number, the member."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    for begin in range(0, total, SLICE):
        positions = np.arange(begin, min(begin + SLICE, total))
        owners = np.searchsorted(ends, positions, side="right")
        yield owners, starts[owners] + positions - (ends[owners] - counts[owners])


def distinct_shingles(words: np.ndarray, offsets: np.ndarray, width: int) -> Shingles:
    """Return the different shingles of ``width`` words that each text has.

    Shingles with an unknown word have no key, for no indexed text has them; each counts as different.

    Args:
        words: uint64 [m], all texts' word ids.
        offsets: int64 [n+1], where each text begins and ends among them.
        width: words of a shingle.
    """
    texts = len(offsets) - 1
    rows = np.repeat(np.arange(texts), np.diff(offsets))
    count = max(0, len(words) - width + 1)
    rows, ends = rows[:count], offsets[1:][rows[:count]]
    keys, known = np.zeros(count, np.uint64), np.ones(count, bool)
    for shift in range(width):
        word = words[shift : shift + count]
        keys = (keys + word) * _MULTIPLIER  # wraps around
        keys ^= keys >> np.uint64(29)
        known &= word != UNKNOWN
    inside = np.arange(count) + width <= ends
    unknown = np.bincount(rows[inside & ~known], minlength=texts)
    rows, keys = rows[inside & known], keys[inside & known]
    order = np.lexsort((keys, rows))
    rows, keys = rows[order], keys[order]
    first = np.ones(len(rows), bool)
    first[1:] = (rows[1:] != rows[:-1]) | (keys[1:] != keys[:-1])
    rows, keys = rows[first], keys[first]
    return Shingles(rows, keys, np.bincount(rows, minlength=texts) + unknown)
