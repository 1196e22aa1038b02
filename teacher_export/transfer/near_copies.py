"""Find texts that copy, or nearly copy, a protected text (of the test or validation split).

Texts are compared as words without case and punctuation. What is a near copy depends on the protected text's length:

* **Eight words or more**: at least half of its word trigrams stand in the other text (containment, Broder 1997). So a
  copy within a longer text is found, and one with a word changed here and there; a changed word costs three trigrams.
  A short phrase cannot cover half of a long text, however common the phrase is.
* **Fewer**: word bigrams, and their resemblance: at least half of those that stand in either text stand in both.
  Containment would not do: "a great movie" is ordinary language, and a long review in which it occurs copies nothing.

Equal words are a copy at any length, even a single word.

Reference: A. Z. Broder (1997), On the resemblance and containment of documents.
"""

import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from teacher_export.transfer.shingles import UNKNOWN, ShingleIndex, Shingles, distinct_shingles
from teacher_export.transfer.words import normalised_words

SHORT_WORDS = 8
THRESHOLD = 0.5
_LONG_SHINGLE = 3
_SHORT_SHINGLE = 2
_CHUNK = 4096
_MOST_PENDING = 1 << 20  # pairs in memory at once


class NearCopyIndex:
    """Protected texts, of which copies and near copies are found.

    Args:
        protected: the texts of which nothing may be a copy.
    """

    def __init__(self, protected: Iterable[str]) -> None:
        self._copies: dict[str, int] = {}  # the first text of these words
        self._ids: dict[str, int] = {}
        long, short = _Words(), _Words()
        rows: tuple[list[int], list[int]] = ([], [])  # of the long and of the short ones
        for row, text in enumerate(protected):
            words = normalised_words(text)
            self._copies.setdefault(" ".join(words), row)
            ids = (self._ids.setdefault(word, len(self._ids) + 1) for word in words)
            is_short = len(words) < SHORT_WORDS
            (short if is_short else long).add(ids)
            rows[is_short].append(row)
        self._rows = tuple(np.array(numbers, np.int64) for numbers in rows)
        self._long = ShingleIndex(long.shingles(_LONG_SHINGLE), _is_contained)
        self._short = ShingleIndex(short.shingles(_SHORT_SHINGLE), _resembles)

    def find(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """Return which texts copy a protected one, bool [n].

        Args:
            texts: n texts, as ``normalised_words`` gives them; some thousands at once are fastest.
        """
        found = np.array([" ".join(words) in self._copies for words in texts], bool)
        flat = self._flat(texts)
        self._long.mark(flat.shingles(_LONG_SHINGLE), found)
        self._short.mark(flat.shingles(_SHORT_SHINGLE), found)
        return found

    def pairs(self, texts: Sequence[Sequence[str]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield pairs of a text and a protected one that it copies: their numbers.

        Together with ``twins`` they connect all that copy each other, though not each with each.

        Args:
            texts: as ``find`` has them.
        """
        copies = np.array([self._copies.get(" ".join(words), -1) for words in texts], np.int64)
        yield np.flatnonzero(copies >= 0), copies[copies >= 0]
        flat = self._flat(texts)
        for index, rows, width in self._indexes():
            for text, partner in index.pairs(flat.shingles(width), np.zeros(len(texts), bool)):
                yield text, rows[partner]

    def twins(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield pairs of protected texts of which the first copies the second: their numbers."""
        for index, rows, _ in self._indexes():
            for text, partner in index.twins():
                yield rows[text], rows[partner]

    def _indexes(self) -> tuple[tuple[ShingleIndex, np.ndarray, int], ...]:
        long, short = self._rows
        return (self._long, long, _LONG_SHINGLE), (self._short, short, _SHORT_SHINGLE)

    def _flat(self, texts: Sequence[Sequence[str]]) -> "_Words":
        flat = _Words()
        for words in texts:
            flat.add(self._ids.get(word, UNKNOWN) for word in words)
        return flat


def near_copy_groups(texts: Sequence[str]) -> np.ndarray:
    """Return a number for each text, int [n]: texts of one number copy each other, directly or by way of others.

    Groups are numbered as they first come. Where a phrase is very common, texts of little else may get one number
    without being copies.
    """
    index = NearCopyIndex(texts)
    groups, pending, count = np.arange(len(texts)), [*index.twins()], 0
    for first in range(0, len(texts), _CHUNK):
        words = [normalised_words(text) for text in texts[first : first + _CHUNK]]
        for text, partner in index.pairs(words):
            pending.append((text + first, partner))
            count += len(text)
            if count > _MOST_PENDING:
                groups, pending, count = _joined(groups, pending), [], 0
    groups = _joined(groups, pending)
    _, first_rows, group = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first_rows))[group])


def _joined(groups: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the groups of n texts after those of each pair's two have become one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = [groups[np.concatenate([np.zeros(0, np.int64), *(pair[side] for pair in pairs)])] for side in (0, 1)]
    links = coo_matrix((np.ones(len(ends[0]), bool), tuple(ends)), (len(groups), len(groups)))
    return np.asarray(connected_components(links, directed=False)[1][groups])


class _Words:
    """The word ids of many texts, one text after the other."""

    def __init__(self) -> None:
        self._ids = array.array("Q")
        self._offsets = array.array("q", [0])

    def add(self, ids: Iterable[int]) -> None:
        """Take in a text."""
        self._ids.extend(ids)
        self._offsets.append(len(self._ids))

    def shingles(self, width: int) -> Shingles:
        """Return the different shingles of ``width`` words of each text."""
        return distinct_shingles(np.array(self._ids, np.uint64), np.array(self._offsets, np.int64), width)


def _is_contained(shared: np.ndarray, _: np.ndarray, protected: np.ndarray) -> np.ndarray:
    return shared >= THRESHOLD * protected


def _resembles(shared: np.ndarray, text: np.ndarray, protected: np.ndarray) -> np.ndarray:
    return shared >= THRESHOLD * (text + protected - shared)
