"""Loaders of what students are made from and what a training leaves: exports, runs, checkpoints."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.tasks import SCORE_NAME
from scripts.fuzz import corpus
from scripts.fuzz.loaders.loader import TEXTS, Loader, require, require_labels
from scripts.trials.inputs import EXPORT

_RUN_FILES = ("config.json", "history.csv", "metrics.json", "test_predictions.npz", "weights.npz", "tokenizer.json")


def check_model(model: Any) -> None:
    """Require of a student of classes that it answers texts."""
    probabilities = model.predict_proba(TEXTS)
    require(probabilities.shape == (len(TEXTS), len(model.label_names)), "probabilities of another shape")
    require(bool(np.isfinite(probabilities).all()), "probabilities that are not finite")
    require(bool(np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)), "probabilities that do not sum to 1")
    require(set(model.predict(TEXTS)) <= set(model.label_names), "an answer that is no label")


def _run(folder: Path, _: random.Random) -> None:
    import distill_jax as dj
    from distill_jax.reporting.page import render_page
    from distill_jax.reporting.results import csv_text, terminal_table
    from distill_jax.reporting.table import build_table
    from distill_jax.runs.folder import read_run

    check_model(dj.load(folder))
    runs = [read_run(folder)]
    table = build_table(runs)
    terminal_table(table)
    csv_text(table).encode()
    render_page(table, runs, "report").encode()


def _warm(folder: Path, draw: random.Random) -> None:
    """Read a run with a calibration temperature: it changes how sure the student is, and never what it says."""
    import distill_jax as dj

    _run(folder, draw)
    model, cold = dj.load(folder), dj.load(folder.parent / corpus.LINEAR)
    require(bool((model.predict(TEXTS) == cold.predict(TEXTS)).all()), "a temperature that changes an answer")


def _task_run(folder: Path, draw: random.Random) -> None:
    import distill_jax as dj
    from distill_jax.reporting.labels import has_labels, labels_csv
    from distill_jax.reporting.task_report import csv_text, render_page, sentences, terminal_table
    from distill_jax.reporting.task_table import build_task_table
    from distill_jax.runs.folder import read_run

    model = dj.load(folder)
    answers = model.predict(TEXTS)
    if model.task.name == SCORE_NAME:
        require(bool(np.isfinite(answers.astype(float)).all()), "a score that is not finite")
    else:
        shares = model.predict_proba(TEXTS)
        require(bool(((shares >= 0) & (shares <= 1)).all()), "a label's probability that is none")
        require({name for labels in answers for name in labels} <= set(model.label_names), "an answer that is no label")
    runs = [read_run(folder)]
    table = build_task_table(runs, draw.choice((None, 0.5, 2.0)) if model.task.name == SCORE_NAME else None)
    terminal_table(table)
    sentences(table)
    csv_text(table).encode()
    if has_labels(table):
        labels_csv(table).encode()
    render_page(table, runs, "report").encode()


def _packed(path: Path, _: random.Random) -> None:
    import distill_jax as dj

    check_model(dj.load(path))


def _checkpoint(folder: Path, _: random.Random) -> None:
    import distill_jax as dj
    from distill_jax.runs.checkpoints import load_snapshot
    from distill_jax.runs.folder import CHECKPOINTS

    load_snapshot(folder / CHECKPOINTS)
    check_model(dj.load(folder))


def _seeds(folder: Path, _: random.Random) -> None:
    from distill_jax.reporting.comparable_runs import find_runs, read_runs
    from distill_jax.reporting.seeds import terminal_seeds
    from distill_jax.reporting.table import build_table
    from distill_jax.runs.seed_scores import read_seeds

    read_seeds(folder)
    terminal_seeds(build_table(read_runs(find_runs([folder]))))


def _export(folder: Path, _: random.Random) -> None:
    from distill_jax.data.exports import Export
    from distill_jax.data.tokenizer import FastTokenizer
    from distill_jax.export.reader import read_token_embeddings

    export = Export.open(folder)
    FastTokenizer(export.load_tokenizer(), export.manifest.max_length).encode(TEXTS)
    for name in export.manifest.splits:
        rows = export.split(name)
        ids, labels = rows.tokens.ids, rows.labels
        require(bool(((ids >= 0) & (ids < export.manifest.vocab_size)).all()), "token ids beyond the vocabulary")
        require_labels(labels, export.manifest.task, export.label_names)
        require(rows.teacher_logits is None or bool(np.isfinite(rows.teacher_logits).all()), "logits not finite")
    if export.manifest.has_token_embeddings:
        require(bool(np.isfinite(read_token_embeddings(folder, export.manifest)).all()), "embeddings not finite")


LOADERS = (
    Loader("export", EXPORT, _export),
    Loader("export-signed", EXPORT, _export, sign=corpus.sign_export),
    Loader("export-scores-signed", corpus.SCORES, _export, sign=corpus.sign_export),
    Loader("export-tags-signed", corpus.TAGS, _export, sign=corpus.sign_export),
    Loader("run-linear", corpus.LINEAR, _run, (*_RUN_FILES, "sha256sums.txt")),
    Loader("run-linear-signed", corpus.LINEAR, _run, _RUN_FILES, sign=corpus.sign_run),
    Loader("run-cnn-signed", corpus.CNN, _run, _RUN_FILES, sign=corpus.sign_run),
    Loader("run-scores-signed", corpus.SCORES_RUN, _task_run, _RUN_FILES, sign=corpus.sign_run),
    Loader("run-tags-signed", corpus.TAGS_RUN, _task_run, (*_RUN_FILES, "decision.json"), sign=corpus.sign_run),
    Loader("run-warm-signed", corpus.WARM, _warm, ("decision.json",), sign=corpus.sign_run),
    *(Loader(f"packed-{run}", name, _packed) for name, run in corpus.PACKED_OF.items()),
    *(Loader(f"packed-{run}-signed", name, _packed, sign=corpus.sign_packed) for name, run in corpus.PACKED_OF.items()),
    Loader("checkpoint", corpus.STOPPED, _checkpoint, ("checkpoints/**/*",)),
    Loader("seeds", corpus.SEEDS, _seeds, ("seeds.json", "seed-*/config.json", "seed-*/metrics.json")),
)
