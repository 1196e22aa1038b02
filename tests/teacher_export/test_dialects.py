"""Tables as people have them: separators, quotation marks that are letters, encodings, no header, JSON arrays."""

import csv
import dataclasses
import gzip
import io
import json

import pandas as pd
import pytest

from distill_jax.errors import InputError
from distill_jax.tables.dialect_options import DialectConfig
from distill_jax.tables.formats import format_of
from distill_jax.tables.reading import read_rows
from teacher_export.command_line import parse_arguments
from teacher_export.data.dataset import load_dataset
from teacher_export.data.output_rows import load_answered
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig

ROWS = [(f"text {i}, with é", "ab"[i % 2]) for i in range(8)]


def config(path, text_column="text", label_column="label", **dialect):
    return DataConfig(
        "table", (path,), text_column=(text_column,), label_column=label_column, dialect=DialectConfig(**dialect)
    )


def texts_of(asked):
    dataset = load_dataset(asked)
    found = {}
    for split in dataset.splits.values():
        for row, text, label in zip(split.example_ids.tolist(), split.texts, split.labels.tolist(), strict=True):
            found[row] = (text, dataset.label_names[label])
    return [found[row] for row in sorted(found)]


def separated(separator, rows=ROWS, header=("text", "label")):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator).writerows([header, *rows] if header else rows)
    return stream.getvalue()


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz"])
@pytest.mark.parametrize(("separator", "word"), [(",", "commas"), (";", "semicolons"), ("\t", "tabs"), ("|", "pipes")])
def test_the_separator_is_seen_in_the_first_line_and_said(tmp_path, capsys, ending, separator, word):
    content = separated(separator).encode()
    path = tmp_path / f"data{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    assert texts_of(config(path)) == ROWS
    is_as_named = separator == ("\t" if ending == ".tsv" else ",")
    assert (f"separated by {word}, as its first line shows" in capsys.readouterr().out) == (not is_as_named)


def test_a_guess_is_said_once_also_where_a_teacher_s_answers_are_looked_for(tmp_path, capsys):
    path = tmp_path / "data.csv"
    path.write_text("text;label;a;b\n" + "".join(f"text {i};{'ab'[i % 2]};0.25;0.75\n" for i in range(8)))
    load_answered(config(path), TableTeacherConfig(("a", "b")))
    assert capsys.readouterr().out.count("separated by semicolons") == 1


@pytest.mark.parametrize("option", ["test_data", "validation_data"])
def test_a_file_that_is_missing_is_named_by_its_own_option(tmp_path, option):
    (tmp_path / "data.csv").write_text(separated(","))
    asked = dataclasses.replace(config(tmp_path / "data.csv"), **{option: (tmp_path / "none.csv",)})
    with pytest.raises(InputError, match=f"none.csv: there is no such file; check --{option.replace('_', '-')}"):
        texts_of(asked)


def test_columns_that_no_separator_finds_are_missing_in_the_file_as_it_is_named(tmp_path):
    (tmp_path / "data.csv").write_text(separated(";"))
    with pytest.raises(InputError, match=r"data.csv: it has no column 'stars'"):
        texts_of(config(tmp_path / "data.csv", label_column="stars"))


@pytest.mark.parametrize("given", ["\x1f", "tab", "Semicolon", ":"])
def test_a_separator_that_is_given_is_taken(tmp_path, given):
    character = {"tab": "\t", "Semicolon": ";"}.get(given, given)
    (tmp_path / "data.csv").write_text(separated(character))
    assert texts_of(config(tmp_path / "data.csv", separator=given)) == ROWS


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "mac-roman"])
def test_a_file_in_another_encoding_is_read_in_blocks_as_in_utf_8(tmp_path, encoding, monkeypatch):
    monkeypatch.setattr("distill_jax.tables.sources._RECODED_BYTES", 3)
    (tmp_path / "data.csv").write_bytes(separated(",").encode(encoding))
    assert texts_of(config(tmp_path / "data.csv", encoding=encoding)) == ROWS


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_by_its_mark_and_said(tmp_path, capsys, order):
    (tmp_path / "data.csv").write_bytes(("\ufeff" + separated("\t")).encode(order))
    assert texts_of(config(tmp_path / "data.csv")) == ROWS
    said = capsys.readouterr().out
    assert "read as UTF-16, as its mark says" in said
    assert "separated by tabs" in said


def test_another_encoding_is_never_guessed_and_the_option_is_named(tmp_path):
    (tmp_path / "data.csv").write_bytes(separated(",").encode("latin-1"))
    with pytest.raises(InputError, match=r"row 1 \(line 2\): expected text in UTF-8.* give its --encoding, such as"):
        texts_of(config(tmp_path / "data.csv"))
    (tmp_path / "data.csv").write_bytes(separated(",").encode() + b"\xff,a\n")
    with pytest.raises(InputError, match=r"expected text in ascii, got something else after .* give another --enc"):
        texts_of(config(tmp_path / "data.csv", encoding="ascii"))


@pytest.mark.parametrize("quoting", ["standard", "none"])
def test_without_a_header_the_columns_are_numbered_and_no_row_is_lost(tmp_path, quoting):
    rows = [(label, "title", text.replace(",", "")) for text, label in ROWS]
    (tmp_path / "data.csv").write_text(separated(",", rows, header=None))
    asked = config(tmp_path / "data.csv", "3", "1", no_header=True, quoting=quoting)
    assert texts_of(asked) == [(text, label) for label, _, text in rows]


def test_a_row_of_another_width_is_named_without_a_header_too(tmp_path):
    (tmp_path / "data.csv").write_text("a,1\nb,2\nc\n")
    with pytest.raises(InputError, match=r"row 3 \(line 3\): expected 2 fields as in the first line, got 1"):
        texts_of(config(tmp_path / "data.csv", "1", "2", no_header=True))


MARKED = [("one", "a"), ('"two', "b"), ("three", "a"), ('four inch"', "b"), ('say "five"', "a"), ("six", "b")]


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_quotation_marks_that_are_letters_merge_no_rows(tmp_path, separator):
    path = tmp_path / "data.csv"
    path.write_text(f"text{separator}label\n" + "".join(f"{text}{separator}{label}\n" for text, label in MARKED))
    with pytest.raises(InputError, match=r"row 2 \(line 3\): a quotation mark opens .* 3 lines.* --quoting none"):
        texts_of(config(path))
    assert texts_of(config(path, quoting="none")) == MARKED


def test_a_field_of_several_lines_that_look_like_rows_is_read_where_it_is_meant_so(tmp_path):
    mail = "Hello,\nthe staff was kind, really\nbut the room was cold, sadly\nbye"
    rows = [(mail, "a"), ("fine", "b"), (mail.replace(",", ";"), "a"), ("good", "b")]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(InputError, match=r"row 1 \(line 2\): .* over 4 lines, .* --quoting multi-line"):
        texts_of(config(tmp_path / "data.csv"))
    assert texts_of(config(tmp_path / "data.csv", quoting="multi-line")) == rows


def test_a_comma_needs_three_lines_that_agree(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in MARKED))
    with pytest.raises(InputError, match=r"row 2 \(line 3\): a quotation mark opens a field .*--quoting none"):
        texts_of(config(path))
    letters = [("Dear all, I\nhave read it", "a"), ("well, yes\nand no", "b"), ("x\ny, z\nv", "a"), ("w", "b")]
    path.write_text(separated(",", letters))
    assert texts_of(config(path)) == letters


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_an_array_of_objects_is_rows(tmp_path, monkeypatch, indent, block):
    monkeypatch.setattr("distill_jax.tables.json_rows._BLOCK_BYTES", block)
    values = [{"text": text, "label": label, "n": [1, {"x": '],"'}]} for text, label in ROWS]
    path = tmp_path / "data.json"
    path.write_text(f" \n{json.dumps(values, indent=indent, ensure_ascii=False)}\n")
    assert texts_of(config(path)) == ROWS
    lines = [row.line for row in read_rows(path, "json", ("text",))]
    assert lines == ([2] * 8 if indent is None else sorted(set(lines)))
    assert [row.number for row in read_rows(path, "json", ("text",), wanted=bytes([0, 1, 0, 0, 1, 0, 0, 0]))] == [1, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a"}, {"text": ', r"row 2 \(line 1\): expected a JSON object, got no JSON .*is the file truncated"),
        ('[{"text": "a"}\n {"text": "b"}]', r"row 1 \(line 2\): expected ',' or '\]' after the object, got '\{'"),
        ('[{"text": "a"},\n 3]', r"row 2 \(line 2\): expected a JSON object, got a number"),
        ('[{"text": "a"}', r"row 1 \(line 1\): expected ',' or '\]' after the object, got the end of the file"),
        ('[{"text": "a"}] x', r"line 1: expected nothing after the array, got 'x'"),
        ('[{"text": "a"}, {"text": "b", "text": "c"}]', r"row 2 .*the name 'text' twice"),
        ("[]", r"the file is empty"),
    ],
)
def test_a_broken_array_is_refused_by_row(tmp_path, content, message):
    path = tmp_path / "data.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        list(read_rows(path, "json", ("text",)))


def test_columns_as_pandas_writes_them_are_refused_by_their_name(tmp_path):
    path = tmp_path / "data.json"
    pd.DataFrame(ROWS, columns=["text", "label"]).to_json(path)
    with pytest.raises(InputError, match=r'got one object of whole columns, as pandas.* orient="records"'):
        texts_of(config(path))
    pd.DataFrame(ROWS, columns=["text", "label"]).to_json(path, orient="records")
    assert texts_of(config(path)) == ROWS


def test_what_is_wrong_in_a_large_array_is_said_and_not_that_it_is_large(tmp_path):
    rows = ['{"text": "a", "label": "b"}', '{"text" "a"}', *['{"text": "a", "label": "b"}'] * 700_000]
    path = tmp_path / "data.json"
    path.write_text(f"[{', '.join(rows)}]")
    with pytest.raises(InputError, match=r"row 2 .*expected a JSON object, got no JSON \(Expecting ':' delimiter\)$"):
        texts_of(config(path))


def test_a_long_row_of_an_array_is_refused_before_it_fills_the_memory(tmp_path):
    path = tmp_path / "data.json"
    path.write_text('[{"text": "a"}, {"text": "' + "x" * (40 << 20))
    with pytest.raises(InputError, match=r"row 2 .*expected at most 16,777,216 bytes, got more"):
        list(read_rows(path, "json", ("text",)))


@pytest.mark.parametrize("name", ["data.xlsx", "data.xls", "data.ods"])
def test_a_spreadsheet_is_refused_with_the_way_out(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"got a spreadsheet; save it as CSV in UTF-8"):
        format_of(tmp_path / name, DialectConfig(), ("text",))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--separator", "ab"], "--separator: expected one character or the word tab, got 'ab'"),
        (["--separator", '"'], "--separator: expected a character that separates fields"),
        (["--encoding", "klingon"], "--encoding: expected an encoding of text, such as latin-1"),
        (["--encoding", "base64"], "--encoding: expected an encoding of text, such as latin-1"),
    ],
)
def test_an_option_that_says_nothing_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        parse_arguments(["--dataset", "table", "--data", "x.csv", "--text-column", "t", "--label-column", "l", *words])


def test_options_of_separated_files_go_with_no_other(tmp_path):
    (tmp_path / "data.jsonl").write_text('{"text": "a", "label": "b"}\n')
    with pytest.raises(InputError, match=r"--no-header goes with CSV and TSV, got the data file .*data.jsonl"):
        texts_of(config(tmp_path / "data.jsonl", no_header=True))
    with pytest.raises(InputError, match=r"--encoding goes with --dataset table, got demo"):
        parse_arguments(["--encoding", "latin-1"])
