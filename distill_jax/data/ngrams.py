"""Word n-grams over token ids, hashed into buckets: what a bag of words lacks, the order of neighbouring tokens.

A bucket is a row of the table behind the vocabulary's, so that an n-gram is one more "token" of its text.

References:
    Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification", section 2.2; Weinberger et al. 2009.
"""

import numpy as np

from distill_jax.errors import InputError

_FACTOR = np.uint64(116_049_371)  # the multiplier of fastText's own hash of n-grams


def hashed_ngrams(input_ids: np.ndarray, ngrams: int, *, vocab_size: int, buckets: int, pad_id: int) -> np.ndarray:
    """Return padded rows with the n-grams that start at each token, int32 [n, length, ngrams].

    Place 0 is the token itself, place k the bucket of the k + 1 tokens from there on, as an id from ``vocab_size`` to
    ``vocab_size + buckets − 1``; or ``pad_id`` where one of them is padding or the row ends.

    Args:
        input_ids: int [n, length].
        ngrams: the longest n-gram, in tokens.
        vocab_size: ids of the tokens themselves.
        buckets: how many rows the n-grams share.
        pad_id: the id of padding.
    """
    rows, length = input_ids.shape
    ends = np.repeat(np.arange(1, rows + 1) * length, length)
    flat = hashed_ngrams_of_flat(
        input_ids.reshape(-1), ends, ngrams, vocab_size=vocab_size, buckets=buckets, pad_id=pad_id
    )
    return flat.reshape(rows, length, ngrams)


def hashed_ngrams_of_flat(
    ids: np.ndarray, ends: np.ndarray, ngrams: int, *, vocab_size: int, buckets: int, pad_id: int
) -> np.ndarray:
    """Return the same for texts that stand one after the other, int32 [tokens, ngrams].

    Args:
        ids: int [tokens].
        ends: int [tokens], one more than the place of the last token of each one's text.
        ngrams: as for ``hashed_ngrams``, like the others.
        vocab_size: ids of the tokens themselves.
        buckets: how many rows the n-grams share.
        pad_id: the id of padding.

    Raises:
        InputError: there are n-grams and no buckets.
    """
    if ngrams > 1 and buckets < 1:
        raise InputError(f"buckets: expected at least 1 for n-grams, got {buckets}")
    found = np.full((len(ids), ngrams), pad_id, np.int32)
    found[:, 0] = ids
    real = ids != pad_id
    places, hashes, whole = np.arange(len(ids)), ids.astype(np.uint64), real
    for extra in range(1, min(ngrams, len(ids))):
        left = len(ids) - extra
        hashes = hashes[:left] * _FACTOR + ids[extra:].astype(np.uint64)  # modulo 2^64, as in C
        whole = whole[:left] & real[extra:] & (places[extra:] < ends[:left])
        found[:left, extra][whole] = vocab_size + (hashes[whole] % np.uint64(buckets)).astype(np.int32)
    return found
