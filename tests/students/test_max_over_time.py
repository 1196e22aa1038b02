from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distill_jax.students.networks.max_over_time import max_over_time
from tolerances import assert_close, assert_trees_close

OF_WINDOWS = {
    "terms": 50,
    "why": "16 products of a window, or 6 texts and 5 filters of a gradient",
    "dtype": np.float64,
}


def _dense(x, kernel, bias, starts):
    """The definition: every window's response, the largest, bias, ReLU."""
    height = kernel.shape[0]
    windows = jnp.stack([x[:, t : t + height] for t in range(x.shape[1] - height + 1)], axis=1)
    responses = jnp.einsum("bthd,hdf->btf", windows, kernel)
    if starts is not None:
        counted = jnp.arange(responses.shape[1])[None] < starts[:, None]
        responses = jnp.where(counted[:, :, None], responses, -jnp.inf)
    return jax.nn.relu(responses.max(axis=1) + bias)


def _inputs(length, height, seed=0):
    rng = np.random.default_rng(seed)
    x, kernel = rng.normal(size=(6, length, 4)), rng.normal(size=(height, 4, 5))
    return jnp.asarray(x), jnp.asarray(kernel), jnp.asarray(rng.normal(size=5)), jnp.asarray(rng.normal(size=(6, 5)))


@pytest.mark.parametrize("with_starts", [False, True])
@pytest.mark.parametrize(("length", "height", "unrolled"), [(9, 3, 128), (9, 1, 128), (4, 4, 128), (9, 3, 5)])
def test_value_and_gradients_equal_those_of_the_definition(length, height, unrolled, with_starts, monkeypatch):
    monkeypatch.setattr(
        "distill_jax.students.networks.max_over_time._UNROLLED", unrolled
    )  # batches of six: written out, or not
    with jax.enable_x64(True):
        x, kernel, bias, weights = _inputs(length, height)
        assert x.dtype == jnp.float64
        windows = length - height + 1
        starts = jnp.asarray(np.arange(6) % windows + 1) if with_starts else None

        def value(function, *arguments):
            return (function(*arguments, starts) * weights).sum()

        def gradients(function):
            return jax.jit(jax.grad(partial(value, function), argnums=(0, 1, 2)))(x, kernel, bias)

        features = max_over_time(x, kernel, bias, starts)
        assert (features == 0).any()  # ReLU cuts some off
        assert (features > 0).any()
        assert_close(features, _dense(x, kernel, bias, starts), **OF_WINDOWS)
        expected = gradients(_dense)
        assert all(np.abs(gradient).max() > 0 for gradient in expected)
        assert_trees_close(gradients(max_over_time), expected, **OF_WINDOWS)


def test_starts_leave_the_windows_behind_them_out():
    x, kernel, bias, _ = _inputs(9, 3)
    starts = jnp.full(6, 2)
    changed = x.at[:, 4:].set(1e3)  # the first two windows of three tokens end before token 4
    np.testing.assert_array_equal(max_over_time(x, kernel, bias, starts), max_over_time(changed, kernel, bias, starts))
    assert not np.allclose(max_over_time(x, kernel, bias, None), max_over_time(changed, kernel, bias, None))


def test_the_first_of_equal_windows_takes_the_gradient():
    x = jnp.ones((1, 5, 1))
    gradient = jax.jit(jax.grad(lambda x: max_over_time(x, jnp.ones((2, 1, 1)), jnp.zeros(1), None).sum()))(x)
    assert gradient.ravel().tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("starts", [None, 1])
def test_a_text_of_the_filter_s_height_is_finite(starts):
    x, kernel, bias, _ = _inputs(3, 3)
    starts = None if starts is None else jnp.full(6, starts)
    function = jax.value_and_grad(lambda *a: max_over_time(*a, starts).sum(), argnums=(0, 1, 2))
    value, gradients = jax.jit(function)(x, kernel, bias)
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
