"""Loaders of tables that are labelled: each kind into each form, and a table that is under way."""

import csv
import functools
import gzip
import io
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.fuzz import corpus
from scripts.fuzz.begun_table import OUTPUT, PART, label
from scripts.fuzz.corpus_tables import TABLES
from scripts.fuzz.loaders.commands import linear
from scripts.fuzz.loaders.loader import Loader, require

_ANSWERS = {"its_label", "its_confidence"}
_OUTPUTS = ("out.csv", "out.tsv", "out.jsonl", "out.parquet", "out.csv.gz")


def _label(path: Path, draw: random.Random) -> None:
    """Label a table into the folder in which the process works."""
    from distill_jax.labelling.label_table import label_table
    from distill_jax.labelling.options import TableOptions
    from distill_jax.tables.dialect_options import DialectConfig
    from distill_jax.tables.formats import format_of
    from distill_jax.tables.reading import read_rows

    output = Path(draw.choice(_OUTPUTS)).absolute()
    columns = draw.choice((("text",), ("title", "text"), ("answer.quick",)))
    options = TableOptions(
        columns, output, draw.random() < 0.5, "its_", workers=1, overwrite=True, label_separator=draw.choice((";", ","))
    )
    label_table(path, path.parent / corpus.LINEAR, options, DialectConfig())
    count = sum(1 for _ in read_rows(path, format_of(path, DialectConfig(), columns), columns))
    _check(output, count, linear(path.parent / corpus.LINEAR).label_names)


def _check(output: Path, count: int, names: Sequence[str]) -> None:
    """Require of a labelled table as many rows as were given, each with a class and how sure it is, or with neither."""
    rows = _rows(output)
    require(len(rows) == count, f"{len(rows)} rows of {count}")
    for row in rows:
        label, confidence = row["its_label"], row["its_confidence"]
        require(label in (*names, None, ""), "an answer that is no label")
        require((label in (None, "")) == (confidence in (None, "")), "an answer without its probability")
        require(confidence in (None, "") or 1 / len(names) <= float(confidence) <= 1, "a probability that is none")


def _rows(output: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    if output.suffix == ".parquet":
        return [dict(row) for row in pq.read_table(output, columns=sorted(_ANSWERS)).to_pylist()]
    text = (gzip.decompress(output.read_bytes()) if output.suffix == ".gz" else output.read_bytes()).decode()
    if output.suffix == ".jsonl":
        return [json.loads(line) for line in text.split("\n")[:-1]]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if output.suffix == ".tsv" else ",", strict=True)
    header = next(reader)
    return [dict(zip(header, row, strict=True)) for row in reader]


@functools.cache
def _whole(folder: Path) -> bytes:
    """Return what the table that is under way becomes."""
    place = Path("whole")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    shutil.rmtree(place / PART)
    label(place, folder.parent / corpus.LINEAR)
    return (place / OUTPUT).read_bytes()


def _under_way(folder: Path, _: random.Random) -> None:
    """Go on with a table whose record or rows are damaged: it becomes what it would have been, or is refused."""
    student = folder.parent / corpus.LINEAR
    is_signed = '"sha256"' in (folder / PART / "journal.json").read_text(errors="replace")
    label(folder, student)
    if is_signed:  # older versions recorded no digest
        whole = _whole(student.resolve().parent / folder.name)
        require((folder / OUTPUT).read_bytes() == whole, "another table than one that never stopped")


LOADERS = (
    *(
        Loader(f"label-{suffix}", f"{TABLES}/wide.{suffix}", _label, beside=(corpus.LINEAR,))
        for suffix in ("csv", "jsonl", "parquet")
    ),
    Loader("label-zst", f"{TABLES}/reviews.csv.zst", _label, beside=(corpus.LINEAR,)),
    Loader("label-under-way", corpus.UNDER_WAY, _under_way, (f"{PART}/*",), writes=True),
)
