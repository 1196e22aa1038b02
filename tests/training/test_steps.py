import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from distill_jax.config import TrainConfig
from distill_jax.data.compaction import Compaction
from distill_jax.data.examples import Examples
from distill_jax.data.ragged import Ragged
from distill_jax.inference.logits import predict_logits
from distill_jax.losses import Objective
from distill_jax.students.student import build_student
from distill_jax.training.optimizers import make_optimizer
from distill_jax.training.runners import DenseRunner, SparseSgdRunner, make_runner
from distill_jax.training.sparse_sgd import narrow, sparse_sgd_steps, widen
from distill_jax.training.steps import apply_gradients, batch_gradients
from distill_jax.training.token_arrays import token_arrays
from padded import padded, padded_inputs
from student_options import own, padding
from tolerances import assert_close, assert_trees_close

OF_STEPS = {"terms": 900, "why": "100 steps, each of sums of up to nine tokens"}


VOCAB, LENGTH, CLASSES = 25, 9, 3
_BIGRAMS = {"ngrams": 2, "buckets": 40}


def _examples(rows, seed=0, vocab=VOCAB):
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, vocab, (rows, LENGTH)).astype(np.int32)
    ids[np.arange(LENGTH) >= rng.integers(0, LENGTH + 1, rows)[:, None]] = 0
    labels = rng.integers(0, CLASSES, rows).astype(np.int32)
    return Examples.from_padded(ids, labels, rng.normal(size=(rows, CLASSES)).astype(np.float32))


def _student(name, pooling="padded", **options):
    if name != "fasttext":
        options = {"filters": 6, **options}
    if name == "ensemble":
        options, pooling = {**_BIGRAMS, **options}, "masked"
    options = {"vocab_size": VOCAB, "num_labels": CLASSES, "embedding_dim": 10, **padding(name, pooling), **options}
    return build_student(name, **options)


def _runner(student, train, config, kind=make_runner, seed=0):
    """Return a loaded runner over the whole vocabulary."""
    ids = student.config.ids
    compaction = Compaction.of([np.arange(ids, dtype=np.int32)], ids, student.config.pad_id)
    train = dataclasses.replace(train, tokens=student.config.inputs(train.tokens))
    runner = kind(student, train, config, compaction)
    runner.load(student.init(seed), None, 0)
    return runner


def _run_epochs(runner, train, config, epochs=1):
    """Return the losses and predictions of some epochs, whatever chunks they come in."""
    losses, predictions = [], []
    for epoch in range(epochs):
        step, steps = 0, -(-len(train) // config.batch_size)
        while step < steps:
            chunk = runner.run(epoch, step)
            step += len(chunk.losses)
            losses.append(chunk.losses)
            predictions.append(chunk.predictions)
    return np.concatenate(losses), np.concatenate(predictions)


def _reference_sgd(student, params, train, config, steps):
    """Plain dense SGD, written out: optax over the whole tree, the pad row's gradient zero."""
    objective = Objective(config.alpha if config.distil else 1.0)
    tx = optax.sgd(config.learning_rate)
    state, losses = tx.init(params), []
    batches = -(-len(train) // config.batch_size)

    @jax.jit
    def value_and_grad(params, ids, labels, teacher):
        def loss_of(params):
            return objective(student.logits(params, ids), labels, teacher).mean()

        return jax.value_and_grad(loss_of)(params)

    for step in range(steps):
        rows = slice(step % batches * config.batch_size, (step % batches + 1) * config.batch_size)
        ids = padded_inputs(student.config, padded(train)[rows])
        loss, gradient = value_and_grad(params, ids, train.labels[rows], train.teacher_logits[rows])
        gradient["embeddings"] = gradient["embeddings"].at[student.config.pad_id].set(0)
        updates, state = tx.update(gradient, state)
        params = optax.apply_updates(params, updates)
        losses.append(float(loss))
    return params, losses


@pytest.mark.parametrize("batch_size", [1, 8])
def test_sparse_steps_with_n_grams_are_steps_of_dense_sgd(batch_size):
    train = _examples(60)
    config = TrainConfig("fasttext", distil=True, optimizer="sgd", learning_rate=0.5, batch_size=batch_size)
    student = _student("fasttext", "masked", **_BIGRAMS)
    runner = _runner(student, train, config)
    assert isinstance(runner, SparseSgdRunner)
    losses, _ = _run_epochs(runner, train, config)
    expected, expected_losses = _reference_sgd(student, student.init(0), train, config, len(losses))
    learned = np.abs(expected["embeddings"] - student.init(0)["embeddings"]).max(axis=1) > 1e-4
    assert learned[:VOCAB].sum() > 10 < learned[VOCAB:].sum()
    assert_close(losses, expected_losses, **OF_STEPS)
    assert_trees_close(runner.params(), expected, **OF_STEPS)


def test_the_largest_and_smallest_numbers_are_trained_by_dense_steps():
    train = _examples(30)
    config = TrainConfig("fasttext", optimizer="sgd", learning_rate=0.5, batch_size=8)
    student = _student("fasttext", "mean-max-min")
    runner = _runner(student, train, config)
    assert isinstance(runner, DenseRunner)
    losses, _ = _run_epochs(runner, train, config)
    expected, expected_losses = _reference_sgd(student, student.init(0), train, config, len(losses))
    assert_close(losses, expected_losses, **OF_STEPS)
    assert_trees_close(runner.params(), expected, **OF_STEPS)


@pytest.mark.parametrize("pooling", ["padded", "masked"])
@pytest.mark.parametrize(("batch_size", "rows", "epochs"), [(1, 50, 2), (8, 100, 8)])
@pytest.mark.parametrize("alpha", [None, 0.0, 0.4])
def test_100_sparse_steps_are_100_steps_of_dense_sgd(pooling, batch_size, rows, epochs, alpha):
    train = _examples(rows)  # 100 rows leave a last batch of 4
    distil = {"distil": True, "alpha": alpha} if alpha is not None else {}
    config = TrainConfig("fasttext", optimizer="sgd", learning_rate=0.5, batch_size=batch_size, epochs=epochs, **distil)
    student = _student("fasttext", pooling)
    runner = _runner(student, train, config)
    assert isinstance(runner, SparseSgdRunner)
    losses, _ = _run_epochs(runner, train, config, epochs)
    assert len(losses) >= 100
    expected, expected_losses = _reference_sgd(student, student.init(0), train, config, len(losses))
    assert not np.allclose(expected["embeddings"], student.init(0)["embeddings"], atol=1e-3)  # it has learned
    assert_close(losses, expected_losses, **OF_STEPS)
    assert_trees_close(runner.params(), expected, **OF_STEPS)


@pytest.mark.parametrize("pooling", ["padded", "masked"])
def test_the_dense_runner_trains_the_linear_student_alike(pooling):
    train = _examples(37)
    config = TrainConfig("fasttext", optimizer="sgd", learning_rate=0.3, batch_size=8)
    student = _student("fasttext", pooling)
    sparse, dense = _runner(student, train, config), _runner(student, train, config, DenseRunner)
    (losses, predictions), (other_losses, other_predictions) = (_run_epochs(r, train, config) for r in (sparse, dense))
    assert_close(losses, other_losses, **OF_STEPS)
    np.testing.assert_array_equal(predictions, other_predictions)
    assert_trees_close(sparse.params(), dense.params(), **OF_STEPS)


def test_the_pad_row_of_the_linear_student_is_frozen_and_the_cnn_s_is_trained():
    train = _examples(40)
    sgd = TrainConfig("fasttext", optimizer="sgd", learning_rate=0.5, batch_size=8)
    adam = TrainConfig("fasttext", optimizer="adam", batch_size=8)
    for config in (sgd, adam):
        runner = _runner(_student("fasttext"), train, config)
        _run_epochs(runner, train, config)
        assert (np.asarray(runner.params()["embeddings"])[0] == 0).all()
    config = TrainConfig("cnn", batch_size=8)
    runner = _runner(_student("cnn"), train, config)
    _run_epochs(runner, train, config)
    assert (np.asarray(runner.params()["embedding"])[0] != 0).any()


@pytest.mark.parametrize("name", ["cnn", "fasttext", "ensemble"])
def test_rows_that_fill_up_the_last_batch_change_nothing(name):
    student = _student(name, **own(name, dropout=0.0))
    config = TrainConfig.notebook(name, batch_size=8)
    objective = Objective(1.0)
    five, filler = _examples(5), _examples(3, seed=9)
    assert not np.array_equal(filler.labels, np.zeros(3))

    def step(filling, rows):
        """Take one step on five rows and the filling's three, of which ``rows`` count."""
        params = jax.tree.map(jnp.array, student.init(0))
        tokens = student.config.inputs(Ragged.concatenate([five.tokens, filling.tokens]))
        labels = np.concatenate([five.labels, filling.labels])
        teacher = np.concatenate([five.teacher_logits, filling.teacher_logits])
        if name == "fasttext":
            data = {
                **token_arrays(tokens),
                "weights": np.full(8, 1 / LENGTH, np.float32),
                "labels": jnp.asarray(labels),
                "teacher_logits": jnp.asarray(teacher),
                "learning_rates": np.full(1, 0.5, np.float32),
            }
            params, losses, _ = sparse_sgd_steps(params, data, np.int32(rows), objective=objective, batch_size=8)
            return params, losses[0]
        data = {
            **token_arrays(tokens),
            "labels": jnp.asarray(labels),
            "teacher_logits": jnp.asarray(teacher),
            "rows": jnp.int32(rows),
            "dropout_key": jax.random.key(0),
        }
        cursor = {"step": jnp.int32(0), "global_step": jnp.int32(0)}
        gradients, _, (loss, _) = batch_gradients(
            params, cursor, data, student=student, objective=objective, batch_size=8, length=LENGTH, cut=LENGTH
        )
        state = make_optimizer(config.optimizer, 0.0).init(params)
        params, _ = apply_gradients(params, state, gradients, jnp.float32(1e-3), optimizer=config.optimizer)
        return params, loss

    none = np.zeros((3, LENGTH), np.int32)
    zeros = Examples.from_padded(none, np.zeros(3, np.int32), np.zeros((3, CLASSES), np.float32))
    with_filler, with_zeros = step(filler, 5), step(zeros, 5)
    assert_trees_close(with_filler, with_zeros, terms=5, why="the rows that count, among zeros")
    counted = step(filler, 8)  # they would change much if they counted
    assert abs(counted[1] - with_zeros[1]) > 1e-4


@pytest.mark.parametrize("name", ["cnn", "fasttext", "ensemble"])
def test_32_rows_are_overfitted(name):
    train = _examples(32, vocab=200)
    train = Examples.from_padded(np.maximum(padded(train), np.arange(1, 33, dtype=np.int32)[:, None]), train.labels)
    student = _student(name, vocab_size=200, embedding_dim=20)
    config = TrainConfig.notebook(name, learning_rate=1.0 if name == "fasttext" else 1e-2, batch_size=8)
    runner = _runner(student, train, config)
    logits = predict_logits(student, runner.params(), train.tokens, train.length)
    assert (logits.argmax(axis=1) == train.labels).mean() < 0.7
    for _ in range(60):
        _run_epochs(runner, train, config)
    logits = predict_logits(student, runner.params(), train.tokens, train.length)
    assert (logits.argmax(axis=1) == train.labels).all()


def test_each_program_compiles_once_whatever_the_epoch_the_step_and_the_last_batch():
    train = _examples(43)
    before = sparse_sgd_steps._cache_size()
    config = TrainConfig("fasttext", optimizer="sgd", learning_rate=0.5, learning_rate_decay=0.5, batch_size=4)
    _run_epochs(_runner(_student("fasttext", embedding_dim=11), train, config), train, config, 3)
    assert sparse_sgd_steps._cache_size() == before + 1

    before = batch_gradients._cache_size(), apply_gradients._cache_size()
    config = TrainConfig("cnn", learning_rate_decay=0.5, batch_size=4)
    runner = _runner(_student("cnn", filters=5), train, config)
    _run_epochs(runner, train, config, 3)
    assert batch_gradients._cache_size() == before[0] + len(set(runner._cuts.tolist()))  # one a length
    assert apply_gradients._cache_size() == before[1] + 1


def test_dropout_differs_from_step_to_step_and_not_from_run_to_run():
    train = _examples(8)
    twice = train.take(np.tile(np.arange(8), 2))
    config = TrainConfig("cnn", optimizer="sgd", learning_rate=1e-30, batch_size=8)  # parameters stand still
    first, again = (_run_epochs(_runner(_student("cnn"), twice, config), twice, config)[0] for _ in range(2))
    assert first[0] != first[1]
    np.testing.assert_array_equal(first, again)
    other = TrainConfig("cnn", optimizer="sgd", learning_rate=1e-30, batch_size=8, seed=1)
    assert (_run_epochs(_runner(_student("cnn"), twice, other), twice, other)[0] != first).all()


def test_widened_parameters_are_narrowed_to_what_they_were():
    params = _student("fasttext").init(0)
    wide = widen(params, 16)
    assert wide["embeddings"].shape == (VOCAB, 16)
    assert wide["output"]["kernel"].shape == (16, CLASSES)
    assert (np.asarray(wide["embeddings"])[:, 10:] == 0).all()
    jax.tree.map(np.testing.assert_array_equal, narrow(wide, 10), params)


def test_many_chunks_train_like_one(monkeypatch):
    train, student = _examples(50), _student("fasttext", "masked")
    config = TrainConfig("fasttext", optimizer="sgd", learning_rate=0.5, batch_size=4)
    whole = _runner(student, train, config)
    expected = _run_epochs(whole, train, config)
    monkeypatch.setattr("distill_jax.training.runners.ROWS_PER_CHUNK", 18)  # 16 rows: whole batches
    pieces = _runner(student, train, config)
    assert len(pieces.run(0, 0).losses) == 4  # of 13: a chunk
    pieces.load(student.init(0), None, 0)
    found = _run_epochs(pieces, train, config)
    np.testing.assert_array_equal(found[1], expected[1])
    assert_trees_close(pieces.params(), whole.params(), **OF_STEPS)
    with pytest.raises(ValueError, match="a chunk starts at a multiple of 16 rows, got step 3"):
        pieces.run(0, 3)


@pytest.mark.parametrize(
    ("name", "kind", "option", "sizes"),
    [
        ("fasttext", SparseSgdRunner, "rows_per_chunk", (1, 6, 24, 8192)),
        ("cnn", DenseRunner, "steps_per_chunk", (1, 2, 5, 64)),
        ("fasttext", DenseRunner, "steps_per_chunk", (1, 3, 64)),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_how_many_steps_are_run_at_once_decides_no_number(name, kind, option, sizes, batch_size):
    train, student = _examples(50), _student(name)
    config = TrainConfig(
        name, optimizer="sgd", learning_rate=0.5, batch_size=batch_size, epochs=2, schedule="cosine", shuffle=True
    )
    found = []
    for size in sizes:
        runner = _runner(student, train, config, partial(kind, **{option: size}))
        found.append((_run_epochs(runner, train, config, 2), runner.params()))
    for other in found[1:]:
        jax.tree.map(np.testing.assert_array_equal, other, found[0])


def test_the_cosine_falls_with_every_step_and_one_epoch_goes_on_from_the_last():
    config = TrainConfig("cnn", epochs=2, schedule="cosine", learning_rate=2.0)
    rates = np.concatenate([config.learning_rates(epoch, 5) for epoch in range(2)])
    assert_close(rates, 1 + np.cos(np.pi * np.arange(10) / 10), terms=1, why="1 + cos", dtype=np.float64)
    step = dataclasses.replace(config, schedule="step", learning_rate_decay=0.5)
    assert step.learning_rates(1, 3).tolist() == [1.0] * 3
