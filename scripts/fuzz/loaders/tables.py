"""Loaders of tables: of one class, a score or several labels a row, of a teacher's answers, and of texts alone."""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import numpy as np

from scripts.fuzz.corpus_tables import HUB, SHARDS, TABLES
from scripts.fuzz.loaders.loader import Loader, require, require_labels

_ENCODINGS = ("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "utf-7", "shift_jis", "cp037", "utf-8-sig", "hz")
_SEPARATORS = (";", "tab", ",", "|", " ", "x", "\0", "é")
Options = dict[str, Any]
Drawn = Callable[[random.Random], Options]


def _dialect(draw: random.Random) -> Options:
    """Return options of a file's dialect: mostly its own, else those of another one."""
    from distill_jax.tables.dialect_options import DialectConfig

    given: dict[str, Any] = {
        "separator": draw.choice(_SEPARATORS),
        "quoting": "none",
        "encoding": draw.choice(_ENCODINGS),
        "no_header": True,
        "escaped_line_feeds": True,
    }
    chosen = {name: value for name, value in given.items() if draw.random() < 0.1}
    columns = {"text_column": ("1",), "label_column": "2"} if "no_header" in chosen else {}
    return {"dialect": DialectConfig(**chosen), **columns}


def _one_class(draw: random.Random) -> Options:
    return {"label_column": "label", "keep_labels": draw.choice(((), (), ("NA",), ("-1", "None")))}


def _score(_: random.Random) -> Options:
    return {"task": "score", "label_column": "score"}


def _tags(draw: random.Random) -> Options:
    own = draw.choice(({"label_column": "tags"}, {"label_column": "joined", "label_separator": ";"}, _COLUMNS))
    return {"task": "multi-label", **own}


def _sides(draw: random.Random) -> Options:
    """Return options of columns beside a row's text and label."""
    side = {"split_column": "part", "group_column": "author", "weight_column": "votes"}
    if draw.random() < 0.5:
        del side["group_column" if draw.random() < 0.5 else "split_column"]
    else:
        del side["split_column"], side["weight_column"]
    return {**draw.choice((_one_class, _score, _tags))(draw), **side}


_COLUMNS: Options = {"label_columns": ("quick", "slow")}


def _config(path: Path, draw: random.Random, options: Options) -> Any:
    from teacher_export.options.data import DataConfig

    texts = (("text",), ("title", "text")) if path.stem == "wide" else (("text",),)
    given = {"dataset": "table", "text_column": draw.choice(texts)}
    chance: Options = {
        "on_bad_row": draw.choice(("error", "skip")),
        "max_rows": draw.choice((None, None, None, 60)),
        "drop_duplicates": draw.random() < 0.2,
        "validation_fraction": 0 if "split_column" in options else draw.choice((0, 0.3)),
    }
    return DataConfig(data=(path,), **{**given, **chance, **options})


def _check(data: Any) -> None:
    """Require of a data set what its task and its columns promise."""
    for split in data.splits.values():
        require(all(type(text) is str and text.encode() is not None for text in split.texts), "a text that is none")
        require_labels(split.labels, data.task.name, data.label_names)
        weights = split.weights
        require(weights is None or bool((np.isfinite(weights) & (weights >= 0)).all()), "a weight that is none")


def _of(options: Drawn) -> Callable[[Path, random.Random], None]:
    def read(path: Path, draw: random.Random) -> None:
        from teacher_export.data.dataset import load_dataset

        _check(load_dataset(_config(path, draw, options(draw))))

    return read


def _dialects(path: Path, draw: random.Random) -> None:
    from teacher_export.data.dataset import load_dataset

    _check(load_dataset(_config(path, draw, {"text_column": ("text",), "label_column": "label", **_dialect(draw)})))


def _folder(folder: Path, draw: random.Random) -> None:
    from teacher_export.data.dataset import load_dataset
    from teacher_export.data.folders import with_files_of_folders

    options = {"text_column": ("text",), **_one_class(draw), "validation_fraction": 0, "max_rows": None}
    _check(load_dataset(with_files_of_folders(_config(folder, draw, options))))


def _hub(folder: Path, draw: random.Random) -> None:
    """Read a data set of a hub that gives this folder, whatever it is asked for."""
    import huggingface_hub

    from teacher_export.data.class_names import with_class_names
    from teacher_export.data.dataset import load_dataset
    from teacher_export.data.folders import with_files_of_folders

    name = draw.choice(("en", "en", "de", "", "datasets/en", "en/more", "../..", "%2e%2e", "."))
    path = Path(f"hf://owner/name/{name}")
    chance = {"validation_fraction": 0, "max_rows": None, "label_column": "label", "text_column": ("text",)}
    with mock.patch.object(huggingface_hub, "snapshot_download", return_value=str(folder)):
        data = with_files_of_folders(_config(path, draw, chance))
    inside = [file for files in (data.data, data.test_data, data.validation_data) for file in files or ()]
    require(all(folder.resolve() in file.resolve().parents for file in inside), "a file from elsewhere")
    _check(load_dataset(with_class_names(data)))


def _preset(path: Path, draw: random.Random) -> None:
    """Read a file by the name of a data set, whose columns it may not have."""
    from teacher_export.config import ExportConfig
    from teacher_export.data.dataset import load_dataset
    from teacher_export.data.presets import PRESETS, spelt_out

    name = "fasttext" if draw.random() < 0.8 else draw.choice(sorted(PRESETS))
    task = draw.choice(("single-label", "multi-label"))
    config = _config(path, draw, {"dataset": name, "text_column": (), "task": task})
    _check(load_dataset(spelt_out(ExportConfig(data=config)).data))


def _answers(path: Path, draw: random.Random) -> None:
    from teacher_export.data.output_rows import load_answered
    from teacher_export.options.table_teacher import OutputKind, TableTeacherConfig

    """Read a teacher's answers: in one column or one for each class, named as they are or otherwise."""
    is_counted = path.stem in ("votes", "counts")
    kinds = tuple(kind for kind in get_args(OutputKind) if kind != "score")  # which goes with another task
    kind: OutputKind = "votes" if is_counted and draw.random() < 0.9 else draw.choice(kinds)
    has_columns = path.stem == "counts" or (path.suffix == ".csv" and draw.random() < 0.5)
    columns = draw.choice((("pos", "neg"), ("good=pos", "bad=neg"), ("=pos", "neg="))) if has_columns else ("answer",)
    config = _config(path, draw, {"text_column": ("text",)})
    _check_answers(load_answered(config, TableTeacherConfig(columns, kind)).dataset)


def _task_answers(path: Path, draw: random.Random) -> None:
    """Read a teacher's scores, or its probabilities or logits of several labels, beside labels or without."""
    from teacher_export.data.task_rows import load_answered_task
    from teacher_export.options.table_teacher import OutputKind, TableTeacherConfig

    of_score = draw.random() < 0.4
    kind: OutputKind = "score" if of_score else draw.choice(("probabilities", "logits"))
    columns = ("score",) if of_score else draw.choice((("answer",), ("slow=p_slow", "quick=p_quick")))
    labels = draw.choice(({}, _score(draw) if of_score else _tags(draw)))
    if of_score and labels:
        labels = {"label_column": "votes"}
    options = {"task": "score" if of_score else "multi-label", "text_column": ("text",), **labels}
    _check_answers(load_answered_task(_config(path, draw, options), TableTeacherConfig(columns, kind)).dataset)


def _check_answers(data: Any) -> None:
    for split in data.splits.values():
        logits = split.teacher_logits
        assert logits is not None
        require(logits.shape == (len(split), len(data.label_names)), "answers of other rows")
        require(bool(np.isfinite(logits).all()), "an answer that is not finite")
    _check(data)


def _unlabelled(path: Path, draw: random.Random) -> None:
    from teacher_export.config import ExportConfig
    from teacher_export.options.transfer_set import TransferSetConfig
    from teacher_export.transfer.unlabelled import find_unlabelled

    config = _config(path, draw, {"text_column": ("text",), **_one_class(draw)})
    asked = TransferSetConfig(unlabelled=(path,), unlabelled_column=("text",))
    for source in find_unlabelled(ExportConfig(data=dataclasses.replace(config), transfer_set=asked)):
        require(all(text.encode() is not None and text.strip() for text in source.texts()), "a text that is none")


_KINDS = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "csv.bz2", "csv.xz", "csv.zst", "zip", "jsonl.zst")
_WIDE_KINDS = ("csv", "jsonl", "parquet")


def _named(kind: str, suffix: str) -> str:
    return f"{kind}-{suffix.rsplit('.', maxsplit=1)[-1] if suffix != 'jsonl.zst' else 'jsonl-zst'}"


LOADERS = (
    *(
        Loader(_named(kind, suffix), f"{TABLES}/reviews.{suffix}", read)
        for kind, read in (("labelled", _of(_one_class)), ("unlabelled", _unlabelled))
        for suffix in _KINDS
    ),
    *(
        Loader(f"{kind}-{suffix}", f"{TABLES}/wide.{suffix}", read)
        for kind, read in (
            ("scores", _of(_score)),
            ("tags", _of(_tags)),
            ("sides", _of(_sides)),
            ("task-answers", _task_answers),
        )
        for suffix in _WIDE_KINDS
    ),
    *(
        Loader(f"answers-{name}", f"{TABLES}/{file}", _answers)
        for name, file in (
            *(("jsonl", "answers.jsonl"), ("csv", "answers.csv"), ("parquet", "answers.parquet")),
            *(("votes", "votes.jsonl"), ("votes-parquet", "votes.parquet"), ("counts", "counts.jsonl")),
        )
    ),
    Loader("labelled-array", f"{TABLES}/array.json", _of(_one_class)),
    Loader("dialects", f"{TABLES}/semicolons.csv", _dialects),
    Loader("dialects-tsv", f"{TABLES}/reviews.tsv", _dialects),
    Loader("label-lines", f"{TABLES}/lines.train", _preset),
    Loader("folder", SHARDS, _folder),
    Loader("hub", HUB, _hub),
    Loader("unlabelled-lines", f"{TABLES}/texts.txt", _unlabelled),
)
