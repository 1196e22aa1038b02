"""``--on-bad-row skip``: a file with bad rows is the file without them, whatever the format and the task."""

import csv
import dataclasses
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.tables import sources
from distill_jax.tables.dialect_options import DialectConfig
from export_helpers import configure
from teacher_export.command_line import parse_arguments
from teacher_export.data.dataset import load_dataset
from teacher_export.data.output_rows import load_answered
from teacher_export.data.task_rows import load_answered_task
from teacher_export.export import run
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig
from teacher_export.transfer.unlabelled import find_unlabelled

GOOD = [
    (text, str(i % 3))
    for i, text in enumerate(
        ["plain", "with, comma", 'says "so"', "two\nlines", 'x\n"y", z\n', "é ✓", " blank ", '"', "a;b", "last"] * 4
    )
]


def csv_line(row, separator=","):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator, lineterminator="\n").writerow(row)
    return stream.getvalue().encode()


def json_line(row, **others):
    return json.dumps({"text": row[0], "label": row[1], **others}).encode() + b"\n"


def tab_line(row):
    return "\t".join([row[0].replace("\n", " "), row[1]]).encode() + b"\n"


FORMS = {
    "a.csv": (
        csv_line,
        [b"lonely\n", b"a,b,1\n", b'"open,1\n', b'"a" b,1\n', b"\xff,1\n", b"odd,five\n", b'"a\0",1\n'],
    ),
    "a.tsv": (
        lambda row: csv_line(row, "\t"),
        [b"lonely\n", b"a\tb\t1\n", b'"open\t1\n', b"\xe9\t1\n", b"text\tlabel\n"],
    ),
    "none.tsv": (tab_line, [b"lonely\n", b"a\tb\t1\n", b"\xff\t1\n", b"text\tlabel\n"]),
    "a.jsonl": (
        json_line,
        [
            *(b"{broken\n", b'"text"\n', b"7\n", b'{"text": [1], "label": 1}\n', b'{"text": "a", "label": {}}\n'),
            *(b'"\xff"\n', b'{"text": "a", "text": "b"}\n', b'{"text": "a", "label": "five"}\n'),
            b'{"text": "\\ud83d", "label": 1}\n',
        ],
    ),
}


def asked(path, **options):
    quoting = DialectConfig(quoting="none" if path.name.startswith("none") else "standard")
    columns = {"text_column": ("text",), "label_column": "label"}
    return DataConfig("table", (path,), **{"dialect": quoting, "on_bad_row": "skip", **columns, **options})


def content(dataset):
    """Return everything but the rows' numbers, which go on counting the bad ones."""
    splits = dataset.splits.items()
    labels = {name: (split.texts, split.labels.tolist()) for name, split in splits}
    return (
        dataset.label_names,
        labels,
        [split.teacher_logits is None or split.teacher_logits.tolist() for _, split in splits],
    )


def rows_of(dataset):
    numbers = np.concatenate([split.example_ids for split in dataset.splits.values()])
    return np.sort(numbers).tolist()


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_file_with_bad_rows_is_the_file_without_them(tmp_path_factory, name, data):
    make, kinds = FORMS[name]
    folder = tmp_path_factory.mktemp("bad")
    header = b"" if name.endswith("jsonl") else make(("text", "label"))
    lines = [make(row) for row in GOOD]
    (folder / name).write_bytes(header + b"".join(lines))
    clean = load_dataset(dataclasses.replace(asked(folder / name), on_bad_row="error"))
    expected = list(range(len(lines)))
    for place, kind in data.draw(st.lists(st.tuples(st.integers(0, len(GOOD)), st.sampled_from(kinds)), max_size=15)):
        lines.insert(place, kind)
        expected = [row + (row >= place) for row in expected]
    (folder / name).write_bytes(header + b"".join(lines))
    found = load_dataset(asked(folder / name, drop_duplicates=False))
    assert content(found) == content(clean)
    assert rows_of(found) == expected
    assert found.bad_rows == len(lines) - len(GOOD)


def test_bad_objects_of_an_array_and_bad_values_of_parquet_are_left_out(tmp_path):
    objects = [{"text": text, "label": label} for text, label in GOOD]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(objects))
    clean = load_dataset(asked(path))
    bad = [3, {"text": ["a"]}, {"text": "a", "label": "five"}, None]
    text = json.dumps([*objects[:5], *bad, *objects[5:]]).replace(
        "null", '{"text": "a", "b": {"c": [1, "]"]}, "text": "b"}'
    )
    path.write_text(text)
    found = load_dataset(asked(path))
    assert content(found) == content(clean)
    assert rows_of(found) == [*range(5), *range(9, 44)]

    raw = pa.array([text.encode() for text, _ in GOOD[:5]] + [b"\xff"] + [text.encode() for text, _ in GOOD[5:]])
    texts = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    labels = [label for _, label in GOOD[:5]] + ["1"] + [label for _, label in GOOD[5:]]
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "a.parquet")
    assert content(load_dataset(asked(tmp_path / "a.parquet"))) == content(clean)


@pytest.mark.parametrize("name", ["a.csv", "none.tsv", "a.jsonl"])
def test_a_row_that_is_too_long_is_left_out(tmp_path, monkeypatch, name):
    monkeypatch.setattr(sources, "MAX_ROW_BYTES", 2_000)
    make, _ = FORMS[name]
    header = b"" if name.endswith("jsonl") else make(("text", "label"))
    lines = [make(row) for row in GOOD]
    (tmp_path / name).write_bytes(header + b"".join([*lines[:7], make(("x" * 5_000, "1")), *lines[7:]]))
    found = load_dataset(asked(tmp_path / name))
    assert rows_of(found) == [*range(7), *range(8, 41)]
    assert found.bad_rows == 1


def test_what_an_open_quotation_mark_would_have_swallowed_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_ROW_BYTES", 2_000)
    lines = [f"text {i},{i % 2}\n" for i in range(500)]
    lines[100] = '"' + lines[100]
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(lines))
    found = load_dataset(asked(tmp_path / "a.csv"))
    assert rows_of(found) == [row for row in range(500) if row != 100]


def test_the_end_of_a_bad_record_is_no_row(tmp_path):
    good = "".join(f"text {i},{i % 2}\n" for i in range(20))
    (tmp_path / "a.csv").write_text(f'text,label\n{good}"begins\nand ends" badly,1\n"two\nlines",0\n{good}')
    found = load_dataset(asked(tmp_path / "a.csv"))
    assert found.bad_rows == 2
    texts = {text for split in found.splits.values() for text in split.texts}
    assert texts == {"two\nlines", *(f"text {i}" for i in range(20))}


def test_bad_rows_are_counted_and_the_first_five_named_in_order(tmp_path, capsys):
    lines = [f"text {i},{i % 2}\n" for i in range(30)]
    for row in (3, 5, 8, 13, 21, 25):
        lines[row] = "lonely\n" if row != 5 else "odd,five\n"
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(lines))
    (tmp_path / "b.csv").write_text("text,label\n" + "more,1\n" * 20 + "lonely\n")
    load_dataset(asked(tmp_path / "a.csv", test_data=(tmp_path / "b.csv",)))
    said, warned = capsys.readouterr()
    assert "51 rows read, 7 dropped (7 bad row), 44 kept" in said
    named = warned.partition("warning: 7 bad rows were left out (--on-bad-row skip), of which the first are:\n")[2]
    rows = [line.split(": ")[1] for line in named.splitlines()[:5]]
    assert rows == [f"row {row + 1} (line {row + 2})" for row in (3, 5, 8, 13, 21)]
    assert "expected 2 fields as in the first line, got 1" in named
    assert "expected a number, as in 44 other rows, got 'five'" in named


@pytest.mark.parametrize("bad", [501, 600])
def test_a_file_whose_first_thousand_rows_are_bad_by_half_is_another_one(tmp_path, bad):
    lines = ["lonely\n"] * bad + [f"text {i},{i % 2}\n" for i in range(5_000)]
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(lines))
    with pytest.raises(
        InputError, match=r"501 of a file's first 1,000 rows cannot be read; .*--separator.* row 1 \(line"
    ):
        load_dataset(asked(tmp_path / "a.csv"))
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(lines[1:]) + "lonely\n" * 3_000)
    if bad == 501:
        assert load_dataset(asked(tmp_path / "a.csv")).bad_rows == 3_500


def test_a_short_file_of_which_more_than_half_is_bad_is_another_one(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "a,1\nb,0\n" * 4 + "c\n" * 9)
    with pytest.raises(InputError, match=r"9 of a file's first 17 rows cannot be read"):
        load_dataset(asked(tmp_path / "a.csv"))


@pytest.mark.parametrize("content", [b"text,l\xffabel\na,1\n", b'text,"label\na,1\n', b'"text" x,label\na,1\n'])
def test_a_header_is_never_left_out(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content + b"a,1\nb,0\n" * 5)
    with pytest.raises(InputError, match=r"data file .*a.csv: header \(line 1\): "):
        load_dataset(asked(tmp_path / "a.csv"))


def test_without_a_header_the_first_row_may_be_bad(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'"a" b,1\n' + b"".join(csv_line(row) for row in GOOD))
    options = {"text_column": ("1",), "label_column": "2", "dialect": DialectConfig(no_header=True)}
    assert rows_of(load_dataset(asked(tmp_path / "a.csv", **options))) == list(range(1, 41))


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def both(path, rows, bad, load):
    """Return what is loaded of a file, and of it with bad rows before, within and behind."""
    clean = load(jsonl(path, rows))
    third = len(rows) // 3
    return clean, load(jsonl(path, [*bad[:1], *rows[:third], *bad, *rows[third:], *bad[-1:]]))


@pytest.mark.parametrize(
    ("cell", "bad", "options"),
    [
        (lambda i: ["ab"[i % 2], "c"], [3, ["new", None], ["new", [1]], "a;b"], {"task": "multi-label"}),
        (lambda i: "ab"[i % 2] + ";c", [3, "new;NA", True], {"task": "multi-label", "label_separator": ";"}),
        (lambda i: i / 8, ["high", [1], True, 1e300], {"task": "score"}),
    ],
)
@pytest.mark.parametrize("side", [{}, {"split_column": "part"}, {"group_column": "who"}])
def test_bad_labels_of_other_tasks_are_left_out(tmp_path, cell, bad, options, side):
    rest = {"part": "train", "who": "x"}
    rows = [{"text": f"t {i}", "label": cell(i), "part": ("train", "test")[i % 3 == 0], "who": i} for i in range(24)]
    bad_rows = [{"text": "bad", "label": label, **rest} for label in bad]
    if "split_column" in side:
        bad_rows.append({"text": "bad", "label": cell(0), "part": "nowhere"})
    clean, found = both(tmp_path / "a.jsonl", rows, bad_rows, lambda path: load_dataset(asked(path, **options, **side)))
    assert content(found) == content(clean)
    assert found.bad_rows == len(bad_rows) + 2


@pytest.mark.parametrize(
    ("bad", "outputs"),
    [
        ([{"new": 0.5, "pos": "x"}, {"new": -1}, "words", {"pos": 0.5, " pos": 0.5}, {"new": 0.5, "": 0.5}], {}),
        ([["new", [1]], ["new", 0.5], "words"], {"outputs_are": "votes"}),
    ],
)
@pytest.mark.parametrize("label_column", [None, "label"])
def test_bad_answers_are_left_out_and_add_no_class(tmp_path, bad, outputs, label_column):
    answers = [
        {"pos": 0.25 + i / 64, "neg": 0.5} if not outputs else ["pos", "neg", "pos"][: 1 + i % 3] for i in range(24)
    ]
    rows = [{"text": f"t {i}", "answer": answer, "label": "pos"} for i, answer in enumerate(answers)]
    bad_rows = [{"text": "bad", "answer": answer, "label": "pos"} for answer in bad]
    if label_column:
        bad_rows += [
            {"text": "b", "answer": answers[0], "label": "odd"},
            {"text": "b", "answer": {"new": 1}, "label": []},
        ]
    table = TableTeacherConfig(("answer",), **outputs)

    def load(path):
        return load_answered(asked(path, label_column=label_column, train_fraction=0.5), table)

    clean, found = both(tmp_path / "a.jsonl", rows, bad_rows, load)
    assert clean.dataset.label_names == ("neg", "pos")
    assert content(found.dataset) == content(clean.dataset)
    assert found.fingerprint == clean.fingerprint


def test_bad_probabilities_of_labels_are_left_out(tmp_path):
    rows = [{"text": f"t {i}", "answer": {"a": i / 24, "b": 0.5}} for i in range(24)]
    bad = [{"text": "bad", "answer": {"new": 1.5}}, {"text": "bad", "answer": {"new": "x"}}]
    options = {"task": "multi-label", "label_column": None}
    table = TableTeacherConfig(("answer",))
    clean, found = both(tmp_path / "a.jsonl", rows, bad, lambda path: load_answered_task(asked(path, **options), table))
    assert content(found.dataset) == content(clean.dataset)


@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_bad_texts_without_classes_are_left_out_and_named(tmp_path, capsys, name):
    header = b"" if name == "a.txt" else b"text\n"
    (tmp_path / name).write_bytes(header + b"one\n" * 10 + b"b\xff\n" + b"two\n")
    config = configure("t", tmp_path / "out", unlabelled=(tmp_path / name,), on_bad_row="skip")
    assert list(find_unlabelled(config)[0].texts()) == ["one"] * 10 + ["two"]
    assert f"{name}: row 11 (line {11 + bool(header)}): expected text in UTF-8" in capsys.readouterr().err


def test_a_bad_row_is_an_error_unasked_and_of_the_demo_there_is_none(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "a,1\nb,0\n" * 10 + "c\n")
    with pytest.raises(InputError, match=r"row 21 \(line 22\): expected 2 fields"):
        load_dataset(asked(tmp_path / "a.csv", on_bad_row="error"))
    with pytest.raises(InputError, match=r"--on-bad-row goes with --data FILE"):
        parse_arguments(["--on-bad-row", "skip"])


def test_the_manifest_counts_bad_rows(tmp_path):
    lines = [f"text {i},{i % 2},{0.25 + i / 100}\n" for i in range(30)]
    lines[7] = "lonely\n"
    (tmp_path / "a.csv").write_text("text,label,p\n" + "".join(lines))
    words = [
        "--dataset",
        "table",
        "--data",
        str(tmp_path / "a.csv"),
        "--text-column",
        "text",
        "--label-column",
        "label",
    ]
    words += ["--teacher-outputs", "0=label", "1=p", "--output", str(tmp_path / "out"), "--on-bad-row", "skip"]
    words[words.index("--label-column") : words.index("--label-column") + 2] = []
    run(parse_arguments(words))
    manifest = read_manifest(tmp_path / "out")
    assert manifest.config["bad_rows"] == 1
    assert manifest.examples("train") + manifest.examples("test") == 29


@pytest.mark.timeout(60)
def test_quotation_marks_that_open_fields_everywhere_end_in_one_sentence(tmp_path):
    """Each of the rows swallows all that follow: reading them again one by one would take hours."""
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "good,1\nfine,2\n" * 600 + 'inches","\n' * 60_000)
    options = {"dataset": "table", "data": (path,), "text_column": ("text",), "label_column": "label"}
    with pytest.raises(InputError, match=r"up to line .* quotation marks open a field that is not closed .*--quoting"):
        load_dataset(DataConfig(on_bad_row="skip", **options))
