"""Groups of texts that copy, or nearly copy, each other, so that none of a group is learnt from while another tests.

What is a near copy, is ``near_copies``'s rule, in either direction: texts of which one is a near copy of the other are
of one group, and so are those that a chain of such pairs connects. All pairs that share a shingle are counted, as a
product of sparse matrices: tens of thousands of sentences take seconds, millions are beyond it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from teacher_export.transfer.near_copies import (
    LONG_SHINGLE,
    SHORT_SHINGLE,
    SHORT_WORDS,
    WordIds,
    is_contained,
    resembles,
)
from teacher_export.transfer.shingles import Enough, Shingles
from teacher_export.transfer.words import normalised_words

_ROWS_AT_ONCE = 500  # of the product, to bound the memory


def near_copy_groups(texts: Sequence[str]) -> np.ndarray:
    """Return each text's group, int64 [n], numbered from 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    words = [normalised_words(text) for text in texts]
    ids: dict[str, int] = {}
    flat = WordIds()
    for of_text in words:
        flat.add(ids.setdefault(word, len(ids) + 1) for word in of_text)
    first: dict[str, int] = {}
    pairs = [np.array([[row, first.setdefault(" ".join(each), row)] for row, each in enumerate(words)]).reshape(-1, 2)]
    is_long = np.array([len(each) >= SHORT_WORDS for each in words], bool)
    pairs += _near_copies(flat.shingles(LONG_SHINGLE), np.flatnonzero(is_long), is_contained)
    pairs += _near_copies(flat.shingles(SHORT_SHINGLE), np.flatnonzero(~is_long), resembles)
    one, other = np.concatenate(pairs).T
    links = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(texts), len(texts)))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _near_copies(shingles: Shingles, protected: np.ndarray, enough: Enough) -> Iterator[np.ndarray]:
    """Yield pairs of a text and a protected one that it nearly copies, int64 [pairs, 2]."""
    from scipy.sparse import csr_array

    keys, columns = np.unique(shingles.keys, return_inverse=True)
    starts = np.searchsorted(shingles.rows, np.arange(len(shingles.sizes) + 1))
    ones = np.ones(len(columns), np.int32)
    owned = csr_array((ones, columns, starts), shape=(len(shingles.sizes), len(keys)))
    theirs = owned[protected].T.tocsr()
    for begin in range(0, len(shingles.sizes), _ROWS_AT_ONCE):
        shared = (owned[begin : begin + _ROWS_AT_ONCE] @ theirs).tocoo()
        rows, others = shared.coords[0] + begin, protected[shared.coords[1]]
        near = enough(shared.data, shingles.sizes[rows], shingles.sizes[others])
        yield np.stack([rows[near], others[near]], axis=1)
