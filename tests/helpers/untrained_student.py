"""A student that was never trained, in a run folder."""

import numpy as np

import distill_jax
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.inference.predictor import Predictor
from distill_jax.students.registry import student_config
from tiny_export import LABEL_NAMES, MAX_LENGTH, PAD_ID, tiny_tokenizer

WIDTH = 4


def write_student(folder, task="single-label", seed=0):
    """Write a linear student with parameters drawn by chance."""
    tokenizer = tiny_tokenizer()
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.no_padding()
    words, names = tokenizer.get_vocab_size(), LABEL_NAMES if task != "score" else ("score",)
    sizes = {"vocab_size": words, "num_labels": len(names), "pad_id": PAD_ID, "task": task}
    config = student_config("fasttext", **sizes, embedding_dim=WIDTH, mask_padding=True)
    rng = np.random.default_rng(seed)
    params = {
        "embeddings": rng.normal(size=(words, WIDTH)).astype(np.float32) * (np.arange(words) != PAD_ID)[:, None],
        "output": {
            "kernel": rng.normal(size=(WIDTH, len(names))).astype(np.float32) * 3,
            "bias": rng.normal(size=len(names)).astype(np.float32),
        },
    }
    predictor = Predictor.of(names, config, params, FastTokenizer(tokenizer, MAX_LENGTH), MAX_LENGTH)
    distill_jax.save(predictor, folder)
    return folder
