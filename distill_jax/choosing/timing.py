"""How long answers take, the same for students and baselines: one text at a time, and many."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

WARM_UP, _ONE_BY_ONE, _REPEATS = 100, 1_000, 3


def latencies(answer: Callable[[list[str]], Any], texts: Sequence[str]) -> tuple[float, float]:
    """Return the median and the 99th percentile of the milliseconds that one text takes, after some that do not count.

    Args:
        answer: from texts to whatever they are answered.
        texts: they are gone through until 1,000 were answered.
    """
    for text in texts[:WARM_UP]:
        answer([text])
    found = []
    for index in range(_ONE_BY_ONE):
        text = texts[(WARM_UP + index) % len(texts)]
        started = time.perf_counter()
        answer([text])
        found.append(1e3 * (time.perf_counter() - started))
    p50, p99 = np.quantile(found, [0.5, 0.99])
    return float(p50), float(p99)


def texts_per_second(answer: Callable[[list[str]], Any], texts: Sequence[str]) -> float:
    """Return how many texts are answered in a second, all at once: the median of three times."""
    found, given = [], list(texts)
    for _ in range(_REPEATS):
        started = time.perf_counter()
        answer(given)
        found.append(len(given) / (time.perf_counter() - started))
    return float(np.median(found))
