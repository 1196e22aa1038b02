"""What the parity tests share: random texts, both students with the same weights, both precisions."""

import contextlib
import dataclasses

import jax
import numpy as np
import pandas as pd
import torch

from distill_jax.config import TrainConfig
from distill_jax.data.examples import Examples
from distill_jax.students.student import Student, build_student
from distill_jax.students.torch_state import params_from_torch, params_to_torch
from distill_jax.training.fit import FitResult, fit
from padded import padded, with_ids
from reference_torch import build_reference, state_arrays, train_reference
from student_options import own, padding

STUDENTS = ("cnn", "fasttext")
PRECISIONS = ("float32", "float64")
TORCH_TYPES = {"float32": torch.float32, "float64": torch.float64}
VOCAB, CLASSES, LENGTH, DIM = 300, 5, 40, 50
# Rows on which, at float64, the two best windows of a text and filter are never closer than 3e-6 in a training of
# three epochs. Where they are as close as float32's rounding, either library may take either one, torch itself not
# the one that it takes at float64, and the weights then differ by 1e-4 and more.
TRAIN_SEED, TEST_SEED = 81, 82
LOSS_COLUMNS = ["train_loss", "test_loss"]
SCORE_COLUMNS = ["train_acc", "test_acc"]
F1_COLUMNS = ["train_f1_macro", "test_f1_macro"]
LEARNING_RATE = 1e-3  # Adam's
# Adam divides a gradient by its own size. Where it nearly vanishes its rounding is a large part of it, and of the step;
# the loss, of which it is the slope, does not notice. A window that flips costs whole steps.
ADAM_STEPS = {"float32": 0.1, "float64": 1e-7}


def precision(name):
    """Return a context in which JAX computes in the precision named."""
    return jax.enable_x64(True) if name == "float64" else contextlib.nullcontext()


def random_ids(rng, rows, *, length=LENGTH, vocab=VOCAB, pad_id=0):
    """Return texts of random lengths, 0 … length, padded on the right; the first has no token, every fourth no pad.

    Batches of four and more are then all cut to the same length, and one program is compiled for them.
    """
    lengths = rng.integers(1, length + 1, rows)
    lengths[3::4] = length
    lengths[0] = 0 if rows > 1 else lengths[0]
    ids = rng.integers(1, vocab, (rows, length))
    ids = np.where(ids == pad_id, 0, ids)  # 0 is then an ordinary token
    return np.where(np.arange(length) < lengths[:, None], ids, pad_id).astype(np.int32)


def random_examples(rows, seed, **shape):
    """Return learnable rows: a hidden linear model of the tokens gives the teacher's logits, with noise the labels."""
    rng = np.random.default_rng(seed)
    input_ids = random_ids(rng, rows, **shape)
    votes = np.random.default_rng(0).normal(size=(shape.get("vocab", VOCAB), CLASSES))
    logits = votes[input_ids].mean(axis=1) * 4
    labels = (logits + rng.normal(scale=0.5, size=logits.shape)).argmax(axis=1).astype(np.int32)
    return Examples.from_padded(input_ids, labels, logits.astype(np.float32), pad_id=shape.get("pad_id", 0))


@dataclasses.dataclass
class Pair:
    """A reference student and ours, with the same weights and without dropout."""

    name: str
    reference: torch.nn.Module
    student: Student
    params: dict


def make_pair(name, precision_name="float32", *, seed=0, vocab=VOCAB, pad_id=0, dim=DIM, pooling="padded", **options):
    """Return a pair with weights of torch's own drawing, the linear head's zeros replaced so that it computes."""
    torch.manual_seed(seed)
    shape = {"vocab_size": vocab, "num_labels": CLASSES, "pad_id": pad_id, "embedding_dim": dim}
    without_dropout = own(name, dropout=0.0)
    reference = build_reference(name, **shape, **without_dropout, **options, dtype=TORCH_TYPES[precision_name])
    if name == "fasttext":
        torch.nn.init.normal_(reference.output.weight)
    student = build_student(name, **shape, **without_dropout, **{**padding(name, pooling), **options})
    return Pair(name, reference, student, params_from_torch(name, state_arrays(reference)))


@dataclasses.dataclass
class Trained:
    """A training by the reference and by ours from the same weights: histories, final weights in torch's names."""

    reference_history: pd.DataFrame
    reference_state: dict
    result: FitResult
    state: dict


def train_both(name, precision_name, *, distil, epochs=3, train_rows=333, test_rows=77, **options):
    """Train both students of a pair on the same rows, as the notebook does."""
    train, test = random_examples(train_rows, TRAIN_SEED), random_examples(test_rows, TEST_SEED)
    ids = padded(train)
    ids[-40:, 12:] = 0  # batches to be cut
    train = with_ids(train, ids)
    pair = make_pair(name, precision_name, **options)
    reference, history = train_reference(name, pair.reference, train, test, distil=distil, epochs=epochs)
    config = TrainConfig.notebook(name, distil=distil, epochs=epochs)
    with precision(precision_name):
        result = fit(pair.student, pair.params, train=train, test=test, config=config)
    return Trained(pd.DataFrame(history), state_arrays(reference), result, params_to_torch(name, result.params))


def largest_difference(first, second):
    """Return the largest absolute difference of two mappings of arrays with the same names."""
    assert first.keys() == second.keys()
    return max(float(np.abs(np.asarray(first[key]) - np.asarray(second[key])).max()) for key in first)
