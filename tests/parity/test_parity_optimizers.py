"""The optimisers step by step, against torch's: the same gradients in, the same parameters out."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from distill_jax.config import TrainConfig
from distill_jax.training.optimizers import make_optimizer
from parity_setup import PRECISIONS, TORCH_TYPES, precision
from tolerances import assert_close

STEPS, STEPS_PER_EPOCH, SIZE = 100, 20, 200


def gradients(dtype):
    """Return a gradient a step, of many sizes, with steps and single parameters of zeros in between."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(STEPS, SIZE)) * 10.0 ** rng.uniform(-6, 1, size=(1, SIZE))
    values[rng.random(STEPS) < 0.2] = 0
    values[:, :5] = 0
    values[:50, 5:10] = 0
    return values.astype(dtype)


def reference_steps(name, dtype):
    """Return the parameters after each step, by torch."""
    weight = torch.nn.Parameter(torch.ones(SIZE, dtype=TORCH_TYPES[dtype]))
    if name == "adam":
        optimizer = torch.optim.Adam([weight], lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
        schedule = None
    else:
        optimizer = torch.optim.SGD([weight], lr=0.5)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    after = []
    for step, gradient in enumerate(gradients(dtype)):
        weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        if schedule and (step + 1) % STEPS_PER_EPOCH == 0:
            schedule.step()
        after.append(weight.detach().numpy().copy())
    return np.array(after)


def our_steps(name, dtype):
    config = TrainConfig.notebook("cnn" if name == "adam" else "fasttext")
    assert config.optimizer == name
    params, after = {"weight": jnp.ones(SIZE, dtype)}, []
    state = make_optimizer(name, 0.0).init(params)
    for step, gradient in enumerate(gradients(dtype)):
        rate = jnp.asarray(config.learning_rate_at(step // STEPS_PER_EPOCH), dtype)
        updates, state = make_optimizer(name, rate).update({"weight": jnp.asarray(gradient)}, state, params)
        params = optax.apply_updates(params, updates)
        after.append(np.asarray(params["weight"]))
    return np.array(after)


@pytest.mark.parametrize("precision_name", PRECISIONS)
@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_a_hundred_steps(name, precision_name):
    theirs = reference_steps(name, precision_name)
    with precision(precision_name):
        ours = our_steps(name, precision_name)
    assert ours.dtype == theirs.dtype == precision_name
    size = np.maximum(np.abs(theirs), 1)  # they start from 1
    assert_close(ours / size, theirs / size, terms=STEPS, why="the steps, one after another", dtype=precision_name)
    assert np.abs(theirs[-1] - 1).max() > 0.02
    assert (ours[:, :5] == 1).all(), "a parameter that never has a gradient never moves"


def test_adam_moves_on_through_zero_gradients_and_sgd_does_not():
    zero = np.flatnonzero((gradients("float32") == 0).all(axis=1))
    zero = zero[zero > 0]
    assert len(zero) > 5
    adam, sgd = our_steps("adam", "float32"), our_steps("sgd", "float32")
    assert all((adam[step] != adam[step - 1]).any() for step in zero)
    assert all((sgd[step] == sgd[step - 1]).all() for step in zero)


def test_adam_is_accurate_in_float32_from_its_first_steps():
    """1 − 0.999^t formed in float32 is wrong by a hundred-thousandth at first; every update would be wrong with it."""
    gradient, moved = {"weight": jnp.full(1, 0.3)}, []
    params = {"weight": jnp.zeros(1)}
    tx = make_optimizer("adam", 1e-3)
    state = tx.init(params)
    for _ in range(5):
        updates, state = tx.update(gradient, state, params)
        moved.append(float(updates["weight"][0]))
    expected = np.full(5, -1e-3 / (1 + 1e-8 / 0.3))
    assert_close(moved, expected, terms=5, why="two means, their corrections and a quotient")


@pytest.mark.parametrize(("student", "rates"), [("fasttext", [0.5, 0.25, 0.125, 0.0625]), ("cnn", [1e-3] * 4)])
def test_rates_of_the_epochs(student, rates):
    config = TrainConfig.notebook(student)
    assert [config.learning_rate_at(epoch) for epoch in range(4)] == rates
    assert (config.epochs, config.batch_size) == (5, 1 if student == "fasttext" else 32)
