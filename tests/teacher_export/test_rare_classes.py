"""Classes of few training rows: named before and after, by the export and by a student's training."""

import csv

import numpy as np
import pytest

from command_lines import call
from distill_jax.rare_classes import too_few_rows
from distill_jax.train import main as train
from teacher_export.__main__ import main
from teacher_export.summary import rare_class_note

NAMES = ("common", "few", "one", "none")


def test_classes_of_fewer_than_five_rows_are_named_the_rarest_first():
    labels = np.array([0] * 50 + [1] * 4 + [2])
    said = too_few_rows(labels, NAMES)
    assert "2 classes have fewer than 5 training rows ('one' 1, 'few' 4)" in said
    assert "give more rows, merge it with another class, or leave it out" in said
    assert "1 class has" in too_few_rows(labels[labels != 2], NAMES)
    assert too_few_rows(np.arange(20) % 4, NAMES) is None
    assert too_few_rows(np.append(labels, -1), NAMES) is None  # its teacher's answer may be of any class
    assert too_few_rows(np.repeat(np.arange(30), 2), [f"class {number}" for number in range(30)]).count("'class") == 8


def test_a_rare_class_s_recall_is_told_with_its_rows():
    train_rows = np.array([0] * 90 + [1] * 30 + [2] * 12)
    truth, answered = np.array([0] * 6 + [2] * 3), np.array([0] * 6 + [2, 0, 2])
    said = rare_class_note(train_rows, (truth, answered), NAMES[:3])
    assert said is None  # 12 rows of 132 are more than a quarter of a third
    said = rare_class_note(np.append(train_rows, [0] * 100), (truth, answered), NAMES[:3])
    assert said == "test rows of the rarest classes that it finds: 'one' 2 of 3 (12 training rows)"
    assert rare_class_note(np.arange(40) % 4, (truth, answered), NAMES) is None
    assert rare_class_note(np.append(train_rows, [0] * 100), None, NAMES[:3]) is None


@pytest.fixture
def table(tmp_path):
    """A table of three classes, one of which has three rows."""
    label = ["a", "b"] * 100 + ["c"] * 3
    with (tmp_path / "r.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label", *"abc"])
        for row, name in enumerate(label):
            writer.writerow([f"word {name} {row}", name, *(0.8 if name == each else 0.1 for each in "abc")])
    return tmp_path / "r.csv"


def test_an_export_and_a_training_name_them(table, tmp_path, capsys):
    words = ["--dataset", "table", "--data", table, "--text-column", "text", "--label-column", "label", "--stratify"]
    for _ in ("made", "reused"):
        status, said, warned = call(
            capsys, main, *words, "--teacher-outputs", "a", "b", "c", "--output", tmp_path / "out"
        )
        assert status == 0
        assert "WARNING: 1 class has fewer than 5 training rows ('c' " in warned
        assert "test rows of the rarest classes that it finds: 'c' " in said
    status, _, warned = call(
        capsys,
        train,
        *("--export", tmp_path / "out", "--student", "fasttext", "--epochs", "1", "--embeddings", "random"),
        *("--workdir", tmp_path / "run"),
    )
    assert status == 0
    assert warned.count("WARNING: 1 class has fewer than 5 training rows ('c' ") == 1
