"""How many raw texts a trained student labels in a second, by the path that a user's predictions take."""

import time

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.inference.predictor import Predictor
from distill_jax.machine import machine
from distill_jax.runs.text_speed import TextSpeed

REPEATS = 5
_MOST_TEXTS = 1_024
_FIRST_TEXTS = 256  # tell how many a repeat has
_SECONDS = 0.1  # of a repeat, about; slow students label fewer texts in it


def measure_text_speed(predictor: Predictor, tokens: Ragged) -> TextSpeed:
    """Label texts with the words of token ids, for an export holds no texts: as far as 1,024 of them, five times.

    What the export cut off beyond its ``max_length`` is not in them. No repeat's tokenizer has met a text before, as
    it would remember the words. Programs are compiled before the first repeat.

    Args:
        predictor: the student.
        tokens: rows of token ids, one at least.
    """
    texts = predictor.tokenizer.decode(tokens.take(np.arange(min(len(tokens), _MOST_TEXTS))), predictor.config.pad_id)
    first = texts[:_FIRST_TEXTS]
    predictor.predict(first)
    texts = texts[: max(1, int(len(first) * _SECONDS / _seconds(predictor, first)))]
    _seconds(predictor, texts)  # more texts, or fewer, may take other programs
    repeats = [_seconds(predictor, texts) for _ in range(REPEATS)]
    return TextSpeed.of_repeats(len(texts), repeats, predictor.network.device, machine())


def _seconds(predictor: Predictor, texts: list[str]) -> float:
    predictor = predictor.anew()
    started = time.perf_counter()
    predictor.predict(texts)
    return time.perf_counter() - started
