import numpy as np
import pytest

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.training.token_arrays import token_arrays


def test_each_row_is_found_between_its_start_and_its_stop():
    rows = [[5, 6], [], [7]]
    arrays = token_arrays(Ragged.of(rows))
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int32)}
    found = [arrays["tokens"][a:b].tolist() for a, b in zip(arrays["starts"], arrays["stops"], strict=True)]
    assert found == rows


def test_splits_of_like_size_have_room_of_one_size_and_begin_where_xla_needs_no_copy():
    rooms = set()
    for rows in (700, 900, 1000):
        tokens = token_arrays(Ragged(np.ones(10 * rows, np.int32), np.full(rows, 10)))["tokens"]
        rooms.add(len(tokens))
        assert tokens.ctypes.data % 64 == 0
    assert rooms == {8192, 16384}


def test_more_tokens_than_can_be_counted_are_refused(monkeypatch):
    monkeypatch.setattr("distill_jax.training.token_arrays._MOST_TOKENS", 5)
    with pytest.raises(InputError, match="expected at most 5 tokens, got 6"):
        token_arrays(Ragged.of([[1] * 3, [1] * 3]))
