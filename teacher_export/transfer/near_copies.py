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

from collections.abc import Iterable, Sequence

import numpy as np

from teacher_export.transfer.words import normalised_words

SHORT_WORDS = 8
THRESHOLD = 0.5
_LONG_SHINGLE = 3
_SHORT_SHINGLE = 2
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, with its bits well spread (2^64 over the golden ratio)
_UNKNOWN = 0


class NearCopyIndex:
    """An inverted index of protected texts' shingles (word n-grams).

    Args:
        protected: the texts of which nothing may be a copy.
    """

    def __init__(self, protected: Iterable[str]) -> None:
        texts = [normalised_words(text) for text in protected]
        self._copies = {" ".join(words) for words in texts}
        self._ids: dict[str, int] = {}
        for words in texts:
            for word in words:
                self._ids.setdefault(word, len(self._ids) + 1)
        self._long = _ShingleIndex(self._flatten([w for w in texts if len(w) >= SHORT_WORDS]), _LONG_SHINGLE)
        self._short = _ShingleIndex(self._flatten([w for w in texts if len(w) < SHORT_WORDS]), _SHORT_SHINGLE)

    def find(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """Return which texts copy a protected one, bool [n].

        Args:
            texts: n texts, as ``normalised_words`` gives them; some thousands at once are fastest.
        """
        found = np.array([" ".join(words) in self._copies for words in texts], bool)
        flat = self._flatten(texts)
        rows, protected, shared, _ = self._long.shared(flat)
        found[rows[shared >= THRESHOLD * self._long.sizes[protected]]] = True
        rows, protected, shared, sizes = self._short.shared(flat)
        union = sizes[rows] + self._short.sizes[protected] - shared
        found[rows[shared >= THRESHOLD * union]] = True
        return found

    def _flatten(self, texts: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
        """Return all texts' word ids, uint64 [m], and where each text begins and ends among them, int64 [n+1]."""
        ids = self._ids
        flat = np.array([ids.get(word, _UNKNOWN) for words in texts for word in words], np.uint64)
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(words) for words in texts], out=offsets[1:])
        return flat, offsets


class _ShingleIndex:
    """From a shingle to the texts that have it.

    Attributes:
        sizes: int64 [texts], how many different shingles each text has.
    """

    def __init__(self, flat: tuple[np.ndarray, np.ndarray], width: int) -> None:
        self._width = width
        rows, keys, self.sizes = _distinct_shingles(*flat, width)
        order = np.argsort(keys, kind="stable")
        self._rows = rows[order]
        self._keys, self._starts, self._counts = np.unique(keys[order], return_index=True, return_counts=True)

    def shared(self, flat: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Compare texts with the index.

        Returns:
            For each pair of texts that have a shingle in common, the text's row, the indexed text's row and how many
            shingles they share, int64 [pairs] each; and how many shingles each text has, int64 [n].
        """
        rows, keys, sizes = _distinct_shingles(*flat, self._width)
        nothing = np.zeros(0, np.int64)
        if not len(self._keys):
            return nothing, nothing, nothing, sizes
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[places] == keys
        rows, places = rows[known], places[known]
        counts = self._counts[places]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        partners = self._rows[np.repeat(self._starts[places], counts) + within]
        pairs, shared = np.unique(np.repeat(rows, counts) * len(self.sizes) + partners, return_counts=True)
        return pairs // len(self.sizes), pairs % len(self.sizes), shared, sizes


def _distinct_shingles(flat: np.ndarray, offsets: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the different shingles of each text: the text's row and a 64-bit key; and their number by text.

    Shingles with an unknown word have no key, for no protected text has them; each counts as different.
    """
    texts = len(offsets) - 1
    rows = np.repeat(np.arange(texts), np.diff(offsets))
    count = max(0, len(flat) - width + 1)
    rows, ends = rows[:count], offsets[1:][rows[:count]]
    keys, known = np.zeros(count, np.uint64), np.ones(count, bool)
    for shift in range(width):
        word = flat[shift : shift + count]
        keys = (keys + word) * _MULTIPLIER  # wraps around
        keys ^= keys >> np.uint64(29)
        known &= word != _UNKNOWN
    inside = np.arange(count) + width <= ends
    unknown = np.bincount(rows[inside & ~known], minlength=texts)
    rows, keys = rows[inside & known], keys[inside & known]
    order = np.lexsort((keys, rows))
    rows, keys = rows[order], keys[order]
    first = np.ones(len(rows), bool)
    first[1:] = (rows[1:] != rows[:-1]) | (keys[1:] != keys[:-1])
    rows, keys = rows[first], keys[first]
    return rows, keys, np.bincount(rows, minlength=texts) + unknown
