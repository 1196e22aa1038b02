"""Texts → rows of token ids, with the teacher's own tokenizer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from distill_jax.data.long_texts import cut_side, encode_kept, tokenizing
from distill_jax.data.ragged import Ragged

_CHUNK = 1024


def encode(tokenizer: Any, texts: Sequence[str], advance: Callable[[int], object] = lambda _: None) -> Ragged:
    """Tokenize texts, special tokens included, cut as the tokenizer is set to.

    Args:
        tokenizer: a ``tokenizers.Tokenizer`` that truncates.
        texts: n texts.
        advance: is called with the number of texts done since its last call.

    Raises:
        InputError: the tokenizer fails on a text.
    """

    def rows_of(chunk: list[str]) -> Ragged:
        with tokenizing(len(chunk)):
            return Ragged.of([encoding.ids for encoding in tokenizer.encode_batch_fast(chunk)])

    longest = tokenizer.truncation["max_length"]
    parts = [Ragged.of([])]
    for start in range(0, len(texts), _CHUNK):
        chunk = list(texts[start : start + _CHUNK])
        parts.append(encode_kept(chunk, rows_of, longest, cut_side(tokenizer)))
        advance(len(chunk))
    return Ragged.concatenate(parts)


def padded_batch(tokens: Ragged, pad_id: int, side: str = "right") -> tuple[np.ndarray, np.ndarray]:
    """Return rows padded to the longest of them, behind their ends or, with ``side`` left, before their beginnings.

    Returns:
        ``input_ids`` int64 [rows, longest] and ``attention_mask`` int64 of the same shape (1 = real). A row without
        a token shows one pad token, for attention over nothing is not a number.
    """
    width = max(1, int(tokens.lengths.max(initial=0)))
    mask = np.arange(width) < np.maximum(tokens.lengths, 1)[:, None]
    input_ids = tokens.padded(width, pad_id).astype(np.int64)
    if side == "left":
        order = np.argsort(mask, axis=1, kind="stable")
        input_ids, mask = (np.take_along_axis(array, order, axis=1) for array in (input_ids, mask))
    return input_ids, mask.astype(np.int64)
