"""Texts → ragged token ids, with the teacher's own tokenizer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_CHUNK = 1024


def encode(
    tokenizer: Any, texts: Sequence[str], advance: Callable[[int], object] = lambda _: None
) -> tuple[np.ndarray, np.ndarray]:
    """Tokenize texts, special tokens included, cut as the tokenizer is set to, without padding.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``.
        texts: n texts.
        advance: is called with the number of texts done since its last call.

    Returns:
        ``token_ids`` int32 [m] and ``token_offsets`` int64 [n+1]; row i is
        ``token_ids[token_offsets[i]:token_offsets[i+1]]``.
    """
    rows: list[np.ndarray] = []
    for start in range(0, len(texts), _CHUNK):
        chunk = list(texts[start : start + _CHUNK])
        rows.extend(np.asarray(encoding.ids, np.int32) for encoding in tokenizer.encode_batch_fast(chunk))
        advance(len(chunk))
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return np.concatenate(rows) if rows else np.zeros(0, np.int32), offsets


def pad_rows(
    token_ids: np.ndarray, token_offsets: np.ndarray, rows: np.ndarray, pad_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the named rows padded to the longest of them.

    Returns:
        ``input_ids`` int64 [rows, longest] and ``attention_mask`` int64 of the same shape (1 = real). A row without
        a token shows one pad token, for attention over nothing is not a number.
    """
    starts, lengths = token_offsets[rows], np.diff(token_offsets)[rows]
    width = max(1, int(lengths.max(initial=0)))
    mask = np.arange(width) < lengths[:, None]
    input_ids = np.full((len(rows), width), pad_id, np.int64)
    input_ids[mask] = token_ids[(starts[:, None] + np.arange(width))[mask]]
    mask[:, 0] = True
    return input_ids, mask.astype(np.int64)
