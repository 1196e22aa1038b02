"""All of a long text for a teacher that reads less at once.

Windows of a teacher's length overlap, and each has the tokenizer's special tokens; a text's logits are the mean of its
windows' (Sun et al. 2019, "How to fine-tune BERT for text classification?", section 5.3.1).
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from distill_jax.data.long_texts import CHARACTERS_A_TOKEN, cut_side, tokenizing
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError

MOST_WINDOWS, MOST_TOKENS = 256, 1 << 17
"""Windows of a text, and the tokens of them all; what is behind them is not read. A text may have two always."""
_CHUNK_TEXTS, _CHUNK_CHARACTERS = 1024, 1 << 20


def cut_at(tokenizer: Any, length: int, overlap: int = 0) -> Any:
    """Return a copy of a ``tokenizers.Tokenizer`` that cuts at ``length`` tokens, on the same side as before."""
    copy = type(tokenizer).from_str(tokenizer.to_str())
    copy.enable_truncation(length, stride=overlap, direction=cut_side(tokenizer))
    return copy


@dataclasses.dataclass(frozen=True)
class WindowReader:
    """Cuts texts into windows.

    Attributes:
        tokenizer: cuts at the windows' length, and knows their overlap.
        reach: characters of a text that are looked at; far more than its windows may have.
        most: windows of a text; what is behind them is not read.
    """

    tokenizer: Any
    reach: int
    most: int

    @classmethod
    def of(cls, tokenizer: Any, length: int, overlap: int) -> "WindowReader":
        """Return a reader of windows.

        Args:
            tokenizer: a ``tokenizers.Tokenizer`` that truncates.
            length: tokens of a window, special ones included.
            overlap: tokens that two neighbours share.

        Raises:
            InputError: less than half of what stands in a window would be new.
        """
        room = length - tokenizer.num_special_tokens_to_add(False)
        if overlap > room // 2:
            raise InputError(
                f"--window-overlap: expected at most {room // 2}, half of the {room} tokens of text in a window, got "
                f"{overlap}"
            )
        most = max(2, min(MOST_WINDOWS, MOST_TOKENS // length))
        tokens = length + (most - 1) * (room - overlap)
        return cls(cut_at(tokenizer, length, overlap), CHARACTERS_A_TOKEN * tokens, most)

    def read(self, texts: Sequence[str]) -> tuple[Ragged, np.ndarray, int]:
        """Return all windows' tokens, text by text; how many each text has, int64 [texts]; how many texts have more.

        Raises:
            InputError: the tokenizer fails on a text.
        """
        rows: list[Ragged] = []
        counts: list[int] = []
        cut = 0
        for chunk in self._chunks(texts):
            with tokenizing(len(chunk)):
                encodings = self.tokenizer.encode_batch(chunk)
            for encoding in encodings:
                windows = [encoding, *encoding.overflowing]
                cut += len(windows) > self.most or len(texts[len(counts)]) > self.reach
                rows.append(Ragged.of([each.ids for each in windows[: self.most]]))
                counts.append(len(rows[-1]))
        return Ragged.concatenate([Ragged.of([]), *rows]), np.array(counts, np.int64), cut

    def _chunks(self, texts: Sequence[str]) -> Iterator[list[str]]:
        reach, from_the_end = self.reach, cut_side(self.tokenizer) == "left"
        chunk: list[str] = []
        characters = 0
        for text in texts:
            part = text[-reach:] if from_the_end else text[:reach]
            if chunk and (len(chunk) == _CHUNK_TEXTS or characters + len(part) > _CHUNK_CHARACTERS):
                yield chunk
                chunk, characters = [], 0
            chunk.append(part)
            characters += len(part)
        if chunk:
            yield chunk


def logits_of_windows(tokens: Ragged, counts: np.ndarray, predict: Callable[[Ragged], np.ndarray]) -> np.ndarray:
    """Return each window's logits, float32 [windows, outputs].

    The first windows are computed apart, in the batches that cut texts stand in: a text of one window has the same
    bits as without windows, whatever stands beside it.

    Args:
        tokens: all windows, text by text.
        counts: int64 [texts], how many of them each text has.
        predict: rows → logits, float32 [rows, outputs].
    """
    is_first = np.zeros(len(tokens), bool)
    is_first[np.cumsum(counts) - counts] = True
    parts = [np.flatnonzero(is_first), np.flatnonzero(~is_first)]
    found = np.concatenate([predict(tokens.take(rows)) for rows in parts])
    return found[np.argsort(np.concatenate(parts))]


def mean_of_windows(logits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return each text's mean, float32 [texts, outputs], of its windows' logits [windows, outputs]."""
    if not len(counts):
        return np.zeros((0, logits.shape[1]), np.float32)
    sums = np.add.reduceat(logits.astype(np.float64), np.cumsum(counts) - counts, axis=0)
    return (sums / counts[:, None]).astype(np.float32)
