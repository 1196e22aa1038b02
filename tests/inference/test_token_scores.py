import numpy as np
import pytest

from distill_jax.data.ragged import Ragged
from distill_jax.inference.token_scores import TokenScores
from distill_jax.students.student import build_student
from tolerances import assert_close

OF_LOGITS = {"terms": 100, "why": "a text's tokens and the dimensions of a logit"}


@pytest.mark.parametrize("pooling", ["padded", "masked"])
def test_logits_equal_the_student_s(pooling):
    rng = np.random.default_rng(0)
    student = build_student(
        "fasttext", vocab_size=40, num_labels=3, pad_id=2, embedding_dim=6, mask_padding=pooling == "masked"
    )
    params = student.init(0)
    params["output"]["kernel"] = rng.normal(size=(6, 3)).astype(np.float32)
    lengths = np.array([4, 0, 1, 12, 0, 7, 0])  # texts without a token too
    ids = rng.integers(0, 40, lengths.sum()).astype(np.int32)
    ids[6] = 2  # a pad token within a text
    rows = Ragged(ids, lengths)
    expected = np.asarray(student.logits(params, rows.padded(12, 2)))
    logits = TokenScores.of(student.config, params, 12).logits(rows)
    assert logits.dtype == np.float32
    assert np.ptp(expected, axis=0).min() > 0.05
    assert_close(logits, expected, **OF_LOGITS)


def test_a_text_s_logits_do_not_depend_on_its_neighbours():
    rng = np.random.default_rng(1)
    student = build_student("fasttext", vocab_size=40, num_labels=3)
    params = student.init(0)
    params["output"]["kernel"] = rng.normal(size=(50, 3)).astype(np.float32)
    scores = TokenScores.of(student.config, params, 30)
    lengths = rng.integers(0, 30, 50)
    rows = Ragged(rng.integers(0, 40, lengths.sum()).astype(np.int32), lengths)
    alone = [scores.logits(rows.take(np.array([index]))) for index in range(50)]
    np.testing.assert_array_equal(np.concatenate(alone), scores.logits(rows))


@pytest.mark.parametrize("ngrams", [1, 2, 4])
def test_a_short_row_has_to_the_bit_the_logits_that_it_has_among_others(ngrams):
    rng = np.random.default_rng(2)
    options = {"mask_padding": True, "ngrams": ngrams, "buckets": 64 if ngrams > 1 else 0, "embedding_dim": 4}
    student = build_student("fasttext", vocab_size=40, num_labels=5, pad_id=3, **options)
    params = student.init(0)
    params["embeddings"] = rng.normal(size=params["embeddings"].shape).astype(np.float32)
    params["output"]["kernel"] = rng.normal(size=(4, 5)).astype(np.float32)
    scores = TokenScores.of(student.config, params, 300)
    lengths = np.array([0, 1, 2, 7, 8, 9, 16, 40, 129, 255, 256, 257, 300] * 5)
    rows = Ragged(rng.integers(0, 40, lengths.sum()).astype(np.int32), lengths)
    alone = [scores.logits(rows.take(np.array([index]))) for index in range(len(rows))]
    np.testing.assert_array_equal(np.concatenate(alone), scores.logits(rows))
