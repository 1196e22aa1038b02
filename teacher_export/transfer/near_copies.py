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
from collections.abc import Iterable, Sequence

import numpy as np

from teacher_export.transfer.shingles import UNKNOWN, ShingleIndex, Shingles, distinct_shingles
from teacher_export.transfer.words import normalised_words

SHORT_WORDS = 8
THRESHOLD = 0.5
LONG_SHINGLE = 3
SHORT_SHINGLE = 2


class NearCopyIndex:
    """Protected texts, of which copies and near copies are found.

    Args:
        protected: the texts of which nothing may be a copy.
    """

    def __init__(self, protected: Iterable[str]) -> None:
        self._copies: set[str] = set()
        self._ids: dict[str, int] = {}
        long, short = WordIds(), WordIds()
        for text in protected:
            words = normalised_words(text)
            self._copies.add(" ".join(words))
            ids = (self._ids.setdefault(word, len(self._ids) + 1) for word in words)
            (long if len(words) >= SHORT_WORDS else short).add(ids)
        self._long = ShingleIndex(long.shingles(LONG_SHINGLE), is_contained)
        self._short = ShingleIndex(short.shingles(SHORT_SHINGLE), resembles)

    def find(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """Return which texts copy a protected one, bool [n].

        Args:
            texts: n texts, as ``normalised_words`` gives them; some thousands at once are fastest.
        """
        found = np.array([" ".join(words) in self._copies for words in texts], bool)
        flat = WordIds()
        for words in texts:
            flat.add(self._ids.get(word, UNKNOWN) for word in words)
        self._long.mark(flat.shingles(LONG_SHINGLE), found)
        self._short.mark(flat.shingles(SHORT_SHINGLE), found)
        return found


class WordIds:
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


def is_contained(shared: np.ndarray, _: np.ndarray, protected: np.ndarray) -> np.ndarray:
    """Return whether texts hold enough of the shingles of long protected ones (``shingles.Enough``)."""
    return shared >= THRESHOLD * protected


def resembles(shared: np.ndarray, text: np.ndarray, protected: np.ndarray) -> np.ndarray:
    """Return whether texts and short protected ones have enough shingles in common (``shingles.Enough``)."""
    return shared >= THRESHOLD * (text + protected - shared)
