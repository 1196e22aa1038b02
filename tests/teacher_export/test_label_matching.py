import shlex

import numpy as np
import pytest

from distill_jax.errors import InputError
from teacher_export.teacher.label_matching import Matching, are_generic, match_labels

DATA = ("1 star", "2 stars", "3 stars")


@pytest.mark.parametrize(
    ("teacher", "label_map", "columns"),
    [
        (("1 star", "2 stars", "3 stars"), (), [0, 1, 2]),
        (("3 stars", "1 star", "2 stars"), (), [1, 2, 0]),
        (("3 STARS", "1Star", " 2  stars "), (), [1, 2, 0]),
        (("LABEL_0", "LABEL_1", "LABEL_2"), ("in-order",), [0, 1, 2]),
        (("good", "bad", "fair"), ("good=3 stars", "fair=2 stars", "bad=1 star"), [1, 2, 0]),
        (("good", "1 star", "2 stars"), ("good=3 stars",), [1, 2, 0]),
        (("2 stars", "1 star", "3 stars"), ("2 stars=1 star", "1 star=2 stars"), [0, 1, 2]),
    ],
)
def test_columns_put_the_teachers_logits_into_the_datas_order(teacher, label_map, columns):
    assert match_labels(teacher, DATA, label_map) == Matching(DATA, columns)


def test_every_permutation_of_names_is_undone():
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(5)
        names = [f"class {index}" for index in range(5)]
        teacher = [names[index] for index in order]
        columns = match_labels(teacher, names, ()).columns
        assert [teacher[column] for column in columns] == names


def test_names_that_differ_in_case_alone_match_exactly():
    assert match_labels(("B", "b"), ("b", "B"), ()).columns == [1, 0]


def test_a_name_may_hold_an_equals_sign():
    assert match_labels(("a=b", "c"), ("x=y", "z"), ("a=b=x=y", "c=z")).columns == [0, 1]


def test_the_suggested_map_can_be_pasted_back():
    with pytest.raises(InputError) as caught:
        match_labels(("LABEL_0", "LABEL_1", "LABEL_2"), DATA, ())
    message = str(caught.value)
    assert "['LABEL_0', 'LABEL_1', 'LABEL_2']" in message
    assert str(list(DATA)) in message
    pasted = shlex.split(message.split("--label-map ")[1])
    assert match_labels(("LABEL_0", "LABEL_1", "LABEL_2"), DATA, pasted).columns == [0, 1, 2]


@pytest.mark.parametrize(
    ("teacher", "label_map", "message"),
    [
        (("a", "b"), (), r"the teacher has 2 classes and the data 3: it has none for '1 star', '2 stars', '3 stars': "),
        (("3 stars", "1 star"), (), r"none for '2 stars': the teacher's are \['3 stars', '1 star'\], .*leave these"),
        (("a", "b"), ("in-order",), "the teacher has 2 classes and the data 3"),
        (("a", "b", "c", "d"), (), "none of the teacher's 4 classes matches '1 star', '2 stars', '3 stars' of the"),
        ((*DATA[:2], "c", "d"), (), "matches '3 stars' of the data by name: .*'c=3 stars' d=d; or leave these rows"),
        ((*DATA, "d"), ("in-order",), "the teacher has 4 classes and the data 3.*give TEACHER=DATA entries"),
        ((*DATA, "LABEL_3"), (), "the name of 'LABEL_3', which the data lacks, does not say what it is"),
        ((*DATA, "3"), (), "the name of '3', which the data lacks, does not say what it is"),
        ((*DATA, "x", "x"), (), "the name of 'x', .* is already taken by another class"),
        ((*DATA, "x"), ("1 star=2 stars", "2 stars=1 star", "x=3 stars"), "the name of '3 stars', .* is already taken"),
        (("a", "b", "c"), ("a",), "expected TEACHER=DATA entries or the one word in-order, got 'a'"),
        (("a", "b", "c"), ("d=1 star",), "the teacher has no class 'd'"),
        (("a", "b", "c"), ("a=4 stars",), "the data has no class '4 stars'"),
        (("a", "b", "c"), ("a=1 star", "b=1 star"), "expected each class once"),
        (("a", "b", "c"), ("a=1 star", "a=2 stars"), "expected each class once"),
        (("a", "b", "c"), ("a=1 star",), "do not match the data's by name"),
        (("1 star", "1 STAR", "2 stars"), (), "do not match the data's by name"),
    ],
)
def test_what_does_not_match_is_refused_with_both_sides(teacher, label_map, message):
    with pytest.raises(InputError, match=message):
        match_labels(teacher, DATA, label_map)


def test_generic_names_are_recognised():
    assert are_generic(("LABEL_0", "LABEL_1"))
    assert not are_generic(("LABEL_0", "good"))


def test_classes_of_the_teacher_alone_are_classes_too():
    assert match_labels(("3 stars", "5 stars", "1 STAR", "4 stars", "2 stars"), DATA, ()) == Matching(
        ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"), [2, 4, 0, 3, 1], ("4 stars", "5 stars")
    )
    assert match_labels(("10", "2", "3"), ("2", "10"), ()) == Matching(("2", "3", "10"), [1, 2, 0], ("3",))
    by_hand = ("b", "a")  # in an order of its own, which further classes do not disturb
    assert match_labels(("a", "0th", "b"), by_hand, ()) == Matching(("b", "a", "0th"), [2, 0, 1], ("0th",))


@pytest.mark.parametrize("further", [("LABEL_3", "LABEL_4"), ("3", "4")])
def test_the_suggested_map_names_further_classes_too(further):
    with pytest.raises(InputError) as caught:
        match_labels((*DATA, *further), DATA, ())
    pasted = shlex.split(str(caught.value).split("--label-map ")[1])
    assert set(match_labels((*DATA, *further), DATA, pasted).lacking) == set(further)


def test_a_map_names_classes_that_the_data_lacks():
    mapped = match_labels(("LABEL_0", "LABEL_1", "LABEL_2"), ("b", "c"), ("LABEL_2=b", "LABEL_0=c", "LABEL_1=a"))
    assert mapped == Matching(("a", "b", "c"), [1, 2, 0], ("a",))
