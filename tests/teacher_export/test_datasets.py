"""From files to splits: what is dropped and counted, sampled, split, said and refused."""

import csv
import gzip
import hashlib
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill_jax.errors import InputError
from distill_jax.tables import sources
from teacher_export.data import streaming
from teacher_export.data.dataset import load_dataset, shortened
from teacher_export.data.row_parsers import PANDAS_MISSING
from teacher_export.options.data import DataConfig

HEADER = ["marketplace", "review_id", "star_rating", "review_headline", "review_body", "review_date"]


def amazon_rows(count=400, seed=0):
    """Reviews as the real files have them: quotes, markup, missing and unequal columns."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        stars = rng.choice([1, 2, 3, 4, 5], p=[0.1, 0.1, 0.1, 0.2, 0.5])
        headline = rng.choice(["Great", "", "N/A", 'so "so'], p=[0.8, 0.05, 0.05, 0.1])
        body = rng.choice([f'body {i} "quoted', f"body {i}<br />more é", "", "null"], p=[0.5, 0.4, 0.05, 0.05])
        rows.append(["UK", f"R{i}", str(stars), headline, body, "2015-01-01"])
    return rows


def write_amazon(path, rows):
    content = "".join("\t".join(row) + "\n" for row in [HEADER, *rows]).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def load(path, dataset="table", **options):
    paths = path if isinstance(path, tuple) else (path,)
    columns = {"text_column": ("text",), "label_column": "stars"} if dataset == "table" else {}
    return load_dataset(DataConfig(dataset=dataset, data=paths, **{"max_rows": 0, **columns, **options}))


def write_csv(path, rows, header=("text", "stars")):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([header, *rows])
    path.write_bytes(stream.getvalue().encode())
    return path


def rows_of(dataset):
    return {
        int(row): (text, dataset.label_names[label])
        for split in dataset.splits.values()
        for row, text, label in zip(split.example_ids, split.texts, split.labels, strict=True)
    }


TEN = [(f"text {i}", str(i % 2)) for i in range(10)]


@pytest.mark.parametrize("name", ["reviews.tsv", "reviews.tsv.gz"])
def test_amazon_reviews_are_selected_as_the_notebook_does(tmp_path, monkeypatch, name):
    monkeypatch.setattr("teacher_export.options.data.NOTEBOOK_ROWS", 100)
    path = write_amazon(tmp_path / name, amazon_rows())
    dataset = load(path, "amazon-pds", max_rows=None, seed=42)

    columns = ["review_id", "star_rating", "review_headline", "review_body"]
    table = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, usecols=columns).dropna()
    n = min(100 // 5, table["star_rating"].value_counts().min())
    table = pd.concat([group.sample(n, random_state=42) for _, group in table.groupby("star_rating")])
    table = table.sample(frac=1, random_state=42)
    cut = int(len(table) * 0.8)
    for split, expected in (("train", table[:cut]), ("test", table[cut:])):
        found = dataset.splits[split]
        assert found.texts == expected["review_body"].tolist()
        assert found.labels.tolist() == (expected["star_rating"] - 1).tolist()
        assert found.example_ids.tolist() == expected.index.tolist()
    assert dataset.label_names == ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
    assert dataset.splits["train"].labels.dtype == np.int32
    assert dataset.splits["train"].example_ids.dtype == np.int64


def test_what_pandas_takes_for_missing_is_missing():
    table = pd.read_csv(io.StringIO("".join(f"{word}\tx\n" for word in sorted(PANDAS_MISSING))), sep="\t", header=None)
    assert table[0].isna().all()
    assert len(table) == len(PANDAS_MISSING)


def test_amazon_drops_are_counted_by_reason(tmp_path, capsys):
    rows = amazon_rows(50)
    rows = [row for row in rows if row[3] == "Great" and row[4].startswith("body")] * 3
    rows += [
        ["UK", "R", "", "h", "b", "d"],
        ["UK", "R", "1", "h", "  ", "d"],
        ["UK", "R", "1"],
        ["", "R", "1", "", "b", ""],
    ]
    load(write_amazon(tmp_path / "reviews.tsv", rows), "amazon-pds", max_rows=None)
    said = capsys.readouterr().out
    assert f"{len(rows)} rows read, 4 dropped (1 missing star_rating, 1 blank review_body, " in said
    assert "1 missing review_body, 1 missing review_headline)" in said


@pytest.mark.parametrize("options", [{"max_rows": 0}, {"max_rows": 250}, {"max_rows": None, "test_data": True}])
def test_amazon_rows_that_lack_what_is_not_used_are_kept_where_the_notebook_is_not_asked_for(tmp_path, options):
    def rows(count):
        return [["UK", "", str(1 + i % 5), ("", "N/A", "title")[i % 3], f"body {i}", ""] for i in range(count)]

    path = write_amazon(tmp_path / "reviews.tsv", rows(200))
    if "test_data" in options:
        options = {**options, "test_data": (write_amazon(tmp_path / "test.tsv", rows(50)),)}
    dataset = load(path, "amazon-pds", **options)
    assert sum(map(len, dataset.splits.values())) == 200 + 50 * ("test_data" in options)
    with pytest.raises(InputError, match="class '1 star': expected at least 2 usable rows in the data, got 0"):
        load(path, "amazon-pds", max_rows=50_000)


@pytest.mark.parametrize("rating", ["6", "0", "4.5", "five", "2015-06-05"])
def test_an_amazon_rating_out_of_range_is_refused(tmp_path, rating):
    rows = amazon_rows(10)
    rows[6] = ["UK", "R", rating, "headline", "body", "date"]
    message = rf"reviews.tsv: row 7 \(line 8\): star_rating: expected a whole number from 1 to 5, got '{rating}'"
    with pytest.raises(InputError, match=message):
        load(write_amazon(tmp_path / "reviews.tsv", rows), "amazon-pds")


def test_ratings_written_as_fractions_are_read(tmp_path):
    rows = [["UK", "R", f"{1 + i % 5}.0", "headline", "body", "date"] for i in range(10)]
    assert len(rows_of(load(write_amazon(tmp_path / "reviews.tsv", rows), "amazon-pds"))) == 10


def test_an_amazon_file_without_its_columns_is_refused(tmp_path):
    (tmp_path / "reviews.tsv").write_text("star_rating\treview_text\n1\tx\n")
    with pytest.raises(InputError, match=r"it has no column 'review_body', only 'star_rating', 'review_text'; did you"):
        load(tmp_path / "reviews.tsv", "amazon-pds")


def test_a_missing_star_is_named(tmp_path):
    rows = [row for row in amazon_rows() if row[2] != "3"]
    with pytest.raises(InputError, match=r"class '3 stars': expected at least 2 usable rows in the data, got 0"):
        load(write_amazon(tmp_path / "reviews.tsv", rows), "amazon-pds")


def test_rows_are_numbered_over_all_files(tmp_path):
    first = write_csv(tmp_path / "first.csv", [*TEN, ("", "1")])
    (tmp_path / "second.jsonl").write_text("".join(json.dumps({"stars": s, "text": f"j {t}"}) + "\n" for t, s in TEN))
    dataset = load((first, tmp_path / "second.jsonl"))
    rows = rows_of(dataset)
    assert len(rows) == 20
    assert rows[3] == ("text 3", "1")
    assert rows[11] == ("j text 0", "0")
    assert [len(dataset.splits[name]) for name in ("train", "test")] == [16, 4]


def test_text_columns_are_joined_by_a_blank_line_without_the_blank_ones(tmp_path):
    rows = [
        ("title", "body", "1"),
        ("", "body", "1"),
        ("title", " ", "2"),
        ("", " ", "2"),
        ("", "", "2"),
        ("t", "b", "2"),
    ]
    path = write_csv(tmp_path / "data.csv", rows, ("title", "text", "stars"))
    found = rows_of(load(path, text_column=("title", "text"), train_fraction=0.5))
    assert found == {0: ("title\n\nbody", "1"), 1: ("body", "1"), 2: ("title", "2"), 5: ("t\n\nb", "2")}


def test_table_drops_are_counted_by_reason(tmp_path, capsys):
    rows = [
        *TEN,
        ("unlabelled", "-1"),
        ("none", "None"),
        ("na", "NA"),
        ("no label", ""),
        ("", "1"),
        (" \t", "0"),
        ("", "1"),
    ]
    dataset = load(write_csv(tmp_path / "data.csv", rows), max_rows=6, balance=True)
    said, warned = capsys.readouterr()
    assert (
        "data set table: 17 rows read, 7 dropped (4 missing label, 2 missing text, 1 blank text), 4 not drawn, 6 kept"
        in said
    )
    assert "column 'stars': cells with '-1' (1), 'NA' (1), 'None' (1) are taken for missing labels" in warned
    assert dataset.label_names == ("0", "1")


def test_classes_that_look_alike_are_named(tmp_path, capsys):
    rows = [(f"text {i}", ("caf\u00e9", "cafe\u0301", "th\u00e9")[i % 3]) for i in range(12)]
    load(write_csv(tmp_path / "data.csv", rows))
    warned = capsys.readouterr().err
    assert r"the classes 'cafe\u0301' and 'caf\xe9' are the same letters in two Unicode forms" in warned
    assert warned.count("Unicode forms") == 1


@pytest.mark.parametrize("pair", [("007", "7"), ("1E2", "100"), ("+1", "1"), ("1.10", "1.1")])
def test_labels_are_classes_as_they_stand_and_one_number_written_in_two_ways_is_said(tmp_path, capsys, pair):
    rows = [(f"text {i}", (*pair, "3")[i % 3]) for i in range(12)]
    dataset = load(write_csv(tmp_path / "data.csv", rows))
    assert set(dataset.label_names) == {*pair, "3"}
    assert rows_of(dataset) == dict(enumerate(rows))
    warned = capsys.readouterr().err
    assert all(repr(name) in warned for name in pair)
    assert warned.count("are the same number written in two ways, and are taken for two classes") == 1


def test_the_summary_shows_counts_and_three_examples(tmp_path, capsys):
    rows = [(f"line {i}\nmore\x1b[31m " + "long " * 100, "yes" if i < 6 else "no") for i in range(10)]
    dataset = load(write_csv(tmp_path / "data.csv", rows))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "data set table: 10 rows read, 0 dropped, 10 kept"
    assert said[1].split() == ["class", "train", "test"]
    counts = {line.split()[0]: [int(count) for count in line.split()[1:]] for line in said[3:6]}
    assert sum(counts["no"]) == 4
    assert sum(counts["yes"]) == 6
    assert counts["all"] == [8, 2]
    assert len(said) == 9
    train = dataset.splits["train"]
    assert said[6].startswith(f"row {train.example_ids[0] + 1} [{dataset.label_names[train.labels[0]]}] line ")
    assert all("more [31m long" in line and line.endswith("…") and "\x1b" not in line for line in said[6:])


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\n b", "a b"), ("x" * 100, "x" * 100), ("x" * 101, "x" * 99 + "…"), ("a" + " " * 500 + "b", "a…")],
)
def test_shortened(text, shown):
    assert shortened(text) == shown


def test_a_class_that_a_split_lacks_is_warned_of(tmp_path, capsys):
    load(write_csv(tmp_path / "data.csv", TEN), train_fraction=0.95)
    assert "warning: the test split has no row of '" in capsys.readouterr().err


@pytest.mark.parametrize("validation_fraction", [0.0, 0.25])
def test_test_and_validation_texts_that_stand_in_the_training_split_are_counted(tmp_path, capsys, validation_fraction):
    rows = [(f"text {i % 30}" if i % 2 else f"only {i}", "ab"[i % 4 // 2]) for i in range(200)]
    dataset = load(write_csv(tmp_path / "data.csv", rows), validation_fraction=validation_fraction)
    warnings = [line for line in capsys.readouterr().err.splitlines() if "word for word" in line]
    trained = dataset.splits["train"].texts
    assert len(warnings) == len(dataset.splits) - 1
    for name, warning in zip(list(dataset.splits)[1:], warnings, strict=True):
        texts = dataset.splits[name].texts
        copies = sum(trained.count(text) > 0 for text in texts)
        assert 5 < copies < len(texts) - 5
        assert f"{copies} of the {len(texts)} texts of the {name} split ({copies / len(texts):.1%}) stand" in warning


def test_texts_that_differ_are_not_warned_of(tmp_path, capsys):
    rows = [(text, label) for i, label in enumerate("ab" * 10) for text in (f"text {i}", f"Text {i}", f"text {i}!")]
    load(write_csv(tmp_path / "data.csv", rows))
    assert "word for word" not in capsys.readouterr().err


def test_the_fingerprint_covers_names_ids_labels_and_texts(tmp_path):
    variants = {
        "same": TEN,
        "again": TEN,
        "text": [("other", "0"), *TEN[1:]],
        "label": [("text 0", "1"), *TEN[1:]],
        "name": [(text, f"{label}.5") for text, label in TEN],
        "ids": [("", "0"), *TEN],
    }
    prints = {name: load(write_csv(tmp_path / "data.csv", rows), seed=1).fingerprint for name, rows in variants.items()}
    assert prints["same"] == prints["again"]
    assert len(set(prints.values())) == 5
    assert len(prints["same"]) == hashlib.sha256().digest_size * 2


def test_the_seed_decides_the_order(tmp_path):
    path = write_csv(tmp_path / "data.csv", TEN)
    first, again, other = (load(path, seed=seed) for seed in (1, 1, 2))
    assert first.splits["train"].texts == again.splits["train"].texts
    assert first.splits["train"].texts != other.splits["train"].texts


def test_text_may_be_numbers_or_bytes(tmp_path):
    table = {"text": pa.array([b"a", b"\xc3\xa9", b"c", b"d"], pa.binary()), "stars": [1.0, 2.0, 1.0, 2.0]}
    pq.write_table(pa.table(table), tmp_path / "data.parquet")
    assert rows_of(load(tmp_path / "data.parquet", train_fraction=0.5))[1] == ("é", "2")
    (tmp_path / "data.jsonl").write_text("".join(f'{{"text": {i}.5, "stars": {i % 2}}}\n' for i in range(4)))
    assert rows_of(load(tmp_path / "data.jsonl", train_fraction=0.5))[3] == ("3.5", "1")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('["a"]', "column 'text': expected text, got a list"),
        ('{"a": 1}', "column 'text': expected text, got an object"),
        ("true", "column 'text': expected text, got true or false"),
        ('"\\ud83d"', r"column 'text': expected text, got half a surrogate pair \(\\ud83d\)"),
    ],
)
def test_what_is_no_text_is_refused_by_row(tmp_path, value, message):
    (tmp_path / "data.jsonl").write_text(f'{{"text": "a", "stars": 1}}\n{{"text": {value}, "stars": 2}}\n')
    with pytest.raises(InputError, match=rf"data.jsonl: row 2 \(line 2\): {message}"):
        load(tmp_path / "data.jsonl")


def test_parquet_bytes_that_are_no_text_are_refused_by_row(tmp_path):
    table = {"text": pa.array([b"a", b"\xff"], pa.binary()), "stars": [1, 2]}
    pq.write_table(pa.table(table), tmp_path / "data.parquet")
    with pytest.raises(InputError, match=r"row 2: column 'text': expected text in UTF-8, got the byte 0xff"):
        load(tmp_path / "data.parquet")


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, r"data.csv: the file is empty but for its header"),
        ([("a", "1"), ("b", "1")], {}, r"expected at least two classes, got 1 \(1\)"),
        ([("a", "1"), ("b", "1"), ("c", "2")], {}, r"class '2': expected at least 2 usable rows in the data, got 1"),
        ([*TEN, ("a", "good")], {}, r"row 11 \(line 12\): column 'stars': expected a number, .* got 'good'"),
        (TEN, {"train_fraction": 0.01}, r"of 10 rows it leaves the train split empty"),
        (TEN, {"label_column": "star"}, r"it has no column 'star', only 'text', 'stars'; did you mean 'stars'\?"),
        (TEN, {"text_column": ("txt",)}, r"it has no column 'txt', .* did you mean 'text'\?"),
        (TEN, {"label_column": "text"}, r"--label-column text: it is a --text-column too"),
        ([(str(i), str(i)) for i in range(1200)], {}, r"'stars' does not look like classes: it has more than 1,000"),
    ],
)
def test_unusable_tables_are_refused(tmp_path, rows, options, message):
    with pytest.raises(InputError, match=message):
        load(write_csv(tmp_path / "data.csv", rows), **options)


def test_a_file_named_twice_is_refused(tmp_path):
    path = write_csv(tmp_path / "data.csv", TEN)
    (tmp_path / "link.csv").symlink_to(path)
    with pytest.raises(InputError, match=r"link.csv: it is named twice; its rows would be in both splits"):
        load((path, tmp_path / "link.csv"))


def test_every_file_is_checked_before_one_is_read(tmp_path, capsys):
    with pytest.raises(InputError, match=r"none.csv: there is no such file"):
        load((write_csv(tmp_path / "data.csv", TEN), tmp_path / "none.csv"))
    assert "reading" not in capsys.readouterr().err


@pytest.mark.parametrize("more", ["late,1\n", "\n"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, more):
    path = write_csv(tmp_path / "data.csv", TEN)
    whole = streaming.read_labels

    def read_and_append(files, parser, **options):
        found = whole(files, parser, **options)
        with path.open("a") as stream:
            stream.write(more)
        return found

    monkeypatch.setattr("teacher_export.data.dataset.read_labels", read_and_append)
    with pytest.raises(InputError, match=r"data.csv: it was changed while it was being read"):
        load(path)


def test_validation_comes_off_the_end_of_the_training_rows_and_moves_no_other_row(tmp_path):
    path = write_csv(tmp_path / "r.csv", [(f"text {i}", str(i % 2)) for i in range(40)])
    whole, cut = load(path), load(path, validation_fraction=0.25)
    assert list(whole.splits) == ["train", "test"]
    assert list(cut.splits) == ["train", "test", "validation"]
    assert [len(split) for split in cut.splits.values()] == [24, 8, 8]
    for field in ("texts", "labels", "example_ids"):
        before = {name: list(getattr(split, field)) for name, split in whole.splits.items()}
        after = {name: list(getattr(split, field)) for name, split in cut.splits.items()}
        assert after["train"] + after["validation"] == before["train"]
        assert after["test"] == before["test"]
    assert whole.fingerprint != cut.fingerprint
    assert load(path, validation_fraction=0.0).fingerprint == whole.fingerprint


def test_a_validation_split_without_a_row_is_refused_before_the_texts_are_read(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "r.csv", TEN)
    monkeypatch.setattr(streaming, "read_texts", None)
    with pytest.raises(InputError, match=r"--validation-fraction 0\.01: of 8 training rows it leaves the validation"):
        load(path, validation_fraction=0.01)


def test_texts_of_many_times_their_files_are_refused_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LITTLE_BYTES", 10_000)
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + (b"x" * 1000 + b",a\n" + b"y" * 1000 + b",b\n") * 100))
    with pytest.raises(InputError, match=r"row \d+ .*take more than 8 times the memory .* \(--max-rows\)"):
        load_dataset(DataConfig("table", (path,), text_column=("text",), label_column="label"))
    assert load_dataset(DataConfig("table", (path,), text_column=("text",), label_column="label", max_rows=4))


def test_more_rows_than_can_be_drawn_from_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_FEW_ROWS", 5)
    path, large = tmp_path / "data.csv.gz", tmp_path / "large.csv"
    content = b"text,label\n" + b"good,a\nbad,b\n" * 80
    path.write_bytes(gzip.compress(content))
    options = {"text_column": ("text",), "label_column": "label"}
    with pytest.raises(InputError, match=r"row \d+ .*: expected at most [67] rows in files of so many bytes, got more"):
        load_dataset(DataConfig("table", (path,), **options))
    large.write_bytes(content.replace(b"good", b"good" * 20).replace(b"bad", b"bad" * 20))  # so has a file of any size
    assert load_dataset(DataConfig("table", (large,), **options))
