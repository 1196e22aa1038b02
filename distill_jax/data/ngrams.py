"""Word n-grams over token ids, hashed into buckets: what a bag of words lacks, the order of neighbouring tokens.

A bucket is a row of the table behind the vocabulary's, so that an n-gram is one more "token" of its text.

References:
    Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification", section 2.2; Weinberger et al. 2009.
"""

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError

_MULTIPLIER = 116_049_371  # of fastText's own hash of n-grams
FACTOR = np.uint64(_MULTIPLIER)
_WORD = (1 << 64) - 1


def hashed_ngrams(tokens: Ragged, ngrams: int, *, vocab_size: int, buckets: int, pad_id: int) -> Ragged:
    """Return the rows with the n-grams that start at each token, ids int32 [tokens, ngrams].

    Column 0 is the token itself, column k the bucket of the k + 1 tokens from there on, as an id from ``vocab_size`` to
    ``vocab_size + buckets − 1``; or ``pad_id`` where one of them is padding or the row ends.

    Args:
        tokens: rows of tokens alone.
        ngrams: the longest n-gram, in tokens.
        vocab_size: ids of the tokens themselves.
        buckets: how many rows the n-grams share.
        pad_id: the id of padding.

    Raises:
        InputError: there are n-grams and no buckets.
    """
    if ngrams > 1 and buckets < 1:
        raise InputError(f"buckets: expected at least 1 for n-grams, got {buckets}")
    ids, ends = tokens.ids, np.repeat(tokens.stops, tokens.lengths)
    found = np.full((len(ids), ngrams), pad_id, np.int32)
    found[:, 0] = ids
    real = ids != pad_id
    positions, hashes, whole = np.arange(len(ids)), ids.astype(np.uint64), real
    for extra in range(1, min(ngrams, len(ids))):
        left = len(ids) - extra
        hashes = hashes[:left] * FACTOR + ids[extra:].astype(np.uint64)  # modulo 2^64, as in C
        whole = whole[:left] & real[extra:] & (positions[extra:] < ends[:left])
        found[:left, extra][whole] = vocab_size + (hashes[whole] % np.uint64(buckets)).astype(np.int32)
    return Ragged(found, tokens.lengths)


def ngrams_of_row(ids: list[int], ngrams: int, *, vocab_size: int, buckets: int, pad_id: int) -> list[int]:
    """Return what ``hashed_ngrams`` does for one short row, token by token, without an array's fixed costs."""
    found = []
    for start, first in enumerate(ids):
        found.append(first)
        whole, code = first != pad_id, first
        for place in range(start + 1, start + ngrams):
            whole = whole and place < len(ids) and ids[place] != pad_id
            if whole:
                code = code * _MULTIPLIER + ids[place] & _WORD
            found.append(vocab_size + code % buckets if whole else pad_id)
    return found
