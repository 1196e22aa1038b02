import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn.calibration import calibration_curve

from distill_jax.metrics.calibration import (
    COLDEST,
    HOTTEST,
    divergence,
    fitted_temperature,
    log_softmax,
    reliability_curve,
)
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


def meant(rows, classes, seed):
    """Return logits and labels that are drawn from their softmax: a model that means what it says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (rows, classes))
    return logits, (special.softmax(logits, axis=1).cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)


@pytest.mark.parametrize("factor", [0.2, 1, 3, 10])
def test_the_temperature_is_what_logits_were_multiplied_by(factor):
    logits, labels = meant(20_000, 5, seed=3)
    assert fitted_temperature((factor * logits).astype(np.float32), labels) == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize(("classes", "factor"), [(2, 0.5), (3, 4), (40, 1.3)])
def test_the_temperature_is_that_of_scipy_s_search_and_the_same_for_shifted_logits(classes, factor):
    logits, labels = meant(300, classes, seed=classes)
    logits = factor * logits

    def loss(temperature):
        return -special.log_softmax(logits / temperature, axis=1)[np.arange(300), labels].mean()

    found = fitted_temperature(logits, labels)
    best = optimize.minimize_scalar(loss, bounds=(COLDEST, HOTTEST), method="bounded", options={"xatol": 1e-8})
    assert found == pytest.approx(best.x, rel=1e-5)
    shifts = np.random.default_rng(0).normal(0, 9, (300, 1))
    assert fitted_temperature(logits + shifts, labels) == pytest.approx(found)


@pytest.mark.parametrize("scale", [1e-30, 1, 1e30])
def test_the_temperature_stays_in_its_range_whatever_the_logits(scale):
    logits = (scale * np.eye(3)[np.arange(120) % 3]).astype(np.float32)
    right, wrong = np.arange(120) % 3, np.arange(1, 121) % 3
    assert fitted_temperature(logits, right) == pytest.approx(COLDEST)
    if scale >= 1:
        assert fitted_temperature(logits, wrong) == pytest.approx(HOTTEST)
    for labels in (right, wrong, np.zeros(120, int)):
        assert COLDEST <= fitted_temperature(logits, labels) <= HOTTEST


def test_the_calibration_error_falls_on_rows_that_the_temperature_was_not_fitted_to():
    logits, labels = meant(4000, 5, seed=4)
    logits, fitted, held_out = 3 * logits, slice(0, 1000), slice(1000, None)
    temperature = fitted_temperature(logits[fitted], labels[fitted])
    before, after = (
        reliability_curve(scaled[held_out], labels[held_out]).expected_calibration_error
        for scaled in (logits, logits / temperature)
    )
    assert after < before / 4


def test_huge_logits_stay_finite():
    logits = np.array([[1e30, 0.0], [-1e30, 1e30]], np.float32)
    assert np.isfinite(reliability_curve(logits, np.array([0, 0])).expected_calibration_error)
    assert log_softmax(np.array([[1000.0, 0.0]]))[0, 0] == 0


def test_no_rows_and_unequal_arrays_are_refused():
    with pytest.raises(ValueError, match="at least one, got 0, 0"):
        reliability_curve(np.zeros((0, 2)), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="got 1, 2"):
        reliability_curve(np.zeros((2, 2)), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="at least one, got 0, 0"):
        fitted_temperature(np.zeros((0, 2)), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="of one shape"):
        divergence(np.zeros((2, 2)), np.zeros((2, 3)))
