"""Looking the tokens' shares up gives what convolving gives."""

import jax
import numpy as np
import pytest

from distill_jax import evaluation, occurring_tokens, window_lookup
from distill_jax.batches import real_lengths
from distill_jax.evaluation import predict_logits
from distill_jax.steps import eval_logits
from distill_jax.students import build_student
from distill_jax.window_lookup import WindowLookup

VOCABULARY, PAD = 40, 3


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    """Let few texts be enough."""
    monkeypatch.setattr(occurring_tokens, "_FEWEST_TOKENS", 1)


def _student(**options):
    shape = {"embedding_dim": 7, "filters": 5, "pooling": "masked", **options}
    student = build_student("cnn", vocab_size=VOCABULARY, num_labels=3, pad_id=PAD, **shape)
    params = jax.tree.map(np.array, student.init(1))
    params["embedding"][PAD] = 0.5  # a converted checkpoint's may be anything
    return student, params


def _inputs(rows=50, length=20, seed=0):
    """Return texts of every length from nothing on, some of them with the pad's id in the middle."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, VOCABULARY, (rows, length)).astype(np.int32)
    ids[np.arange(length) >= rng.integers(0, length + 1, rows)[:, None]] = PAD
    ids[0], ids[1] = PAD, 5
    return ids


def _looked_up(student, params, ids):
    return WindowLookup.of(student.config, params, ids, real_lengths(ids, PAD))


@pytest.mark.parametrize("pooling", ["masked", "padded"])
@pytest.mark.parametrize("heights", [(3, 4, 5), (1, 2, 3), (5,), (2, 1)])
@pytest.mark.parametrize("length", [1, 3, 4, 5, 20])
def test_logits_are_the_convolution_s(pooling, heights, length):
    student, params = _student(pooling=pooling, filter_heights=heights)
    ids = _inputs(length=length, rows=200)
    lookup = _looked_up(student, params, ids)
    expected = np.asarray(eval_logits(params, ids, student=student, padded_length=length))
    assert expected.std(axis=0).min() > 0.01
    np.testing.assert_allclose(np.asarray(lookup.logits(np.arange(200))), expected, rtol=1e-5, atol=2e-6)


def test_float64_stays_float64():
    student, params = _student()
    ids = _inputs()
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: x.astype(np.float64), params)
        expected = np.asarray(eval_logits(params, ids, student=student, padded_length=20))
        logits = np.asarray(_looked_up(student, params, ids).logits(np.arange(50)))
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, expected, rtol=1e-13, atol=1e-14)


def test_a_text_s_logits_do_not_hang_on_the_texts_and_the_padding_beside_it():
    student, params = _student()
    ids = _inputs()
    lookup = _looked_up(student, params, ids)
    together = np.asarray(lookup.logits(np.arange(50)))
    wide = np.concatenate([ids, np.full((50, 9), PAD, np.int32)], axis=1)
    assert np.array_equal(np.asarray(_looked_up(student, params, wide).logits(np.arange(50))), together)
    backwards = np.asarray(lookup.logits(np.arange(50)[::-1]))
    assert np.array_equal(backwards[::-1], together)


@pytest.mark.parametrize("pooling", ["masked", "padded"])
def test_prediction_takes_it_in_batches_of_one_program(monkeypatch, pooling):
    student, params = _student(pooling=pooling, filters=6)
    monkeypatch.setattr(evaluation, "eval_logits", lambda *_, **__: pytest.fail("convolved"))
    ids, before = _inputs(rows=107), window_lookup._logits._cache_size()
    logits = predict_logits(student, params, ids, 16)
    assert window_lookup._logits._cache_size() - before == 1
    expected = np.asarray(eval_logits(params, ids, student=student, padded_length=20))
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=2e-6)
