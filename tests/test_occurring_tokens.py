"""Which tokens occur, and when it pays to compute something for each of them."""

import jax
import numpy as np
import pytest

from distill_jax import occurring_tokens
from distill_jax.config import StudentConfig
from distill_jax.evaluation import predict_logits
from distill_jax.occurring_tokens import OccurringTokens
from distill_jax.steps import eval_logits
from distill_jax.students import build_student

CONFIG = StudentConfig("cnn", vocab_size=40, num_labels=3, pad_id=3)
IDS = np.array([[5, 9, 5, 5, 9, 7, 5, 9], [9, 9, 5, 3, 3, 3, 3, 3]], np.int32)
LENGTHS = np.array([8, 3])


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(occurring_tokens, "_FEWEST_TOKENS", 11)


@pytest.mark.usefixtures("few_are_enough")
def test_each_token_has_its_row_and_the_pad_token_one_too():
    tokens = OccurringTokens.of(IDS, LENGTHS, CONFIG, 10)
    assert tokens.ids.tolist() == [3, 5, 7, 9, 0, 0, 0, 0]
    assert tokens.count == 4
    assert tokens.place_of[[3, 5, 7, 9]].tolist() == [0, 1, 2, 3]


@pytest.mark.usefixtures("few_are_enough")
def test_it_does_not_pay_for_texts_of_new_tokens_alone():
    ids = np.arange(4, 16, dtype=np.int32)[None]
    assert OccurringTokens.of(ids, np.array([12]), CONFIG, 10) is None


@pytest.mark.usefixtures("few_are_enough")
def test_it_does_not_pay_on_a_gpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert OccurringTokens.of(IDS, LENGTHS, CONFIG, 10) is None


def test_it_does_not_pay_for_few_texts(monkeypatch):
    monkeypatch.setattr(occurring_tokens, "_FEWEST_TOKENS", 12)
    assert OccurringTokens.of(IDS, LENGTHS, CONFIG, 10) is None


@pytest.mark.usefixtures("few_are_enough")
@pytest.mark.parametrize(("most", "pays"), [(4 * 8 * 10, True), (4 * 8 * 10 - 1, False)])
def test_it_takes_no_more_memory_than_it_may(monkeypatch, most, pays):
    monkeypatch.setattr(occurring_tokens, "_MOST_BYTES", most)
    assert (OccurringTokens.of(IDS, LENGTHS, CONFIG, 10) is not None) == pays


@pytest.mark.parametrize("name", ["cnn", "bilstm", "ensemble", "fasttext"])
def test_prediction_of_many_texts_gives_the_logits_of_few(monkeypatch, name):
    """Whichever way is taken."""
    student = build_student(name, vocab_size=40, num_labels=3, pad_id=3, embedding_dim=7, pooling="masked")
    params, rng = student.init(0), np.random.default_rng(0)
    ids = rng.integers(4, 40, (300, 30)).astype(np.int32)
    ids[np.arange(30) >= rng.integers(0, 31, 300)[:, None]] = 3
    monkeypatch.setattr(occurring_tokens, "_FEWEST_TOKENS", 1)
    together = predict_logits(student, params, ids)
    alone = np.concatenate([np.asarray(eval_logits(params, x[None], student=student, padded_length=30)) for x in ids])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=2e-6)
