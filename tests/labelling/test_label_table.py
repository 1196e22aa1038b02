"""A table in, the same table with answers out, whatever the two are written as."""

import csv
import gzip
import io
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import distill_jax
from command_lines import call, refusal
from distill_jax.labelling.inputs import open_table
from distill_jax.predict import main
from tables import read_table, write_table
from tiny_export import LABEL_NAMES, tiny_texts
from tolerances import SIX_DECIMALS

FORMS = (".csv", ".tsv", ".jsonl", ".parquet")
NO_TEXT = {3: None, 11: "", 12: " \n"}
pytestmark = pytest.mark.usefixtures("small_blocks")


def rows_of_texts(count=24, no_text=NO_TEXT):
    texts, _ = tiny_texts(count, 5)
    texts[5] = 'he said "w1",\n\tand w2'
    return [
        {"id": f"{row:03}", "body": no_text.get(row, text), "note": "é, ü;\t\"'" * (row % 3)}
        for row, text in enumerate(texts)
    ]


def label(capsys, student, path, output, *options):
    arguments = ("--run", student, path, "--text-column", "body", "--output", output, *options)
    status, out, error = call(capsys, main, *arguments)
    assert status == 0, error
    return out, error


def expected(student, rows, **columns):
    """Return the texts that have an answer, and what ``Predictor`` says of them."""
    model = distill_jax.load(student)
    rows = [row for row in rows if row["body"] and row["body"].strip()]
    return rows, model.predict([row["body"] for row in rows]), model


@pytest.mark.parametrize("written", FORMS)
@pytest.mark.parametrize("read", FORMS)
def test_rows_are_kept_in_their_order_and_answered_as_the_library_answers(capsys, tmp_path, student, read, written):
    rows = rows_of_texts()
    path, output = write_table(tmp_path / f"in{read}", rows), tmp_path / f"out{written}"
    out, error = label(capsys, student, path, output)
    assert "24 rows labelled" in out
    assert "3 of 24 rows have no text, and so no answer" in error
    found = read_table(output)
    assert list(found[0]) == ["id", "body", "note", "label", "confidence"]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert [row["note"] for row in found] == [row["note"] for row in rows]
    assert [row["body"] or "" for row in found] == [row["body"] or "" for row in rows]
    answered, labels, model = expected(student, rows)
    assert [row["label"] for row in found if row["label"]] == labels.tolist()
    assert len(set(labels)) > 1
    shares = model.predict_proba([row["body"] for row in answered]).max(axis=1)
    np.testing.assert_allclose([float(row["confidence"]) for row in found if row["label"]], shares, atol=SIX_DECIMALS)
    assert [row["id"] for row in found if not row["label"]] == [f"{row:03}" for row in NO_TEXT]
    assert all(row["confidence"] in ("", None) for row in found if not row["label"])


@pytest.mark.parametrize("written", FORMS)
@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_why_is_a_column(capsys, tmp_path, students, task, written):
    rows = rows_of_texts()
    path, output = write_table(tmp_path / "in.csv", rows), tmp_path / f"out{written}"
    label(capsys, students[task], path, output, "--explain", "--workers", "2")
    found = [row["why"] for row in read_table(output)]
    answered, _, model = expected(students[task], rows)
    why = [each if written == ".jsonl" else json.loads(each) for each in found if each]
    assert why == [json.loads(json.dumps(each.why_json())) for each in model.explain([row["body"] for row in answered])]
    assert len(why) == len(rows) - len(NO_TEXT)


@pytest.mark.parametrize("written", FORMS)
@pytest.mark.parametrize("task", ["single-label", "multi-label", "score"])
def test_what_a_task_answers_is_columns(capsys, tmp_path, students, task, written):
    rows = rows_of_texts(no_text={})
    path, output = write_table(tmp_path / "in.csv", rows), tmp_path / f"out{written}"
    options = () if task == "score" else ("--probabilities",)
    label(capsys, students[task], path, output, "--prefix", "its ", *options)
    _, answers, model = expected(students[task], rows)
    found = read_table(output)
    has_lists = written in (".jsonl", ".parquet")
    if task == "score":
        assert [float(row["its score"]) for row in found] == pytest.approx(answers.tolist(), rel=1e-6)
        return
    if task == "multi-label":
        assert {len(answer) for answer in answers} > {1}
        assert [row["its labels"] for row in found] == [list(a) if has_lists else ";".join(a) for a in answers]
    shares = model.predict_proba([row["body"] for row in rows])
    for place, name in enumerate(LABEL_NAMES):
        column = [float(row[f"its probability:{name}"]) for row in found]
        np.testing.assert_allclose(column, shares[:, place], atol=SIX_DECIMALS)


def test_a_score_has_no_probabilities(capsys, tmp_path, students):
    path = write_table(tmp_path / "in.csv", rows_of_texts())
    options = ("--run", students["score"], path, "--text-column", "body", "--probabilities")
    assert refusal(capsys, main, *options).startswith("--probabilities: a student of scores gives numbers")


def test_several_text_columns_are_joined_as_an_export_joins_them(capsys, tmp_path, student):
    rows = [{"head": "w1 w2", "body": "w3"}, {"head": "", "body": "w4 w5"}, {"head": "w6", "body": None}]
    path, output = write_table(tmp_path / "in.csv", rows), tmp_path / "out.jsonl"
    status, *_ = call(
        capsys, main, "--run", student, path, "--text-column", "head", "--text-column", "body", "--output", output
    )
    assert status == 0
    texts = ["w1 w2\n\nw3", "w4 w5", "w6"]
    assert [row["label"] for row in read_table(output)] == distill_jax.load(student).predict(texts).tolist()


def test_fields_stay_as_they_stand_letter_for_letter(capsys, tmp_path, student):
    fields = [
        "",
        " x ",
        '"',
        '""',
        ",",
        "\n",
        "\r\n",
        "a\rb",
        "\r",
        "é\u2028",
        "007",
        "1e400",
        "\ufeff",
        "'",
        "\\n",
        "N/A",
    ]
    rows = [{"body": "w1", "a": each, "b": other} for each in fields for other in fields]
    path, output = write_table(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    label(capsys, student, path, output)
    assert [(row["a"], row["b"]) for row in read_table(output)] == [(row["a"], row["b"]) for row in rows]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_columns_of_one_name_stay_in_csv_and_are_refused_elsewhere(capsys, tmp_path, student, form):
    path = tmp_path / f"in.{form}"
    if form == "csv":
        path.write_text("x,body,x\n1,w1,2\n")
    else:
        pq.write_table(pa.table([["1"], ["w1"], ["2"]], names=["x", "body", "x"]), path)
    label(capsys, student, path, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("x,body,x,label,confidence\n1,w1,2,")
    for options in ([], ["--output", tmp_path / "out.jsonl"], ["--output", tmp_path / "out.parquet"]):
        words = ("--run", student, path, "--text-column", "body", *options)
        assert "the table has several columns 'x'" in refusal(capsys, main, *words)


@pytest.mark.parametrize("form", ["csv", "tsv", "csv.gz", "parquet"])
@pytest.mark.parametrize(
    "row",
    ['{"body": "w1", "n": "\\ud800x"}', '{"body": "w1", "\\udc00": [1]}', '{"body": "w1", "n": [{"a": "\\uD800"}]}'],
)
def test_half_a_surrogate_pair_in_any_column_is_refused_by_row(capsys, tmp_path, student, row, form):
    path = tmp_path / "in.jsonl"
    path.write_text('{"body": "w1", "n": "\\ud83d\\ude00"}\n' + row + "\n")
    words = ("--run", student, path, "--text-column", "body")
    message = refusal(capsys, main, *words, "--output", tmp_path / f"out.{form}")
    assert "row 2" in message
    assert "got half a surrogate pair in it or its name" in message
    label(capsys, student, path, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text().splitlines()[1].startswith(row[:-1])


def test_numbers_of_one_column_are_of_a_type_that_holds_each_of_them(capsys, tmp_path, student):
    exact, large = 2**53, 2**53 + 1
    columns = {"few": [1, 2.5], "exact": [exact, 2.5], "large": [large, 2.5], "whole": [1, large], "huge": [1, 2**63]}
    rows = [{"body": "w1", **{name: values[row] for name, values in columns.items()}} for row in range(2)]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    label(capsys, student, path, tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    kinds = {"few": "double", "exact": "double", "large": "string", "whole": "int64", "huge": "string"}
    assert {name: str(written.schema.field(name).type) for name in kinds} == kinds
    assert {name: [json.loads(str(each)) for each in written[name].to_pylist()] for name in columns} == columns


def test_json_stays_as_it_stands_byte_for_byte(capsys, tmp_path, student):
    lines = [
        '{"body":"w1","n":1.10,"big":123456789012345678901234567890,"e":1E5,"s":"\\u00e9\\/","l":[1, {"a": null}]}',
        '{ "body" : "w2 w3" , "later": {"x":[ ]} }',
        '{"body": null}',
    ]
    (tmp_path / "in.jsonl").write_text("\n\n".join(lines))
    label(capsys, student, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    found = (tmp_path / "out.jsonl").read_text().splitlines()
    for line, its in zip(lines, found, strict=True):
        assert its.startswith(line.removesuffix("}").rstrip() + ', "label": ')
    assert found[2] == '{"body": null, "label": null, "confidence": null}'
    indented = json.dumps([json.loads(line) for line in lines], indent=2)
    (tmp_path / "array.json").write_text(indented)
    label(capsys, student, tmp_path / "array.json", tmp_path / "array.jsonl")
    assert read_table(tmp_path / "array.jsonl") == read_table(tmp_path / "out.jsonl")


def test_objects_become_columns_of_all_their_names(capsys, tmp_path, student):
    rows = [
        {"body": "w1", "n": 1, "x": 1, "t": True, "l": [1, {"a": "é"}], "mixed": 1},
        {"body": "w2", "n": None, "x": 2.5, "late": "é", "mixed": "a", "huge": 2**70},
    ]
    path = write_table(tmp_path / "in.jsonl", rows)
    label(capsys, student, path, tmp_path / "out.csv")
    first, second = read_table(tmp_path / "out.csv")
    assert list(first)[:-2] == ["body", "n", "x", "t", "l", "mixed", "late", "huge"]
    assert list(first.values())[:-2] == ["w1", "1", "1", "true", '[1, {"a": "é"}]', "1", "", ""]
    assert list(second.values())[:-2] == ["w2", "", "2.5", "", "", "a", "é", str(2**70)]
    label(capsys, student, path, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert [str(field.type) for field in table.schema][:-2] == [
        "string", "int64", "double", "bool", "string", "string", "string", "string",
    ]  # fmt: skip
    assert table.column("x").to_pylist() == [1.0, 2.5]


def test_parquet_keeps_types_nulls_and_its_schema_s_notes(capsys, tmp_path, student):
    import datetime as dt
    import decimal

    columns = {
        "when": pa.array([dt.datetime(2020, 1, 2, 3, 4, 5), None, dt.datetime(1999, 1, 1)], pa.timestamp("us")),
        "price": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("2.00")], pa.decimal128(9, 2)),
        "body": pa.array(["w1 w2", None, "w3"]),
        "tags": pa.array([["a"], None, []], pa.list_(pa.string())),
        "inner": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": "b"}]),
        "code": pa.array(["a", "b", "a"]).dictionary_encode(),
        "raw": pa.array([b"\xff", None, b"a"]),
        "number": pa.array([1.5, float("nan"), None]),
        "small": pa.array([1, None, 3], pa.int8()),
    }
    table = pa.table(columns).replace_schema_metadata({"by": "somebody"})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=2)
    label(capsys, student, tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == [*columns, "label", "confidence"]
    table = pq.read_table(tmp_path / "in.parquet")
    assert str(found.select(list(columns)).to_pylist()) == str(table.to_pylist())
    assert [found.schema.field(name) for name in columns] == [table.schema.field(name) for name in columns]
    assert found.schema.metadata[b"by"] == b"somebody"
    label(capsys, student, tmp_path / "in.parquet", tmp_path / "out.jsonl")
    first, second, _ = read_table(tmp_path / "out.jsonl")
    assert first == {
        "when": "2020-01-02T03:04:05", "price": "1.10", "body": "w1 w2", "tags": ["a"], "inner": {"x": 1, "y": "a"},
        "code": "a", "raw": "/w==", "number": 1.5, "small": 1,
        "label": first["label"], "confidence": first["confidence"],
    }  # fmt: skip
    assert {name: value for name, value in second.items() if value is not None} == {"code": "b"}


def test_a_text_may_stand_within_a_struct(capsys, tmp_path, student):
    rows = [{"in": {"body": "w1 w2"}}, {"in": {"body": "w3"}}]
    for form in (".jsonl", ".parquet"):
        path = write_table(tmp_path / f"in{form}", rows)
        arguments = ("--run", student, path, "--text-column", "in.body", "--output", tmp_path / f"out{form}")
        assert call(capsys, main, *arguments)[0] == 0
        found = read_table(tmp_path / f"out{form}")
        assert [row["label"] for row in found] == distill_jax.load(student).predict(["w1 w2", "w3"]).tolist()
        assert [row["in"] for row in found] == [row["in"] for row in rows]


@pytest.mark.parametrize("form", [".csv", ".jsonl"])
def test_a_packed_output_holds_the_plain_one(capsys, tmp_path, student, form):
    path = write_table(tmp_path / "in.csv", rows_of_texts())
    label(capsys, student, path, tmp_path / f"out{form}")
    label(capsys, student, path, tmp_path / f"out{form}.gz")
    assert gzip.decompress((tmp_path / f"out{form}.gz").read_bytes()) == (tmp_path / f"out{form}").read_bytes()


def test_without_an_output_it_writes_json_lines(capsysbinary, tmp_path, student):
    path = write_table(tmp_path / "in.csv", rows_of_texts())
    label(capsysbinary, student, path, tmp_path / "out.jsonl")
    status, out, error = call(capsysbinary, main, "--run", student, path, "--text-column", "body")
    assert status == 0
    assert out == (tmp_path / "out.jsonl").read_bytes()
    assert b"24 rows labelled" in error


def test_a_dialect_is_read_and_what_is_written_is_csv(capsys, tmp_path, student):
    path = tmp_path / "in.csv"
    path.write_bytes('body;x\nw1;"é"\n'.encode("latin-1"))
    label(capsys, student, path, tmp_path / "out.csv", "--encoding", "latin-1", "--quoting", "none")
    ((header, row),) = [list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text())))]
    assert header == ["body", "x", "label", "confidence"]
    assert row[:2] == ["w1", '"é"']


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_is_shown_how_far_it_is_and_no_other(capsys, monkeypatch, tmp_path, student, is_terminal):
    path = write_table(tmp_path / "in.csv", rows_of_texts(no_text={}))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    _, error = label(capsys, student, path, tmp_path / "out.csv")
    assert ("labelling: 100%" in error, " rows/s" in error) == (is_terminal, is_terminal)
    assert is_terminal or not error


def test_standard_output_has_lines_of_json_alone(capsysbinary, tmp_path, student):
    (tmp_path / "in.csv").write_text("x;body\n1;w1\n")
    status, out, error = call(capsysbinary, main, "--run", student, tmp_path / "in.csv", "--text-column", "body")
    assert (status, [json.loads(line)["x"] for line in out.splitlines()]) == (0, ["1"])
    assert b"separated by semicolons, as its first line shows" in error


def test_a_table_without_rows_stays_one(capsys, tmp_path, student):
    (tmp_path / "in.csv").write_text("id,body\n")
    for form in (".csv", ".parquet", ".jsonl"):
        label(capsys, student, tmp_path / "in.csv", tmp_path / f"out{form}")
    assert (tmp_path / "out.csv").read_text() == "id,body,label,confidence\n"
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["id", "body", "label", "confidence"]
    assert (tmp_path / "out.jsonl").read_text() == ""


@pytest.mark.parametrize("form", [".csv", ".jsonl", ".parquet"])
def test_a_name_that_is_taken_is_refused_and_a_prefix_helps(capsys, tmp_path, student, form):
    path = write_table(tmp_path / f"in{form}", [{"body": "w1", "label": "good"}])
    arguments = ("--run", student, path, "--text-column", "body", "--output", tmp_path / "out.csv")
    message = refusal(capsys, main, *arguments)
    assert "it has a column 'label' already; name the answers otherwise, with --prefix predicted_" in message
    assert call(capsys, main, *arguments, "--prefix", "predicted_")[0] == 0
    assert list(read_table(tmp_path / "out.csv")[0]) == ["body", "label", "predicted_label", "predicted_confidence"]


def test_a_label_that_holds_the_separator_is_refused(capsys, tmp_path, students):
    path = write_table(tmp_path / "in.csv", rows_of_texts())
    arguments = ("--run", students["multi-label"], path, "--text-column", "body", "--label-separator", "oo")
    assert "the label 'good' has it in it" in refusal(capsys, main, *arguments, "--output", tmp_path / "out.csv")
    assert call(capsys, main, *arguments, "--output", tmp_path / "out.jsonl")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["{in}", "--text-column", "boddy"],
            r"it has no column 'boddy', only 'id', 'body', 'note'; did you mean 'body'",
        ),
        (
            ["{in}", "--text-column", "body", "--output", "{out}.xlsx"],
            "--output {out}.xlsx: expected a name that ends in",
        ),
        (["{in}", "--text-column", "body", "--output", "{in}"], "it is the table that is read; name another file"),
        (["{in}", "--text-column", "body", "--output", "{there}"], "it is there already; name another, or replace it"),
        (["{in}", "--text-column", "body", "--resume"], "--resume goes with --output, got none"),
        (["{in}", "--text-column", "body", "--workers", "-1"], "--workers: expected a number at least 0"),
        (["{in}", "--output", "{out}.csv"], "--output goes with a table; name its column of texts with --text-column"),
        (["{in}", "--separator", ";"], "--separator goes with a table"),
        (["{in}"], "found a table (.csv); name its column of texts with --text-column"),
        (["--text-column", "body"], "--text-column goes with the file of a table, got standard input"),
        (["{lines}", "--text-column", "text"], "expected CSV, TSV, JSON or Parquet, got a file of lines"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(capsys, tmp_path, student, words, message):
    names = {
        "in": tmp_path / "in.csv",
        "out": tmp_path / "out",
        "there": tmp_path / "there.csv",
        "lines": tmp_path / "a.txt",
    }
    write_table(names["in"], rows_of_texts())
    before = names["in"].read_bytes()
    names["there"].write_text("mine\n")
    names["lines"].write_text("w1\n")
    found = refusal(capsys, main, "--run", student, *(word.format(**names) for word in words))
    assert message.format(**names) in found
    assert (names["in"].read_bytes(), names["there"].read_text()) == (before, "mine\n")
    assert not list(tmp_path.glob("*.part"))


def test_a_bad_row_is_named_and_nothing_stands_under_the_final_name(capsys, tmp_path, student):
    path = write_table(tmp_path / "in.csv", rows_of_texts())
    path.write_text(path.read_text() + "only,two\n")
    arguments = ("--run", student, path, "--text-column", "body", "--output", tmp_path / "out.csv")
    assert "row 25 (line 28): expected 3 fields as in the first line, got 2" in refusal(capsys, main, *arguments)
    assert not (tmp_path / "out.csv").exists()


def test_objects_of_too_many_names_are_no_columns(capsys, tmp_path, monkeypatch, student):
    monkeypatch.setattr("distill_jax.labelling.inputs._MOST_NAMES", 40)
    path = tmp_path / "in.jsonl"
    path.write_text(
        "".join(json.dumps({"body": "w1", **{f"{row} {n}": n for n in range(20)}}) + "\n" for row in range(3))
    )
    for form in (".csv", ".parquet"):
        command = ("--run", student, path, "--text-column", "body", "--output", tmp_path / f"out{form}")
        message = refusal(capsys, main, *command)
        assert message.endswith("more than 40 names, and each would be a column; write .jsonl, which needs none")
        assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    label(capsys, student, path, tmp_path / "out.jsonl")


def test_a_block_of_columns_holds_no_more_cells_than_characters(monkeypatch, tmp_path):
    monkeypatch.setattr("distill_jax.labelling.inputs.BLOCK_ROWS", 1 << 14)
    monkeypatch.setattr("distill_jax.labelling.inputs.BLOCK_CHARACTERS", 1_000)
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"body": "w1", str(row): 0}) + "\n" for row in range(200)))
    blocks = list(open_table(path, "json", ("body",), (), needs_columns=True).blocks())
    assert sum(len(block.rows) for block in blocks) == 200
    assert max(len(block.rows) * len(block.rows.names) for block in blocks) < 1_000 + 201


def test_a_row_group_ends_where_it_has_bytes_enough(monkeypatch, tmp_path, capsys, student, small_blocks):
    monkeypatch.setattr("distill_jax.labelling.outputs._GROUP_BYTES", 10_000)
    table = write_table(tmp_path / "in.jsonl", [{"text": "good", "page": "x" * 1000} for _ in range(70)])
    words = ("--run", student, table, "--text-column", "text", "--output", tmp_path / "out.parquet")
    status, _, error = call(capsys, main, *words)
    assert status == 0, error
    found = pq.ParquetFile(tmp_path / "out.parquet").metadata
    assert [found.row_group(index).num_rows for index in range(found.num_row_groups)] == [14] * 5


def test_numbers_that_are_not_finite_are_not_nothing(capsys, tmp_path, student):
    (tmp_path / "in.jsonl").write_text('{"text": "good", "a": 1e400, "b": NaN, "c": -1e400, "d": null}\n')
    words = ("--run", student, tmp_path / "in.jsonl", "--text-column", "text", "--output", tmp_path / "out.csv")
    status, _, error = call(capsys, main, *words)
    assert status == 0, error
    row = read_table(tmp_path / "out.csv")[0]
    assert [row[name] for name in "abcd"] == ["inf", "nan", "-inf", ""]
