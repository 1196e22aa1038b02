"""Long texts, read only as far as the tokens that are kept of them reach: a text of any length takes bounded memory.

Both halves of the product tokenize so; NumPy alone.
"""

from collections.abc import Callable, Sequence

import numpy as np

from distill_jax.data.ragged import Ragged

_CHARACTERS_A_TOKEN = 32  # far more than texts have; so the first look is nearly always enough


def encode_beginnings(texts: Sequence[str], encode: Callable[[list[str]], Ragged], longest: int) -> Ragged:
    """Return the rows that ``encode`` gives for whole texts.

    A long text is looked at up to some length, then twice as far, until both looks give the same full row, or the text
    is whole. What stands far behind the last token that is kept has no bearing on it in any tokenizer.

    Args:
        texts: n texts.
        encode: texts → rows of at most ``longest`` tokens, cut on the right.
        longest: the most tokens of a row.
    """
    reach = _CHARACTERS_A_TOKEN * longest
    rows = encode([text if len(text) <= reach else text[:reach] for text in texts])
    pending = [index for index, text in enumerate(texts) if len(text) > reach]
    if not pending:
        return rows
    found = [row.tolist() for row in np.split(rows.ids, rows.stops[:-1])]
    for index in pending:
        found[index] = _settled(texts[index], encode, longest, reach, found[index])
    return Ragged.of(found)


def _settled(
    text: str, encode: Callable[[list[str]], Ragged], longest: int, reach: int, before: list[int]
) -> list[int]:
    """Return a text's row, given that of its first ``reach`` characters."""
    while reach < len(text):
        reach *= 2
        row = encode([text[:reach]]).ids.tolist()
        if len(row) == longest and row == before:
            return row
        before = row
    return before
