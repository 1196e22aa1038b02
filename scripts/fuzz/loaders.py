"""Every loader: what it reads of the corpus, how it is called, and what a right answer is."""

import contextlib
import dataclasses
import functools
import io
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from scripts.fuzz import corpus
from scripts.fuzz.mutations import HOSTILE_TEXTS, hostile_value
from scripts.trials.inputs import EXPORT, TEACHER

TEXTS = ["w1 w2 w3", "", "W4, w5! [SEP] w6", "w7 " * 200, "\u4f60\u597d w8\u0301", "\x07w9"]
_CLASSES = 5


class WrongAnswerError(Exception):
    """A loader has returned what is none: a number that is not finite, an id that is not in the vocabulary."""


@dataclasses.dataclass(frozen=True)
class Loader:
    """A loader.

    Attributes:
        name: its name.
        source: the file or folder of the corpus that it reads; None = what it takes is drawn.
        read: called with the mutated copy's path and a source of chance; ends in a right answer or raises.
        patterns: which files of the folder are mutated.
        sign: makes the folder's checksums right again.
    """

    name: str
    source: str | None
    read: Callable[[Path, random.Random], None]
    patterns: tuple[str, ...] = ("*",)
    sign: Callable[[Path], None] | None = None


def _require(right: bool, what: str) -> None:
    if not right:
        raise WrongAnswerError(what)


def _check_model(model: Any) -> None:
    probabilities = model.predict_proba(TEXTS)
    _require(probabilities.shape == (len(TEXTS), len(model.label_names)), "probabilities of another shape")
    _require(bool(np.isfinite(probabilities).all()), "probabilities that are not finite")
    _require(bool(np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)), "probabilities that do not sum to 1")
    _require(set(model.predict(TEXTS)) <= set(model.label_names), "an answer that is no label")


def _run(folder: Path, _: random.Random) -> None:
    import distill_jax as dj
    from distill_jax.reporting.page import render_page
    from distill_jax.reporting.results import csv_text, terminal_table
    from distill_jax.reporting.table import build_table
    from distill_jax.runs.folder import read_run

    _check_model(dj.load(folder))
    runs = [read_run(folder)]
    table = build_table(runs)
    terminal_table(table)
    csv_text(table).encode()
    render_page(table, runs, "report").encode()


def _checkpoint(folder: Path, _: random.Random) -> None:
    import distill_jax as dj
    from distill_jax.runs.checkpoints import load_snapshot
    from distill_jax.runs.folder import CHECKPOINTS

    load_snapshot(folder / CHECKPOINTS)
    _check_model(dj.load(folder))


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
        _require(bool(((ids >= 0) & (ids < export.manifest.vocab_size)).all()), "token ids beyond the vocabulary")
        _require(bool(((labels >= -1) & (labels < len(export.label_names))).all()), "labels beyond the classes")
        _require(rows.teacher_logits is None or bool(np.isfinite(rows.teacher_logits).all()), "logits not finite")
    _require(bool(np.isfinite(read_token_embeddings(folder, export.manifest)).all()), "embeddings not finite")


def _tokenizer(path: Path, _: random.Random) -> None:
    from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer, require_ids_below

    tokenizer = load_tokenizer(path, corpus.LENGTH)
    require_ids_below(100_000, tokenizer, path, "config.json")
    rows = FastTokenizer(tokenizer, corpus.LENGTH).encode(TEXTS)
    _require(len(rows) == len(TEXTS) and bool((rows.lengths <= corpus.LENGTH).all()), "rows of another length")
    _require(bool(((rows.ids >= 0) & (rows.ids < 100_000)).all()), "token ids beyond the vocabulary")
    library = [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]
    _require([row.tolist() for row in np.split(rows.ids, rows.stops[:-1])] == library, "other ids than the library's")


def _table(path: Path, _: random.Random) -> None:
    from teacher_export.data.dataset import load_dataset
    from teacher_export.options.data import DataConfig

    options: dict[str, Any] = {"dataset": "table", "text_column": ("text",), "label_column": "label"}
    data = load_dataset(DataConfig(data=(path,), **options))
    for split in data.splits.values():
        _require(all(type(text) is str and text.encode() is not None for text in split.texts), "a text that is none")
        _require(
            bool(((split.labels >= 0) & (split.labels < len(data.label_names))).all()), "labels beyond the classes"
        )
    _require(len(set(data.label_names)) == len(data.label_names), "two classes of one name")


def _answers(path: Path, draw: random.Random) -> None:
    from teacher_export.data.output_rows import load_answered
    from teacher_export.options.data import DataConfig
    from teacher_export.options.table_teacher import OutputKind, TableTeacherConfig

    kind: OutputKind = draw.choice(get_args(OutputKind)) if path.name != "votes.jsonl" else "votes"
    columns = ("pos", "neg") if path.suffix == ".csv" and draw.random() < 0.5 else ("answer",)
    table = load_answered(DataConfig("table", (path,), ("text",)), TableTeacherConfig(columns, kind))
    names = table.dataset.label_names
    for split in table.dataset.splits.values():
        logits = split.teacher_logits
        assert logits is not None
        _require(logits.shape == (len(split), len(names)), "answers of other rows")
        _require(bool(np.isfinite(logits).all()), "an answer that is not finite")
    _require(len(set(names)) == len(names), "two classes of one name")


def _unlabelled(path: Path, _: random.Random) -> None:
    from distill_jax.tables.formats import table_format
    from distill_jax.tables.reading import FORMATS
    from teacher_export.transfer.unlabelled import UnlabelledSource

    table = any(path.name.removesuffix(".gz").endswith(suffix) for suffix in FORMATS)
    source = UnlabelledSource(path, table_format(path) if table else None, ("text",) if table else ())
    _require(all(text.encode() is not None and text.strip() for text in source.texts()), "a text that is none")


def _teacher(folder: Path, _: random.Random) -> None:
    from teacher_export.teacher.loading import load_teacher
    from teacher_export.teacher.logits import predict_logits
    from teacher_export.teacher.source import folder_source
    from teacher_export.teacher.tokens import encode

    names = tuple(f"class {number}" for number in range(_CLASSES))
    teacher = load_teacher(folder_source(folder, "teacher"), names, corpus.LENGTH, 0)
    tokens = encode(teacher.tokenizer, TEXTS)
    sizes: dict[str, Any] = {"batch_size": 8, "max_length": corpus.LENGTH}
    logits = predict_logits(teacher.model, tokens, pad_id=teacher.fill_id, precision="float32", **sizes)
    _require(bool(np.isfinite(logits).all()), "logits that are not finite")


def _finetuned(folder: Path, _: random.Random) -> None:
    from teacher_export.data.dataset import load_dataset
    from teacher_export.options.data import DataConfig
    from teacher_export.teacher.finetune_state import read_record, read_state
    from teacher_export.teacher.source import folder_source
    from teacher_export.teacher.training_rows import require_unseen

    options: dict[str, Any] = {"dataset": "table", "text_column": ("text",), "label_column": "label"}
    config = DataConfig(data=(folder.parent / "reviews.csv",), **options)
    record = read_record(folder)
    read_state(folder, record or {})
    require_unseen(config, load_dataset(config), folder_source(folder, "teacher"))


def _notebook(path: Path, _: random.Random) -> None:
    from scripts.convert.torch_checkpoint import Surroundings, TorchCheckpoint

    names = [f"class {number}" for number in range(_CLASSES)]
    about = {"name": "x", "label_names": names, "pad_id": 0, "max_length": corpus.LENGTH, "teacher": {}}
    _check_model(TorchCheckpoint(Surroundings(path.parent / "wordpiece.json", about)).read(path))


def _vectors(path: Path, _: random.Random) -> None:
    from distill_jax.training.start_embeddings import read_word2vec, table_of_tokens

    tokens = {word: index for index, word in enumerate(corpus.WORDS)}
    vectors = read_word2vec(path, corpus.WIDTH, tokens)
    table, _known = table_of_tokens(vectors, tokens, 100, corpus.WIDTH)
    _require(bool(np.isfinite(table).all()), "vectors that are not finite")


def _study(path: Path, _: random.Random) -> None:
    from scripts.search.study import open_study

    with open_study(path, {"seed": 0}, {}, 0) as study:
        _require(len(study.trials) >= 0, "no trials")


@functools.cache
def _linear(folder: Path) -> Any:
    import distill_jax as dj

    return dj.load(folder)


def _lines(path: Path, _: random.Random) -> None:
    from distill_jax import predict

    _command(predict.main, "--run", str(path.parent / "linear"), str(path))


def _inputs(folder: Path, draw: random.Random) -> None:
    import pandas as pd

    model = _linear(folder)
    row = [
        draw.choice((*HOSTILE_TEXTS, *TEXTS, hostile_value(draw), b"x", np.str_("w1")))
        for _ in range(draw.choice((0, 1, 3)))
    ]
    good = [draw.choice((*TEXTS, "=1", "\0", "nan")) for _ in range(3)]
    texts = draw.choice(
        (
            *(row, tuple(row), iter(row), dict.fromkeys(good), good, np.array(good), np.array(row, object)),
            *(pd.Series(row, dtype=object), pd.DataFrame({"text": good}), pd.Series(good, index=[2, 0, 1])),
            *(hostile_value(draw), "one text", b"bytes", np.array([good, good]), np.array("x"), {*good}, model),
        )
    )
    answers = model.predict(texts)
    _require(set(answers) <= set(model.label_names), "an answer that is no label")


def _options(main: Callable[[], None], words: Sequence[str], folder: Path, draw: random.Random) -> None:
    """Give a command hostile options; whatever they are, it has no run and no table to go on with."""
    values = (
        *HOSTILE_TEXTS[:30],
        "1",
        "0",
        "-1",
        "2",
        "0.5",
        "1e-3",
        "true",
        "cnn",
        "demo",
        str(folder),
        "none",
        "1e400",
        "9" * 40,
    )
    chosen = draw.sample(list(words), min(len(words), draw.choice((0, 1, 2, 4))))
    line = [part for word in chosen for part in (word, *draw.choices(values, k=draw.choice((0, 1, 1, 1, 2))))]
    line = [part for part in line if "\0" not in part and "\ud800" not in part]  # no system passes these on
    _command(main, *line)


def _command(main: Callable[..., None], *words: str) -> None:
    before = sys.argv
    sys.argv = ["command", *words]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            main()
    finally:
        sys.argv = before


def _parse_train() -> None:
    from distill_jax.train import parse

    parse(sys.argv[1:])


def _parse_export() -> None:
    from teacher_export.command_line import parse_arguments

    parse_arguments(sys.argv[1:])


def _report() -> None:
    from distill_jax.report import main

    main()


def _compare() -> None:
    from distill_jax.compare import main

    main()


@functools.cache
def _words(main: Callable[[], None]) -> tuple[str, ...]:
    text = io.StringIO()
    before = sys.argv
    sys.argv = ["command", "--help"]
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            main()
    finally:
        sys.argv = before
    return tuple(sorted(set(re.findall(r"--[a-z][a-z-]*", text.getvalue())) - {"--help"}))


def _of_options(name: str, main: Callable[[], None]) -> Loader:
    return Loader(name, None, lambda folder, draw: _options(main, _words(main), folder, draw))


def all_loaders() -> tuple[Loader, ...]:
    """Return every loader."""
    run_files = ("config.json", "history.csv", "metrics.json", "test_predictions.npz", "weights.npz", "tokenizer.json")
    tables = tuple(
        Loader(f"{kind}-{suffix}", f"{corpus.TABLES}/{name}", read)
        for kind, read in (("labelled", _table), ("unlabelled", _unlabelled))
        for suffix, name in (
            *(("csv", "reviews.csv"), ("tsv", "reviews.tsv"), ("jsonl", "reviews.jsonl"), ("gz", "packed.csv.gz")),
            ("parquet", "reviews.parquet"),
        )
    )
    return (
        Loader("export", EXPORT, _export),
        Loader("export-signed", EXPORT, _export, sign=corpus.sign_export),
        Loader("run-linear", corpus.LINEAR, _run, (*run_files, "sha256sums.txt")),
        Loader("run-linear-signed", corpus.LINEAR, _run, run_files, sign=corpus.sign_run),
        Loader("run-cnn-signed", corpus.CNN, _run, run_files, sign=corpus.sign_run),
        Loader("checkpoint", corpus.STOPPED, _checkpoint, ("checkpoints/**/*",)),
        Loader("seeds", corpus.SEEDS, _seeds, ("seeds.json", "seed-*/config.json", "seed-*/metrics.json")),
        *(
            Loader(f"tokenizer-{name}", f"{corpus.TOKENIZERS}/{name}.json", _tokenizer)
            for name in ("wordpiece", "bpe", "unigram")
        ),
        *tables,
        *(
            Loader(f"answers-{name}", f"{corpus.TABLES}/{file}", _answers)
            for name, file in (
                *(("jsonl", "answers.jsonl"), ("csv", "answers.csv"), ("parquet", "answers.parquet")),
                ("votes", "votes.jsonl"),
            )
        ),
        Loader("unlabelled-lines", f"{corpus.TABLES}/texts.txt", _unlabelled),
        Loader("predict-lines", f"{corpus.TABLES}/texts.txt", _lines),
        Loader("teacher", TEACHER, _teacher),
        Loader("finetuned", corpus.FINETUNED, _finetuned, ("finetuning.json", "training*", "config.json", "*.npy")),
        Loader("notebook", corpus.CHECKPOINT, _notebook),
        Loader("vectors", corpus.VECTORS, _vectors),
        Loader("study", corpus.STUDY, _study),
        Loader("texts", None, lambda folder, draw: _inputs(folder / corpus.LINEAR, draw)),
        _of_options("options-train", _parse_train),
        _of_options("options-export", _parse_export),
        _of_options("options-report", _report),
        _of_options("options-compare", _compare),
    )
