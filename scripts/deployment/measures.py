"""Measurements of a packed student: each in this process on warm students, or in a fresh one."""

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill_jax.choosing.own_process import in_own_process
from distill_jax.choosing.timing import latencies
from distill_jax.inference.predictor import Predictor

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_BATCH_TURNS = 7


def cold(path: Path, turns: int) -> dict[str, float]:
    """Return the median seconds from a process's start to its first answer, and the bytes that it then has."""
    seconds, resident = [], []
    for _ in range(turns):
        started = time.perf_counter()
        resident.append(in_own_process(path)["memory_bytes"])
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.median(seconds), "resident_bytes": statistics.median(resident)}


def one_by_one(model: Predictor, texts: Sequence[str]) -> dict[str, float]:
    """Return the seconds that a text alone takes, as quantiles over texts."""
    p50, p99 = latencies(model.predict, texts)
    return {"p50": p50 / 1e3, "p99": p99 / 1e3}


def by_batch(model: Predictor, texts: Sequence[str]) -> dict[int, float]:
    """Return the seconds a text takes, by how many are given at once: the same texts, the quickest of some turns."""
    found, same = {}, list(texts[: BATCHES[-1]])
    for size in BATCHES:
        turns = []
        for _ in range(_BATCH_TURNS):
            started = time.perf_counter()
            for first in range(0, len(same), size):
                model.predict(same[first : first + size])
            turns.append(time.perf_counter() - started)
        found[size] = min(turns) / len(same)
    return found


def rates(first: Predictor, second: Predictor, texts: Sequence[str], turns: int) -> tuple[list[float], list[float]]:
    """Return the texts a second of two students, turn about, each with a tokenizer that has met no word."""
    found: tuple[list[float], list[float]] = ([], [])
    for model in (first, second):
        model.predict(list(texts))  # programs are compiled
    for _ in range(turns):
        for model, rates_ in zip((first, second), found, strict=True):
            anew = model.anew()
            started = time.perf_counter()
            anew.predict(list(texts))
            rates_.append(len(texts) / (time.perf_counter() - started))
    return found


def measured(
    packed: Path, run: Path, model: Predictor, whole: Predictor, texts: Sequence[str], turns: int
) -> dict[str, Any]:
    """Return all that is measured of a packed student beside the run that it comes from, as JSON values."""
    ours, theirs = rates(model, whole, texts, turns)
    ratio = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    found = {
        "bytes": packed.stat().st_size,
        "cold": {"packed": cold(packed, 3 * turns), "run": cold(run, turns)},
        "one_text": {"packed": one_by_one(model, texts), "run": one_by_one(whole, texts)},
        "seconds_a_text_by_batch": by_batch(model, texts),
        "texts_per_second": {"packed": statistics.median(ours), "run": statistics.median(theirs)},
        "ratio": {"median": statistics.median(ratio), "least": min(ratio), "most": max(ratio)},
    }
    return json.loads(json.dumps(found))
