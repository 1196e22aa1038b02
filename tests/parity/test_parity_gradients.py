"""Every gradient of a batch, both losses: ours against the reference in torch. Ties in the maximum over time."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from distill_jax.config import TrainConfig
from distill_jax.losses import Objective
from distill_jax.students.networks.max_over_time import max_over_time
from distill_jax.students.torch_state import params_to_torch
from distill_jax.training.fit import fit
from padded import padded, with_ids
from parity_setup import CLASSES, PRECISIONS, STUDENTS, make_pair, precision, random_examples
from reference_torch import batch_loss, one_thread
from tolerances import OF_GRADIENTS, assert_trees_close


@one_thread()
def reference_gradients(pair, examples, *, distil):
    pair.reference.zero_grad()
    dtype = next(pair.reference.parameters()).dtype
    labels, targets = torch.from_numpy(examples.labels).long(), torch.from_numpy(examples.teacher_logits).to(dtype)
    logits = pair.reference(torch.from_numpy(padded(examples, pair.student.config.pad_id)).long())
    batch_loss(logits, labels, targets, distil=distil).backward()
    return {name: weight.grad.numpy().copy() for name, weight in pair.reference.named_parameters()}


@partial(jax.jit, static_argnames=("student", "objective"))
def compiled_gradients(params, input_ids, labels, teacher_logits, student, objective):
    def loss_of(params):
        return objective(student.logits(params, input_ids), labels, teacher_logits).mean()

    return jax.grad(loss_of)(params)


def our_gradients(pair, examples, precision_name, *, distil):
    with precision(precision_name):
        teacher_logits = jnp.asarray(examples.teacher_logits, precision_name)
        objective = Objective(alpha=0.0 if distil else 1.0)
        gradients = compiled_gradients(
            pair.params, padded(examples), examples.labels, teacher_logits, pair.student, objective
        )
        return params_to_torch(pair.name, gradients)


@pytest.mark.parametrize("distil", [False, True], ids=["cross-entropy", "mse"])
@pytest.mark.parametrize("precision_name", PRECISIONS)
@pytest.mark.parametrize("name", STUDENTS)
def test_every_gradient_of_a_batch(name, precision_name, distil):
    pair, examples = make_pair(name, precision_name), random_examples(32, 3)
    theirs = reference_gradients(pair, examples, distil=distil)
    ours = our_gradients(pair, examples, precision_name, distil=distil)
    assert all(np.abs(gradient).max() > 0 for gradient in theirs.values())
    assert_trees_close(ours, theirs, **OF_GRADIENTS, dtype=precision_name)


@pytest.mark.parametrize("pad_id", [0, 7])
@pytest.mark.parametrize("name", STUDENTS)
def test_the_pad_row_is_trained_in_the_cnn_and_frozen_in_the_linear_student(name, pad_id):
    pair, examples = make_pair(name, pad_id=pad_id), random_examples(16, 3, pad_id=pad_id)
    config = TrainConfig.notebook(name, epochs=1, batch_size=4)
    result = fit(pair.student, pair.params, train=examples, test=examples, config=config)
    table = pair.student.config.table_name
    theirs = reference_gradients(pair, examples, distil=False)[f"{table}.weight"][pad_id]
    moved = result.params[table][pad_id] != pair.params[table][pad_id]
    assert moved.any() == (theirs != 0).any() == (name == "cnn")


class TestTies:
    """Where windows tie, torch and we pass the gradient to the first one; JAX's own maximum shares it among them."""

    @pytest.mark.parametrize("kind", ["repeated text", "equal rows", "silent filters"])
    @pytest.mark.parametrize("precision_name", PRECISIONS)
    def test_gradients_of_the_parameters_agree(self, precision_name, kind):
        pair, examples = make_pair("cnn", precision_name), random_examples(32, 4)
        ids = padded(examples)
        if kind == "repeated text":  # the same windows several times in a text
            ids[:, 20:] = ids[:, :20]
            ids[:8] = 9
        elif kind == "equal rows":  # windows of different tokens with the same response
            pair.params["embedding"][1:150] = pair.params["embedding"][150:299]
        else:  # after ReLU every window of these filters is zero
            pair.params["conv1"]["bias"][:50] = -100
        pair.reference.load_state_dict(
            {key: torch.from_numpy(array) for key, array in params_to_torch("cnn", pair.params).items()}
        )
        examples = with_ids(examples, ids)
        theirs = reference_gradients(pair, examples, distil=False)
        ours = our_gradients(pair, examples, precision_name, distil=False)
        assert_trees_close(ours, theirs, **OF_GRADIENTS, dtype=precision_name)

    def test_the_first_window_takes_the_gradient(self):
        x = np.zeros((1, 6, 1), np.float32)
        x[0, [1, 4]] = 2.0
        kernel, bias = np.ones((1, 1, 1), np.float32), np.zeros(1, np.float32)
        gradient = jax.grad(lambda x: max_over_time(x, kernel, bias, None).sum())(jnp.asarray(x))
        embedded = torch.from_numpy(x.transpose(0, 2, 1)).requires_grad_()
        torch.nn.functional.max_pool1d(torch.relu(embedded), 6).sum().backward()
        np.testing.assert_array_equal(np.asarray(gradient)[0, :, 0], [0, 1, 0, 0, 0, 0])
        np.testing.assert_array_equal(embedded.grad.numpy()[0, 0], [0, 1, 0, 0, 0, 0])

    def test_a_maximum_of_exactly_zero_passes_no_gradient(self):
        kernel, bias = np.ones((1, 1, 1), np.float32), np.zeros(1, np.float32)
        x = jnp.zeros((1, 3, 1))
        assert not np.asarray(jax.grad(lambda x: max_over_time(x, kernel, bias, None).sum())(x)).any()
        embedded = torch.zeros(1, 1, 3, requires_grad=True)
        torch.nn.functional.max_pool1d(torch.relu(embedded), 3).sum().backward()
        assert not embedded.grad.any()


def test_distillation_averages_over_batch_and_classes():
    logits, targets = np.zeros((4, CLASSES), np.float32), np.full((4, CLASSES), 2.0, np.float32)
    ours = Objective(alpha=0.0)(logits, np.zeros(4, np.int32), targets).mean()
    assert float(ours) == torch.nn.functional.mse_loss(torch.from_numpy(logits), torch.from_numpy(targets)).item() == 4
