"""Loaders of what is typed and given from Python: options, texts of any type, lines to predict, a study."""

import contextlib
import functools
import io
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.fuzz import corpus
from scripts.fuzz.corpus_tables import TABLES
from scripts.fuzz.loaders.loader import TEXTS, Loader, require
from scripts.fuzz.mutations.values import HOSTILE_TEXTS, hostile_value


def _study(path: Path, _: random.Random) -> None:
    from scripts.search.study import open_study

    with open_study(path, {"seed": 0}, {}, 0) as study:
        require(len(study.trials) >= 0, "no trials")


@functools.cache
def linear(folder: Path) -> Any:
    """Return the corpus's linear student, which is never damaged."""
    import distill_jax as dj

    return dj.load(folder)


def _lines(path: Path, _: random.Random) -> None:
    from distill_jax import predict

    _command(predict.main, "--run", str(path.parent / "linear"), str(path))


def _inputs(folder: Path, draw: random.Random) -> None:
    import pandas as pd

    model = linear(folder)
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
    require(set(answers) <= set(model.label_names), "an answer that is no label")


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


LOADERS = (
    Loader("predict-lines", f"{TABLES}/texts.txt", _lines),
    Loader("study", corpus.STUDY, _study, writes=True),
    Loader("texts", None, lambda folder, draw: _inputs(folder / corpus.LINEAR, draw)),
    _of_options("options-train", _parse_train),
    _of_options("options-export", _parse_export),
    _of_options("options-report", _report),
    _of_options("options-compare", _compare),
)
