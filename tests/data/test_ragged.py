import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distill_jax.data.compaction import Compaction
from distill_jax.data.ragged import flatten
from distill_jax.errors import InputError

TEXTS = arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 15)), elements=st.integers(0, 6))


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(0, 6))
def test_each_text_keeps_its_tokens_in_their_order_and_loses_its_padding(input_ids, pad_id):
    compaction = Compaction.of([input_ids], 7, pad_id)
    texts = flatten(input_ids, compaction)
    assert {texts.tokens.dtype, texts.starts.dtype, texts.stops.dtype} == {np.dtype(np.int32)}
    assert texts.lengths.tolist() == (input_ids != pad_id).sum(axis=1).tolist()
    for text, start, stop in zip(input_ids, texts.starts, texts.stops, strict=True):
        assert compaction.tokens[texts.tokens[start:stop]].tolist() == text[text != pad_id].tolist()


def test_blocks_of_rows_give_what_all_rows_at_once_give(monkeypatch):
    input_ids = np.random.default_rng(0).integers(0, 9, (50, 11)).astype(np.int32)
    compaction = Compaction.of([input_ids], 9, 0)
    whole = flatten(input_ids, compaction)
    monkeypatch.setattr("distill_jax.data.ragged._ROWS_AT_ONCE", 7)
    blocks = flatten(input_ids, compaction)
    np.testing.assert_array_equal(blocks.stops, whole.stops)
    np.testing.assert_array_equal(blocks.tokens[: whole.stops[-1]], whole.tokens[: whole.stops[-1]])


def test_splits_of_like_size_have_room_of_one_size_and_begin_where_xla_needs_no_copy():
    rooms = set()
    for rows in (700, 900, 1000):
        input_ids = np.ones((rows, 10), np.int32)
        texts = flatten(input_ids, Compaction.of([input_ids], 2, 0))
        rooms.add(len(texts.tokens))
        assert texts.tokens.ctypes.data % 64 == 0
    assert rooms == {8192, 16384}


def test_more_tokens_than_can_be_counted_are_refused(monkeypatch):
    monkeypatch.setattr("distill_jax.data.ragged._MOST_TOKENS", 5)
    input_ids = np.ones((2, 3), np.int32)
    with pytest.raises(InputError, match="expected at most 5 tokens, got 6"):
        flatten(input_ids, Compaction.of([input_ids], 2, 0))
