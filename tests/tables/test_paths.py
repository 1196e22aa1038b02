"""Columns within objects and structs, named by a path; and keys that only some rows have."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill_jax.errors import InputError
from distill_jax.tables.reading import column_names, read_rows
from teacher_export.data.dataset import load_dataset
from teacher_export.data.output_rows import load_answered
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig

NESTED = [
    {"review": {"body": "one", "head": {"a.b": "h"}}, "stars": 1},
    {"review": {"body": None}, "stars": 2},
    {"review": None, "stars": 3},
    {"review": {"body": "four", "head": None}, "stars": 4},
]
PATHS = ("review.body", "stars", "review.head.a.b")
CELLS = [("one", 1, "h"), (None, 2, None), (None, 3, None), ("four", 4, None)]


def written(folder, rows, kind):
    path = folder / f"data.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path, "parquet" if kind == "parquet" else "json"


KINDS = pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])


@KINDS
def test_a_path_leads_to_a_value_and_what_is_not_there_is_missing(tmp_path, kind):
    path, file_format = written(tmp_path, NESTED * 300, kind)
    assert set(column_names(path, file_format)) >= {"review", "stars", "review.body", "review.head", "review.head.a.b"}
    assert [row.cells for row in read_rows(path, file_format, PATHS)] == CELLS * 300
    wanted = bytes([0, 0, 0, 1] * 300)
    assert [row.cells for row in read_rows(path, file_format, PATHS, wanted=wanted)] == [CELLS[3]] * 300


@KINDS
def test_a_name_that_has_dots_goes_before_a_path(tmp_path, kind):
    rows = [{"a": {"b": "path", "c": {"d": "deep"}}, "a.b": "name", "a.c": {"e": "both"}}] * 3
    path, file_format = written(tmp_path, rows, kind)
    found = list(read_rows(path, file_format, ("a.b", "a.c.d", "a.c.e")))
    assert [row.cells for row in found] == [("name", "deep", "both")] * 3


def test_a_value_that_is_no_object_has_nothing_within(tmp_path):
    path, _ = written(tmp_path, [{"a": {"b": 1}}, {"a": "text"}, {"a": [{"b": 2}]}, {"b": 3}], "jsonl")
    assert [row.cells for row in read_rows(path, "json", ("a.b",))] == [(1,), (None,), (None,), (None,)]


@KINDS
def test_a_path_that_leads_nowhere_is_named_with_the_closest(tmp_path, kind):
    path, file_format = written(tmp_path, NESTED, kind)
    with pytest.raises(InputError, match=r"it has no column 'review.bodi', only .*; did you mean 'review.body'\?"):
        list(read_rows(path, file_format, ("review.bodi",)))


def test_a_key_that_comes_late_or_seldom_is_a_column_and_missing_elsewhere(tmp_path, capsys):
    rows = [{"text": f"text {i}", **({"label": "ab"[i % 2]} if i > 150 else {})} for i in range(200)]
    path, _ = written(tmp_path, rows, "jsonl")
    dataset = load_dataset(DataConfig("table", (path,), text_column=("text",), label_column="label"))
    assert sum(map(len, dataset.splits.values())) == 49
    assert "200 rows read, 151 dropped (151 missing label), 49 kept" in capsys.readouterr().out


@KINDS
def test_texts_labels_and_answers_may_all_stand_at_paths(tmp_path, kind):
    rows = [
        {"in": {"text": f"text {i}", "who": "x"}, "gold": {"y": "ab"[i % 2]}, "out": {"p": {"a": 0.25, "b": 0.75}}}
        for i in range(20)
    ]
    path, _ = written(tmp_path, rows, kind)
    config = DataConfig("table", (path,), text_column=("in.text", "in.who"), label_column="gold.y")
    table = load_answered(config, TableTeacherConfig(("out.p",)))
    assert table.dataset.label_names == ("a", "b")
    texts = {text for split in table.dataset.splits.values() for text in split.texts}
    assert texts == {f"text {i}\n\nx" for i in range(20)}
    columns = load_answered(config, TableTeacherConfig(("a=out.p.a", "b=out.p.b")))
    assert columns.dataset.fingerprint == table.dataset.fingerprint
