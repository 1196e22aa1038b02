"""Labels to classes: what is a number, what is a name, and what is refused."""

import shlex
from pathlib import Path

import pytest

from distill_jax.errors import InputError
from distill_jax.tables.rows import Row
from teacher_export.data.labels import MAX_CLASSES, LabelColumn, canonical_label


def classes_of(labels, kept=()):
    column = LabelColumn("stars", kept)
    codes = [column.code(Row(Path("data.csv"), number, number + 2, (label,))) for number, label in enumerate(labels)]
    names, class_of_code = column.classes()
    return names, [None if code is None else class_of_code[code] for code in codes]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("1.0", "1"),
        (1.0, "1"),
        (" 1. ", "1"),
        (" 01 ", "01"),
        ("1e0", "1e0"),
        ("+1", "+1"),
        ("1.10", "1.10"),
        ("-1", "-1"),
        (-1.0, "-1"),
        ("0.50", "0.50"),
        ("0.0", "0"),
        (-0.0, "0"),
        (0.5, "0.5"),
        ("0.5", "0.5"),
        (1e5, "100000"),
        (True, "true"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1_0", "1_0"),
        ("١", "١"),
        ("", None),
        (" ", None),
        (None, None),
        (float("nan"), None),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_names_of_labels(value, name):
    assert canonical_label(value) == name


def test_numbers_are_in_numeric_order_however_they_are_written():
    assert classes_of(["10", 9, "9.0", "2", 10.0]) == (("2", "9", "10"), [2, 1, 1, 0, 2])


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["1.1", "1.10", "1.2"], ("1.1", "1.10", "1.2")),
        (["101", "0101", "1e5", 100000], ("0101", "101", "100000", "1e5")),
        (["007", "7", "7.50", "7.5", "07"], ("007", "07", "7", "7.5", "7.50")),
        (["1E2", "1e2", "100", "+100", "100.0"], ("+100", "100", "1E2", "1e2")),
        (["-0", "0", "00", ".0"], ("-0", ".0", "0", "00")),
    ],
)
def test_texts_that_may_be_codes_or_sections_are_classes_of_their_own_in_numeric_order(labels, names):
    assert classes_of(labels)[0] == names
    assert classes_of(labels[::-1])[0] == names


def test_names_are_sorted():
    assert classes_of(["pos", "neg", " pos ", "", None]) == (("neg", "pos"), [1, 0, 1, None, None])
    assert classes_of([True, False, True]) == (("false", "true"), [1, 0, 1])


def test_minus_one_means_unlabelled_beside_numbers_and_beside_names():
    assert classes_of(["0", "-1", "1", "-1.0", -1]) == (("0", "1"), [0, -1, 1, -1, -1])
    assert classes_of(["pos", "neg", "-1", "pos", -1.0]) == (("neg", "pos"), [1, 0, -1, 1, -1])


@pytest.mark.parametrize("word", ["NA", "N/A", "n/a", "NaN", "nan", "None", "null", "NULL", "<NA>", "#N/A", " NA "])
@pytest.mark.parametrize("others", [["1", "2", "1"], ["neg", "pos", "neg"]])
def test_what_programs_write_for_a_missing_value_is_no_class_and_said(capsys, word, others):
    names, classes = classes_of([*others, word, word])
    assert names == tuple(sorted(set(others)))
    assert classes == [0, 1, 0, -1, -1]
    assert f"column 'stars': cells with {word.strip()!r} (2) are taken for missing labels" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["none", "na", "Null", "-1.5", "no answer"])
def test_what_only_looks_like_a_missing_label_is_a_class(capsys, word):
    assert word in classes_of(["a", "b", word])[0]
    assert not capsys.readouterr().err


def test_a_missing_label_s_name_may_be_kept_as_a_class_and_the_warning_says_how(capsys):
    labels = ["None", "-1", "pos", "-1", "NaN"]
    assert classes_of(labels) == (("pos",), [-1, -1, 0, -1, -1])
    words = shlex.split(capsys.readouterr().err.partition("say so: ")[2])
    assert words == ["--keep-labels", "-1", "NaN", "None"]
    assert classes_of(labels, kept=words[1:]) == (("-1", "NaN", "None", "pos"), [2, 0, 3, 0, 1])
    assert classes_of(["-1", "0", "1"], kept=["-1"]) == (("-1", "0", "1"), [0, 1, 2])
    assert not capsys.readouterr().err


def test_names_beside_many_unlabelled_rows_are_no_odd_ones_among_numbers():
    assert classes_of([*["-1"] * 20, "pos", "neg"])[0] == ("neg", "pos")


@pytest.mark.parametrize("odd", ["five", "none", "1_0"])
def test_a_label_that_is_no_number_among_numbers_is_refused(odd):
    message = (
        rf"data file data.csv: row 3 \(line 4\): column 'stars': expected a number, as in 3 other rows, got '{odd}'"
    )
    with pytest.raises(InputError, match=message):
        classes_of(["1", "2", odd, "1"])


def test_too_many_classes_are_refused():
    assert len(classes_of([str(i) for i in range(-1, MAX_CLASSES)])[0]) == MAX_CLASSES
    with pytest.raises(InputError, match="'stars' does not look like classes: it has more than 1,000 different values"):
        classes_of([f"text {i}" for i in range(MAX_CLASSES + 5)])
    assert len(classes_of([*map(str, range(MAX_CLASSES)), "NA", "-1"])[0]) == MAX_CLASSES
    with pytest.raises(InputError, match=r"row 1001 .*it has more than 1,000 different values"):
        classes_of([str(i) for i in range(MAX_CLASSES + 1)])


@pytest.mark.parametrize(("value", "kind"), [([1], "list"), ({"a": 1}, "dict")])
def test_a_label_of_another_kind_is_refused(value, kind):
    with pytest.raises(InputError, match=rf"row 2 \(line 3\): column 'stars': expected a label .*, got {kind}"):
        classes_of(["1", value])


def test_half_a_surrogate_pair_in_a_label_is_refused_with_its_row():
    with pytest.raises(InputError, match=r"row 2 \(line 3\): column 'stars': .*half a surrogate pair \(\\ud83d\)"):
        classes_of(["good", "bad\ud83d"])


def test_a_label_as_long_as_a_text_is_refused_by_its_row():
    column = LabelColumn("stars")
    assert column.code(Row(Path("a.csv"), 0, 2, ("x" * 1_000,))) == 0
    with pytest.raises(
        InputError, match=r"row 2 .line 3.: column 'stars': expected a label of at most 1,000 .*got 1,001"
    ):
        column.code(Row(Path("a.csv"), 1, 3, ("x" * 1_001,)))
