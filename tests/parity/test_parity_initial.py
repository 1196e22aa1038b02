"""The initial parameters: the notebook's distributions, by property, and its sanity check before training."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.data.examples import Examples
from distill_jax.inference.logits import predict_logits
from distill_jax.metrics.classification import cross_entropies
from distill_jax.students.student import build_student, to_device
from distill_jax.students.torch_state import params_to_torch
from parity_setup import STUDENTS
from reference_torch import build_reference, evaluate_reference, load_arrays, state_arrays
from tolerances import OF_LOGITS, assert_close

# Standard errors that a sample's mean or variance may lie off; some 500 are looked at.
SIGMAS = 5.5


def initial(name, seed, *, vocab=500, pad_id=0, dim=50, classes=5):
    shape = {"vocab_size": vocab, "num_labels": classes, "pad_id": pad_id, "embedding_dim": dim}
    return params_to_torch(name, build_student(name, **shape).init(seed=seed))


def reference_initial(name, seed, *, vocab=500, pad_id=0, dim=50, classes=5):
    torch.manual_seed(seed)
    shape = {"vocab_size": vocab, "num_labels": classes, "pad_id": pad_id, "embedding_dim": dim}
    return state_arrays(build_reference(name, **shape))


def check_uniform(values, low, high):
    values = values.astype(np.float64).ravel()
    width, count = high - low, values.size
    tiny = 1e-6 * width
    assert low - tiny <= values.min()
    assert values.max() <= high + tiny
    assert abs(values.mean() - (low + high) / 2) < SIGMAS * width / math.sqrt(12 * count)
    # The variance of (x − mean)² of a uniform variable is width⁴/180.
    assert abs(((values - (low + high) / 2) ** 2).mean() - width**2 / 12) < SIGMAS * width**2 / math.sqrt(180 * count)
    if count >= 50:
        assert values.min() < low + 0.2 * width
        assert values.max() > high - 0.2 * width


def check_normal(values):
    values, count = values.astype(np.float64).ravel(), values.size
    assert abs(values.mean()) < SIGMAS / math.sqrt(count)
    assert abs((values**2).mean() - 1) < SIGMAS * math.sqrt(2 / count)
    assert abs((np.abs(values) < 1).mean() - 0.6827) < SIGMAS * 0.5 / math.sqrt(count)


def check_cnn(state, pad_id, dim):
    table = state["embedding.weight"]
    assert (table[pad_id] == 0).all()
    check_normal(np.delete(table, pad_id, axis=0))
    for index, height in enumerate((3, 4, 5)):
        bound = (height * dim) ** -0.5
        assert state[f"conv{index}.weight"].shape == (100, 1, height, dim)
        check_uniform(state[f"conv{index}.weight"], -bound, bound)
        check_uniform(state[f"conv{index}.bias"], -bound, bound)
    check_uniform(state["fc.weight"], -(300**-0.5), 300**-0.5)
    check_uniform(state["fc.bias"], -(300**-0.5), 300**-0.5)


def check_fasttext(state, pad_id, dim):
    table = state["embeddings.weight"]
    assert (table[pad_id] == 0).all()
    check_uniform(np.delete(table, pad_id, axis=0), 0, 1 / dim)
    assert (state["output.weight"] == 0).all()
    check_uniform(state["output.bias"], -(dim**-0.5), dim**-0.5)


CHECKS = {"cnn": check_cnn, "fasttext": check_fasttext}


@pytest.mark.parametrize("draw", [initial, reference_initial], ids=["ours", "reference"])
@pytest.mark.parametrize("name", STUDENTS)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), dim=st.sampled_from([20, 50]), pad_id=st.sampled_from([0, 3]))
def test_distributions(name, draw, seed, dim, pad_id):
    CHECKS[name](draw(name, seed, dim=dim, pad_id=pad_id), pad_id, dim)


@pytest.mark.parametrize("name", STUDENTS)
def test_names_shapes_and_types_are_the_reference_s(name):
    ours, theirs = initial(name, 0), reference_initial(name, 0)
    assert list(ours) == list(theirs)
    assert {key: (value.shape, value.dtype) for key, value in ours.items()} == {
        key: (value.shape, value.dtype) for key, value in theirs.items()
    }


@pytest.mark.parametrize("name", STUDENTS)
def test_the_seed_decides_every_parameter(name):
    first, again, other = initial(name, 1), initial(name, 1), initial(name, 2)
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])
        assert (value != other[key]).any() or key == "output.weight"
    assert initial("cnn", 1)["conv0.bias"].tolist() != initial("cnn", 1)["conv1.bias"].tolist()


@pytest.mark.parametrize(("name", "low", "high"), [("fasttext", 1.605, 1.625), ("cnn", 1.75, 1.95)])
def test_the_notebook_s_sanity_check(name, low, high):
    """Before training: accuracy near 0.2; a loss near ln 5 for the linear student, 1.8 to 1.9 for the CNN.

    The CNN's loss depends on the weights drawn (1.7 to 2.2, torch's no less than ours), so means over draws are held
    to the notebook's range.
    """
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 119_547, (160, 128)).astype(np.int32)
    test = Examples.from_padded(ids, (np.arange(160) % 5).astype(np.int32))
    student = build_student(name, vocab_size=119_547, num_labels=5)
    losses, accuracies, theirs = [], [], []
    for seed in range(6):
        params = student.init(seed=seed)
        logits = predict_logits(student, to_device(params), test.tokens, test.length)
        losses.append(cross_entropies(logits, test.labels).mean())
        accuracies.append((logits.argmax(axis=1) == test.labels).mean())
        torch.manual_seed(seed)
        reference = build_reference(name, vocab_size=119_547, num_labels=5)
        theirs.append(evaluate_reference(reference, test)["test_loss"])
    assert low < np.mean(losses) < high
    assert low < np.mean(theirs) < high
    assert abs(np.mean(accuracies) - 0.2) < 0.03
    # The last draw's weights in the reference; batches of 32 divide these rows, so the mean of their means is the mean.
    load_arrays(reference, params_to_torch(name, params))
    assert_close(losses[-1], evaluate_reference(reference, test)["test_loss"], **OF_LOGITS)
