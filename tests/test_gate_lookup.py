"""Looking up what tokens add to the BiLSTM's gates gives what the module gives."""

import jax
import numpy as np
import pytest

from distill_jax import evaluation, gate_lookup, occurring_tokens
from distill_jax.batches import real_lengths
from distill_jax.evaluation import predict_logits
from distill_jax.gate_lookup import GateLookup
from distill_jax.steps import eval_logits
from distill_jax.students import build_student

VOCABULARY, PAD = 40, 3


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    """Let few texts be enough."""
    monkeypatch.setattr(occurring_tokens, "_FEWEST_TOKENS", 1)


def _student(**options):
    shape = {"embedding_dim": 7, "hidden": 6, "dense": 5, "pooling": "masked", **options}
    student = build_student("bilstm", vocab_size=VOCABULARY, num_labels=3, pad_id=PAD, **shape)
    return student, jax.tree.map(np.array, student.init(1))


def _inputs(rows=50, length=20, seed=0):
    """Return texts of every length from nothing on, some of them with the pad's id in the middle."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, VOCABULARY, (rows, length)).astype(np.int32)
    ids[np.arange(length) >= rng.integers(0, length + 1, rows)[:, None]] = PAD
    ids[0], ids[1] = PAD, 5
    return ids


def _looked_up(student, params, ids):
    return GateLookup.of(student.config, params, ids, real_lengths(ids, PAD))


@pytest.mark.parametrize("states", ["max", "last"])
@pytest.mark.parametrize("length", [1, 2, 20])
def test_logits_are_the_module_s(states, length):
    student, params = _student(states=states)
    ids = _inputs(length=length, rows=200)
    expected = np.asarray(eval_logits(params, ids, student=student, padded_length=length))
    assert expected.std(axis=0).min() > 0.01
    logits = np.asarray(_looked_up(student, params, ids).logits(np.arange(200)))
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_float64_stays_float64():
    student, params = _student()
    ids = _inputs()
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: x.astype(np.float64), params)
        expected = np.asarray(eval_logits(params, ids, student=student, padded_length=20))
        logits = np.asarray(_looked_up(student, params, ids).logits(np.arange(50)))
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, expected, rtol=1e-13, atol=1e-14)


def test_padding_changes_no_logit():
    student, params = _student()
    ids = _inputs()
    wide = np.concatenate([ids, np.full((50, 9), PAD, np.int32)], axis=1)
    narrow_logits, wide_logits = (np.asarray(_looked_up(student, params, x).logits(np.arange(50))) for x in (ids, wide))
    np.testing.assert_allclose(wide_logits, narrow_logits, rtol=0, atol=1e-7)


def test_prediction_takes_it_in_batches_of_one_program(monkeypatch):
    student, params = _student(hidden=5)
    monkeypatch.setattr(evaluation, "eval_logits", lambda *_, **__: pytest.fail("not looked up"))
    ids, before = _inputs(rows=107), gate_lookup._logits._cache_size()
    logits = predict_logits(student, params, ids, 16)
    assert gate_lookup._logits._cache_size() - before == 1
    expected = np.asarray(eval_logits(params, ids, student=student, padded_length=20))
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
