"""The corpus's tables: the same reviews in each format, with columns for every task, and a folder of shards."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.fuzz.mutations.packed import PACKINGS
from scripts.trials.inputs import TABLE, TEXTS

TABLES, SHARDS, HUB, BODIES = "tables", "shards", "hub", "bodies"
Rows = Sequence[dict[str, Any]]
_CARD = """---
configs:
- config_name: en
  data_files:
  - split: train
    path: en/train-*
  - split: test
    path: [en/test-*]
- config_name: de
  data_dir: de
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': sad
          '1': joy
---
# Reviews
"""


def write_tables(inputs: Path) -> None:
    """Write the tables and the shards of the corpus's reviews; to be called where pyarrow may start threads."""
    with (inputs / TABLE).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    tables = inputs / TABLES
    tables.mkdir()
    shutil.copyfile(inputs / TEXTS, tables / "texts.txt")
    _write_formats(tables / "reviews", rows)
    _write_formats(tables / "wide", _wide(rows))
    _write_csv(tables / "reviews.tsv", rows, "\t")
    _write_csv(tables / "semicolons.csv", rows, ";")
    (tables / "array.json").write_text(json.dumps(rows, indent=1))
    lines = [
        f"__label__{row['label']} {row['text']} {'__label__more' * (index % 9 == 0)}" for index, row in _each(rows)
    ]
    (tables / "lines.train").write_text("\n".join(lines) + "\n")
    for suffix, (pack, _) in PACKINGS.items():
        name = "reviews.zip" if suffix == ".zip" else f"reviews.csv{suffix}"
        (tables / name).write_bytes(pack((tables / "reviews.csv").read_bytes()))
    pack = PACKINGS[".zst"][0]
    (tables / "reviews.jsonl.zst").write_bytes(pack((tables / "reviews.jsonl").read_bytes()))
    _write_answers(tables, [row["text"] for row in rows])
    _write_shards(inputs / SHARDS, rows)
    _write_hub(inputs / HUB, rows)
    _write_bodies(inputs / BODIES, [row["text"] for row in rows])


def _each(rows: Rows) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(rows))


def _wide(rows: Rows) -> list[dict[str, Any]]:
    """Return the rows with a column of everything that a table may have beside a text and a class."""
    return [
        {
            **row,
            "title": f"t{index % 5}",
            "score": index % 9 / 2,
            "tags": [tag for tag, every in (("quick", 2), ("slow", 3)) if index % every == 0],
            "joined": ";".join(tag for tag, every in (("quick", 2), ("slow", 3)) if index % every == 0),
            "quick": int(index % 2 == 0),
            "slow": int(index % 3 == 0),
            "part": ("train", "test", "train", "validation")[index % 4],
            "author": f"author {index % 7}",
            "votes": 1 + index % 4,
            "answer": {"quick": index % 5 / 5, "slow": index % 3 / 3},
            "p_quick": index % 5 / 5,
            "p_slow": index % 3 / 3,
        }
        for index, row in _each(rows)
    ]


def _write_formats(stem: Path, rows: Rows) -> None:
    """Write rows as CSV, JSON lines and Parquet; in CSV, lists and objects stand as JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _write_csv(stem.with_suffix(".csv"), rows, ",")
    _write_jsonl(stem.with_suffix(".jsonl"), rows)
    pq.write_table(pa.Table.from_pylist(list(rows)), stem.with_suffix(".parquet"), row_group_size=20)


def _write_csv(path: Path, rows: Rows, separator: str) -> None:
    cells = [[cell if isinstance(cell, str) else json.dumps(cell) for cell in row.values()] for row in rows]
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=separator).writerows([[*rows[0]], *cells])


def _write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_answers(tables: Path, texts: Sequence[str]) -> None:
    """Write tables with a teacher's answers: an object or a list of votes in a column, or a column for each class."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shares = [1 + index % 7 for index in range(len(texts))]
    answers = [{"pos": share / 10, "neg": 1 - share / 10} for share in shares]
    rows = [{"text": text, "answer": answer} for text, answer in zip(texts, answers, strict=True)]
    votes = [{**row, "answer": ["pos"] * share + ["neg"]} for row, share in zip(rows, shares, strict=True)]
    _write_jsonl(tables / "answers.jsonl", rows)
    _write_jsonl(tables / "votes.jsonl", votes)
    pq.write_table(pa.Table.from_pylist(rows), tables / "answers.parquet", row_group_size=20)
    counts = [{**row, "pos": share, "neg": 1, "answer": ["neg"]} for row, share in zip(rows, shares, strict=True)]
    _write_jsonl(tables / "counts.jsonl", counts)
    pq.write_table(pa.Table.from_pylist(votes), tables / "votes.parquet", row_group_size=20)
    _write_csv(tables / "answers.csv", [{**row, **answer} for row, answer in zip(rows, answers, strict=True)], ",")


def _write_shards(folder: Path, rows: Rows) -> None:
    """Write a folder as a hub has it: shards of the training split, a test split, and notes."""
    (folder / "data").mkdir(parents=True)
    shards = {"train-00000-of-00002": rows[:40], "train-00001-of-00002": rows[40:70], "test-00000-of-00001": rows[70:]}
    for name, part in shards.items():
        _write_csv(folder / "data" / f"{name}.csv", part, ",")
    (folder / "README.md").write_text("reviews\n")
    (folder / "dataset_info.json").write_text("{}\n")


def _write_hub(folder: Path, rows: Rows) -> None:
    """Write a data set as a hub has it: a card with subsets and classes, and tables that name their classes too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbered = [{**row, "label": index % 2} for index, row in _each(rows)]
    note = {"info": {"features": {"label": {"names": ["sad", "joy"], "_type": "ClassLabel"}}}}
    (folder / "en").mkdir(parents=True)
    (folder / "de").mkdir()
    for name, part in (("train-0", numbered[:40]), ("train-1", numbered[40:70]), ("test-0", numbered[70:])):
        table = pa.Table.from_pylist(list(part))
        described = table.replace_schema_metadata({"huggingface": json.dumps(note)})
        pq.write_table(described, folder / "en" / f"{name}.parquet")
    _write_csv(folder / "de" / "train.csv", numbered, ",")
    (folder / "README.md").write_text(_CARD)


def _write_bodies(folder: Path, texts: Sequence[str]) -> None:
    """Write bodies of requests."""
    folder.mkdir()
    (folder / "texts.json").write_text(json.dumps({"texts": list(texts)}))
    _write_jsonl(folder / "texts.jsonl", [{"text": text} for text in texts])
    (folder / "texts.txt").write_text("\n".join(texts))
