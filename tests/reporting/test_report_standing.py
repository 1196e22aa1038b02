"""What a report says where a teacher is no measure: worse than its student, at chance, or blind to some classes."""

import numpy as np
import pytest

from distill_jax.report import ReportConfig, write_report
from distill_jax.reporting.comparable_runs import find_runs, read_runs
from distill_jax.reporting.summary import headline, notes, tiles
from distill_jax.reporting.table import build_table
from run_folders import write_run

CLASSES = tuple("abcdefghijkl")
ROWS = 1200


def some_right(labels, share, *, classes):
    """Return predictions of which the first share of every class's rows are right, the others the next class."""
    seen, predicted = dict.fromkeys(range(classes), 0), []
    for label in labels:
        right = seen[label] < share * labels.count(label)
        seen[label] += 1
        predicted.append(label if right else (label + 1) % classes)
    return tuple(predicted)


def table_of(folder, labels, teacher, direct, distilled=None):
    names = CLASSES[: max(labels) + 1]
    write_run(folder / "a", direct, labels=labels, teacher=teacher, label_names=names)
    if distilled is not None:
        write_run(folder / "b", distilled, labels=labels, teacher=teacher, label_names=names, distil=True)
    return build_table(read_runs(find_runs([folder])))


def everything(table):
    return " ".join([headline(table), *notes(table), *(f"{tile.figure} {tile.caption}" for tile in tiles(table))])


@pytest.fixture
def labels():
    return tuple((np.arange(ROWS) % 4).tolist())


@pytest.mark.parametrize(("student", "chance"), [(0.7, False), (0.605, True)])
def test_a_student_better_than_its_teacher_is_said_to_be_so_with_an_interval(tmp_path, labels, student, chance):
    teacher = some_right(labels, 0.6, classes=4)
    predicted = some_right(labels[::-1], student, classes=4)[::-1]  # right on other rows than the teacher
    said = everything(table := table_of(tmp_path, labels, teacher, predicted))
    lead = table.students[0].accuracy - table.teacher.accuracy
    assert f"is more accurate than its teacher, by +{lead:.3f}, 95 % interval " in said
    assert "of the teacher’s accuracy" not in said
    assert ("within chance" in said) == chance


def test_a_teacher_no_better_than_the_most_frequent_class_has_no_accuracy_to_keep(tmp_path):
    labels = (0,) * 30 + (1,) * 10 + (2,) * 10
    table = table_of(tmp_path, labels, (1,) * 50, (0,) * 50, labels)
    said = everything(table)
    assert "The teacher is no better than naming the most frequent class for every text: accuracy 0.200" in said
    assert "480" not in said
    assert "of the teacher’s accuracy" not in said
    assert [(row.accuracy_kept, row.gap_closed) for row in table.students] == [(None, None)] * 2
    write_report(ReportConfig(runs=(tmp_path,)))
    assert "500.0 %" not in (tmp_path / "report.html").read_text(encoding="utf-8").replace("&nbsp;", " ")


@pytest.mark.parametrize("seen", [4, 11, 12])
def test_the_classes_that_a_teacher_ignores_are_named(tmp_path, seen):
    labels = tuple((np.arange(ROWS) % 12).tolist())
    teacher = tuple(label if label < seen else label % seen for label in labels)
    table = table_of(tmp_path, labels, teacher, labels)
    found = [note for note in notes(table) if note.startswith("The teacher ignores")]
    if seen == 12:
        assert found == []
    else:
        assert f"ignores {12 - seen} of the 12 classes" in found[0]
        it = "it" if seen == 11 else "them"
        assert f"naming {it} never or almost never" in found[0]
        assert f"can hardly learn {it} from the teacher." in found[0]
        assert CLASSES[seen] in found[0]


def test_a_class_of_a_few_rows_is_not_called_ignored(tmp_path):
    labels = (0,) * 40 + (1,) * 40 + (2,)
    assert not any("ignores" in note for note in notes(table_of(tmp_path, labels, (0,) * 40 + (1,) * 41, labels)))


@pytest.mark.parametrize(
    ("recorded", "says"),
    [
        ({"at_chance": True}, "at chance"),
        ({"still_learns": True}, "in the midst of learning"),
        ({"at_chance": False, "still_learns": False}, None),
        ({}, None),
    ],
)
def test_a_student_that_has_learned_nothing_yet_is_told_to_train_longer(tmp_path, labels, recorded, says):
    folder = write_run(
        tmp_path / "run",
        some_right(labels, 0.3, classes=4),
        labels=labels,
        teacher=some_right(labels, 0.8, classes=4),
        label_names=CLASSES[:4],
        metrics=recorded,
    )
    found = notes(build_table(read_runs([folder])))
    asked = [note for note in found if "train it for more epochs" in note]
    assert [says in note for note in asked] == ([] if says is None else [True])


def test_one_test_text_is_one_text_and_no_chance_level(tmp_path):
    table = table_of(tmp_path, (1,), (1,), (1,))
    assert "keeps 100.0 % of the teacher’s accuracy (1.000 against 1.000 on 1 test text)" in headline(table)
    assert not any("most frequent" in note for note in notes(table))
