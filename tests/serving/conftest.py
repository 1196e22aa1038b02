"""Packed students of all kinds, not trained, and the application that serves them."""

import dataclasses

import pytest

from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.inference.predictor import Predictor
from distill_jax.packed.student import whole_student
from distill_jax.serving.app import App
from distill_jax.serving.limits import Limits
from distill_jax.serving.models import read_models
from distill_jax.students.registry import student_config
from distill_jax.students.student import Student
from tiny_export import tiny_tokenizer

NAMES = ("bad", "fair", 'the "good"\none')
_LEVELS = ("0.05", "0.25", "0.5", "0.75", "0.95")
FACTS = {
    "licence": "CC0-1.0",
    "texts": {
        "rows": 100,
        "tokens": dict(zip(_LEVELS, (3, 4, 5, 8, 16), strict=True)),
        "unknown_share": 0.1,
        "label_shares": [0.3, 0.3, 0.4],
        "confidence": dict(zip(_LEVELS, (0.34, 0.345, 0.35, 0.36, 0.4), strict=True)),
    },
}
LIMITS = Limits(max_body_bytes=20_000, max_texts=200, max_characters=1_000, max_under_way=4, read_seconds=0.2)
OPTIONS = {
    "linear": {"name": "fasttext", "mask_padding": True, "ngrams": 2, "buckets": 64},
    "cnn": {"mask_padding": True},
    "bilstm": {},
    "several": {"name": "fasttext", "mask_padding": True, "task": "multi-label"},
    "score": {"name": "fasttext", "mask_padding": True, "task": "score"},
}


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """Packed students: name → file."""
    folder, tokenizer, found = tmp_path_factory.mktemp("packed"), tiny_tokenizer(), {}
    for name, options in OPTIONS.items():
        names = ("stars",) if options.get("task") == "score" else NAMES
        sizes = {"vocab_size": tokenizer.get_vocab_size(), "num_labels": len(names), "embedding_dim": 8}
        config = student_config(options.get("name", name), **sizes, **{k: v for k, v in options.items() if k != "name"})
        model = Predictor.of(names, config, Student(config).init(0), FastTokenizer(tokenizer, 16), 16)
        facts = FACTS if name == "linear" else {}
        found[name] = folder / f"{name}.djx"
        dataclasses.replace(whole_student(model), facts=facts).write(found[name])
    return found


@pytest.fixture
def app(packed):
    """The application of all of them; the linear one is the first."""
    return App(read_models(list(packed.values())), LIMITS)
