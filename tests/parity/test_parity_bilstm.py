"""The BiLSTM against torch's LSTM on packed sequences: logits, gradients, trainings from the same weights."""

import jax
import numpy as np
import pytest
import torch
from test_parity_gradients import our_gradients, reference_gradients

from parity_setup import (
    ADAM_STEPS,
    LEARNING_RATE,
    LENGTH,
    LOSS_COLUMNS,
    PRECISIONS,
    largest_difference,
    make_pair,
    precision,
    random_examples,
    random_ids,
    train_both,
)
from reference_torch import one_thread
from tolerances import OF_GRADIENTS, OF_LOGITS, assert_close, assert_trees_close

EPOCHS = 3

BOTH_STATES = pytest.mark.parametrize("states", ["max", "last"])
pytestmark = pytest.mark.parametrize("precision_name", PRECISIONS)


@one_thread()
def logits_of_both(pair, input_ids, precision_name):
    with precision(precision_name):
        ours = np.asarray(jax.jit(pair.student.logits)(pair.params, input_ids))
    with torch.no_grad():
        theirs = pair.reference.eval()(torch.from_numpy(input_ids).long()).numpy()
    assert ours.dtype == theirs.dtype == precision_name
    return ours, theirs


@BOTH_STATES
@pytest.mark.parametrize("pad_id", [0, 7])
def test_logits(precision_name, states, pad_id):
    pair = make_pair("bilstm", precision_name, pad_id=pad_id, states=states)
    for rows, length in ((33, LENGTH), (1, 5), (9, 128)):
        ids = random_ids(np.random.default_rng(length), rows, length=length, pad_id=pad_id)
        ids[-1, 2] = pad_id  # inside a text the pad id is a token like any other
        ours, theirs = logits_of_both(pair, ids, precision_name)
        assert_close(ours, theirs, **OF_LOGITS, dtype=precision_name)
        if rows > 1:
            assert np.ptp(theirs, axis=0).min() > 0.01


@BOTH_STATES
def test_texts_of_pads_only(precision_name, states):
    pair = make_pair("bilstm", precision_name, states=states)
    ours, theirs = logits_of_both(pair, np.zeros((3, LENGTH), np.int32), precision_name)
    assert_close(ours, theirs, **OF_LOGITS, dtype=precision_name)


@BOTH_STATES
@pytest.mark.parametrize("distil", [False, True], ids=["cross-entropy", "mse"])
def test_every_gradient_of_a_batch(precision_name, states, distil):
    pair, examples = make_pair("bilstm", precision_name, states=states), random_examples(32, 3)
    theirs = reference_gradients(pair, examples, distil=distil)
    ours = our_gradients(pair, examples, precision_name, distil=distil)
    assert all(np.abs(gradient).max() > 0 for gradient in theirs.values())
    assert_trees_close(ours, theirs, **OF_GRADIENTS, dtype=precision_name)
    for suffix in ("", "_reverse"):
        np.testing.assert_array_equal(ours[f"lstm.bias_ih_l0{suffix}"], ours[f"lstm.bias_hh_l0{suffix}"])


@pytest.mark.parametrize(("states", "distil"), [("max", False), ("last", True)])
def test_trajectory(precision_name, states, distil):
    run = train_both(
        "bilstm", precision_name, distil=distil, epochs=EPOCHS, train_rows=141, test_rows=37, states=states
    )
    ours, theirs = run.result.history, run.reference_history
    losses = theirs["train_loss"].to_numpy()
    assert losses[-1] < 0.9 * losses[0], "a comparison of students that stand still would prove nothing"
    assert_close(ours[LOSS_COLUMNS].to_numpy(), theirs[LOSS_COLUMNS].to_numpy(), **OF_LOGITS, dtype=precision_name)
    assert {array.dtype.name for array in run.state.values()} == {precision_name}
    assert largest_difference(run.state, run.reference_state) < ADAM_STEPS[precision_name] * LEARNING_RATE
