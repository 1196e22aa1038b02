"""Numbers go into streams and come back; what is rounded is off by half a step at most."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from distill_jax.errors import InputError
from distill_jax.inference.table import Table
from distill_jax.packed.coding import Quantised, compressed, decoded, decompressed, encoded, quantised

integers = arrays.arrays(
    np.int32,
    st.tuples(st.integers(0, 9), st.integers(1, 5)),
    elements=st.one_of(st.integers(-3, 3), st.integers(-(2**31) + 1, 2**31 - 1)),
)


@given(integers)
def test_whole_numbers_come_back(whole):
    about, streams = encoded("x", Quantised(whole, whole.shape, (0.5,)))
    found = decoded("x", about, streams)
    np.testing.assert_array_equal(found.integers, whole)
    assert found.integers.itemsize == about["bytes"]


@given(integers, st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_that_are_too_large_are_found_without_computing_all(whole, step):
    array = Quantised(whole, whole.shape, (step, 1.0), np.zeros(len(whole), np.uint8))
    with np.errstate(over="ignore"):
        assert array.is_finite == np.isfinite(array.numbers).all()


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-9, 9, width=32)))
def test_numbers_are_off_by_half_their_row_s_step_at_most(numbers):
    groups = (np.arange(len(numbers)) % 2).astype(np.uint8)
    about, streams = encoded("x", quantised(numbers, (0.25, 0.03125), groups))
    found = decoded("x", about, streams).array()
    steps = np.array([0.25, 0.03125])[groups][:, None]
    assert (np.abs(found - numbers) <= steps / 2).all()


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_a_table_keeps_some_rows_and_the_others_are_zeros(kept):
    kept = np.array(kept)
    rows = np.arange(2.0 * kept.sum(), dtype=np.float32).reshape(-1, 2) + 1
    about, streams = encoded("x", quantised(rows, (1.0,), None, kept))
    table = decoded("x", about, streams).array()
    whole = np.zeros((len(kept), 2), np.float32)
    whole[kept] = rows
    np.testing.assert_array_equal(table.values[table.rows(np.arange(len(kept)))], whole)
    assert isinstance(table, Table)
    assert table.ids == len(kept)


def test_arrays_of_several_axes_keep_their_shape():
    kernel = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    for array in (kernel, quantised(kernel, (1.0,))):
        about, streams = encoded("x", array)
        found = decoded("x", about, streams)
        found = found.array() if isinstance(found, Quantised) else found
        np.testing.assert_array_equal(found, kernel)


@pytest.mark.parametrize("size", [0, 99, 101])
def test_a_stream_of_another_size_is_refused(size):
    with pytest.raises(InputError, match=f"expected a stream of {size} bytes, got"):
        decompressed(compressed(b"x" * 100), size)


def test_something_behind_a_stream_is_refused():
    with pytest.raises(InputError, match="expected a stream of 100 bytes and nothing behind it"):
        decompressed(compressed(b"x" * 100) + b"more", 100)
