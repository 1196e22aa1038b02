"""Rows of tokens against the same rows as lists and as padded arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError

ROWS = st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=12)
PADDED = arrays(np.int32, st.tuples(st.integers(0, 12), st.integers(0, 15)), elements=st.integers(0, 6))


def _lists(tokens):
    return [tokens.ids[start:stop].tolist() for start, stop in zip(tokens.starts, tokens.stops, strict=True)]


@settings(max_examples=150, deadline=None)
@given(ROWS, st.data())
def test_rows_are_taken_padded_cut_and_put_together_as_lists_are(rows, data):
    tokens = Ragged.of(rows)
    assert (tokens.ids.dtype, tokens.lengths.dtype, len(tokens)) == (np.int32, np.int64, len(rows))
    assert _lists(tokens) == rows
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20)) if rows else []
    assert _lists(tokens.take(np.array(chosen, int))) == [rows[index] for index in chosen]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    assert _lists(tokens.take(mask)) == [row for row, kept in zip(rows, mask, strict=True) if kept]
    assert tokens.padded(9, 7).tolist() == [row + [7] * (9 - len(row)) for row in rows]
    assert tokens.columns.tolist() == [column for row in rows for column in range(len(row))]
    assert _lists(tokens.without(3)) == [[token for token in row if token != 3] for row in rows]
    assert _lists(Ragged.concatenate([tokens, tokens])) == rows + rows


@settings(max_examples=150, deadline=None)
@given(PADDED, st.integers(0, 6))
def test_padding_is_what_stands_at_the_end_of_a_row(input_ids, pad_id):
    tokens = Ragged.from_padded(input_ids, pad_id)
    np.testing.assert_array_equal(tokens.padded(input_ids.shape[1], pad_id), input_ids)
    assert all(not row or row[-1] != pad_id for row in _lists(tokens))
    assert _lists(tokens.trimmed(pad_id)) == _lists(tokens)


def test_n_grams_stand_beside_their_token_until_they_are_tokens_themselves():
    tokens = Ragged(np.array([[1, 8], [2, 0], [3, 0]], np.int32), np.array([2, 0, 1]))
    assert tokens.padded(2, 0).tolist() == [[[1, 8], [2, 0]], [[0, 0], [0, 0]], [[3, 0], [0, 0]]]
    assert _lists(tokens.flattened()) == [[1, 8, 2, 0], [], [3, 0]]
    assert _lists(tokens.flattened().without(0)) == [[1, 8, 2], [], [3]]
    assert tokens.take(np.array([2, 0])).ids.tolist() == [[3, 0], [1, 8], [2, 0]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros(3, np.int32), r"input_ids: expected integers \[rows, length\], got int32 \[3\]"),
        (np.zeros((2, 2)), r"input_ids: expected integers \[rows, length\], got float64 \[2, 2\]"),
        (np.array([[1, 2**32 + 5]]), f"input_ids: expected ids that fit int32, got 1 to {2**32 + 5}"),
    ],
)
def test_what_is_no_padded_array_of_ids_is_refused(rows, message):
    with pytest.raises(InputError, match=message):
        Ragged.from_padded(rows, 0)
