"""The teacher in int8, which is what a user might ship in a student's place."""

import numpy as np
import pytest

from distill_jax.errors import InputError
from teacher_export import int8
from teacher_export.teacher import onnx_engine
from teacher_export.teacher.logits import predict_logits
from teacher_export.teacher.tokens import encode
from tiny_teacher import LABEL_NAMES, make_teacher, make_tokenizer, reviews


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr(onnx_engine, "_DYNAMO", {"TorchScript": False})  # the other exporter takes seconds
    monkeypatch.setattr(int8, "latencies", lambda answer, texts: (0.1, 0.2))
    texts, _ = reviews(60, 0, LABEL_NAMES)
    names = list(LABEL_NAMES[::-1])
    return {"texts": list(texts), "timed": 8, "label_names": names, "columns": None, "max_length": 32}


def test_a_teacher_in_int8_answers_nearly_as_it_does_in_its_classes_order(tmp_path, asked):
    pytest.importorskip("onnxruntime")
    model = make_teacher(tmp_path)
    found = int8.measured(tmp_path, asked)
    tokenizer = make_tokenizer().backend_tokenizer
    tokenizer.enable_truncation(32)
    tokens = encode(tokenizer, asked["texts"])
    exact = predict_logits(model, tokens, pad_id=0, precision="float32", batch_size=8, max_length=32)[:, ::-1]
    assert np.corrcoef(np.ravel(found["logits"]), exact.ravel())[0, 1] > 0.99
    assert 1_000 < found["bytes"] < 200_000
    assert found["texts_per_second"] > 0


def test_a_teacher_that_has_learnt_nothing_is_refused(tmp_path, asked):
    make_teacher(tmp_path, head=False)
    with pytest.raises(InputError, match="found none that has learnt classes"):
        int8.measured(tmp_path, asked)
