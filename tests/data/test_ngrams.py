"""N-grams hashed into buckets, against a plain loop, and the linear student that reads them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.data.ngrams import hashed_ngrams
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.students.student import build_student
from padded import padded_inputs
from student_options import padding
from tolerances import assert_close, rounding

OF_LOGITS = {"terms": 100, "why": "a text's bag and the dimensions of a logit"}

_VOCAB, _PAD = 40, 0


def _plain(rows, ngrams, vocab_size, buckets, pad_id):
    """FastText's own formula, h = h · 116049371 + id modulo 2^64, one token after the other."""
    found = [[[pad_id] * ngrams for _ in row] for row in rows]
    for places, row in zip(found, rows, strict=True):
        for start, first in enumerate(row):
            value = places[start][0] = first
            for extra in range(1, ngrams):
                run = row[start : start + extra + 1]
                if len(run) <= extra or pad_id in run:
                    break
                value = (value * 116_049_371 + run[-1]) % 2**64
                places[start][extra] = vocab_size + value % buckets
    return [np.array(row, np.int32).reshape(-1, ngrams) for row in found]


_ROWS = st.lists(st.lists(st.integers(0, 119_546), max_size=9), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows=_ROWS, ngrams=st.integers(1, 5), buckets=st.sampled_from([1, 7, 131_072, 2_000_000]))
def test_hashing_is_fasttext_s_formula_in_a_plain_loop(rows, ngrams, buckets):
    shape = {"vocab_size": 119_547, "buckets": buckets, "pad_id": 0}
    tokens = Ragged.of(rows)
    found = hashed_ngrams(tokens, ngrams, **shape)
    assert (found.ids.dtype, found.ids.shape) == (np.int32, (len(tokens.ids), ngrams))
    np.testing.assert_array_equal(found.ids, np.concatenate(_plain(rows, ngrams, **shape)))
    np.testing.assert_array_equal(found.lengths, tokens.lengths)


def test_padding_inside_a_text_breaks_its_n_grams():
    found = hashed_ngrams(Ragged.of([[5, 6, 0, 7, 8, 9]]), 3, vocab_size=_VOCAB, buckets=1000, pad_id=0).ids
    assert (found[:, 1] >= _VOCAB).tolist() == [True, False, False, True, True, False]
    assert (found[:, 2] >= _VOCAB).tolist() == [False, False, False, True, False, False]
    assert found[:, 0].tolist() == [5, 6, 0, 7, 8, 9]


def test_n_grams_without_buckets_are_refused():
    with pytest.raises(InputError, match="buckets: expected at least 1 for n-grams, got 0"):
        hashed_ngrams(Ragged.of([[1, 1, 1]]), 2, vocab_size=_VOCAB, buckets=0, pad_id=0)


def _pad(texts, length):
    return np.array([[*text, *[_PAD] * (length - len(text))] for text in texts], np.int32)


def _linear(ngrams, pooling="masked"):
    options = {"ngrams": ngrams, "buckets": 500 if ngrams > 1 else 0, **padding("fasttext", pooling)}
    return build_student("fasttext", vocab_size=_VOCAB, num_labels=3, embedding_dim=5, **options)


def _params(student, seed=0):
    """Return random parameters, with the pad row that the student has in training: zero."""
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), student.shapes())
    params[student.config.table_name][_PAD] = 0
    return params


def _logits(student, params, ids):
    return np.asarray(student.logits(params, jnp.asarray(padded_inputs(student.config, ids))))


def test_bigrams_know_the_order_of_words_and_unigrams_do_not():
    ids = _pad([[3, 9, 4, 7, 2]], 8)
    other = _pad([[9, 3, 7, 4, 2]], 8)
    for ngrams, same in ((1, True), (2, False)):
        student = _linear(ngrams)
        params = _params(student)
        found, expected = _logits(student, params, ids), _logits(student, params, other)
        assert np.allclose(found, expected, rtol=0, atol=rounding(OF_LOGITS["terms"], np.abs(expected).max())) == same


@pytest.mark.parametrize("ngrams", [2, 3])
def test_the_mean_is_over_tokens_and_n_grams(ngrams):
    student = _linear(ngrams)
    params = _params(student)
    texts = [[3, 9, 4, 7, 2], [8], []]
    found = _logits(student, params, _pad(texts, 8))
    table, output = params["embeddings"], params["output"]
    for row, text in enumerate(texts):
        ids = _plain([text], ngrams, _VOCAB, 500, _PAD)[0].reshape(-1)
        ids = ids[ids != _PAD]
        mean = table[ids].sum(axis=0) / max(len(ids), 1)
        assert_close(found[row], mean @ output["kernel"] + output["bias"], **OF_LOGITS)


def test_mean_max_min_is_numpy_s_over_the_real_tokens():
    student = _linear(1, "mean-max-min")
    params = _params(student)
    texts = [[3, 9, 4, 7, 2], [8], [5, 0, 6], []]
    found = _logits(student, params, _pad(texts, 8))
    assert params["output"]["kernel"].shape == (15, 3)
    for row, text in enumerate(texts):
        rows = params["embeddings"][[token for token in text if token != _PAD]]
        pooled = np.concatenate([rows.mean(0), rows.max(0), rows.min(0)]) if text else np.zeros(15)
        expected = pooled @ params["output"]["kernel"] + params["output"]["bias"]
        assert_close(found[row], expected, **OF_LOGITS)
