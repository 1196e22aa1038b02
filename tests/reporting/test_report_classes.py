"""A report's scores of each class: scikit-learn's numbers, what is said of rare classes, whose file is replaced."""

import csv

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from distill_jax.errors import InputError
from distill_jax.metrics.classification import confusion
from distill_jax.report import CLASSES, ReportConfig, write_report
from distill_jax.reporting.classes import class_scores, terminal_classes
from distill_jax.reporting.comparable_runs import find_runs, read_runs
from distill_jax.reporting.summary import notes
from distill_jax.reporting.table import build_table
from run_folders import LABEL_NAMES, write_run

PREDICTED = (0, 0, 1, 1, 2, 2, 1, 2, 0, 1)


def _table(folder):
    return build_table(read_runs(find_runs([folder])))


@pytest.mark.parametrize("seed", range(20))
def test_they_are_scikit_learn_s(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 9))
    labels, predicted = rng.integers(0, classes, (2, int(rng.integers(1, 40))))
    names = [f"class {number}" for number in range(classes)]
    found = class_scores(confusion(labels, predicted, classes), names)
    expected = precision_recall_fscore_support(labels, predicted, labels=range(classes), zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "count"), expected, strict=True):
        ours = np.array([getattr(each, name) for each in found], float)
        np.testing.assert_allclose(ours, values, err_msg=name)
    assert [each.name for each in found] == names


def test_the_csv_has_every_class_of_every_model_and_the_page_and_terminal_name_them(tmp_path, capsys):
    runs = tmp_path / "tiny"
    write_run(runs / "cnn", PREDICTED)
    write_run(runs / "fasttext", PREDICTED, student="fasttext")
    page = write_report(ReportConfig(runs=(runs,))).read_text()
    with (runs / CLASSES).open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [(line["model"], line["class"]) for line in lines] == [
        (model, name) for model in ("Teacher", "CNN", "Linear") for name in LABEL_NAMES
    ]
    assert (lines[3]["precision"], lines[3]["recall"], lines[3]["count"]) == (str(2 / 3), "0.5", "4")
    printed = capsys.readouterr().out
    assert "class by class" in printed
    assert "<h2>Each class</h2>" in page
    assert all(name in printed and f'<th scope="row">{name}</th>' in page for name in LABEL_NAMES)


def test_a_class_of_no_few_or_never_named_texts_is_named_with_what_to_do(tmp_path):
    labels = (0,) * 6 + (1,) * 6 + (2,) * 2
    names = ("bills", "leases", "wills", "patents")
    write_run(tmp_path / "r" / "cnn", (0,) * 14, labels=labels, teacher=labels, label_names=names)
    said = " ".join(notes(_table(tmp_path / "r")))
    assert "No test text is of patents" in said
    assert "Fewer than 5 test texts are of wills (2)" in said
    assert "CNN never names leases: train longer" in said
    assert "never names bills" not in said


def test_of_many_classes_the_terminal_shows_those_of_the_lowest_f1(tmp_path):
    names = tuple(f"class-{number:02}" for number in range(30))
    labels = tuple(range(30)) * 2
    predicted = tuple(label if label >= 10 else (label + 1) % 10 for label in labels)
    write_run(tmp_path / "r" / "cnn", predicted, labels=labels, teacher=labels, label_names=names)
    shown = terminal_classes(_table(tmp_path / "r"))
    assert all(name in shown for name in names[:10])
    assert "(and 10 classes of a higher F1)" in shown


def test_another_s_table_of_classes_beside_a_report_stays_and_ours_is_replaced(tmp_path):
    runs = tmp_path / "tiny"
    write_run(runs / "cnn", PREDICTED)
    write_report(ReportConfig(runs=(runs,)))
    write_report(ReportConfig(runs=(runs,)))
    (runs / CLASSES).write_text("teacher,room\nMs Lee,12\n")
    with pytest.raises(InputError, match=r"classes\.csv: expected no such file, or a report's"):
        write_report(ReportConfig(runs=(runs,)))
    assert (runs / CLASSES).read_text() == "teacher,room\nMs Lee,12\n"
