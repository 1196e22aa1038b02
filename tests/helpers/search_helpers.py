"""A tiny export with every split, a small space, and trials without Optuna, for the tests of the search."""

import numpy as np

from distill_jax.export.writer import ExportWriter
from scripts.search.space import Choice, Real, Whole
from tiny_export import WORDS, tiny_header, tiny_part, tiny_tokenizer

SPLITS = {"train": 120, "validation": 60, "transfer": 90, "test": 50}
SMALL_SPACE = {
    "embedding_dim": Whole(4, 8, 4),
    "ngrams": Whole(1, 1),
    "buckets": Choice((64,)),
    "epochs": Whole(1, 2),
    "learning_rate": Real(0.05, 2.0),
    "batch_size": Choice((1,)),
    "soft_loss": Choice(("kl", "mse")),
    "temperature": Real(1.0, 8.0, step=0.5),
    "alpha": Real(0.0, 0.5, step=0.1),
    "transfer_share": Real(0.0, 1.0, step=0.25),
}


def write_split_export(folder, splits=SPLITS):
    """Write a tiny export with these splits and return it."""
    writer, first = ExportWriter(folder, tiny_header()), 0
    for seed, (split, rows) in enumerate(splits.items(), start=1):
        writer.write(split, 0, tiny_part(rows, seed, first))
        first += rows
    writer.write_tokenizer(tiny_tokenizer().to_str())
    writer.write_token_embeddings(np.random.default_rng(0).normal(size=(WORDS + 4, 8)))
    writer.finish(dict.fromkeys(splits, 1), writer.header.teacher)
    return folder


class RandomTrial:
    """Draws each setting at random, as Optuna's trials do."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def suggest_categorical(self, _, values):
        return values[self._rng.integers(len(values))]

    def suggest_int(self, _, low, high, step):
        return int(low + step * self._rng.integers((high - low) // step + 1))

    def suggest_float(self, _, low, high, step, log):
        assert log == (step is None)
        if log:
            return float(np.exp(self._rng.uniform(np.log(low), np.log(high))))
        return float(low + step * self._rng.integers(round((high - low) / step) + 1))
