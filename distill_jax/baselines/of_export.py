"""The simple baselines of an export: trained on what its students learn from."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from distill_jax.baselines.tfidf import Baseline, trained_baselines
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.tasks.registry import task_named
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    from distill_jax.data.examples import Examples
    from distill_jax.data.exports import Export

MOST_ROWS = 200_000
"""Rows that a baseline learns from at most: the training split's first, and the transfer set's first as are left."""


@dataclasses.dataclass(frozen=True)
class Answered:
    """What a baseline says of an export's test rows.

    Attributes:
        name: what it is.
        logits: float32 [test rows, classes].
        rows: how many texts it has learnt from.
        numbers: how many numbers its linear model has.
        bytes: its size (``Baseline.bytes``).
    """

    name: str
    logits: np.ndarray
    rows: int
    numbers: int
    bytes: int


def baselines_of(export: "Export", task: Task, tokenizer: FastTokenizer) -> list[Baseline]:
    """Train the baselines on an export's rows, of which there may be more than ``MOST_ROWS``: the first are taken.

    Args:
        export: with the training rows and, where it has one, the transfer set.
        task: the students'.
        tokenizer: the export's, which gives the texts back.

    Raises:
        InputError: a part of the export is damaged.
    """

    def taken(rows: "Examples", most: int) -> tuple[list[str], "Examples"]:
        rows = rows.take(np.arange(min(len(rows), most)))
        return tokenizer.decode(rows.tokens, export.manifest.pad_id), rows

    texts, train = taken(export.split("train"), MOST_ROWS)
    transfer = None
    if "transfer" in export.manifest.splits:
        further, rows = taken(export.split("transfer"), MOST_ROWS - len(texts))
        transfer = None if rows.teacher_logits is None else (further, rows.teacher_logits)
    return trained_baselines(task, texts, train.labels, train.teacher_logits, len(export.label_names), transfer)


def answered_baselines(export: "Export") -> tuple[np.ndarray, list[Answered]]:
    """Train the baselines of an export and let them answer its test rows.

    Returns:
        The test rows' ids, int64 [n], and what each baseline says of them.

    Raises:
        InputError: a part of the export is damaged.
    """
    tokenizer = FastTokenizer(export.load_tokenizer(), export.manifest.max_length)
    task, test = task_named(export.manifest.task, export.manifest.standardisation), export.test
    texts = tokenizer.decode(test.tokens, export.manifest.pad_id)
    found = []
    for each in baselines_of(export, task, tokenizer):
        logits = each.logits(texts).astype(np.float32)
        found.append(Answered(each.name, logits, each.rows, each.numbers, each.bytes))
    assert test.example_ids is not None
    return test.example_ids, found
