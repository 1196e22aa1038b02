"""One text's pieces with their places in it: what an explanation of an answer points at."""

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np

from distill_jax.data.long_texts import CHARACTERS_A_TOKEN, part_of, tokenizing


@dataclasses.dataclass(frozen=True)
class Pieces:
    """The pieces of a text that a student reads.

    Attributes:
        ids: int32 [pieces].
        tokens: their names in the vocabulary.
        spans: int64 [pieces, 2], where the characters of each begin and end in the text, without white space around
            them; the same twice for a piece of none, such as a special token.
        words: int64 [pieces], the word of each, counted from 0; −1 = it is of none. A word is what the tokenizer takes
            for one, and ends at white space.
        is_cut: whether the text goes on beyond them, unread.
    """

    ids: np.ndarray
    tokens: tuple[str, ...]
    spans: np.ndarray
    words: np.ndarray
    is_cut: bool

    @cached_property
    def word_extents(self) -> np.ndarray:
        """The first piece of each word, and one more than its last: int64 [words, 2]."""
        places = np.flatnonzero(self.words >= 0)
        words = self.words[places]
        first = np.searchsorted(words, np.arange(words.max(initial=-1) + 1), side="left")
        last = np.searchsorted(words, np.arange(words.max(initial=-1) + 1), side="right")
        return np.stack([places[first], places[last - 1] + 1], axis=1).astype(np.int64)

    def span_of(self, first: int, stop: int) -> tuple[int, int]:
        """Return where the characters of some pieces begin and end; 0 and 0 for none."""
        spans = self.spans[first:stop]
        spans = spans[spans[:, 0] < spans[:, 1]]
        return (int(spans[:, 0].min()), int(spans[:, 1].max())) if len(spans) else (0, 0)


def pieces_of(tokenizer: Any, text: str, ids: list[int], longest: int, side: str) -> Pieces:
    """Return the pieces of a text.

    Args:
        tokenizer: a ``tokenizers.Tokenizer`` that truncates.
        text: the text.
        ids: the token ids that ``encode_kept`` gives of it, which say how far it is to be looked at.
        longest: the most tokens of a row.
        side: on which side it is cut (``cut_side``).
    """
    reach = CHARACTERS_A_TOKEN * longest
    while True:
        part = part_of(text, reach, side)
        with tokenizing(1):
            encoding = tokenizer.encode(part)
        if len(part) == len(text) or encoding.ids == ids:
            break
        reach *= 2
    before = len(text) - len(part) if side == "left" else 0
    unread = text[:before] if side == "left" else text[len(part) :]
    is_cut = bool(encoding.overflowing) or bool(unread.strip())
    spans = [
        (0, 0) if word is None else _without_space(text, before + start, before + stop)
        for word, (start, stop) in zip(encoding.word_ids, encoding.offsets, strict=True)
    ]
    words = _words(text, spans, encoding.word_ids)
    return Pieces(
        np.array(encoding.ids, np.int32),
        tuple(encoding.tokens),
        np.array(spans, np.int64).reshape(-1, 2),
        np.array(words, np.int64),
        is_cut,
    )


def _without_space(text: str, start: int, stop: int) -> tuple[int, int]:
    found = text[start:stop]
    return start + len(found) - len(found.lstrip()), max(stop - len(found) + len(found.rstrip()), start)


def _words(text: str, spans: list[tuple[int, int]], names: list[int | None]) -> list[int]:
    """Return each piece's word; a piece of white space alone goes with the word that it begins."""
    words, count, stop, name = [-1] * len(spans), 0, 0, None
    waiting: list[int] = []
    for index, (start, end) in enumerate(spans):
        if names[index] is None:
            continue
        if start >= end:
            waiting.append(index)
            continue
        if names[index] != name or not count or any(map(str.isspace, text[stop:start])):
            count += 1
        name, stop = names[index], end
        for place in (*waiting, index):
            words[place] = count - 1 if names[place] == name else -1
        waiting = []
    return words
