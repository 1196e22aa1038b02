"""Each family's exported logits are those of transformers' own tokenizer and model, alone and in a batch."""

import numpy as np
import pytest
import torch

from distill_jax.export.format import read_manifest
from distill_jax.export.reader import iterate_parts
from export_helpers import configure
from teacher_export.data import dataset as datasets
from teacher_export.export import run
from teacher_families import FAMILIES, LONGEST, save_family
from tiny_teacher import LABEL_NAMES, reviews

TEXTS = [*reviews(36)[0], "good </s> film", "it was <pad> fine <pad>", "the <s> case </s> </s>", "superb " * 40]


def _use_texts(monkeypatch, texts=TEXTS):
    labels = np.arange(len(texts), dtype=np.int32) % len(LABEL_NAMES)
    rows, cut = np.arange(len(texts), dtype=np.int64), len(texts) // 2
    splits = {
        name: datasets.Split(rows[part], list(texts[part]), labels[part])
        for name, part in {"train": slice(0, cut), "test": slice(cut, None)}.items()
    }
    monkeypatch.setattr(datasets, "load_dataset", lambda _: datasets.Dataset("table", LABEL_NAMES, splits, "texts"))


def _exported(folder):
    """Return the manifest, and the token ids and logits of each text, in their order."""
    manifest = read_manifest(folder)
    parts = [part for split in ("train", "test") for part in iterate_parts(folder, manifest, split)]
    rows = [ids for part in parts for ids in np.split(part.tokens.ids, part.tokens.stops[:-1])]
    return manifest, [row.tolist() for row in rows], np.concatenate([part.teacher_logits for part in parts])


def _direct(folder, texts, length):
    """Return what transformers gives for texts: the token ids and logits of each alone, and the function for several."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()

    def called(texts, **padding):
        inputs = tokenizer(texts, truncation=True, max_length=length, return_tensors="pt", **padding)
        with torch.inference_mode():
            return inputs["input_ids"].tolist(), model(**inputs).logits.numpy()

    alone = [called([text]) for text in texts]
    return [ids[0] for ids, _ in alone], np.concatenate([logits for _, logits in alone]), called


@pytest.mark.parametrize("length", [LONGEST, 9])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_logits_and_tokens_are_those_of_transformers(family, length, tmp_path, monkeypatch):
    _, tokenizer = save_family(family, tmp_path / "teacher")
    _use_texts(monkeypatch)
    run(configure(tmp_path / "teacher", tmp_path / "export", max_length=length))
    manifest, rows, logits = _exported(tmp_path / "export")
    ids, alone, called = _direct(tmp_path / "teacher", TEXTS, length)
    assert rows == ids
    np.testing.assert_allclose(logits, alone, rtol=0, atol=1e-5)
    assert np.ptp(logits, axis=0).max() > 0.01  # texts differ, so that another's logits would show
    if tokenizer.pad_token is None:
        assert all(manifest.pad_id not in row for row in rows)
    else:
        plain = [index for index, text in enumerate(TEXTS) if "<" not in text]  # BART wants as many ends in each
        together = called([TEXTS[index] for index in plain], padding=True)[1]
        np.testing.assert_allclose(logits[plain], together, rtol=0, atol=1e-5)
    assert np.load(tmp_path / "export" / "token_embeddings.npy").shape[0] == manifest.vocab_size > manifest.pad_id
