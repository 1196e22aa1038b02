import numpy as np
import pytest
from scipy import special, stats
from sklearn.calibration import calibration_curve

from distill_jax.metrics.calibration import divergence, log_softmax, reliability_curve
from tolerances import assert_close


def two_class_logits(confidences):
    """Return logits of which softmax gives class 0 the probability ``confidences``."""
    confidences = np.asarray(confidences)
    return np.log(np.stack([confidences, 1 - confidences], axis=1))


def test_the_calibration_error_equals_that_computed_by_hand():
    # bins of a fifth: (0.6, 0.8] holds 0.7 and 0.75, one of them right; (0.8, 1] holds 0.9, which is right
    curve = reliability_curve(two_class_logits([0.7, 0.75, 0.9]), np.array([0, 1, 0]), bins=5)
    assert curve.confidence == pytest.approx([0.725, 0.9])
    assert curve.accuracy == pytest.approx([0.5, 1.0])
    assert curve.rows.tolist() == [2, 1]
    assert curve.expected_calibration_error == pytest.approx(2 / 3 * 0.225 + 1 / 3 * 0.1)


def test_the_curve_equals_scikit_learns():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 2, (500, 4)), rng.integers(0, 4, 500)
    curve = reliability_curve(logits, labels)
    confidence = special.softmax(logits, axis=1).max(axis=1)
    right, mean = calibration_curve(logits.argmax(axis=1) == labels, confidence, n_bins=15)
    assert curve.accuracy == pytest.approx(right)
    assert curve.confidence == pytest.approx(mean)
    assert curve.rows.sum() == 500


def test_a_model_that_means_what_it_says_has_hardly_an_error_and_one_too_sure_of_itself_has_one():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, (20_000, 5))
    probabilities = special.softmax(logits, axis=1)
    labels = (probabilities.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert reliability_curve(logits, labels).expected_calibration_error < 0.02
    assert reliability_curve(4 * logits, labels).expected_calibration_error > 0.15


def test_the_divergence_equals_scipys_and_is_zero_between_equals():
    rng = np.random.default_rng(2)
    teacher, student = rng.normal(0, 2, (2, 50, 4))
    expected = stats.entropy(special.softmax(teacher, axis=1), special.softmax(student, axis=1), axis=1).mean()
    assert divergence(teacher, student) == pytest.approx(expected)
    assert divergence(student, teacher) != pytest.approx(expected)
    moved = teacher + 3
    of_rows = {"terms": teacher.size, "why": "the classes of the rows", "scale": np.abs(moved).max()}
    assert_close(divergence(teacher, moved), 0, **of_rows, dtype=np.float64)


def test_huge_logits_stay_finite():
    logits = np.array([[1e30, 0.0], [-1e30, 1e30]], np.float32)
    assert np.isfinite(reliability_curve(logits, np.array([0, 0])).expected_calibration_error)
    assert log_softmax(np.array([[1000.0, 0.0]]))[0, 0] == 0


def test_no_rows_and_unequal_arrays_are_refused():
    with pytest.raises(ValueError, match="at least one, got 0, 0"):
        reliability_curve(np.zeros((0, 2)), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="got 1, 2"):
        reliability_curve(np.zeros((2, 2)), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="of one shape"):
        divergence(np.zeros((2, 2)), np.zeros((2, 3)))
