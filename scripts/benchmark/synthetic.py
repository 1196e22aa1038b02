"""Made-up rows with the token statistics of text: frequencies by Zipf's law over the tokens that occur."""

import dataclasses

import numpy as np

CLASSES = 5
PAD_ID = 0
_ZIPF_SHIFT = 2.7  # Mandelbrot's: the most frequent words are less far apart than the ranks alone say
_TYPICAL = 0.2  # share of the words that are drawn from those of the text's class
_SPREAD = 0.6  # of the logarithm of the lengths


@dataclasses.dataclass(frozen=True)
class Language:
    """Which tokens occur, and how often.

    Attributes:
        vocab_size: rows of the embedding table.
        occurring: how many different tokens occur in the rows.
        seed: decides which.
    """

    vocab_size: int
    occurring: int
    seed: int = 0

    def tokens(self) -> np.ndarray:
        """Return the ids that occur, int32 [occurring], the most frequent first; the padding is not among them."""
        rng = np.random.default_rng(self.seed)
        return (1 + rng.permutation(self.vocab_size - 1)[: self.occurring]).astype(np.int32)

    def draw(self, count: int, rng: np.random.Generator, classes: np.ndarray) -> np.ndarray:
        """Return ``count`` tokens, int32; each token that occurs does so at least once where there is room.

        Args:
            count: how many.
            rng: draws them.
            classes: int [count], the class of each one's text: some words are typical of a class.
        """
        weights = 1 / (np.arange(self.occurring) + 1 + _ZIPF_SHIFT)
        ranks = np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(count))
        ranks = np.where(rng.random(count) < _TYPICAL, ranks // CLASSES * CLASSES + classes, ranks)
        ranks = np.minimum(ranks, self.occurring - 1)
        if count >= self.occurring:
            ranks[rng.choice(count, self.occurring, replace=False)] = np.arange(self.occurring)
        return self.tokens()[ranks]


def padded_rows(
    language: Language, rows: int, length: int, mean_length: float | None = None, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``input_ids`` int32 [rows, length] and ``labels`` int32 [rows], five classes.

    Args:
        language: the tokens.
        rows: texts.
        length: the padded length, in tokens.
        mean_length: the mean of the texts' lengths, which are log-normal, cut at ``length``; None = all are full.
        seed: decides the rows.
    """
    rng = np.random.default_rng(seed)
    lengths = draw_lengths(rows, length, mean_length, rng)
    input_ids = np.full((rows, length), PAD_ID, np.int32)
    labels = rng.integers(0, CLASSES, rows).astype(np.int32)
    input_ids[np.arange(length) < lengths[:, None]] = language.draw(int(lengths.sum()), rng, np.repeat(labels, lengths))
    return input_ids, labels


def draw_lengths(rows: int, longest: int, mean: float | None, rng: np.random.Generator) -> np.ndarray:
    """Return log-normal lengths with about this mean, int64 [rows], 3 to ``longest``; None = all are the longest."""
    if mean is None:
        return np.full(rows, longest, np.int64)
    drawn = np.exp(rng.normal(np.log(mean), _SPREAD, rows))
    for _ in range(8):  # cutting at the longest takes from the mean: scale until it is right
        drawn *= mean / np.clip(drawn, 3, longest).mean()
    return np.clip(drawn.round(), 3, longest).astype(np.int64)
