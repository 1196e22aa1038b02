import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from distill_jax.losses import Objective, cross_entropy, logit_mse
from tolerances import assert_close

RNG = np.random.default_rng(0)
LOGITS, TEACHER = (jnp.asarray(RNG.normal(size=(7, 5)).astype(np.float32) * 3) for _ in range(2))
LABELS = jnp.asarray(RNG.integers(0, 5, 7))
OF_ROWS = {"terms": 5, "why": "the five classes of a row"}
OF_MIX = {"terms": 2, "why": "the weighted losses"}


def _mean_gradient(objective, logits, labels=LABELS, teacher=TEACHER):
    return jax.grad(lambda logits: objective(logits, labels, teacher).mean())(logits)


def test_alpha_1_is_optax_s_cross_entropy():
    one_hot = jax.nn.one_hot(LABELS, 5)
    expected = optax.losses.softmax_cross_entropy(LOGITS, one_hot)
    assert_close(Objective(1.0)(LOGITS, LABELS, TEACHER), expected, **OF_ROWS, scale=np.abs(LOGITS).max())
    assert_close(cross_entropy(LOGITS, LABELS), expected, **OF_ROWS, scale=np.abs(LOGITS).max())


def test_alpha_1_does_not_look_at_the_teacher():
    nothing = jnp.full_like(TEACHER, jnp.nan)
    assert jnp.isfinite(Objective(1.0)(LOGITS, LABELS, nothing)).all()
    assert jnp.isfinite(_mean_gradient(Objective(1.0), LOGITS, teacher=nothing)).all()


def test_alpha_0_is_the_mean_over_classes_of_the_squared_difference():
    expected = [sum((s - t) ** 2 for s, t in zip(*rows, strict=True)) / 5 for rows in zip(LOGITS, TEACHER, strict=True)]
    assert_close(Objective(0.0)(LOGITS, LABELS, TEACHER), expected, **OF_ROWS)


def test_a_student_equal_to_its_teacher_has_no_soft_loss_and_no_gradient():
    assert (np.asarray(logit_mse(TEACHER, TEACHER)) == 0).all()
    assert (np.asarray(_mean_gradient(Objective(0.0), TEACHER)) == 0).all()
    assert (np.asarray(_mean_gradient(Objective(0.0), LOGITS)) != 0).any()


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_the_mix_weighs_the_labels_by_alpha_and_the_teacher_by_the_rest(alpha):
    mixed = Objective(alpha)(LOGITS, LABELS, TEACHER)
    hard, soft = Objective(1.0)(LOGITS, LABELS, TEACHER), Objective(0.0)(LOGITS, LABELS, TEACHER)
    assert not np.allclose(hard, soft)
    assert_close(mixed, alpha * hard + (1 - alpha) * soft, **OF_MIX)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_an_unlabelled_row_takes_part_in_the_soft_loss_alone(alpha):
    unlabelled = LABELS.at[2].set(-1)
    losses = Objective(alpha)(LOGITS, unlabelled, TEACHER)
    labelled = Objective(alpha)(LOGITS, LABELS, TEACHER)
    assert_close(losses[2], (1 - alpha) * logit_mse(LOGITS, TEACHER)[2], **OF_MIX)
    np.testing.assert_array_equal(np.delete(losses, 2), np.delete(labelled, 2))
    assert jnp.isfinite(_mean_gradient(Objective(alpha), LOGITS, unlabelled)).all()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_each_example_has_its_own_loss(alpha):
    together = Objective(alpha)(LOGITS, LABELS, TEACHER)
    assert together.shape == (7,)
    alone = [Objective(alpha)(LOGITS[i : i + 1], LABELS[i : i + 1], TEACHER[i : i + 1])[0] for i in range(7)]
    assert_close(together, alone, **OF_ROWS)
