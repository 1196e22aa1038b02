"""A teacher with classes that the data lacks: they are the export's, and everything after it works with them."""

import csv
import json

import numpy as np
import pytest

from command_lines import call, refusal
from distill_jax import compare, predict, report, train
from distill_jax.data.exports import Export
from distill_jax.metrics.classification import macro_f1
from distill_jax.metrics.significance import score_certainty
from export_helpers import all_logits, contents
from teacher_export.__main__ import main
from tiny_teacher import LABEL_NAMES, make_teacher, write_reviews_csv
from tolerances import AGREEMENT

ORDER = ("4 stars", "1 star", "3 stars", "2 stars", "5 stars")  # of the teacher's logits
PRESENT = ("2 stars", "3 stars", "5 stars")
STUDENT = ("--student", "fasttext", "--epochs", "2", "--embeddings", "random", "--ngrams", "1", "--buckets", "0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A teacher of five classes, and tables of three of them and of all."""
    folder = tmp_path_factory.mktemp("further")
    make_teacher(folder / "teacher", label_names=ORDER)
    write_reviews_csv(folder / "three.csv", 90, label_names=PRESENT)
    write_reviews_csv(folder / "all.csv", 90)
    return folder


def _words(folder, table, name):
    return (
        *("--dataset", "table", "--data", folder / f"{table}.csv", "--text-column", "text", "--label-column", "rating"),
        *("--teacher", folder / "teacher", "--max-length", "32", "--precision", "float32", "--output", folder / name),
    )


@pytest.fixture
def exported(folder, capsys):
    """The export of the table with three classes, and what was said while it was made, or reused."""
    status, said, error = call(capsys, main, *_words(folder, "three", "out"))
    assert status == 0, error
    return folder / "out", said


def test_the_export_has_the_teachers_classes_and_says_which_the_data_lacks(folder, exported, capsys):
    out, said = exported
    export = Export.open(out)
    assert export.label_names == LABEL_NAMES  # whichever of them the data has
    assert "no row is of 2 of the teacher's 5 classes ('1 star', '4 stars')" in said
    assert "4 stars → 4 stars" in said
    names = {name: {export.label_names[label] for label in getattr(export, name).labels} for name in ("train", "test")}
    assert names == {"train": set(PRESENT), "test": set(PRESENT)}
    call(capsys, main, *_words(folder, "all", "whole"))
    assert Export.open(folder / "whole").label_names == LABEL_NAMES
    logits = all_logits(out, "train")
    assert logits.shape[1] == 5
    before = contents(out)
    status, again, _ = call(capsys, main, *_words(folder, "three", "out"))
    assert status == 0
    assert "it is reused" in again
    assert contents(out) == before


def test_each_logit_stands_under_its_class(folder, exported):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder / "teacher")
    tokenizer = AutoTokenizer.from_pretrained(folder / "teacher")
    rows = list(csv.DictReader((folder / "three.csv").read_text().splitlines()))
    export = Export.open(exported[0])
    for row, label, logits in zip(
        export.test.example_ids[:5], export.test.labels[:5], all_logits(exported[0], "test")[:5], strict=True
    ):
        assert LABEL_NAMES[label] == rows[row]["rating"]
        with torch.no_grad():
            direct = model(**tokenizer(rows[row]["text"], return_tensors="pt")).logits[0].numpy()
        by_name = {model.config.id2label[place]: value for place, value in enumerate(direct)}
        np.testing.assert_allclose(logits, [by_name[name] for name in LABEL_NAMES], atol=AGREEMENT)


def test_students_reports_comparisons_and_predictions_work_with_classes_that_no_row_has(folder, exported, capsys):
    runs = [folder / "runs" / name for name in ("distilled", "direct")]
    for run, words in zip(runs, (("--distil",), ("--class-weights", "balanced")), strict=True):
        status, _, error = call(capsys, train.main, "--export", exported[0], *STUDENT, *words, "--workdir", run)
        assert status == 0, error
    status, said, error = call(capsys, report.main, folder / "runs")
    assert status == 0, error
    assert "No test text is of 1 star and 4 stars, so nothing is known of the scores there" in said
    table = (folder / "runs" / "classes.csv").read_text()
    counts = {line["class"]: line["count"] for line in csv.DictReader(table.splitlines())}
    assert [counts[name] == "0" for name in LABEL_NAMES] == [name not in PRESENT for name in LABEL_NAMES]
    status, _, error = call(capsys, compare.main, *runs, "--json", folder / "pair.json")
    assert status == 0, error
    status, said, error = call(capsys, predict.main, "--run", runs[0], stdin=b"superb perfect film\n")
    assert status == 0, error
    assert set(json.loads(said)["probabilities"]) == set(LABEL_NAMES)


def test_a_class_that_the_teacher_lacks_is_refused_by_name(folder, capsys):
    table = folder / "other.csv"
    table.write_text((folder / "three.csv").read_text() + "a fine film,6 stars\n" * 4)
    said = refusal(capsys, main, *_words(folder, "other", "refused"))
    assert "none of the teacher's 5 classes matches '6 stars' of the data by name" in said
    assert "leave these rows out" in said
    assert not (folder / "refused").exists()


def test_labels_that_the_data_lacks_are_unknown_where_a_row_may_have_several(folder, tmp_path, capsys):
    make_teacher(tmp_path / "teacher", label_names=ORDER, problem_type="multi_label_classification")
    rows = [{"text": f"fine film {row}", "tags": ["1 star", "2 stars"][: row % 3]} for row in range(30)]
    (tmp_path / "tags.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = refusal(
        capsys,
        main,
        *("--dataset", "table", "--data", tmp_path / "tags.jsonl", "--text-column", "text", "--label-column", "tags"),
        *("--task", "multi-label", "--teacher", tmp_path / "teacher", "--max-length", "32"),
        *("--output", tmp_path / "out"),
    )
    assert "a label that no row has may be unknown" in said


def test_macro_f1_and_its_posterior_are_over_the_classes_that_occur():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 2_000)
    predicted = np.where(rng.random(2_000) < 0.8, labels, (labels + 1) % 3)
    expected = macro_f1(labels, predicted)
    for classes in (3, 5, 200):
        found = score_certainty(labels, predicted, classes)
        assert found.macro_f1.value == expected
        # one row's prior moves the mean of 2,000 rows by less than 1/2,000, and the draws' error is 0.009/√10,000
        assert found.macro_f1_posterior.value == pytest.approx(expected, abs=1e-3), classes
