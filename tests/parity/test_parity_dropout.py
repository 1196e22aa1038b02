"""Dropout: its rate and scale, where it acts and where not, and what decides its masks."""

import jax
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.config import TrainConfig
from distill_jax.data.compaction import Compaction
from distill_jax.students.student import build_student
from distill_jax.training.fit import fit
from distill_jax.training.runners import make_runner
from padded import padded
from parity_setup import VOCAB, make_pair, random_examples
from tolerances import OF_LOGITS, assert_close, rounding

FEATURES = 300


def transparent_student(rate):
    """Return a CNN whose logits are its 300 features after dropout, and all of these are 1 before it."""
    student = build_student("cnn", vocab_size=20, num_labels=FEATURES, dropout=rate)
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), student.shapes())
    params["fc"]["kernel"] = np.eye(FEATURES, dtype=np.float32)
    for index in range(3):
        params[f"conv{index}"]["bias"] = np.ones(100, np.float32)
    return student, params


def features_after_dropout(rate, seed, rows=40):
    student, params = transparent_student(rate)
    ids = np.ones((rows, 8), np.int32)
    return np.asarray(student.logits(params, ids, padded_length=8, dropout_rng=jax.random.key(seed)))


@settings(max_examples=5, deadline=None)
@given(rate=st.floats(0.05, 0.9), seed=st.integers(0, 2**31 - 1))
def test_keep_rate_and_scale(rate, seed):
    features = features_after_dropout(rate, seed)
    kept = features != 0
    np.testing.assert_allclose(features[kept], 1 / (1 - rate), rtol=rounding(1, scale=1))
    error = np.sqrt(rate * (1 - rate) / kept.size)
    assert abs(kept.mean() - (1 - rate)) < 5.5 * error
    assert abs(features.mean() - 1) < 5.5 * error / (1 - rate), "the expectation stays what it is without dropout"


def test_every_row_and_feature_has_its_own_mask():
    kept = features_after_dropout(0.5, 0) != 0
    assert len({row.tobytes() for row in kept}) == len(kept)
    assert len({column.tobytes() for column in kept.T}) == kept.shape[1]


def test_torch_keeps_and_scales_alike():
    torch.manual_seed(0)
    layer = torch.nn.Dropout(0.5)
    assert set(layer(torch.ones(1000)).tolist()) == set(features_after_dropout(0.5, 0).ravel().tolist()) == {0.0, 2.0}


def test_rate_zero_and_the_linear_student_drop_nothing():
    np.testing.assert_array_equal(features_after_dropout(0.0, 0), 1)
    student = build_student("fasttext", vocab_size=20, num_labels=5)
    params, ids = student.init(seed=0), np.arange(1, 9, dtype=np.int32)[None]
    np.testing.assert_array_equal(
        student.logits(params, ids, dropout_rng=jax.random.key(0)), student.logits(params, ids)
    )


def test_none_in_evaluation():
    student, params = transparent_student(0.5)
    ids = np.ones((4, 8), np.int32)
    np.testing.assert_array_equal(np.asarray(student.logits(params, ids)), 1)
    # The test columns and the logits of a fit are taken without dropout.
    pair, rows = make_pair("cnn"), random_examples(16, 0)
    student = build_student("cnn", vocab_size=VOCAB, num_labels=5, dropout=0.5)
    result = fit(
        student, pair.params, train=rows, test=rows, config=TrainConfig.notebook("cnn", epochs=1, batch_size=4)
    )
    assert_close(result.test_logits, student.logits(result.params, padded(rows)), **OF_LOGITS)


def losses_of_equal_batches(seed, rate=0.5, epochs=2):
    """Return the loss of each step over batches that are all alike, the parameters standing all but still."""
    student = build_student("cnn", vocab_size=VOCAB, num_labels=5, dropout=rate)
    batch = random_examples(4, 0)
    train = batch.take(np.tile(np.arange(4), 4))
    config = TrainConfig.notebook("cnn", learning_rate=1e-30, batch_size=4, seed=seed, epochs=epochs)
    compaction = Compaction.of([train.tokens.ids], VOCAB, 0)
    compact = build_student("cnn", vocab_size=len(compaction.tokens), num_labels=5, dropout=rate)
    runner = make_runner(compact, train, config, compaction)
    params = student.init(seed=0)
    runner.load({**params, "embedding": params["embedding"][compaction.tokens]}, None, 0)
    return np.concatenate([runner.run(epoch, 0).losses for epoch in range(epochs)])


def test_masks_differ_from_step_to_step_and_from_epoch_to_epoch():
    with_dropout, without = losses_of_equal_batches(0), losses_of_equal_batches(0, rate=0.0)
    assert len(with_dropout) == len(without) == 8
    assert len(np.unique(without)) == 1
    assert len(np.unique(with_dropout)) == 8


def test_the_seed_decides_the_masks():
    np.testing.assert_array_equal(losses_of_equal_batches(0), losses_of_equal_batches(0))
    assert (losses_of_equal_batches(0) != losses_of_equal_batches(1)).all()


def test_fit_is_the_same_from_the_same_seed():
    rows = random_examples(9, 0)
    student = build_student("cnn", vocab_size=VOCAB, num_labels=5, dropout=0.5)
    params = student.init(seed=0)

    def trained(seed):
        config = TrainConfig.notebook("cnn", epochs=1, batch_size=4, seed=seed)
        return fit(student, params, train=rows, test=rows, config=config).params["fc"]["kernel"]

    np.testing.assert_array_equal(trained(0), trained(0))
    assert (trained(0) != trained(1)).any()
