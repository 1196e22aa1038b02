"""The most memory that any input takes: ``python -m scripts.benchmark.hostile_memory`` makes inputs, runs, measures."""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.checksums import record_files
from distill_jax.console import format_table, parse_options, run_command, say
from distill_jax.data.tokenizer_file import MAX_FILE_BYTES
from distill_jax.errors import require_range
from distill_jax.export.format import MANIFEST
from distill_jax.results_file import ResultsFile
from scripts.benchmark.growth import run_measured
from scripts.benchmark.hostile_inputs import (
    HEADER,
    JSON_ROWS,
    ROWS,
    Write,
    at_most,
    different_words,
    fill,
    packed,
    parquet_of_a_dictionary,
    parquet_of_huge_values,
    parquet_of_many_columns,
    tokenizer_of,
    zeros_in_an_archive,
)
from scripts.benchmark.machine import describe_machine, describe_versions

RESULTS = "hostile_memory.json"
_COSTS = ResultsFile("scripts.benchmark.hostile_memory", frozenset({"machine", "versions", "costs"}))
LIMIT_BYTES = 2 << 30
_ROOT = Path(__file__).resolve().parent.parent.parent
_VOCABULARY, _LENGTH, _WIDTH, _ROWS_KEPT = 2_000, 64, 2, 300_000
_SHORT = b"a b c,class 0\nd e f,class 1\n"
_REVIEW = b"w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 w20 w21 w22 w23 w24 w25,class %d\n"

# What is written is a little more than is asked for.
_LARGEST_TOKENIZER = at_most(MAX_FILE_BYTES * 19 // 20, tokenizer_of(lambda index: f"w{index}"))

# What a file's name says, and how it is filled.
EXPORT: dict[str, tuple[str, Write]] = {
    "rows of reviews": ("a.csv", fill(_REVIEW % 0 + _REVIEW % 1, HEADER, ROWS)),
    "short rows": ("a.csv", fill(_SHORT, HEADER, ROWS)),
    "one cell": ("a.csv", fill(b"good film ", HEADER + b'"', b'",class 0\n' + ROWS)),
    "one cell of short lines": ("a.csv", fill(b"good\n", HEADER + b'"', b'",class 0\n' + ROWS)),
    "a quotation mark that opens": ("a.csv", fill(_SHORT, HEADER + b'"')),
    "a row of many cells": ("a.csv", fill(b"ab,", HEADER)),
    "a row of cells with line feeds": ("a.csv", fill(b'"\nab",', HEADER)),
    "a header of many columns": ("a.csv", fill(b"ab,", b"text,label,", b"\na b,class 0\n")),
    "blank lines": ("a.csv", fill(b"\n", HEADER, ROWS)),
    "rows of 1 MB": (
        "a.csv",
        fill(b"word " * 200_000 + b",class 0\n" + b"word " * 200_000 + b",class 1\n", HEADER, ROWS),
    ),
    "wide characters": ("a.csv", fill(b"a" * 400 + "😀,class 0\n".encode() + b"b" * 400 + b",class 1\n", HEADER, ROWS)),
    "gzip of rows, 3 times as large": ("a.csv.gz", packed(fill(_SHORT, HEADER, ROWS), 3)),
    "gzip of rows of 1 MB, 20 times as large": (
        "a.csv.gz",
        packed(fill(b"x" * 1_000_000 + b",class 0\n", HEADER, ROWS), 20),
    ),
    **{
        f"{name} of zeros, 20 times as large": (f"a.csv{suffix}", packed(fill(b"\0", HEADER, ROWS), 20))
        for name, suffix in (("zip", ".zip"), ("xz", ".xz"), ("zstd", ".zst"), ("bzip2", ".bz2"))
    },
    "one value": ("a.jsonl", fill(b"good film ", b'{"label": "class 0", "text": "', b'"}\n' + JSON_ROWS)),
    "nested lists": ("a.jsonl", fill(b"[", b'{"text": ')),
    "a list of empty objects": ("a.jsonl", fill(b"{},", b'{"label": "class 0", "text": [', b"0]}\n")),
    "rows of many empty objects": (
        "a.jsonl",
        fill(b'{"text": "a b", "label": "class 1", "k": [' + b"{}," * 300_000 + b"0]}\n", b"", JSON_ROWS),
    ),
    "values of 20 MB": ("a.parquet", parquet_of_huge_values),
    "a dictionary of one value": ("a.parquet", parquet_of_a_dictionary),
    "many columns": ("a.parquet", parquet_of_many_columns),
}
# A table's export with a tokenizer that is given.
TOKENIZE: dict[str, tuple[str, Write]] = {"as many words as may be": ("tokenizer.json", _LARGEST_TOKENIZER)}
PREDICT: dict[str, tuple[str, Write]] = {
    "short lines": ("a.txt", fill(b"w8 w9\n")),
    "empty lines": ("a.txt", fill(b"\n")),
    "different words": ("a.txt", different_words(b"\n")),
    "one line": ("a.txt", fill(b"w8 w9 ")),
    "one word": ("a.txt", fill(b"w")),
    "blanks": ("a.txt", fill(b" ")),
    "a line of accents": ("a.txt", at_most(60_000_000, fill("\u0301".encode(), b"w"))),
    "a line of syllables": ("a.txt", at_most(60_000_000, fill("\uac01".encode()))),
    "lines of 1 MB": ("a.txt", fill(b"w8 w9 " * 170_000 + b"\n")),
    "words of 1 MB": ("a.txt", fill(b"w" * 1_000_000 + b"\n")),
    "control characters": ("a.txt", fill(b"\0" * 100_000 + b"\n")),
    "wide characters": ("a.txt", fill("😀".encode() * 100_000 + b"\n")),
}
TRAIN: dict[str, tuple[str, Write]] = {
    "vectors of one number": ("a.vec", fill(b"w8 1 2\nw9 3 4\n")),
    "vectors of different words": ("a.vec", different_words(b" 1 2\n")),
    "one vector": ("a.vec", fill(b"1 ", b"w8 ")),
    "many words": ("tokenizer.json", tokenizer_of(lambda index: f"w{index}")),
    "a word of 200,000 characters": ("tokenizer.json", tokenizer_of(lambda index: f"{index}" + "w" * 200_000)),
    "as many words as may be": ("tokenizer.json", _LARGEST_TOKENIZER),
    "zeros": ("part-00000.npz", zeros_in_an_archive),
}
COMMANDS = {"export": EXPORT, "tokenize": TOKENIZE, "predict": PREDICT, "train": TRAIN}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """How large the inputs are, which of them, and where the results go."""

    megabytes: int = 100
    """The size of an input."""
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WORD…")] = ()
    """Commands, or parts of the inputs' names; all, where none is given."""
    seconds: float = 300
    """A command that takes longer is stopped: what it has taken until then counts."""
    output: Path = Path("benchmarks")
    """Folder for hostile_memory.json."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command took for an input.

    Attributes:
        command: which.
        name: the input.
        file: its file's name.
        input_bytes: its size.
        status: the command's exit status; -9 = it was stopped after ``--seconds``.
        seconds: wall-clock time, start-up included.
        peak_bytes: the most memory it held at once.
        said: the end of what it said on standard error.
    """

    command: str
    name: str
    file: str
    input_bytes: int
    status: int
    seconds: float
    peak_bytes: int
    said: str


def main() -> None:
    """Parse, measure, write ``hostile_memory.json``."""
    options = parse_options(Arguments, None, prog="python -m scripts.benchmark.hostile_memory", description=__doc__)
    require_range("--megabytes", options.megabytes, 1, 10_000)
    require_range("--seconds", options.seconds, 0, 1e6, low_open=True)
    _COSTS.require_replaceable("--output", options.output / RESULTS)
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="distill-jax-hostile-") as folder:
        for cost in measure(Path(folder), options.megabytes * 1_000_000, options.only, options.seconds):
            costs.append(cost)
            say(f"{cost.command}, {cost.name}: {cost.peak_bytes / 1e6:,.0f} MB, status {cost.status}: {cost.said}")
    machine = {"machine": describe_machine(), "versions": describe_versions()}
    _COSTS.write(options.output / RESULTS, {**machine, "costs": [dataclasses.asdict(cost) for cost in costs]})
    say("\n" + table(costs))


def measure(folder: Path, size: int, only: tuple[str, ...] = (), seconds: float = 300) -> Iterator[Cost]:
    """Yield the cost of each command on each of its inputs, made in ``folder`` with ``size`` bytes.

    Args:
        folder: an empty folder.
        size: the bytes of an input.
        only: as the option.
        seconds: as the option.
    """
    _prepare(folder)
    for command, inputs in COMMANDS.items():
        for name, (file, write) in inputs.items():
            if only and not any(word in f"{command} {name}" for word in only):
                continue
            with tempfile.TemporaryDirectory(dir=folder) as place:
                yield _cost(command, name, Path(place) / file, write, size, seconds)


def table(costs: list[Cost]) -> str:
    """Return the costs as a table, the largest first."""
    body = [
        [
            *(cost.command, f"{cost.file[1:] if cost.file[0] == 'a' else cost.file}: {cost.name}"),
            f"{cost.input_bytes / 1e6:.1f} MB",
            "stopped" if cost.status == -signal.SIGKILL else str(cost.status),
            f"{cost.peak_bytes / 1e6:,.0f} MB",
        ]
        for cost in sorted(costs, key=lambda cost: -cost.peak_bytes)
    ]
    return format_table(["command", "input", "size", "status", "peak memory"], body)


def _prepare(folder: Path) -> None:
    """Make a small teacher, an export, and a run of each kind of student."""
    from scripts.benchmark.exports import write_export
    from scripts.benchmark.synthetic import Language

    language = Language(_VOCABULARY, _VOCABULARY - 100)
    write_export(folder / "export", language, train=200, test=100, length=_LENGTH, mean_length=20)
    teacher = [str(folder / "teacher"), str(_VOCABULARY), str(_LENGTH)]
    for words in (["scripts.benchmark.tiny_teacher", *teacher], ["distill_jax.train", *_training(folder, "run")]):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])}
        subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True, env=environment)


def _training(folder: Path, run: str) -> list[str]:
    paths = ["--export", str(folder / "export"), "--workdir", str(folder / run)]
    return [*paths, "--student", "cnn", "--recipe", "notebook", "--epochs", "1", "--embedding-dim", str(_WIDTH)]


def _cost(command: str, name: str, path: Path, write: Write, size: int, limit: float) -> Cost:
    write(path, size)
    input_bytes = path.stat().st_size
    words = _WORDS[command](path)
    errors = path.with_name("errors")
    status, seconds, peak = run_measured(words, path.with_name("output"), errors, limit)
    lines = errors.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()
    return Cost(command, name, path.name, input_bytes, status, seconds, peak, lines[-1][-300:] if lines else "")


def _export_words(path: Path) -> list[str]:
    words = [str(_ROOT / "scripts" / "export_logits.py"), "--dataset", "table", "--data", str(path)]
    words += ["--text-column", "text", "--label-column", "label", "--precision", "float32"]
    words += ["--teacher", str(path.parent.parent / "teacher"), "--max-rows", str(_ROWS_KEPT)]
    words += ["--max-length", str(_LENGTH)]
    return [*words, "--output", str(path.with_name("exported"))]


def _tokenize_words(path: Path) -> list[str]:
    """Return an export of a table of answers with the file as its tokenizer."""
    answers = path.with_name("answers.csv")
    answers.write_bytes(b"text,pos,neg\n" + b"w8 w9,0.4,0.6\nw9 w10,0.7,0.3\n" * 50)
    words = [str(_ROOT / "scripts" / "export_logits.py"), "--dataset", "table", "--data", str(answers)]
    words += ["--text-column", "text", "--teacher-outputs", "pos", "neg", "--tokenizer", str(path)]
    return [*words, "--output", str(path.with_name("exported"))]


def _predict_words(path: Path) -> list[str]:
    return ["-m", "distill_jax.predict", "--run", str(path.parent.parent / "run"), str(path)]


def _train_words(path: Path) -> list[str]:
    """Return a training on the export with one file of it exchanged, its hash too, or with the file's vectors."""
    import shutil

    folder, export = path.parent, path.with_name("export")
    shutil.copytree(folder.parent / "export", export)
    words = ["-m", "distill_jax.train", *_training(folder, "run")]
    if path.suffix == ".vec":
        return [*words, "--embeddings", str(path)]
    if path.suffix == ".json":
        path.replace(export / path.name)
        record_files(export, path.name)
        return words
    part = export / "train" / path.name
    path.replace(part)
    manifest = json.loads((export / MANIFEST).read_text())
    manifest["splits"]["train"]["parts"][0]["sha256"] = hashlib.sha256(part.read_bytes()).hexdigest()
    (export / MANIFEST).write_text(json.dumps(manifest))
    record_files(export, MANIFEST)
    return words


_WORDS: dict[str, Callable[[Path], list[str]]] = {
    "export": _export_words,
    "tokenize": _tokenize_words,
    "predict": _predict_words,
    "train": _train_words,
}


if __name__ == "__main__":
    run_command(main)
