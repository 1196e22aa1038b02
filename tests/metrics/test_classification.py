import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from distill_jax.metrics.classification import accuracy, agreement, confusion, macro_f1

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 0, 1, 1, 0, 0])


def test_scores_equal_those_computed_by_hand():
    assert accuracy(LABELS, PREDICTIONS) == pytest.approx(3 / 6)
    # class 0: TP 2, FP 2, FN 1; class 1: TP 1, FP 1, FN 1; class 2: TP 0, FN 1
    assert macro_f1(LABELS, PREDICTIONS) == pytest.approx((4 / 7 + 2 / 4 + 0) / 3)


def test_macro_f1_counts_the_classes_that_occur_in_either_array():
    # class 3 is predicted and never true: it counts, as 0; class 4 occurs nowhere and does not count
    assert macro_f1(np.array([0, 1]), np.array([0, 3])) == pytest.approx((1 + 0 + 0) / 3)


def test_confusion_has_a_row_for_each_true_class_and_keeps_classes_that_do_not_occur():
    matrix = confusion(LABELS, PREDICTIONS, 4)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_agreement_compares_the_classes_that_two_models_name():
    ours = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 1.0], [0.0, 2.0]])
    theirs = np.array([[9.0, 8.0], [3.0, 1.0], [0.2, 0.1], [1.0, 1.5]])
    assert agreement(ours, theirs) == 0.75


def test_no_rows_are_refused_instead_of_scored_nan():
    none = np.array([], np.int64)
    for call in (
        lambda: accuracy(none, none),
        lambda: macro_f1(none, none),
        lambda: confusion(none, none, 2),
    ):
        with pytest.raises(ValueError, match="at least one row"):
            call()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
def test_scores_are_scikit_learn_s_bit_for_bit(pairs):
    labels, predictions = np.array(pairs, np.int32).T
    assert accuracy(labels, predictions) == accuracy_score(labels, predictions)
    assert macro_f1(labels, predictions) == f1_score(labels, predictions, average="macro", zero_division=0)
    np.testing.assert_array_equal(
        confusion(labels, predictions, 7), confusion_matrix(labels, predictions, labels=range(7))
    )


def test_a_prediction_too_few_is_refused():
    for score in (accuracy, macro_f1):
        with pytest.raises(ValueError, match="a prediction for each of 6 labels, got 1"):
            score(LABELS, PREDICTIONS[:1])
