"""Tiny random teachers and review data, for the tests of the whole chain."""

from pathlib import Path

import numpy as np
import torch
from ml_dtypes import bfloat16

torch.set_num_threads(1)  # models this small are slower on several, and far slower on busy ones

WORDS = {
    "1 star": ["awful", "broken", "refund"],
    "2 stars": ["poor", "weak", "slow"],
    "3 stars": ["okay", "average", "fine"],
    "4 stars": ["good", "nice", "solid"],
    "5 stars": ["superb", "perfect", "love"],
}
LABEL_NAMES = tuple(WORDS)
# A layer adds 16 products in each of four projections, 8 of a score, up to 64 weights of a text, 16 and 32 of its ReLU
# network: 200 in two layers of short texts, 400 in three or of 64 tokens.
OF_TEACHER = {"terms": 400, "why": "the products and weights of a tiny teacher's layers"}
# Sums are made in float32; rounded to bfloat16 is what goes from one product to the next: eight times in a layer.
IN_BFLOAT16 = {"terms": 16, "why": "what two layers hand on in bfloat16", "dtype": bfloat16}
_FILLERS = ["the", "film", "phone", "was", "it", "and", "very", "book", "this", "case", "i", "found"]


def reviews(rows, seed=0, label_names=LABEL_NAMES):
    """Return ``(texts, labels)``: random words, two of them typical of the class; lengths differ widely."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % len(label_names)
    texts = []
    for label in labels:
        words = list(rng.choice(_FILLERS, size=rng.integers(0, 20)))
        words += list(rng.choice(WORDS[label_names[label]], size=2))
        texts.append(" ".join(rng.permutation(words)))
    return texts, labels.astype(np.int32)


def write_reviews_csv(path, rows=60, seed=0, label_names=LABEL_NAMES):
    """Write a CSV file with the columns ``text`` and ``rating`` (the class's name)."""
    texts, labels = reviews(rows, seed, label_names)
    lines = [f"{text},{label_names[label]}" for text, label in zip(texts, labels, strict=True)]
    Path(path).write_text("text,rating\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_tokenizer():
    """Return a fast WordPiece tokenizer that knows every word above."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = sorted({word for group in WORDS.values() for word in group} | set(_FILLERS))
    vocab = {token: index for index, token in enumerate([*special, *words])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, mask_token="[MASK]", **names)


def make_config(label_names=None, **changes):
    """Return a configuration of two layers, 16 wide; ``label_names`` None leaves transformers' own."""
    from transformers import DistilBertConfig

    if label_names is not None:
        changes["id2label"] = dict(enumerate(label_names))
        changes["label2id"] = {name: index for index, name in enumerate(label_names)}
    sizes = {"n_layers": 2, "n_heads": 2, "dim": 16, "hidden_dim": 32, "max_position_embeddings": 64, "vocab_size": 40}
    spread = {"initializer_range": 0.2}  # the usual 0.02 would give every text nearly the same logits
    return DistilBertConfig(**{**sizes, **spread, **changes})


def make_teacher(folder, label_names=LABEL_NAMES, seed=0, *, head=True, **changes):
    """Save a random DistilBERT and its tokenizer to ``folder``; with ``head=False`` a bare encoder."""
    from transformers import DistilBertForSequenceClassification, DistilBertModel

    torch.manual_seed(seed)
    kind = DistilBertForSequenceClassification if head else DistilBertModel
    model = kind(make_config(label_names if head else None, **changes)).eval()
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return model


def make_dataset(rows=60, seed=0, label_names=LABEL_NAMES):
    """Return a ``Dataset`` of random reviews, three quarters of them to train on."""
    from teacher_export.data.dataset import Dataset, Split

    texts, labels = reviews(rows, seed, label_names)
    cut = rows * 3 // 4
    splits = {
        name: Split(np.arange(rows, dtype=np.int64)[part], texts[part], labels[part])
        for name, part in {"train": slice(0, cut), "test": slice(cut, rows)}.items()
    }
    return Dataset("table", tuple(label_names), splits, f"tiny-{rows}-{seed}-{label_names}")
