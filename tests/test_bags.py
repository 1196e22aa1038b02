import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distill_jax.bags import make_bags

TEXTS = arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 15)), elements=st.integers(0, 6))


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(0, 6))
def test_a_bag_holds_each_token_of_its_text_as_often_as_it_occurs(input_ids, pad_id):
    bags = make_bags(input_ids, pad_id)
    assert bags.tokens.shape == bags.counts.shape
    for text, tokens, counts in zip(input_ids, bags.tokens, bags.counts, strict=True):
        expected = {int(token): int((text == token).sum()) for token in text if token != pad_id}
        used = counts > 0
        assert dict(zip(tokens[used].tolist(), counts[used].tolist(), strict=True)) == expected
        assert used.sum() == len(expected)  # no token stands twice
        assert (tokens[~used] == pad_id).all()


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(0, 6))
def test_the_width_is_that_of_the_fullest_bag(input_ids, pad_id):
    widest = max(len(set(text.tolist()) - {pad_id}) for text in input_ids)
    assert make_bags(input_ids, pad_id).tokens.shape[1] == max(1, widest)


def test_counts_do_not_overflow_in_long_texts():
    for length in (255, 256, 700):
        bags = make_bags(np.full((2, length), 3, np.int32), 0)
        assert bags.counts.tolist() == [[length], [length]]


def test_blocks_of_rows_give_what_all_rows_at_once_give(monkeypatch):
    input_ids = np.random.default_rng(0).integers(0, 9, (50, 11)).astype(np.int32)
    whole = make_bags(input_ids, 0)
    monkeypatch.setattr("distill_jax.bags._ROWS_AT_ONCE", 7)
    blocks = make_bags(input_ids, 0)
    np.testing.assert_array_equal(blocks.tokens, whole.tokens)
    np.testing.assert_array_equal(blocks.counts, whole.counts)
