"""Each family's exported logits are those of transformers' own tokenizer and model, alone and in a batch."""

import json
import re

import numpy as np
import pytest
import torch

from command_lines import ROOT
from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer
from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import iterate_parts
from export_helpers import configure
from teacher_export.data import dataset as datasets
from teacher_export.export import run
from teacher_families import FAMILIES, LONGEST, save_family
from tiny_teacher import LABEL_NAMES, make_teacher, reviews
from tolerances import assert_close

TEXTS = [*reviews(36)[0], "good </s> film", "it was <pad> fine <pad>", "the <s> case </s> </s>", "superb " * 40]


def _use_texts(monkeypatch, texts=TEXTS, names=LABEL_NAMES):
    labels = np.arange(len(texts), dtype=np.int32) % len(names)
    rows, cut = np.arange(len(texts), dtype=np.int64), len(texts) // 2
    splits = {
        name: datasets.Split(rows[part], list(texts[part]), labels[part])
        for name, part in {"train": slice(0, cut), "test": slice(cut, None)}.items()
    }
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.Dataset("table", names, splits, "texts"))


def _exported(folder):
    """Return the manifest, and the token ids and logits of each text, in their order."""
    manifest = read_manifest(folder)
    parts = [part for split in ("train", "test") for part in iterate_parts(folder, manifest, split)]
    rows = [ids for part in parts for ids in np.split(part.tokens.ids, part.tokens.stops[:-1])]
    return manifest, [row.tolist() for row in rows], np.concatenate([part.teacher_logits for part in parts])


def _direct(folder, texts, length):
    """Return what transformers gives for texts: each one's token ids and logits alone, and the function of several."""
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
    assert_close(logits, alone, terms=2000, why="a pass of a tiny model", scale=1)
    assert np.ptp(logits, axis=0).max() > 0.01  # texts differ, so that another's logits would show
    if tokenizer.pad_token is None:
        assert all(manifest.pad_id not in row for row in rows)
    else:
        plain = [index for index, text in enumerate(TEXTS) if "<" not in text]  # BART wants as many ends in each
        together = called([TEXTS[index] for index in plain], padding=True)[1]
        assert_close(logits[plain], together, terms=2000, why="a pass of a tiny model", scale=1)
    assert np.load(tmp_path / "export" / "token_embeddings.npy").shape[0] == manifest.vocab_size > manifest.pad_id


def _family(name):
    return next(family for family in FAMILIES if family.name == name)


def _saved(name, folder, *, head=True, **settings):
    """Save a teacher, with what its tokenizer_config.json is to say."""
    save_family(_family(name), folder, head=head)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return folder


def test_every_row_of_the_page_s_table_is_a_family_that_is_tried():
    page = (ROOT / "docs" / "teachers.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \*\*(.+?)\*\*", page, re.MULTILINE) == [family.name for family in FAMILIES]


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "GPT-2", "XLM-RoBERTa"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_texts_are_cut_on_the_tokenizer_s_own_side_by_teacher_and_students(name, side, tmp_path, monkeypatch):
    texts = ["superb " * 5 + "awful " * 300, "good", "okay " * 40 + "x" * 3000]
    folder = _saved(name, tmp_path / "teacher", truncation_side=side)
    _use_texts(monkeypatch, texts)
    run(configure(folder, tmp_path / "export", max_length=9))
    _, rows, logits = _exported(tmp_path / "export")
    ids, alone, _ = _direct(folder, texts, 9)
    assert rows == ids
    assert_close(logits, alone, terms=2000, why="a pass of a tiny model", scale=1)
    students = FastTokenizer(load_tokenizer(tmp_path / "export" / "tokenizer.json", 9), 9).encode(texts)
    assert [row.tolist() for row in np.split(students.ids, students.stops[:-1])] == ids


@pytest.mark.parametrize("name", ["RoBERTa", "XLM-RoBERTa", "CamemBERT", "MPNet", "Longformer"])
def test_positions_that_begin_behind_the_pad_token_are_counted(name, tmp_path, monkeypatch):
    save_family(_family(name), tmp_path / "teacher")
    _use_texts(monkeypatch)
    with pytest.raises(InputError, match=f"reads at most {LONGEST} tokens, got {LONGEST + 1}"):
        run(configure(tmp_path / "teacher", tmp_path / "export", max_length=LONGEST + 1))


def test_attention_drawn_at_random_is_refused_with_what_to_do(tmp_path, monkeypatch):
    save_family(_family("BigBird"), tmp_path / "teacher")
    path = tmp_path / "teacher" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "block_size": 2}))
    _use_texts(monkeypatch)
    with pytest.raises(InputError, match=r"more than 14 tokens .*original_full"):
        run(configure(tmp_path / "teacher", tmp_path / "export", max_length=15))


@pytest.mark.parametrize("pad", ["</s>", "<unk>"])
def test_a_pad_token_that_texts_have_too_is_not_the_students(pad, tmp_path, monkeypatch):
    folder = _saved("Qwen", tmp_path / "teacher", pad_token=pad)
    _use_texts(monkeypatch)
    run(configure(folder, tmp_path / "export", max_length=9))
    manifest, rows, _ = _exported(tmp_path / "export")
    assert all(manifest.pad_id not in row for row in rows)
    assert manifest.pad_id < manifest.vocab_size


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_in_several_files_give_the_logits_of_float32(dtype, tmp_path, monkeypatch):
    model, _ = save_family(_family("RoBERTa"), tmp_path / "teacher")
    (tmp_path / "teacher" / "model.safetensors").unlink()
    model.to(dtype).save_pretrained(tmp_path / "teacher", max_shard_size="10KB")
    assert len(list((tmp_path / "teacher").glob("model-*.safetensors"))) > 1
    _use_texts(monkeypatch)
    run(configure(tmp_path / "teacher", tmp_path / "export", max_length=16))
    alone = _direct(tmp_path / "teacher", TEXTS, 16)[1]
    assert_close(_exported(tmp_path / "export")[2], alone, terms=2000, why="a pass of a tiny model", scale=1)


@pytest.mark.parametrize("name", ["XLNet", "GPT-2", "Llama", "Qwen", "T5", "BART", "DeBERTa-v2, v3"])
def test_a_family_without_a_head_is_fine_tuned_in_batches_and_gives_its_own_logits(name, tmp_path, monkeypatch):
    save_family(_family(name), tmp_path / "bare", head=False)
    _use_texts(monkeypatch)
    tuned = tmp_path / "tuned"
    run(configure(tmp_path / "bare", tmp_path / "export", max_length=16, finetune_epochs=1, finetune_output=tuned))
    _, rows, logits = _exported(tmp_path / "export")
    ids, alone, _ = _direct(tuned, TEXTS, 16)
    assert rows == ids
    assert_close(logits, alone, terms=2000, why="a pass of a tiny model", scale=1)


def test_a_teacher_of_pairs_never_gets_two_texts_as_one(tmp_path, monkeypatch):
    names = ("ENTAILMENT", "neutral", "contradiction")
    make_teacher(tmp_path / "teacher", label_names=names)
    _use_texts(monkeypatch, names=names)
    options = {"max_length": 16, "label_map": ("in-order",)}
    one, two = (configure(tmp_path / "teacher", tmp_path / "e", text_column=("a", "b")[:n], **options) for n in (1, 2))
    with pytest.raises(InputError, match=r"pair of texts, and the columns a, b .*a pair is not read.*--teacher-outp"):
        run(two)
    run(one)
