"""Labels that look missing and are classes, because an option or the teacher itself says so."""

import dataclasses

import pytest

from export_helpers import configure
from teacher_export.command_line import parse_arguments
from teacher_export.teacher.kinds import kind_of
from tiny_teacher import make_teacher

LABELS = ["None", "-1", "NA", "good"]


@pytest.fixture
def asked(tmp_path):
    """What makes the configuration of a table of four labels, each of four rows, and of a teacher of given classes."""
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{LABELS[i % 4]}\n" for i in range(16)))

    def configured(teacher_names, **options):
        make_teacher(tmp_path / "teacher", label_names=teacher_names)
        found = configure(tmp_path / "teacher", tmp_path / "out", data=(path,), label_column="label", **options)
        return dataclasses.replace(found, data=dataclasses.replace(found.data, max_rows=0))

    return configured


@pytest.mark.parametrize(
    ("teacher_names", "label_map", "classes"),
    [
        (("None", "good"), (), ("None", "good")),
        (("none", "NA", "good"), (), ("NA", "None", "good")),
        (("bad", "fair", "good"), ("bad=-1", "fair=NA"), ("-1", "NA", "good")),
        (("a", "b", "c", "d"), ("a=None", "b=-1", "c=NA", "d=good"), ("-1", "NA", "None", "good")),
    ],
)
def test_a_class_of_the_teacher_or_of_the_label_map_is_no_missing_label(asked, teacher_names, label_map, classes):
    assert kind_of(asked(teacher_names, label_map=label_map)).dataset.label_names == classes


def test_the_option_s_words_may_begin_with_a_minus():
    words = ["--dataset", "table", "--data", "x.csv", "--text-column", "t", "--label-column", "l", "--keep-labels"]
    assert parse_arguments([*words, "-1", "None", "--seed", "1"]).data.keep_labels == ("-1", "None")
