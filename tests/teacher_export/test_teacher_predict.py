import threading

import numpy as np
import pytest
import torch

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from teacher_export.teacher import logits as predict
from teacher_export.teacher.logits import plan_batches, predict_logits
from teacher_export.teacher.tokens import encode, padded_batch
from tiny_teacher import IN_BFLOAT16, LABEL_NAMES, OF_TEACHER, make_config, make_tokenizer, reviews
from tolerances import assert_close


@pytest.fixture(scope="module")
def model():
    from transformers import DistilBertForSequenceClassification

    torch.manual_seed(1)
    model = DistilBertForSequenceClassification(make_config(LABEL_NAMES))
    return model.eval()


@pytest.fixture(scope="module")
def tokens():
    tokenizer = make_tokenizer().backend_tokenizer
    tokenizer.enable_truncation(16)
    return encode(tokenizer, [*reviews(37)[0], ""])


def test_encode_gives_what_the_tokenizer_gives_row_by_row(tokens):
    tokenizer = make_tokenizer().backend_tokenizer
    tokenizer.enable_truncation(16)
    for row, text in enumerate([*reviews(37)[0], ""]):
        assert tokens.take(np.array([row])).ids.tolist() == tokenizer.encode(text).ids
    assert tokens.lengths.max() == 16
    assert (tokens.ids.dtype, tokens.lengths.dtype) == (np.int32, np.int64)


def test_encode_of_no_text_is_empty():
    tokenizer = make_tokenizer().backend_tokenizer
    tokenizer.enable_truncation(16)
    tokens = encode(tokenizer, [])
    assert (len(tokens), len(tokens.ids)) == (0, 0)


def test_logits_in_batches_equal_those_of_each_row_alone(model, tokens):
    done = []
    logits = predict_logits(
        model, tokens, pad_id=0, precision="float32", batch_size=4, max_length=16, advance=done.append
    )
    assert logits.dtype == np.float32
    assert logits.shape == (38, 5)
    assert sum(done) == 38
    assert np.ptp(logits, axis=0).max() > 0.1  # rows differ, so a wrong order would show
    for row in range(38):
        ids = torch.from_numpy(tokens.take(np.array([row])).ids.astype(np.int64))[None]
        with torch.inference_mode():
            alone = model(input_ids=ids).logits[0].numpy()
        assert_close(logits[row], alone, **OF_TEACHER)


def test_the_pad_id_changes_no_logit(model, tokens):
    first, second = (
        predict_logits(model, tokens, pad_id=pad, precision="float32", batch_size=4, max_length=16) for pad in (0, 7)
    )
    assert_close(first, second, **OF_TEACHER)


def test_bfloat16_is_near_float32(model, tokens):
    exact, lowered = (
        predict_logits(model, tokens, pad_id=0, precision=precision, batch_size=8, max_length=16)
        for precision in ("float32", "bfloat16")
    )
    assert lowered.dtype == np.float32
    assert (lowered != exact).any()
    assert_close(lowered, exact, **IN_BFLOAT16)


def test_a_row_without_tokens_gets_finite_logits(model):
    logits = predict_logits(
        model,
        Ragged.of([[], [2, 3]]),
        pad_id=0,
        precision="float32",
        batch_size=2,
        max_length=16,
    )
    assert np.isfinite(logits).all()


def test_logits_that_are_not_finite_are_refused_by_row(model, tokens):
    import copy

    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.distilbert.embeddings.word_embeddings.weight[39] = float("nan")
    ids = np.where(tokens.ids == 39, 38, tokens.ids)
    ids[tokens.starts[5] + 1] = 39
    with pytest.raises(InputError, match=r"split test, part 2, row 5: the teacher's logits are not finite \(\[nan"):
        predict_logits(
            broken,
            Ragged(ids, tokens.lengths),
            pad_id=0,
            precision="float32",
            batch_size=4,
            max_length=16,
            where="split test, part 2, ",
        )


def test_batches_hold_every_row_once_longest_first():
    lengths = np.array([3, 9, 1, 9, 4, 50, 2, 0])
    batches = plan_batches(lengths, 40)
    order = np.concatenate(batches)
    assert sorted(order) == list(range(8))
    assert np.all(np.diff(lengths[order]) <= 0)
    assert [len(batch) for batch in batches] == [1, 4, 3]


def test_padding_masks_what_is_not_there():
    input_ids, mask = padded_batch(Ragged.of([[6, 7], [5]]), 9)
    assert input_ids.tolist() == [[6, 7], [5, 9]]
    assert mask.tolist() == [[1, 1], [1, 0]]


def test_batches_side_by_side_give_the_same_logits_and_leave_the_threads_as_they_were(model, tokens, monkeypatch):
    options = {"pad_id": 0, "precision": "float32", "batch_size": 4, "max_length": 16}
    alone, threads, done = predict_logits(model, tokens, **options), torch.get_num_threads(), []
    seen = set()
    plain = predict.distilbert_inference.DistilBertInference.__call__

    def watched(self, **inputs):
        seen.add(threading.get_ident())
        return plain(self, **inputs)

    monkeypatch.setattr(predict.distilbert_inference.DistilBertInference, "__call__", watched)
    monkeypatch.setattr(predict.torch, "get_num_threads", lambda: 3)
    together = predict_logits(model, tokens, **options, advance=done.append)
    monkeypatch.undo()
    left = torch.get_num_threads()
    torch.set_num_threads(threads)
    assert left == 3  # as many as there seemed to be before
    assert np.array_equal(together, alone)
    assert sum(done) == 38
    assert len(done) > 3
    assert threading.get_ident() not in seen


def test_an_error_in_one_of_several_batches_is_raised(model, tokens, monkeypatch):
    def broken(*_, **inputs):
        raise ValueError("broken")

    monkeypatch.setattr(predict.distilbert_inference.DistilBertInference, "with_states", broken)
    monkeypatch.setattr(predict.torch, "get_num_threads", lambda: 2)
    with pytest.raises(ValueError, match="broken"):
        predict_logits(model, tokens, pad_id=0, precision="float32", batch_size=4, max_length=16)
    monkeypatch.undo()
    torch.set_num_threads(1)
