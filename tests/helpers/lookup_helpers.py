"""Small students and texts for the tests of the lookups."""

import jax
import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.inference.gate_lookup import GateLookup
from distill_jax.inference.logits import eval_logits
from distill_jax.inference.window_lookup import WindowLookup
from distill_jax.students.student import build_student
from student_options import padding

VOCABULARY, PAD = 40, 3
OF_LOOKUPS = {"terms": 100, "why": "up to 35 products of a window or 2 · 13 of a gate, and 15 features of a logit"}
LOOKUPS = {"cnn": WindowLookup, "bilstm": GateLookup}
_SHAPES = {"cnn": {"filters": 5}, "bilstm": {"hidden": 6, "dense": 5}}


def small_student(name, **options):
    """Return a student and its parameters; the padding's embedding is not zero, as a converted checkpoint's may be."""
    shape = {"embedding_dim": 7, **padding(name, "masked"), **_SHAPES[name], **options}
    student = build_student(name, vocab_size=VOCABULARY, num_labels=3, pad_id=PAD, **shape)
    params = jax.tree.map(np.array, student.init(1))
    params["embedding"][PAD] = 0.5
    return student, params


def random_texts(rows=50, length=20, seed=0):
    """Return texts of every length from nothing on, some of them with the pad's id in the middle."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, VOCABULARY, (rows, length)).astype(np.int32)
    ids[np.arange(length) >= rng.integers(0, length + 1, rows)[:, None]] = PAD
    ids[0], ids[1] = PAD, 5
    return ids


def looked_up(student, params, ids):
    """Return the lookup of texts."""
    return LOOKUPS[student.config.name].of(student.config, params, Ragged.from_padded(ids, PAD), ids.shape[1])


def module_logits(student, params, ids):
    """Return what the student's own module gives."""
    return np.asarray(eval_logits(params, ids, student=student, padded_length=ids.shape[1]))
