import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from distill_jax.metrics.classification import macro_f1
from distill_jax.metrics.outcomes import class_sums, count_outcomes
from teacher_export.summary import score, teacher_warnings
from teacher_export.teacher.label_order import wrong_order
from tolerances import assert_close

NAMES = ("a", "b", "c", "d")


def answers_of(confusion, rows, rng):
    """Draw labels and, from a row of ``confusion`` (chances) for each, predictions."""
    confusion = np.asarray(confusion, float)
    labels = rng.integers(0, len(confusion), rows)
    return labels, np.array([rng.choice(len(confusion), p=confusion[label]) for label in labels])


def good(classes, right):
    """Chances of a teacher that is right so often, and else wrong in any way."""
    return np.full((classes, classes), (1 - right) / (classes - 1)) + np.eye(classes) * (
        right - (1 - right) / (classes - 1)
    )


@pytest.mark.parametrize("rows", [30, 100, 600])
@pytest.mark.parametrize("classes", [2, 5, 12])
def test_a_teacher_without_skill_is_no_evidence_of_another_order(rows, classes):
    rng = np.random.default_rng([rows, classes])
    for _ in range(60):  # each gains by the best exchange of its columns
        labels, predictions = answers_of(rng.dirichlet(np.ones(classes), 1).repeat(classes, 0), rows, rng)
        assert wrong_order(labels, predictions, classes) is None


@pytest.mark.parametrize("right", [0.3, 0.5, 0.9])
def test_a_teacher_in_the_right_order_is_not_warned_of(right):
    rng = np.random.default_rng(0)
    for classes in (3, 5, 12):
        for _ in range(30):
            assert wrong_order(*answers_of(good(classes, max(right, 1.5 / classes)), 120, rng), classes) is None


@pytest.mark.parametrize(("classes", "right", "rows"), [(2, 0.8, 300), (5, 0.6, 300), (12, 0.7, 600)])
def test_another_order_is_found_whatever_it_is(classes, right, rows):
    rng = np.random.default_rng(1)
    for _ in range(20):
        order = rng.permutation(classes)
        labels, predictions = answers_of(good(classes, right), rows, rng)
        found = wrong_order(labels, order[predictions], classes)
        if (order == np.arange(classes)).all():
            assert found is None
        else:
            np.testing.assert_array_equal(found, order)


def test_a_teacher_that_ignores_classes_has_no_order_to_be_put_right():
    rng = np.random.default_rng(2)
    labels, predictions = answers_of(good(12, 0.9), 2000, rng)
    predictions = predictions % 4  # of each answer three classes have a share, and the rarest class is not its own
    keep = (labels > 3) | (rng.random(2000) < 0.3)
    labels, predictions = labels[keep], predictions[keep]
    assert wrong_order(labels, predictions, 12) is None
    warning = teacher_warnings({"test": (labels, predictions)}, tuple("abcdefghijkl"), order_is_known=False)[0]
    assert "the teacher ignores 8 of 12 classes: it answers 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l' for no" in warning


def test_the_warning_of_another_order_says_what_looks_like_what_and_is_silent_where_the_order_is_known():
    labels = np.random.default_rng(3).integers(0, 4, 200)
    swapped = np.array([0, 2, 1, 3])[labels]
    (warning,) = teacher_warnings({"test": (labels, swapped)}, NAMES, order_is_known=False)
    assert f"is {(labels == swapped).mean():.3f}, but 1.000 if its classes stood in another order" in warning
    assert "What is now taken for 'c' looks like 'b', 'b' looks like 'c'; give the right order" in warning
    assert teacher_warnings({"test": (labels, swapped)}, NAMES, order_is_known=True) == []


def test_a_class_that_is_answered_in_another_split_is_not_ignored():
    labels = np.arange(40) % 4
    rare = np.where(labels == 3, 0, labels)
    assert "ignores 1 of 4" in teacher_warnings({"test": (labels, rare)}, NAMES, order_is_known=True)[0]
    both = {"train": (labels, labels), "test": (labels, rare)}
    assert teacher_warnings(both, NAMES, order_is_known=True) == []


def test_a_teacher_no_better_than_the_most_frequent_class_is_said_to_be_so():
    labels = np.array([0] * 6 + [1] * 4)
    predictions = np.array([0, 1] * 5)
    (warning,) = teacher_warnings({"test": (labels, predictions)}, ("good", "bad"), order_is_known=True)
    assert "test accuracy is 0.500, not above 0.600, that of always answering 'good'" in warning


def test_an_export_without_a_labelled_row_has_no_warning():
    assert teacher_warnings({}, NAMES, order_is_known=False) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_manifest_training_and_report_have_the_macro_f1_of_scikit_learn(pairs):
    labels, predictions = np.array(pairs, np.int32).T
    wanted = f1_score(labels, predictions, average="macro", zero_division=0)
    table = count_outcomes(labels, predictions, num_labels=6)
    sums = class_sums(table, table.counts[None])
    assert score(labels, predictions) == {
        "accuracy": accuracy_score(labels, predictions),
        "macro_f1": wanted,
    }
    assert macro_f1(labels, predictions) == wanted
    assert_close(sums.macro_f1()[0, 0], wanted, terms=6, why="the six classes", dtype=np.float64)


def test_a_class_that_occurs_nowhere_does_not_lower_the_manifest_s_macro_f1():
    assert score(np.array([0, 0, 1]), np.array([0, 0, 1]))["macro_f1"] == 1.0
