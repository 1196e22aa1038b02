"""``--weight-column``: what a row to train on weighs, from the table to the export and the students."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from command_lines import call, refusal
from distill_jax.data.exports import Export
from distill_jax.errors import InputError
from distill_jax.export.format import ExportFormatError, read_manifest
from distill_jax.export.reader import iterate_parts, load_arrays
from distill_jax.export.writer import ExportWriter
from distill_jax.train import main as train
from teacher_export.__main__ import main
from teacher_export.data.dataset import load_dataset
from teacher_export.options.data import DataConfig
from tiny_export import tiny_header, tiny_part, tiny_tokenizer

WORDS = ("good nice solid", "poor weak slow")
COMMON = ["--dataset", "table", "--text-column", "text", "--label-column", "label", "--teacher-outputs", "a", "b"]


def write(path, weights, **columns):
    """Write a table of two classes with a weight for each row, and an answer of a teacher."""
    rows = len(weights)
    table = {
        "text": [f"{WORDS[row % 2]} {row}" for row in range(rows)],
        "label": ["ab"[row % 2] for row in range(rows)],
        "a": [0.9 - 0.8 * (row % 2) for row in range(rows)],
        "b": [0.1 + 0.8 * (row % 2) for row in range(rows)],
        "weight": weights,
        **columns,
    }
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


def export(capsys, data, output, *options, weight=True):
    words = ["--weight-column", "weight"] if weight else []
    status, _, error = call(capsys, main, *COMMON, "--data", data, "--output", output, *words, *options)
    assert status == 0, error
    return output


def parts(folder, split):
    return list(iterate_parts(folder, read_manifest(folder), split))


def test_training_rows_keep_their_weights_and_scored_rows_have_none(tmp_path, capsys):
    weights = np.arange(60) / 4
    data = write(tmp_path / "r.csv", weights)
    folder = export(capsys, data, tmp_path / "out", "--part-rows", "20")
    for part in parts(folder, "train"):
        assert part.weights.dtype == np.float32
        np.testing.assert_array_equal(part.weights, weights[part.example_ids].astype(np.float32))
    assert all(part.weights is None for part in parts(folder, "test"))
    examples = Export.open(folder).train
    known = weights[examples.example_ids]
    np.testing.assert_array_equal(examples.weights, (known / known.mean()).astype(np.float32))
    assert Export.open(folder).test.weights is None


def test_an_export_without_the_option_has_the_bytes_that_it_had(tmp_path, capsys):
    folders = []
    for name, weights in {"one": np.ones(40), "other": np.arange(40)}.items():
        data = write(tmp_path / f"{name}.csv", weights)
        data.rename(tmp_path / "r.csv")
        folders.append(export(capsys, tmp_path / "r.csv", tmp_path / name, weight=False))
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file())
    assert len(files) > 4
    assert all((folders[0] / file).read_bytes() == (folders[1] / file).read_bytes() for file in files)
    assert "weight" not in json.dumps(read_manifest(folders[0]).config)
    assert set(load_arrays(folders[0] / "train/part-00000.npz")) == {
        *("example_ids", "token_ids", "token_offsets", "labels", "teacher_logits")
    }


def test_other_weights_are_another_export(tmp_path, capsys):
    data = write(tmp_path / "r.csv", np.arange(40))
    export(capsys, data, tmp_path / "out")
    write(data, np.arange(40) + 1)
    said = refusal(capsys, main, *COMMON, "--data", data, "--output", tmp_path / "out", "--weight-column", "weight")
    assert "data_fingerprint" in said


@pytest.mark.parametrize("cell", ["-1", "nan", "inf", "", "heavy", "1e300"])
def test_what_is_no_weight_is_refused_with_its_row(tmp_path, capsys, cell):
    data = write(tmp_path / "r.csv", ["1"] * 7 + [cell] + ["1"] * 20)
    said = refusal(capsys, main, *COMMON, "--data", data, "--output", tmp_path / "out", "--weight-column", "weight")
    assert "row 8" in said
    assert "--weight-column weight: expected a number from 0 to" in said
    assert not (tmp_path / "out").exists()


def test_weights_of_0_alone_are_refused(tmp_path, capsys):
    data = write(tmp_path / "r.csv", [0] * 40)
    said = refusal(capsys, main, *COMMON, "--data", data, "--output", tmp_path / "out", "--weight-column", "weight")
    assert "--weight-column: expected a weight above 0 among the 32 training rows, got 0 alone" in said


def with_own_splits(data, weight_column="weight"):
    return DataConfig(
        dataset="table",
        data=(data,),
        text_column=("text",),
        label_column="label",
        split_column="part",
        weight_column=weight_column,
    )


def test_a_row_that_is_left_out_or_that_tests_needs_no_weight(tmp_path):
    part = ["train", "train", "test", "train"] * 10
    weights = ["" if name == "test" else "2" for name in part]
    label = [*"ab" * 20]
    label[4], weights[4] = "", "none"
    splits = load_dataset(with_own_splits(write(tmp_path / "r.csv", weights, part=part, label=label))).splits
    assert splits["train"].weights.tolist() == [2.0] * 29
    assert splits["test"].weights is None


@pytest.mark.parametrize("column", ["text", "label", "part"])
def test_the_weights_column_is_no_other_options(tmp_path, column):
    data = write(tmp_path / "r.csv", [1] * 20, part=["train", "test"] * 10)
    with pytest.raises(InputError, match=f"--weight-column {column}: it is a column of the text, the label or another"):
        load_dataset(with_own_splits(data, column))


def test_it_goes_with_a_table():
    with pytest.raises(InputError, match="--weight-column goes with --dataset table, got demo"):
        DataConfig(weight_column="weight")


def test_students_learn_by_the_weights_and_say_so(tmp_path, capsys):
    weights = np.where(np.arange(80) % 8 < 2, 5, 1)
    data = write(tmp_path / "r.csv", weights)
    histories = {}
    for name, weight in {"plain": False, "weighted": True}.items():
        folder = export(capsys, data, tmp_path / name, weight=weight)
        status, said, error = call(
            capsys,
            train,
            *("--export", folder, "--student", "fasttext", "--epochs", "2", "--embeddings", "random"),
            *("--workdir", tmp_path / f"run-{name}"),
        )
        assert status == 0, error
        assert ("scores count every row alike" in said) == weight
        histories[name] = (tmp_path / f"run-{name}/history.csv").read_text()
    assert histories["plain"] != histories["weighted"]


def test_a_part_of_bad_weights_is_refused(tmp_path):
    part = tiny_part(20, 0, 0)
    writer = ExportWriter(tmp_path / "out", tiny_header())
    for wrong in (-1, np.nan, np.inf):
        weights = np.ones(20, np.float32)
        weights[3] = wrong
        with pytest.raises(ExportFormatError, match=r"weights \(row 3\): expected a finite number from 0 on"):
            writer.write("train", 0, dataclasses.replace(part, weights=weights))
    with pytest.raises(ExportFormatError, match=r"weights: expected float32 \[20\], got float64 \[20\]"):
        writer.write("train", 0, dataclasses.replace(part, weights=np.ones(20)))


@pytest.mark.parametrize(
    ("second", "message"),
    [(None, r"weights: expected them in every part or in none, got 1 of 2"), (0.0, r"weights: expected one above 0")],
)
def test_weights_that_cannot_be_used_are_refused_by_their_reader(tmp_path, second, message):
    writer = ExportWriter(tmp_path / "out", tiny_header())
    first = np.zeros(20, np.float32)
    further = None if second is None else np.full(20, second, np.float32)
    for index, weights in enumerate((first, further)):
        writer.write("train", index, dataclasses.replace(tiny_part(20, index, 20 * index), weights=weights))
    writer.write("test", 0, tiny_part(20, 5, 100))
    writer.write_tokenizer(tiny_tokenizer().to_str())
    writer.write_token_embeddings(np.zeros((64, 4)))
    writer.finish({"train": 2, "test": 1}, writer.header.teacher)
    with pytest.raises(InputError, match=message):
        _ = Export.open(tmp_path / "out").train


def test_a_row_of_no_weight_is_left_out_where_bad_rows_are(tmp_path):
    """In splits of the file's own and under every task, so that no column's rows slip by one."""
    rows = 40
    scores = [row / 8 + 0.05 for row in range(rows)]
    part = (["train", "train", "test", "train"] * 10)[:rows]
    bad = {5: "heavy", 9: "-1", 21: "nan"}
    for task, column in (("single-label", "label"), ("score", "score")):
        found = {}
        for name, cells in {"bad": bad, "removed": {}}.items():
            data = write(tmp_path / f"{name}.csv", [bad.get(row, row) for row in range(rows)], part=part, score=scores)
            if name == "removed":
                lines = data.read_text().splitlines(keepends=True)
                data.write_text("".join(line for row, line in enumerate(lines, start=-1) if row not in bad))
            config = dataclasses.replace(
                with_own_splits(data), task=task, label_column=column, on_bad_row="skip" if cells else "error"
            )
            found[name] = load_dataset(config).splits
        for split in ("train", "test"):
            kept, without = found["bad"][split], found["removed"][split]
            assert kept.texts == without.texts
            np.testing.assert_array_equal(kept.labels, without.labels)
        np.testing.assert_array_equal(found["bad"]["train"].weights, found["removed"]["train"].weights)
