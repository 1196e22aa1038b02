"""A split's tokens as the arrays that compiled training steps read: where each row begins and ends is data."""

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.export.format import LONGEST_TEXT

_ALIGNMENT = 64  # bytes; XLA on the CPU takes an array that begins at a multiple as it is, without a copy
_MOST_TOKENS = 2**31 - LONGEST_TEXT  # indices are int32, and reach beyond the last row by its longest


def token_arrays(tokens: Ragged, least: int = 0) -> dict[str, np.ndarray]:
    """Return ``tokens`` int32 [room] or [room, ngrams], and each row's ``starts`` and ``stops``, int32 [rows].

    Beyond the last token there is room that nothing looks at (on a CPU it takes no memory): a power of two in all, so
    that splits of like size share the compiled program.

    Args:
        tokens: the rows.
        least: for how many tokens there is room at least.

    Raises:
        InputError: more tokens than can be counted.
    """
    count = len(tokens.ids)
    if count > _MOST_TOKENS:
        raise InputError(f"train: expected at most {_MOST_TOKENS:,} tokens, got {count:,}")
    room = 1 << max(10, (max(count, least) - 1).bit_length())
    held = aligned((room, *tokens.ids.shape[1:]), np.int32)
    held[:count] = tokens.ids
    return {"tokens": held, "starts": tokens.starts.astype(np.int32), "stops": tokens.stops.astype(np.int32)}


def aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """Return an array, not initialised, that begins at a multiple of ``_ALIGNMENT`` bytes."""
    size = np.dtype(dtype).itemsize * int(np.prod(shape))
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size].view(dtype).reshape(shape)
