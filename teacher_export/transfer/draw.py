"""A draw of so many texts from a stream of any length, in one pass."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np


def drawn_texts(texts: Iterable[str], count: int, seed: int) -> Iterator[str]:
    """Yield ``count`` of the texts, each as likely as any other, in their order; all of them where there are no more.

    Reservoir sampling (Vitter 1985, algorithm R): no more than ``count`` texts are held.
    """
    stream, chance = enumerate(texts), np.random.default_rng(seed)
    kept = list(itertools.islice(stream, count))
    for number, text in stream:
        place = int(chance.integers(number + 1))
        if place < count:
            kept[place] = number, text
    return (text for _, text in sorted(kept))
