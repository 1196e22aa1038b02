"""How many raw texts a trained student labels in a second, by the path that a user's predictions take."""

import time
from pathlib import Path

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer import load_tokenizer
from distill_jax.inference.predictor import Predictor
from distill_jax.machine import machine
from distill_jax.runs.folder import TOKENIZER, read_config
from distill_jax.runs.text_speed import TextSpeed

REPEATS = 5
_MOST_TEXTS = 2_048
_SECONDS = 0.4  # of a repeat, about; slow students label fewer texts in it


def texts_like(folder: Path, tokens: Ragged) -> list[str]:
    """Return texts with the lengths and words of token ids, for an export holds no texts.

    What the export cut off beyond its ``max_length`` is not in them.

    Args:
        folder: a run folder, for its tokenizer.
        tokens: rows of token ids.
    """
    export = read_config(folder)["export"]
    tokenizer = load_tokenizer(folder / TOKENIZER, export["max_length"])
    added = [export["pad_id"], *tokenizer.encode("").ids]
    words = tokens.where(~np.isin(tokens.ids, added))
    rows = [row.tolist() for row in np.split(words.ids, words.stops[:-1])]
    return list(tokenizer.decode_batch(rows, skip_special_tokens=True))


def measure_text_speed(folder: Path, tokens: Ragged) -> TextSpeed:
    """Label the texts of token ids, as far as 2,048 of them, five times with the student in a run folder.

    Every repeat has a predictor of its own, loaded beforehand and not counted: the words that a tokenizer remembers
    would otherwise come from the same texts. Programs are compiled before the first repeat.

    Args:
        folder: the run folder; its checkpoint, configuration and tokenizer are written.
        tokens: rows of token ids, one at least.
    """
    texts = texts_like(folder, tokens.take(np.arange(min(len(tokens), _MOST_TEXTS))))
    predictor = Predictor.load(folder)
    predictor.predict(texts)
    seconds = _seconds(folder, texts)
    if seconds > _SECONDS:
        texts = texts[: max(1, int(len(texts) * _SECONDS / seconds))]
        _seconds(folder, texts)
    # The linear student's scores are looked up by NumPy, whatever JAX's device is.
    device = "cpu" if predictor.scores is not None else _device()
    return TextSpeed.of_repeats(len(texts), [_seconds(folder, texts) for _ in range(REPEATS)], device, machine())


def _device() -> str:
    import jax

    return str(jax.devices()[0].device_kind)


def _seconds(folder: Path, texts: list[str]) -> float:
    predictor = Predictor.load(folder)
    started = time.perf_counter()
    predictor.predict(texts)
    return time.perf_counter() - started
