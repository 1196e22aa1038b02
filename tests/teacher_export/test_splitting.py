"""Which row is in which split: rows' own splits, whole groups, equal shares of the classes; what is refused."""

import json

import numpy as np
import pytest

from distill_jax.errors import InputError
from teacher_export.data.dataset import load_dataset
from teacher_export.data.output_rows import load_answered
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig
from tolerances import assert_close


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(count, **columns):
    return [
        {"text": f"text {i}", "label": "ab"[i % 2], **{name: values[i] for name, values in columns.items()}}
        for i in range(count)
    ]


def load(*paths, **options):
    options = {"max_rows": 0, **options}
    return load_dataset(DataConfig("table", paths, text_column=("text",), label_column="label", **options))


def ids(dataset):
    return {name: split.example_ids.tolist() for name, split in dataset.splits.items()}


def test_files_of_their_own_are_whole_splits_and_rows_are_numbered_over_all(tmp_path):
    train = write(tmp_path / "train.jsonl", rows_of(10))
    validation = write(tmp_path / "validation.jsonl", rows_of(4))
    test = write(tmp_path / "test.jsonl", rows_of(6))
    found = ids(load(train, validation_data=(validation,), test_data=(test,)))
    assert found["validation"] == [10, 11, 12, 13]
    assert found["test"] == [14, 15, 16, 17, 18, 19]
    assert sorted(found["train"]) == list(range(10))
    assert list(found) == ["train", "test", "validation"]


def test_what_has_no_file_of_its_own_is_drawn(tmp_path):
    train, other = write(tmp_path / "train.jsonl", rows_of(20)), write(tmp_path / "other.jsonl", rows_of(6))
    drawn = ids(load(train, test_data=(other,), validation_fraction=0.25))
    assert {name: len(rows) for name, rows in drawn.items()} == {"train": 15, "test": 6, "validation": 5}
    assert min(drawn["test"]) == 20
    drawn = ids(load(train, validation_data=(other,), train_fraction=0.75))
    assert {name: len(rows) for name, rows in drawn.items()} == {"train": 15, "test": 5, "validation": 6}
    assert min(drawn["validation"]) == 20
    assert max(drawn["test"]) < 20


def test_drawing_and_balancing_leave_rows_of_their_own_split_alone(tmp_path):
    train = write(tmp_path / "train.jsonl", [*rows_of(12), *({"text": f"more {i}", "label": "a"} for i in range(20))])
    test = write(tmp_path / "test.jsonl", [{"text": f"t {i}", "label": "ab"[i == 0]} for i in range(9)])
    dataset = load(train, test_data=(test,), balance=True)
    assert np.bincount(dataset.splits["train"].labels).tolist() == [6, 6]
    assert np.bincount(dataset.splits["test"].labels).tolist() == [8, 1]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_column_says_the_split_in_its_usual_spellings(tmp_path, form, capsys):
    words = ["train", "Training", " TRAIN ", "train", "test", "Testing", "val", "dev", "valid", "Validation", ""]
    rows = rows_of(11, part=words)
    path = tmp_path / f"data.{form}"
    if form == "csv":
        lines = ["text,label,part", *(f"{row['text']},{row['label']},{row['part']}" for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    else:
        write(path, rows)
    found = ids(load(path, split_column="part"))
    assert sorted(found["train"]) == [0, 1, 2, 3]
    assert found["test"] == [4, 5]
    assert found["validation"] == [6, 7, 8, 9]
    assert "1 dropped (1 missing split)" in capsys.readouterr().out


def test_a_word_that_names_no_split_is_refused_with_its_row(tmp_path):
    path = write(tmp_path / "data.jsonl", rows_of(4, part=["train", "test", "holdout", "train"]))
    with pytest.raises(InputError, match=r"row 3 .*column 'part': expected train, test or validation, got 'holdout'"):
        load(path, split_column="part")


@pytest.mark.parametrize("lacking", ["train", "test"])
@pytest.mark.parametrize("task", ["single-label", "score"])
def test_a_column_without_a_row_to_train_on_or_to_test_is_refused(tmp_path, lacking, task):
    there = {"train": "test", "test": "train"}[lacking]
    path = write(tmp_path / "data.jsonl", rows_of(4, part=[there] * 4, label=[1, 2, 1, 2]))
    with pytest.raises(InputError, match=f"the {lacking} split: expected rows that have a text and a label, got none"):
        load(path, split_column="part", task=task)


@pytest.mark.parametrize("seed", range(25))
def test_no_group_is_in_two_splits(tmp_path, seed):
    generator = np.random.default_rng(seed)
    count = int(generator.integers(30, 120))
    groups = [None if group == 0 else f"g{group}" for group in generator.integers(0, 15, count)]
    path = write(tmp_path / "data.jsonl", rows_of(count, author=groups))
    found = ids(load(path, group_column="author", validation_fraction=0.25, train_fraction=0.7, seed=seed))
    assert sorted(row for rows in found.values() for row in rows) == list(range(count))
    where = {}
    for name, rows in found.items():
        for row in rows:
            if groups[row] is not None:
                assert where.setdefault(groups[row], name) == name
    assert abs(len(found["test"]) - 0.3 * count) <= max(groups.count(group) for group in set(groups))


@pytest.mark.parametrize("missing", [None, "", "  ", float("nan"), "NA", "nan"])
def test_rows_without_a_group_are_drawn_one_by_one(tmp_path, missing, capsys):
    groups = [missing if row % 4 else f"g{row % 10}" for row in range(200)]
    path = write(tmp_path / "data.jsonl", rows_of(200, author=groups))
    found = ids(load(path, group_column="author", train_fraction=0.5))
    shares = [sum(row % 4 > 0 for row in rows) for rows in found.values()]
    assert min(shares) > 40
    said = "are taken for rows without a group" in capsys.readouterr().err
    assert said == (missing in ("NA", "nan"))


def test_a_group_that_is_a_number_is_the_same_however_it_is_written(tmp_path):
    rows = rows_of(
        200, author=[[row % 20, float(row % 20), str(row % 20), f"{row % 20}.0"][row // 50] for row in range(200)]
    )
    where = {}
    for name, found in ids(load(write(tmp_path / "data.jsonl", rows), group_column="author")).items():
        for row in found:
            assert where.setdefault(row % 20, name) == name


def test_groups_too_few_for_the_splits_are_refused(tmp_path):
    path = write(tmp_path / "data.jsonl", rows_of(10, author=["x"] * 10))
    with pytest.raises(InputError, match=r"--group-column author: expected groups enough for every split, got 1, "):
        load(path, group_column="author")


@pytest.mark.parametrize("seed", range(10))
def test_stratified_splits_have_each_class_in_its_share(tmp_path, seed):
    generator = np.random.default_rng(seed)
    labels = ["abc"[place] for place in generator.choice(3, 200, p=[0.8, 0.15, 0.05])] + ["b", "c"] * 2
    path = write(tmp_path / "data.jsonl", [{"text": f"t {i}", "label": label} for i, label in enumerate(labels)])
    dataset = load(path, stratify=True, validation_fraction=0.2, seed=seed)
    plain = load(path, validation_fraction=0.2, seed=seed)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        name: len(split) for name, split in plain.splits.items()
    }
    for split in dataset.splits.values():
        for class_, name in enumerate("abc"):
            share = labels.count(name) * len(split) / len(labels)
            assert abs(np.count_nonzero(split.labels == class_) - share) <= 1.0
    assert dataset.splits["train"].labels.tolist() != sorted(dataset.splits["train"].labels.tolist())  # still shuffled


def test_the_same_rows_go_the_same_way_with_a_teachers_answers(tmp_path):
    parts = ["train"] * 8 + ["test", "val"] * 2
    path = write(tmp_path / "data.jsonl", rows_of(12, part=parts, answer=[{"a": 0.25, "b": 0.75}] * 12))
    config = DataConfig("table", (path,), text_column=("text",), label_column="label", split_column="part", max_rows=0)
    table = load_answered(config, TableTeacherConfig(("answer",)))
    assert table.dataset.fingerprint == load_dataset(config).fingerprint
    for split in table.dataset.splits.values():
        assert_close(
            np.exp(split.teacher_logits),
            [[0.25, 0.75]] * len(split),
            terms=100,
            why="a logarithm's exponential",
            scale=10,
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split_column": "part", "test_data": ("x",)}, "--split-column and --test-data both say"),
        ({"test_data": ("x",), "train_fraction": 0.5}, "--train-fraction and a test split of your own"),
        ({"validation_data": ("x",), "validation_fraction": 0.5}, "--validation-fraction and --validation-data"),
        ({"stratify": True, "group_column": "x"}, "--stratify and --group-column do not go together"),
        ({"test_data": ("x",), "group_column": "x"}, "--group-column and splits of your own"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        DataConfig("table", ("a.csv",), text_column=("text",), label_column="label", **options)


def test_a_column_of_another_meaning_is_refused(tmp_path):
    path = write(tmp_path / "data.jsonl", rows_of(4))
    with pytest.raises(InputError, match=r"--split-column label: it is a column of the text, the label or another"):
        load(path, split_column="label")
    with pytest.raises(InputError, match=r"--group-column text: it is a column of the text, the label or another"):
        load(path, group_column="text")


def test_one_file_in_two_splits_is_refused(tmp_path):
    path = write(tmp_path / "data.jsonl", rows_of(4))
    with pytest.raises(InputError, match=r"data.jsonl: it is named twice; its rows would be in both splits"):
        load(path, test_data=(path,))
