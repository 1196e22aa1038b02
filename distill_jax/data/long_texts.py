"""Long texts, read only as far as the tokens that are kept of them reach: a text of any length takes bounded memory.

Both halves of the product tokenize so; NumPy alone. A text is cut to its length in tokens by the tokenizer itself
(``tokenizer.py``).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError, refusing

CHARACTERS_A_TOKEN = 32  # far more than texts have; so the first look is nearly always enough
_FARTHEST = 1 << 20  # characters: to normalise what is not ASCII takes up to some 500 bytes for each


def cut_side(tokenizer: Any) -> str:
    """Return on which side a ``tokenizers.Tokenizer`` cuts long texts, ``right`` or ``left``; unset, it is right."""
    return str((tokenizer.truncation or {}).get("direction", "right"))


def tokenizing(count: int) -> AbstractContextManager[None]:
    """Return what raises ``InputError`` for whatever the tokenizers library throws about so many texts."""
    return refusing(lambda reason: f"tokenizer: it cannot tokenize one of {count:,} texts ({reason})")


def encode_kept(
    texts: Sequence[str], encode: Callable[[list[str]], Ragged], longest: int, side: str = "right"
) -> Ragged:
    """Return the rows that ``encode`` gives for whole texts.

    A long text is looked at up to some length, then twice as far, until both looks give the same full row, or the text
    is whole. What stands far from the last token that is kept has no bearing on it where a tokenizer works on words;
    where it does not (Unigram on a run of thousands of equal characters), ties may be settled otherwise.

    Args:
        texts: n texts.
        encode: texts → rows of at most ``longest`` tokens, cut on ``side``.
        longest: the most tokens of a row.
        side: ``right`` where texts' beginnings are kept, ``left`` where their ends are.

    Raises:
        InputError: a million characters, not all of ASCII, are fewer tokens, as of one word or of accents alone.
    """
    reach = CHARACTERS_A_TOKEN * longest
    rows = encode([part_of(text, reach, side) for text in texts])
    pending = [index for index, text in enumerate(texts) if len(text) > reach]
    while pending:
        _require_bounded([texts[index] for index in pending], reach, longest)
        reach *= 2
        again = encode([part_of(texts[index], reach, side) for index in pending])
        before = rows.take(np.array(pending))
        place = np.arange(len(rows))
        place[pending] = len(rows) + np.arange(len(pending))
        rows = Ragged.concatenate([rows, again]).take(place)
        pending = [
            index
            for row, index in enumerate(pending)
            if reach < len(texts[index]) and not _is_settled(again, before, row, longest)
        ]
    return rows


def _require_bounded(texts: Sequence[str], reach: int, longest: int) -> None:
    """Refuse texts that more memory would be taken for, after a look as far as ``reach``."""
    for text in texts if reach >= _FARTHEST else ():
        if not text.isascii():
            raise InputError(
                f"a text of {len(text):,} characters, which begins with {text[:40]!r}: expected {longest} tokens in "
                f"its {reach:,} characters that may be looked at, got fewer; shorten it"
            )


def part_of(text: str, reach: int, side: str) -> str:
    """Return no more of a text than the characters on the side that is kept."""
    return text[-reach:] if side == "left" else text[:reach]


def _is_settled(rows: Ragged, before: Ragged, row: int, longest: int) -> bool:
    """Whether a row is full and the same as it was in the look before."""
    found, earlier = (each.ids[each.starts[row] : each.stops[row]] for each in (rows, before))
    return len(found) == longest and np.array_equal(found, earlier)
