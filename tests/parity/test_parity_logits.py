"""Logits from the same weights: ours against the reference in torch."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.students.student import to_device
from padded import padded_logits
from parity_setup import CLASSES, LENGTH, PRECISIONS, STUDENTS, make_pair, precision, random_ids
from reference_torch import one_thread
from tolerances import OF_LOGITS, assert_close


@one_thread()
def reference_logits(pair, input_ids):
    pair.reference.eval()
    with torch.no_grad():
        return pair.reference(torch.from_numpy(np.asarray(input_ids)).long()).numpy()


def assert_parity(pair, input_ids, precision_name):
    with precision(precision_name):
        ours = np.asarray(pair.student.logits(pair.params, input_ids))
    theirs = reference_logits(pair, input_ids)
    assert ours.dtype == theirs.dtype == precision_name
    assert ours.shape == (len(input_ids), CLASSES)
    assert_close(ours, theirs, **OF_LOGITS, dtype=precision_name)


@pytest.mark.parametrize("precision_name", PRECISIONS)
@pytest.mark.parametrize("name", STUDENTS)
class TestLogits:
    @settings(max_examples=6, deadline=None)
    @given(seed=st.integers(0, 2**31 - 1), pad_id=st.sampled_from([0, 7]))
    def test_random_texts(self, name, precision_name, seed, pad_id):
        pair = make_pair(name, precision_name, seed=seed, pad_id=pad_id)
        input_ids = random_ids(np.random.default_rng(seed), 33, pad_id=pad_id)
        assert_parity(pair, input_ids, precision_name)

    @pytest.mark.parametrize("length", [5, 6, 128])
    def test_lengths(self, name, precision_name, length):
        """From the shortest text that a CNN without padding can take to the notebook's."""
        input_ids = random_ids(np.random.default_rng(length), 9, length=length)
        assert_parity(make_pair(name, precision_name), input_ids, precision_name)

    def test_texts_of_pads_only(self, name, precision_name):
        input_ids = np.zeros((3, LENGTH), np.int32)
        assert_parity(make_pair(name, precision_name), input_ids, precision_name)

    def test_batch_of_one(self, name, precision_name):
        input_ids = random_ids(np.random.default_rng(5), 1)
        assert_parity(make_pair(name, precision_name), input_ids, precision_name)

    def test_rows_cut_and_sorted_for_speed(self, name, precision_name):
        """Evaluation sorts the rows and cuts the padding off; the reference does neither."""
        pair = make_pair(name, precision_name)
        input_ids = random_ids(np.random.default_rng(6), 101, length=64)
        with precision(precision_name):
            ours = padded_logits(pair.student, to_device(pair.params), input_ids, batch_size=16)
        assert_close(ours, reference_logits(pair, input_ids), **OF_LOGITS, dtype=precision_name)


@pytest.mark.parametrize("name", STUDENTS)
def test_logits_take_any_integers_and_jax_arrays(name):
    pair = make_pair(name)
    input_ids = random_ids(np.random.default_rng(0), 4)
    expected = np.asarray(pair.student.logits(pair.params, input_ids))
    np.testing.assert_array_equal(pair.student.logits(pair.params, input_ids.astype(np.int64)), expected)
    np.testing.assert_array_equal(pair.student.logits(to_device(pair.params), jnp.asarray(input_ids)), expected)


@pytest.mark.parametrize("name", STUDENTS)
def test_the_comparison_sees_a_difference(name):
    pair = make_pair(name)
    input_ids = random_ids(np.random.default_rng(0), 4)
    table = pair.params[pair.student.config.table_name]
    table[1:] += 1e-3
    with pytest.raises(AssertionError, match="more than the rounding"):
        assert_parity(pair, input_ids, "float32")


def test_pads_count_as_text_in_the_notebook_and_not_with_masked_pooling():
    input_ids = np.array([[3, 4, 0, 0, 0, 0, 0, 0]], np.int32)
    longer = np.pad(input_ids, ((0, 0), (0, 8)))
    for name in STUDENTS:
        padded, masked = make_pair(name), make_pair(name, pooling="masked")
        if name == "fasttext":
            assert np.abs(reference_logits(padded, longer) - reference_logits(padded, input_ids)).max() > 1e-4
        short = masked.student.logits(masked.params, input_ids)
        assert_close(masked.student.logits(masked.params, longer), short, **OF_LOGITS)
