"""DistilBERT as we run it on a CPU gives what transformers gives."""

import numpy as np
import pytest
import torch

from distill_jax.data.ragged import Ragged
from teacher_export.teacher import cpu_kernels as packed_linear
from teacher_export.teacher import cpu_kernels as short_attention
from teacher_export.teacher import logits as predict
from teacher_export.teacher.distilbert_inference import DistilBertInference, is_supported
from tiny_teacher import IN_BFLOAT16, LABEL_NAMES, OF_TEACHER, make_config
from tolerances import assert_close


def _model(seed=1, **changes):
    from transformers import DistilBertForSequenceClassification

    torch.manual_seed(seed)
    return DistilBertForSequenceClassification(make_config(LABEL_NAMES, **changes)).eval()


def _batch(rows=9, length=13, seed=0):
    rng = np.random.default_rng(seed)
    ids = torch.from_numpy(rng.integers(1, 40, (rows, length)))
    lengths = torch.from_numpy(rng.integers(1, length + 1, rows))
    lengths[0] = length
    mask = (torch.arange(length) < lengths[:, None]).long()
    return ids * mask, mask


def _theirs(model, ids, mask):
    with torch.inference_mode():
        return model(input_ids=ids, attention_mask=mask).logits


def _ours(model, ids, mask, dtype=torch.float32):
    with torch.inference_mode():
        return DistilBertInference(model, dtype)(ids, mask)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 13, 64])
def test_float32_logits_are_those_of_transformers(layers, length):
    model, batch = _model(n_layers=layers), _batch(length=length)
    theirs = _theirs(model, *batch)
    assert theirs.std(dim=0).min() > 0.01  # rows differ, so that an error in the attention would show
    assert_close(_ours(model, *batch), theirs, **OF_TEACHER)


def test_full_rows_need_no_mask():
    model, (ids, _) = _model(), _batch()
    mask = torch.ones_like(ids)
    assert_close(_ours(model, ids, mask), _theirs(model, ids, mask), **OF_TEACHER)


@pytest.mark.parametrize("sinusoidal", [False, True])
def test_position_embeddings_of_either_kind(sinusoidal):
    model, batch = _model(sinusoidal_pos_embds=sinusoidal), _batch()
    assert_close(_ours(model, *batch), _theirs(model, *batch), **OF_TEACHER)


def test_padding_changes_no_logit():
    model, (ids, mask) = _model(), _batch()
    wide, wide_mask = (torch.nn.functional.pad(x, (0, 20)) for x in (ids, mask))
    wide[:, 13:] = 7  # whatever stands there
    assert_close(_ours(model, wide, wide_mask), _ours(model, ids, mask), **OF_TEACHER)


def test_a_row_without_any_token_has_finite_logits():
    ids, mask = _batch()
    mask[3] = 0
    model = _model()
    logits = _ours(model, ids, mask)
    assert logits.isfinite().all()
    others = np.arange(9) != 3
    assert_close(logits[others], _theirs(model, ids, mask)[others], **OF_TEACHER)


def test_bfloat16_is_as_near_to_float32_as_autocast_is():
    model, batch = _model(), _batch(rows=64)
    exact, lowered = _theirs(model, *batch), _ours(model, *batch, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        autocast = _theirs(model, *batch).float()
    assert lowered.dtype == torch.float32
    assert (lowered != exact).any()
    assert_close(lowered, exact, **IN_BFLOAT16)
    assert (lowered - exact).abs().mean() < 1.2 * (autocast - exact).abs().mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_packed_weights_the_logits_are_the_same(monkeypatch, dtype):
    model, batch = _model(), _batch()
    first = _ours(model, *batch, dtype)
    monkeypatch.setattr(packed_linear, "_packed", lambda *_, **__: None)
    assert_close(_ours(model, *batch, dtype), first, **(OF_TEACHER if dtype == torch.float32 else IN_BFLOAT16))


def test_a_torch_without_the_packed_operations_is_no_error(monkeypatch):
    class _Without:
        mkldnn = object()

    weight, bias = torch.ones(3, 2), torch.ones(3)
    assert packed_linear._packed(weight, bias, gelu=True) is not None
    monkeypatch.setattr(torch, "ops", _Without())
    assert packed_linear._packed(weight, bias, gelu=True) is None


@pytest.mark.parametrize("full", [False, True])
def test_long_texts_take_the_fused_kernel(monkeypatch, full):
    model, (ids, mask) = _model(), _batch()
    mask = torch.ones_like(mask) if full else mask
    first = _ours(model, ids, mask)
    monkeypatch.setattr(short_attention, "_MOST_WEIGHTS", 0)
    assert_close(_ours(model, ids, mask), first, **OF_TEACHER)


@pytest.mark.parametrize("size", [1.0, 20.0, 3000.0])  # the last does not fit float32 as a power of two
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_the_softmax_of_powers_of_two_is_the_softmax(size, dtype, masked):
    torch.manual_seed(0)
    scores = (size * torch.randn(3, 4, 5, 11)).to(dtype)
    bias = torch.zeros(3, 1, 1, 11)
    bias[1, ..., 6:] = torch.finfo(torch.float32).min
    plain = (scores.double() / short_attention.LOG2_E + (bias.double() if masked else 0)).softmax(dim=-1)
    ours = short_attention.softmax2(scores, bias if masked else None)
    assert ours.dtype == torch.float32
    assert_close(ours, plain, terms=11, why="the eleven weights of a row, each a power of two")


def test_scores_far_apart_give_the_logits_of_transformers():
    model, batch = _model(), _batch()
    with torch.no_grad():
        for layer in model.distilbert.transformer.layer:
            layer.attention.q_lin.weight *= 3000
    theirs = _theirs(model, *batch)
    assert theirs.isfinite().all()
    # A weight is a power of its score: what is rounded off the score, 3000 times as large, is the weight's share.
    far = {"scale": 3000 * theirs.abs().max().item(), "terms": 8, "why": "the eight products of a score"}
    assert_close(_ours(model, *batch), theirs, **far)


def test_what_is_not_supported_is_left_to_transformers(monkeypatch):
    def never(*_):
        pytest.fail("a model of another kind was taken")

    monkeypatch.setattr(predict.distilbert_inference, "DistilBertInference", never)
    relu = _model(activation="relu")
    assert is_supported(_model())
    assert not is_supported(relu)
    assert not is_supported(_subclass())
    tokens = Ragged.of([[2, 5, 9, 3], [2, 3]])
    logits = predict.predict_logits(relu, tokens, pad_id=0, precision="float32", batch_size=4, max_length=16)
    alone = _theirs(relu, torch.tensor([[2, 5, 9, 3]]), torch.ones(1, 4, dtype=torch.int64))
    assert_close(logits[0], alone[0], **OF_TEACHER)


def _subclass():
    from transformers import DistilBertForSequenceClassification

    class Changed(DistilBertForSequenceClassification):
        """It may compute anything."""

    return Changed(make_config(LABEL_NAMES)).eval()


def test_prediction_takes_it(monkeypatch):
    taken = []

    class Watched(DistilBertInference):
        def __init__(self, model, dtype):
            taken.append(dtype)
            super().__init__(model, dtype)

    monkeypatch.setattr(predict.distilbert_inference, "DistilBertInference", Watched)
    predict.predict_logits(
        _model(), Ragged.of([[2, 5, 9, 3]]), pad_id=0, precision="bfloat16", batch_size=4, max_length=16
    )
    assert taken == [torch.bfloat16]
