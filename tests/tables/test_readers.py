"""Reading files of every format: rows, order, gzip, and each way in which a file can be wrong, by its message."""

import csv
import gzip
import io
import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.errors import InputError, MissingInputError
from distill_jax.tables import delimited as delimited_reader
from distill_jax.tables import parquet as parquet_reader
from distill_jax.tables import sources
from distill_jax.tables.delimited import CSV, TSV, UNQUOTED_TSV
from distill_jax.tables.formats import table_format
from distill_jax.tables.reading import column_names, read_rows, require_columns
from distill_jax.tables.sources import require_data_file

TABLE = [("good one", "5"), ("bad, really", "1"), ('says "no"', "2"), ("two\nlines", "3"), ("é ✓ 漢", "4")]


def write_table(path, rows=TABLE):
    """Write (text, stars) rows in the format that the file's name says."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        stream = io.BytesIO()
        pq.write_table(pa.table({"text": [text for text, _ in rows], "stars": [stars for _, stars in rows]}), stream)
        content = stream.getvalue()
    elif name.endswith(("csv", "tsv")):
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, delimiter="," if name.endswith("csv") else "\t")
        writer.writerows([("text", "stars"), *rows])
        content = stream.getvalue().encode()
    else:
        content = "".join(json.dumps({"text": text, "stars": stars}) + "\n" for text, stars in rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def read(path, columns=("text", "stars"), file_format=None, **options):
    return list(read_rows(path, file_format or table_format(path), columns, **options))


def written(tmp_path, content, name="data.csv"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / name


NAMES = ["data.csv", "data.tsv", "data.jsonl", "data.ndjson", "data.json", "data.parquet"]


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}.gz" for name in NAMES), "DATA.CSV"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    path = write_table(tmp_path / name.lower()).rename(tmp_path / name)
    rows = read(path)
    assert [row.cells for row in rows] == TABLE
    assert [row.number for row in rows] == [0, 1, 2, 3, 4]
    assert [row.cells for row in read(path, ("stars",))] == [(stars,) for _, stars in TABLE]
    assert [row.cells[1] for row in read(path, wanted=bytes([0, 1, 0, 0, 1]))] == ["1", "4"]
    assert [row.number for row in read(path, wanted=bytes([0, 1, 0, 0, 1]))] == [1, 4]


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz", "data.jsonl.gz", "data.parquet", "data.parquet.gz"])
def test_the_bytes_reported_are_the_files(tmp_path, name):
    path = write_table(tmp_path / name, TABLE * 1000)
    told = []
    read(path, on_bytes=told.append)
    assert sum(told) == path.stat().st_size
    assert min(told) >= 0


def test_gzip_is_known_by_its_content_and_may_have_members(tmp_path):
    content = gzip.compress(b"text,stars\na,1\n", mtime=0) + gzip.compress(b"b,2\n", mtime=0)
    assert [row.cells for row in read(written(tmp_path, content))] == [("a", "1"), ("b", "2")]


def test_rows_know_their_place(tmp_path):
    path = written(tmp_path, '\ufefftext,stars\r\n"two\r\nlines",1\r\n\r\nthree,3\r\n')
    rows = read(path)
    assert [row.cells for row in rows] == [("two\r\nlines", "1"), ("three", "3")]
    assert [row.where for row in rows] == [f"data file {path}: row 1 (line 2)", f"data file {path}: row 2 (line 5)"]


@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.jsonl"])
def test_byte_order_mark_and_crlf_are_read(tmp_path, name):
    delimiter = "," if name.endswith("csv") else "\t"
    if name.endswith("jsonl"):
        content = '\ufeff{"text": "ab", "stars": "1"}\r\n\r\n{"text": "c", "stars": "2"}\r\n'
    else:
        content = f"\ufefftext{delimiter}stars\r\nab{delimiter}1\r\nc{delimiter}2\r\n"
    assert [row.cells for row in read(written(tmp_path, content, name))] == [("ab", "1"), ("c", "2")]


@pytest.mark.parametrize(
    ("name", "file_format", "line"),
    [
        ("data.csv", CSV, "b,2"),
        ("data.tsv", TSV, "b\t2"),
        ("data.tsv", UNQUOTED_TSV, "b\t2"),
        ("data.jsonl", "json", '{"text": "b", "stars": "2"}'),
    ],
)
def test_a_row_in_utf_16_without_a_mark_is_refused(tmp_path, name, file_format, line):
    first = (
        '{"text": "a", "stars": "1"}\n' if file_format == "json" else line.replace("b", "text").replace("2", "stars")
    )
    content = first.strip().encode() + b"\n" + f"{line}\n".encode("utf-16-le")
    row = 2 if file_format == "json" else 1
    message = rf"row {row} \(line 2\): expected text in UTF-8, got the byte 0x00 \(NUL, .*\); convert the file to UTF-8"
    with pytest.raises(InputError, match=message):
        read(written(tmp_path, content, name), file_format=file_format)


def test_a_nul_that_json_spells_out_is_read(tmp_path):
    content = '{"text": "a\\u0000b", "stars": "1"}\n'
    assert [row.cells for row in read(written(tmp_path, content, "data.jsonl"))] == [("a\0b", "1")]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(min_size=1, max_size=5)), min_size=1, max_size=8))
def test_what_pandas_writes_as_csv_is_read_back(tmp_path_factory, rows):
    rows = [
        tuple("".join(c for c in value if c not in "\r\0" and not 0xD800 <= ord(c) < 0xE000) for value in row)
        for row in rows
    ]
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    pd.DataFrame(rows, columns=["text", "stars"]).to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    assert [row.cells for row in read(path)] == rows


def test_unquoted_tsv_keeps_quotes_and_reads_short_rows_as_missing(tmp_path):
    path = written(tmp_path, 'stars\ttext\tdate\n1\t"open\t2015\r\n2\tsays "so"\t\n3\n4\tlast\t2016', "data.tsv")
    rows = read(path, file_format=UNQUOTED_TSV)
    assert [row.cells for row in rows] == [('"open', "1"), ('says "so"', "2"), ("", "3"), ("last", "4")]


def test_missing_values_are_none_and_a_separated_file_has_empty_texts_alone(tmp_path):
    assert read(written(tmp_path, "text,stars\n,1\n"))[0].cells == ("", "1")
    rows = read(written(tmp_path, '{"text": null, "stars": 1}\n{"stars": 2}\n{"text": "x"}\n', "data.jsonl"))
    assert [row.cells for row in rows] == [(None, 1), (None, 2), ("x", None)]
    pq.write_table(pa.table({"text": ["a", None], "stars": [None, 2]}), tmp_path / "data.parquet")
    assert [row.cells for row in read(tmp_path / "data.parquet")] == [("a", None), (None, 2)]


def test_parquet_columns_come_as_asked_for_across_row_groups(tmp_path):
    table = pa.table({"stars": list(range(5000)), "other": ["x"] * 5000, "text": [str(i) for i in range(5000)]})
    pq.write_table(table, tmp_path / "data.parquet", row_group_size=700)
    wanted = bytes(int(i % 1000 == 7) for i in range(5000))
    rows = read(tmp_path / "data.parquet", wanted=wanted)
    assert [row.cells for row in rows] == [(str(i), i) for i in (7, 1007, 2007, 3007, 4007)]
    assert rows[2].where.endswith("row 2008")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none.csv", r"none.csv: there is no such file; check --data"),
        (lambda folder: folder, r"expected a file, found a folder; name the files in it"),
        (lambda folder: written(folder, b""), r"data.csv: the file is empty \(0 bytes\)"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path, make, message):
    with pytest.raises(InputError, match=message) as caught:
        require_data_file(make(tmp_path))
    assert isinstance(caught.value, MissingInputError) == ("no such file" in message)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match=r"expected an ordinary file \(it is read twice\), found a pipe"):
        require_data_file(tmp_path / "pipe.csv")


@pytest.mark.parametrize(("name", "ending"), [("data.doc", ".doc"), ("data.doc.zst", ".doc"), ("data", "no ending")])
def test_an_unknown_ending_is_refused(tmp_path, name, ending):
    with pytest.raises(InputError, match=rf"expected a name that ends in .csv, .tsv, .*got '{ending}'"):
        table_format(tmp_path / name)


ROWS = "".join(f"text {i} {'x' * (i % 50)},{i % 5}\n" for i in range(20_000))
ZIPPED = gzip.compress(f"text,stars\n{ROWS}".encode(), mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ZIPPED[:-20], r"its gzip data ends too early, the file is truncated \([\d,]+ bytes\)"),
        (ZIPPED[:-3], r"its gzip data ends too early"),
        (ZIPPED + b"<html>", r"its gzip data is followed by something that is not gzip"),
        (ZIPPED[:-8] + b"\0\0\0\0" + ZIPPED[-4:], r"its gzip data is damaged \(CRC check failed"),
        (ZIPPED[:2000] + b"\xff" * 200 + ZIPPED[2200:], r"its gzip data is damaged \(Error -3"),
        (b"text,stars\na,1\n", r"its name ends in .gz, but it holds no gzip data"),
        (gzip.compress(b"", mtime=0), r"the file is empty \(blank lines only\)"),
    ],
)
def test_broken_gzip_is_refused(tmp_path, content, message):
    path = written(tmp_path, content, "data.csv.gz")
    with pytest.raises(InputError, match=f"data file {path}: {message}"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,stars\na,1\nb\n", r"row 2 \(line 3\): expected 2 fields as in the first line, got 1$"),
        ("text,stars\na,1\nb", r"row 2 \(line 3\): expected 2 fields .* got 1; the file ends .* is it truncated\?"),
        ('text,stars\n"a\nb",1\nc,d,2\n', r"row 2 \(line 4\): expected 2 fields as in the first line, got 3"),
        ('text,stars\na,1\n"b,2\nc,3\n', r'row 2 \(line 3\): a quotation mark \("\) opens a field here and is not'),
        ('text,stars\n"a" b,1\n', r"row 1 \(line 2\): expected a comma after the quotation mark"),
        ("text,stars\na\rb,1\n", r"row 1 \(line 2\): .* got a carriage return alone"),
        ("\n\n", r"the file is empty \(blank lines only\)"),
        (b"text,stars\na,1\nb\xff,2\n", r"row 2 \(line 3\): expected text in UTF-8, got the byte 0xff \(invalid start"),
        (b'text,stars\na,1\n"b\nc\xe9",2\n', r"row 2 \(line 4\): expected text in UTF-8, got the byte 0xe9"),
        (b"text,st\xe9\na,1\n", r"header \(line 1\): expected text in UTF-8, got the byte 0xe9"),
        ("text,stars\n".encode("utf-16"), r"header \(line 1\): expected text in UTF-8, got the byte 0x00"),
    ],
)
def test_a_broken_csv_is_refused_by_row(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=f"data file {path}: {message}"):
        read(path)


def test_the_bad_byte_of_a_late_row_is_found(tmp_path):
    lines = [b"text,stars\n", *(b"some text,1\n" for _ in range(30_000))]
    lines[23_457] = b"caf\xe9,1\n"
    with pytest.raises(InputError, match=r"row 23457 \(line 23458\): expected text in UTF-8, got the byte 0xe9"):
        read(written(tmp_path, b"".join(lines)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("stars\ttext\n1\ta\tb\n", r"row 1 \(line 2\): expected 2 fields as in the first line, got 3$"),
        ("stars\ttext\n1\ta\n2", r"row 2 \(line 3\): expected 2 fields .*is it truncated\?"),
        (b"stars\ttext\n1\t\xff\n", r"row 1 \(line 2\): expected text in UTF-8"),
    ],
)
def test_a_broken_unquoted_tsv_is_refused_by_row(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read(written(tmp_path, content, "data.tsv"), file_format=UNQUOTED_TSV)


GOOD = '{"text": "a", "stars": 1}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + "\n{text}\n", r"row 2 \(line 3\): expected a JSON object a line, got no JSON \(.*\)$"),
        (GOOD + '{"text": "b", "st', r"row 2 \(line 2\): .*got no JSON .*is it truncated\?"),
        (GOOD + "[1, 2]\n", r"row 2 \(line 2\): expected a JSON object a line, got an array"),
        (GOOD + "7\n", r"row 2 \(line 2\): expected a JSON object a line, got a number"),
        (GOOD + "[" * 100_000 + "\n", r"row 2 \(line 2\): expected a JSON object a line, got no JSON"),
        (GOOD.encode() + b'{"text": "\xff"}\n', r"row 2 \(line 2\): expected text in UTF-8, got the byte 0xff"),
        ("\n \n", r"the file is empty \(no JSON object"),
    ],
)
def test_a_broken_jsonl_is_refused_by_line(tmp_path, content, message):
    path = written(tmp_path, content, "data.jsonl")
    with pytest.raises(InputError, match=f"data file {path}: {message}"):
        read(path)


def test_a_flipped_bit_of_a_parquet_file_is_refused_or_read(tmp_path):
    """The library ends the process where statistics contradict the schema; so would this test."""
    path, rng = tmp_path / "t.parquet", np.random.default_rng(0)
    table = pa.table({"text": ["a", "b", "c"] * 20, "stars": ["1", "2", "3"] * 20})
    pq.write_table(table, path, row_group_size=20)
    whole, refused = path.read_bytes(), 0
    places = range(len(whole) // 3, len(whole))
    for place in rng.choice(places, 400, replace=False):
        content = bytearray(whole)
        content[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        try:
            read(path)
        except InputError:
            refused += 1
    assert refused > 50


def test_a_parquet_file_gives_as_many_rows_as_it_says_or_is_refused(tmp_path):
    rows, group = 10, 5
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": ["w"] * rows, "stars": list(range(rows))}), path, row_group_size=group)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    refused = 0
    for place in range(footer, len(content) - 8):
        if content[place] == 2 * group:  # a count, as Thrift writes it
            path.write_bytes(content[:place] + b"\0" + content[place + 1 :])
            for columns in (["text"], ["stars"], None):
                try:
                    found = sum(batch.num_rows for _, batch in parquet_reader.parquet_batches(path, columns))
                except InputError as error:
                    refused += f", as it says, got {group if 'the file' in str(error) else 0}: it is broken" in str(
                        error
                    )
                else:
                    assert found == rows
    assert refused >= 4


def test_a_row_group_that_calls_its_columns_otherwise_is_read_as_the_schema_has_them(tmp_path):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "stars": [["x", "y"], ["y"]]}), path, store_schema=False)
    content = path.read_bytes()
    assert content.count(b"element") == 2  # the schema's, and the row group's
    path.write_bytes(b"elemen7".join(content.rsplit(b"element", 1)))
    assert pq.ParquetFile(path).metadata.row_group(0).column(1).path_in_schema == "stars.list.elemen7"
    assert [row.cells for row in read(path)] == [("a", ["x", "y"]), ("b", ["y"])]


def test_a_broken_parquet_file_is_refused(tmp_path):
    whole = write_table(tmp_path / "whole.parquet", TABLE * 500).read_bytes()
    damaged = bytearray(whole)
    damaged[4:200] = bytes(196)
    for content in (whole[:-30], whole[: len(whole) // 2], b"PAR1 no", b"text,stars\n", bytes(damaged)):
        path = written(tmp_path, bytes(content), "data.parquet")
        with pytest.raises(InputError, match=rf"data file {path}: expected a Parquet file, got a broken"):
            read(path)


def test_parquet_text_that_is_not_utf8_is_refused_by_row(tmp_path):
    raw = pa.array([b"a"] * 3000 + [b"\xff"] + [b"b"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    pq.write_table(pa.table({"text": text, "stars": [1] * len(raw)}), tmp_path / "data.parquet")
    with pytest.raises(InputError, match=r"row 3001: expected text in UTF-8, got the byte 0xff"):
        read(tmp_path / "data.parquet")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("Star", r"it has no column 'Star', only 'text', 'stars'; did you mean 'stars'\?"),
        ("TEXT", r"it has no column 'TEXT', only 'text', 'stars'; did you mean 'text'\?"),
        ("zzz", r"it has no column 'zzz', only 'text', 'stars'$"),
    ],
)
@pytest.mark.parametrize("name", ["data.csv", "data.jsonl", "data.parquet"])
def test_a_missing_column_is_named_with_the_closest(tmp_path, name, wanted, message):
    with pytest.raises(InputError, match=message):
        read(write_table(tmp_path / name), ("text", wanted))


def test_many_or_repeated_columns(tmp_path):
    with pytest.raises(InputError, match=r"'c18', 'c19' and 80 more$"):
        require_columns(tmp_path, [f"c{i}" for i in range(100)], ["no such name"])
    with pytest.raises(InputError, match="expected one column 'text', found several"):
        read(written(tmp_path, "text,stars,text\na,1,b\n"))


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("data.csv", "text,stars\na,1\n" + "a" * 5000, 3),
        ("data.csv", 'text,stars\n"b\nc",1\n' + '"\nab",' * 1000, 4),
        ("data.csv", "text," + "a," * 1000 + "\nb,1\n", 1),
        ("data.tsv", "text\tstars\n" + "a\t" * 1000, 2),
        ("data.jsonl", '{"text": "a", "stars": 1}\n{"text": [' + "{}," * 1000, 2),
    ],
)
def test_a_row_that_is_too_long_is_refused_before_it_is_taken_apart(tmp_path, monkeypatch, name, content, line):
    monkeypatch.setattr(sources, "MAX_ROW_BYTES", 1000)
    with pytest.raises(
        InputError, match=rf"the row that begins in line {line}: expected at most 1,000 bytes, got more"
    ):
        read(written(tmp_path, content, name))


@pytest.mark.parametrize("content", ['"a\n",1\n' * 500, "a,1\n\n\n" * 500])
def test_a_limit_on_rows_is_none_on_files(tmp_path, monkeypatch, content):
    monkeypatch.setattr(sources, "MAX_ROW_BYTES", 1000)
    assert len(read(written(tmp_path, "text,stars\n" + content))) == 500


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"column_encoding": {"text": "DELTA_BYTE_ARRAY"}}])
def test_a_parquet_value_that_is_too_long_is_refused_by_row(tmp_path, monkeypatch, options):
    for module in (parquet_reader, sources):
        monkeypatch.setattr(module, "MAX_ROW_BYTES", 1000)
    texts = ["short"] * 300 + ["x" * 1001] + ["short"] * 300
    table = pa.table({"text": texts, "stars": ["1"] * 601})
    pq.write_table(table, tmp_path / "data.parquet", **{"use_dictionary": "column_encoding" not in options, **options})
    with pytest.raises(InputError, match=r"data\.parquet: row 301: expected at most 1,000 bytes, got more"):
        read(tmp_path / "data.parquet")


@pytest.mark.parametrize(
    "options",
    [
        {"use_dictionary": ["text"]},
        {"use_dictionary": False, "compression": "zstd"},
        {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}, "compression": "none"},
    ],
)
def test_large_parquet_values_are_read_a_few_at_a_time(tmp_path, monkeypatch, options):
    """A value that a few bits name, or that packs to nothing, stands in memory for as few rows as it can."""
    monkeypatch.setattr(parquet_reader, "_BATCH_BYTES", 100_000)
    value, rows = "x" * 10_000, 2560
    pq.write_table(pa.table({"text": [value] * rows, "stars": ["1"] * rows}), tmp_path / "data.parquet", **options)
    before = pa.total_allocated_bytes()
    largest = max(
        pa.total_allocated_bytes() - before for _ in read_rows(tmp_path / "data.parquet", "parquet", ("text", "stars"))
    )
    assert 0 < largest < rows * len(value) / 2


_WORD = "x" * 10_000
_LISTS = pa.array([[_WORD] * 5] * 2560)


@pytest.mark.parametrize(
    "column",
    [
        _LISTS,
        pa.array([[{"tags": [_WORD] * 5}]] * 2560),
        pa.array([[("a", _WORD), ("b", _WORD)]] * 2560, pa.map_(pa.string(), pa.string())),
        pa.array([{"body": _WORD}] * 2560),
        pa.array([_WORD.encode()] * 2560, pa.binary(len(_WORD))),
        pa.array([[_WORD.encode()] * 5] * 2560, pa.list_(pa.binary(len(_WORD)))),
        pa.array([None, *_LISTS.to_pylist()[1:]]),
    ],
    ids=["list", "list of structs", "map", "struct", "fixed size", "list of fixed size", "with nulls"],
)
def test_a_word_that_every_value_names_is_read_a_few_times_at_once(tmp_path, monkeypatch, column):
    monkeypatch.setattr(parquet_reader, "_BATCH_BYTES", 200_000)
    pq.write_table(pa.table({"text": column}), tmp_path / "data.parquet", store_schema=False)
    before, largest, found = pa.total_allocated_bytes(), 0, []
    for _, batch in parquet_reader.parquet_batches(tmp_path / "data.parquet", None):
        largest = max(largest, pa.total_allocated_bytes() - before)
        if len(found) < 20:
            found += batch.column("text").to_pylist()
    assert found == column.slice(0, len(found)).to_pylist()
    assert 0 < largest < 10 * 200_000 < column.nbytes / 10


@pytest.mark.parametrize("before", [0, 1, 3000], ids=lambda rows: f"after {rows} empty rows")
@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.list_(pa.struct({"body": pa.string()}))])
def test_a_row_that_names_one_word_too_often_is_refused(tmp_path, monkeypatch, kind, before):
    monkeypatch.setattr(parquet_reader, "_BATCH_BYTES", 1_000_000)
    word = "x" * 100_000
    values = [{"body": word}] * 200 if pa.types.is_struct(kind.value_type) else [word] * 200
    rows = [*([[]] * before), values, values[:1]]
    pq.write_table(pa.table({"text": pa.array(rows, kind)}), tmp_path / "data.parquet")
    with pytest.raises(InputError, match=r"row group 0, column text\..*: expected at most 16,777,216 bytes, got more"):
        list(parquet_reader.parquet_batches(tmp_path / "data.parquet", None))


@pytest.mark.parametrize("value", [0, None])
def test_more_values_in_a_row_than_memory_holds_are_refused_before_they_are_read(tmp_path, monkeypatch, value):
    """Equal values, and nulls, take no bytes on the disk."""
    monkeypatch.setattr(parquet_reader, "_ROW_BYTES", 1 << 20)
    pq.write_table(
        pa.table({"text": pa.array([[value] * 1_000_000, [value]], pa.list_(pa.int64()))}), tmp_path / "a.parquet"
    )
    with pytest.raises(
        InputError, match=r"1,000,001 values in 2 rows, and one row may have nearly all of them, 0\.0 GB"
    ):
        list(parquet_reader.parquet_batches(tmp_path / "a.parquet", None))
    varied = pa.array([list(range(200_000)), [1]])  # its bytes are there
    pq.write_table(pa.table({"text": varied}), tmp_path / "b.parquet", use_dictionary=False)
    batches = parquet_reader.parquet_batches(tmp_path / "b.parquet", None)
    assert [batch.num_rows for _, batch in batches] == [2]


@pytest.mark.parametrize(
    ("column", "kind"),
    [(pa.array([-(2**62)], pa.date64()), "date"), (pa.array([2**62], pa.duration("s")), "duration")],
)
def test_parquet_values_beyond_pythons_are_refused_by_row(tmp_path, column, kind):
    pq.write_table(pa.table({"text": column, "stars": ["1"]}), tmp_path / "data.parquet")
    with pytest.raises(InputError, match=rf"row 1: expected text or a number, got {kind}"):
        read(tmp_path / "data.parquet")


def test_a_gzip_of_parquet_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LITTLE_BYTES", 1000)
    path = tmp_path / "data.parquet.gz"
    path.write_bytes(gzip.compress(bytes(1 << 20)))
    with pytest.raises(
        InputError, match=r"it unpacks to more than 8 times its [\d,]+ bytes; if that is meant, unpack it"
    ):
        read(path)


def test_an_unclosed_quote_does_not_fill_the_memory(tmp_path, monkeypatch):
    previous = csv.field_size_limit(1000)
    monkeypatch.setattr(delimited_reader, "MAX_FIELD_CHARACTERS", 1000)
    try:
        with pytest.raises(InputError, match=r"row 1 \(line 2\): a quotation mark .* is not closed"):
            read(written(tmp_path, 'text,stars\n"a,1\n' + "b,2\n" * 1000))
    finally:
        csv.field_size_limit(previous)


def test_long_fields_are_read(tmp_path):
    text = "x" * 300_000  # more than the csv module's own limit
    assert read(written(tmp_path, f"text,stars\n{text},1\n"))[0].cells[0] == text
    assert column_names(tmp_path / "data.csv", CSV) == ["text", "stars"]


@pytest.mark.parametrize("name", ["review.text", ".", "a.b.c", "text"])
def test_a_parquet_column_s_name_may_have_dots(tmp_path, name):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({name: ["one", "two"], "text.other": [1, 2]}), path)
    assert [row.cells for row in read_rows(path, "parquet", (name,))] == [("one",), ("two",)]


@pytest.mark.parametrize("is_nested", [False, True], ids=["a column", "a field of a struct"])
def test_indices_that_lead_out_of_a_dictionary_are_refused(tmp_path, monkeypatch, is_nested):
    """A damaged file's; the library writes none such, so they are put in where a file is read."""

    def rows(*indices):
        column = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(["good", "bad"]), safe=False)
        column = pa.StructArray.from_arrays([column], ["body"]) if is_nested else column
        return pa.record_batch({"text": column, "label": [0, 1, 0]})

    pq.write_table(pa.Table.from_batches([rows(0, 1, 1)]), tmp_path / "data.parquet")
    broken = rows(0, 7, 1)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *_, **__: iter([broken]))
    with pytest.raises(InputError, match=r"data.parquet: column text: expected the indices of a dictionary's words"):
        read(tmp_path / "data.parquet", ("text.body" if is_nested else "text", "label"))
