"""Each family's logits of a long text are the mean of a direct call of transformers on its windows, on both sides."""

import json

import numpy as np
import pytest
import torch

from distill_jax.errors import InputError
from export_helpers import all_logits, configure
from teacher_export.data import dataset as datasets
from teacher_export.export import run
from teacher_families import FAMILIES, save_family
from tiny_teacher import LABEL_NAMES
from tolerances import assert_close

LENGTH, OVERLAP = 9, 2
RNG = np.random.default_rng(0)
WORDS = ["good", "awful", "film", "phone", "love", "superb", "okay"]
TEXTS = ["", *(" ".join(RNG.choice(WORDS, size=size)) for size in (2, 8, 9, 10, 25, 200, 7))]


@pytest.fixture
def long_texts(monkeypatch):
    rows, labels = np.arange(len(TEXTS)), np.arange(len(TEXTS), dtype=np.int32) % len(LABEL_NAMES)
    parts = {"train": slice(0, -1), "test": slice(-1, None)}
    splits = {name: datasets.Split(rows[part], TEXTS[part], labels[part]) for name, part in parts.items()}
    found = datasets.Dataset("table", LABEL_NAMES, splits, "texts")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: found)


def _windows(tokenizer, text, side):
    """Return a text's windows as ``input_ids`` (and ``token_type_ids``), cut out of the whole text's by hand."""
    encoded = tokenizer(text)
    columns = [encoded[name] for name in ("input_ids", "token_type_ids") if name in encoded]
    rows = list(zip(*columns, strict=True))
    own = [index for index, sequence in enumerate(encoded.sequence_ids()) if sequence == 0]
    if not own:
        return [rows]
    before, inner, behind = rows[: own[0]], rows[own[0] : own[-1] + 1], rows[own[-1] + 1 :]
    size = LENGTH - len(before) - len(behind)
    inner = inner if side == "right" else inner[::-1]
    starts = range(0, max(1, len(inner) - OVERLAP), size - OVERLAP)
    windows = [inner[start : start + size] for start in starts]
    return [[*before, *(window if side == "right" else window[::-1]), *behind] for window in windows]


def _direct(model, window):
    names = ("input_ids", "token_type_ids")
    inputs = {name: torch.tensor([values]) for name, values in zip(names, zip(*window, strict=True), strict=False)}
    with torch.inference_mode():
        return model(**inputs).logits[0].numpy()


@pytest.mark.usefixtures("long_texts")
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_logits_of_long_texts_are_the_mean_over_windows_given_to_transformers(family, side, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path / "teacher"
    save_family(family, folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "truncation_side": side}))
    run(configure(folder, tmp_path / "out", max_length=LENGTH, long_texts="windows", window_overlap=OVERLAP))
    found = np.concatenate([all_logits(tmp_path / "out", split) for split in ("train", "test")])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    windows = [_windows(tokenizer, text, side) for text in TEXTS]
    assert max(map(len, windows)) > 20
    for text, logits, each in zip(TEXTS, found, windows, strict=True):
        if not each[0]:  # a tokenizer without special tokens gives an empty text none: nothing to call directly
            continue
        wanted = np.mean([_direct(model, window) for window in each], axis=0)
        assert_close(logits, wanted, terms=2000, why=f"a pass of a tiny model over {text[:20]!r}", scale=1)


@pytest.mark.usefixtures("long_texts")
def test_an_export_of_cut_texts_is_not_taken_for_one_of_windows(tmp_path):
    save_family(FAMILIES[0], tmp_path / "teacher")
    run(configure(tmp_path / "teacher", tmp_path / "out", max_length=LENGTH))
    with pytest.raises(InputError, match="teacher_reads"):
        run(configure(tmp_path / "teacher", tmp_path / "out", max_length=LENGTH, long_texts="windows"))
