import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from distill_jax.losses import Objective, kl_at_temperature, logit_mse, standardise
from tolerances import assert_close

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)).astype(np.float32) * 2
TEACHER = RNG.normal(size=(6, 4)).astype(np.float32) * 3
LABELS = np.array([0, 1, 2, 3, -1, 0], np.int32)
OF_ROWS = {"terms": 8, "why": "the four classes of a row, on both sides"}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_kl_is_scipy_s_times_the_temperature_squared(temperature):
    teacher, student = softmax(TEACHER / temperature, axis=1), softmax(LOGITS / temperature, axis=1)
    expected = temperature**2 * rel_entr(teacher, student).sum(axis=1)
    scale = temperature**2 * np.abs(np.log(student)).max()
    assert_close(kl_at_temperature(LOGITS, TEACHER, temperature), expected, **OF_ROWS, scale=scale)


def test_at_high_temperature_kl_becomes_mse_of_centred_logits():
    """Hinton et al. 2015, section 2.1: both sides' logits centred, KL · T² tends to half their mean squared error."""
    one, other = LOGITS - LOGITS.mean(1, keepdims=True), TEACHER - TEACHER.mean(1, keepdims=True)
    temperature = 1e4
    with jax.enable_x64(True):
        found = kl_at_temperature(jnp.asarray(one, jnp.float64), jnp.asarray(other, jnp.float64), temperature)
    next_term = max(np.abs(one).max(), np.abs(other).max()) / temperature
    np.testing.assert_allclose(found, 0.5 * logit_mse(one, other), rtol=next_term)


def test_the_factor_t_squared_keeps_the_size_of_the_gradient():
    def size(temperature):
        gradient = jax.grad(lambda logits: kl_at_temperature(logits, TEACHER, temperature).sum())(LOGITS)
        return float(jnp.abs(gradient).mean())

    assert 0.2 < size(8.0) / size(2.0) < 5  # without it, the ratio would be sixteen times smaller
    assert size(8.0) != size(2.0)


@pytest.mark.parametrize("options", [{"soft": "kl", "temperature": 3.0}, {"standardised": True}])
def test_a_student_equal_to_its_teacher_has_no_soft_loss_and_no_gradient(options):
    objective = Objective(0.0, **options)
    value, gradient = jax.value_and_grad(lambda logits: objective(logits, LABELS, TEACHER).sum())(TEACHER)
    assert_close(value, 0, **OF_ROWS, scale=objective.temperature**2)
    assert_close(gradient, np.zeros_like(TEACHER), **OF_ROWS, scale=objective.temperature)


def test_standardised_logits_have_mean_0_and_deviation_1_and_forget_scale_and_shift():
    found = standardise(jnp.asarray(LOGITS))
    assert_close(found.mean(axis=1), np.zeros(6), **OF_ROWS, scale=1)
    assert_close(found.std(axis=1), np.ones(6), **OF_ROWS)
    objective = Objective(0.0, standardised=True)
    moved, expected = 5 * LOGITS + 7, objective(LOGITS, LABELS, TEACHER)
    # What adding 7 rounds off the logits is divided by the row's deviation.
    scale = np.abs(moved).max() / moved.std(axis=1).min() * expected.max()
    assert_close(objective(moved, LABELS, TEACHER), expected, **OF_ROWS, scale=scale)
    assert not np.allclose(Objective(0.0)(moved, LABELS, TEACHER), Objective(0.0)(LOGITS, LABELS, TEACHER))


def test_equal_logits_are_standardised_without_a_division_by_zero():
    assert np.isfinite(jax.grad(lambda logits: standardise(logits).sum())(jnp.ones((2, 4)))).all()


def test_an_unlabelled_row_takes_part_in_the_soft_loss_alone():
    mixed = Objective(0.3, "kl", 2.0)(LOGITS, LABELS, TEACHER)
    soft = Objective(0.0, "kl", 2.0)(LOGITS, LABELS, TEACHER)
    assert_close(mixed[4], 0.7 * soft[4], terms=2, why="the weighted losses")
    assert not np.allclose(mixed[0], 0.7 * soft[0])
