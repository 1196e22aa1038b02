"""Packed students of random numbers over the tiny export's words, whole and quantised, of every task."""

import numpy as np

from distill_jax.packed.coding import quantised
from distill_jax.packed.student import PackedStudent
from distill_jax.students.registry import student_config
from tiny_export import tiny_tokenizer

LENGTH = 16
VOCAB = tiny_tokenizer().get_vocab_size()
STUDENTS = {
    "linear": ("fasttext", {"mask_padding": True, "ngrams": 2, "buckets": 500, "embedding_dim": 6}),
    "linear of five tokens": ("fasttext", {"mask_padding": True, "ngrams": 5, "buckets": 3_001, "embedding_dim": 6}),
    "linear of the notebook": ("fasttext", {"embedding_dim": 6}),
    "dan": ("dan", {"ngrams": 2, "buckets": 500, "embedding_dim": 6, "hidden": 7, "length_power": 0.75}),
    "cnn": ("cnn", {"mask_padding": True, "embedding_dim": 6, "filters": 5, "filter_heights": (1, 3, 2)}),
    "cnn of the notebook": ("cnn", {"embedding_dim": 6, "filters": 5}),
    "cnn with filters higher than texts": ("cnn", {"embedding_dim": 6, "filters": 3, "filter_heights": (2, 20)}),
    "bilstm": ("bilstm", {"embedding_dim": 6, "hidden": 7, "dense": 5}),
    "bilstm of last states": ("bilstm", {"embedding_dim": 6, "hidden": 7, "dense": 5, "states": "last"}),
}
TASKS = {
    "single-label": (("bad", "fair", "good"), {}, {"temperature": 1.7}),
    "multi-label": (("bad", "fair", "good"), {}, {"thresholds": [0.3, 0.5, 0.8]}),
    "score": (("stars",), {"standardisation": (3.5, 1.25)}, {}),
}


def packed_student(name, *, task="single-label", whole=False, facts=None, label_names=None):
    """Return a student: of all rows in float32, or quantised by groups with half of its table's rows.

    Args:
        name: one of ``STUDENTS``.
        task: one of ``TASKS``.
        whole: leave everything as it is.
        facts: what is said of it.
        label_names: others than the task's, as many.
    """
    kind, options = STUDENTS[name]
    names, about, decision = TASKS[task]
    sizes = {"vocab_size": VOCAB, "num_labels": len(names), "pad_id": 0, "task": task}
    config = student_config(kind, **sizes, **about, **options)
    rng = np.random.default_rng(7)
    arrays = {}
    for parameter, (shape, _) in config.parameter_layout().items():
        array = rng.normal(size=shape).astype(np.float32)
        if parameter == config.table_name and config.frozen_padding:
            array[config.pad_id] = 0
        if whole or array.ndim == 1:
            arrays[parameter] = array
            continue
        kept = rng.random(len(array)) < 0.5 if parameter in config.tables else None
        if kept is not None and config.is_linear:  # padding says nothing, so that packing never keeps it
            kept[config.pad_id] = False
        arrays[parameter] = _quantised(array, rng, kept)
    tokenizer = tiny_tokenizer().to_str()
    return PackedStudent(label_names or names, config, arrays, tokenizer, LENGTH, decision, facts or {})


def _quantised(array, rng, kept):
    rows = array.reshape(-1, array.shape[-1]) if kept is None else array[kept]
    groups = rng.integers(0, 2, len(rows))
    # A coarse step, whose numbers are a byte's, and a fine one.
    return quantised(array if kept is None else rows, (0.05, 0.001), groups, kept)
