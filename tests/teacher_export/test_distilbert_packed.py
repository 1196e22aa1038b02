"""DistilBERT over rows without padding, as a GPU runs it, gives what transformers gives."""

import numpy as np
import pytest
import torch

from distill_jax.data.ragged import Ragged
from teacher_export.teacher.distilbert_packed import PackedDistilBert, is_supported
from teacher_export.teacher.logits import predict_logits
from teacher_reference import row_by_row
from tiny_teacher import LABEL_NAMES, OF_TEACHER, make_config
from tolerances import assert_close


def _model(seed=1, **changes):
    from transformers import DistilBertForSequenceClassification

    torch.manual_seed(seed)
    return DistilBertForSequenceClassification(make_config(LABEL_NAMES, **changes)).eval()


def _rows(lengths=(7, 1, 13, 4, 4), seed=0):
    rng = np.random.default_rng(seed)
    return Ragged.of([rng.integers(1, 40, length).tolist() for length in lengths])


def _ours(model, rows, pad_id=0):
    with torch.inference_mode():
        return PackedDistilBert(model, torch.float32, pad_id, row_by_row)(rows)


def _alone(model, rows):
    with torch.inference_mode():
        ids = [rows.take(np.array([row])).ids for row in range(len(rows))]
        return torch.cat([model(input_ids=torch.from_numpy(each[None].astype(np.int64))).logits for each in ids])


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("sinusoidal", [False, True])
def test_logits_are_those_of_each_row_alone_in_transformers(layers, sinusoidal):
    model, rows = _model(n_layers=layers, sinusoidal_pos_embds=sinusoidal), _rows()
    theirs = _alone(model, rows)
    assert theirs.std(dim=0).min() > 0.01  # rows differ, so that an error in the attention would show
    assert_close(_ours(model, rows), theirs, **OF_TEACHER)


def test_a_row_without_any_token_is_taken_for_a_pad_token():
    model, rows = _model(), _rows((3, 0, 5, 0))
    pads = Ragged.of(
        [[9] if not length else ids.tolist() for length, ids in zip(rows.lengths, _split(rows), strict=True)]
    )
    assert_close(_ours(model, rows, pad_id=9), _alone(model, pads), **OF_TEACHER)


def _split(rows):
    return np.split(rows.ids, rows.stops[:-1])


def test_it_is_for_a_gpu_alone():
    assert not is_supported(_model(), torch.bfloat16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_on_a_gpu_it_is_nearer_to_float32_than_autocast(precision, monkeypatch):
    model = _model(dim=64, n_heads=4, hidden_dim=128).cuda()
    rows = _rows(tuple(np.random.default_rng(3).integers(1, 40, 300)))
    options = {"pad_id": 0, "batch_size": 32, "max_length": 64}
    exact = predict_logits(model, rows, precision="float32", **options)
    dtype = getattr(torch, precision)
    assert is_supported(model, dtype)
    packed = predict_logits(model, rows, precision=precision, **options)
    monkeypatch.setattr("teacher_export.teacher.distilbert_packed.is_supported", lambda *_: False)
    autocast = predict_logits(model, rows, precision=precision, **options)
    ours, theirs = (np.abs(each - exact).mean() for each in (packed, autocast))
    assert 0 < ours <= theirs
