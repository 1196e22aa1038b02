"""The deep averaging network over n-grams, beside PyTorch's: its logits, its steps of SGD, and what is dropped."""

import jax
import numpy as np
import pytest
import torch

from distill_jax.config import TrainConfig
from distill_jax.data.compaction import Compaction
from distill_jax.data.examples import Examples
from distill_jax.data.ngrams import hashed_ngrams
from distill_jax.data.ragged import Ragged
from distill_jax.inference.logits import predict_logits
from distill_jax.students.student import build_student
from distill_jax.training import runners
from distill_jax.training.runners import SparseSgdRunner, make_runner
from tolerances import OF_GRADIENTS, OF_LOGITS, assert_close

VOCAB, BUCKETS, CLASSES, LENGTH, POWER = 30, 40, 4, 12, 0.75
LAYERS = (("hidden", torch.nn.functional.relu), ("output", lambda values: values))


def _student(**options):
    shape = {"vocab_size": VOCAB, "num_labels": CLASSES, "embedding_dim": 11, "hidden": 7}
    return build_student("dan", **shape, ngrams=2, buckets=BUCKETS, length_power=POWER, **options)


def _params(student):
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), student.init(0))
    params["embeddings"][0] = 0
    return params


def _examples(rows, seed=0):
    rng = np.random.default_rng(seed)
    tokens = Ragged.of([rng.integers(1, VOCAB, rng.integers(0, LENGTH + 1)).tolist() for _ in range(rows)])
    labels = rng.integers(0, CLASSES, rows).astype(np.int32)
    return Examples(tokens, labels, rng.normal(size=(rows, CLASSES)).astype(np.float32), length=LENGTH)


def _torch_params(params):
    return jax.tree.map(lambda leaf: torch.tensor(np.asarray(leaf, np.float64), requires_grad=True), params)


def _torch_logits(params, row):
    """Return a row's logits, as PyTorch's users would write them, for the ids of its tokens and n-grams."""
    values = params["embeddings"][torch.tensor(row, dtype=torch.long)].sum(dim=0) / max(1, len(row)) ** POWER
    for name, activation in LAYERS:
        values = activation(values @ params[name]["kernel"] + params[name]["bias"])
    return values


def _features(tokens):
    """Return the ids of the tokens and the n-grams of each row, without padding."""
    inputs = hashed_ngrams(tokens, 2, vocab_size=VOCAB, buckets=BUCKETS, pad_id=0).flattened().without(0)
    return [row.tolist() for row in np.split(inputs.ids, inputs.stops[:-1])]


def test_logits_are_those_of_torch():
    student, train = _student(), _examples(20)
    params = _params(student)
    expected = [_torch_logits(_torch_params(params), row).detach().numpy() for row in _features(train.tokens)]
    assert_close(predict_logits(student, params, train.tokens, LENGTH), np.stack(expected), **OF_LOGITS)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_sparse_steps_are_torch_s_steps_of_sgd(batch_size):
    student, train = _student(), _examples(20)
    config = TrainConfig("dan", distil=True, optimizer="sgd", learning_rate=0.01, batch_size=batch_size)
    params, rows = _params(student), _features(train.tokens)
    # The runner is given what ``fit`` gives it: ids of tokens and n-grams.
    train = Examples(student.config.inputs(train.tokens), train.labels, train.teacher_logits, length=LENGTH)
    runner = make_runner(student, train, config, Compaction.of([np.arange(VOCAB + BUCKETS)], VOCAB + BUCKETS, 0))
    assert isinstance(runner, SparseSgdRunner)
    runner.load(params, None, 0)
    losses = runner.run(0, 0).losses
    expected, expected_losses = _torch_params(params), []
    leaves = jax.tree.leaves(expected)
    optimizer = torch.optim.SGD(leaves, lr=config.learning_rate)
    for start in range(0, len(train), batch_size):
        batch = range(start, min(start + batch_size, len(train)))
        logits = torch.stack([_torch_logits(expected, rows[row]) for row in batch])
        loss = torch.nn.functional.mse_loss(logits, torch.tensor(train.teacher_logits[list(batch)]).double())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected_losses.append(loss.item())
    assert_close(losses, expected_losses, **OF_GRADIENTS)
    found = jax.tree.leaves(runner.params())
    assert np.abs(np.asarray(found[0]) - params["embeddings"]).max() > 1e-3  # it has learned
    for one, other in zip(found, leaves, strict=True):
        assert_close(one, other.detach().numpy(), **OF_GRADIENTS)


def test_n_grams_are_dropped_anew_each_epoch_alike_in_chunks_of_any_size_and_tokens_never():
    student, train = _student(ngram_dropout=0.5), _examples(200)
    train = Examples(student.config.inputs(train.tokens), train.labels, train.teacher_logits, length=LENGTH)
    config = TrainConfig("dan", distil=True, optimizer="sgd", learning_rate=0.01, batch_size=1, shuffle=True, epochs=2)
    compaction = Compaction.of([np.arange(VOCAB + BUCKETS)], VOCAB + BUCKETS, 0)
    found = []
    for size in (64, runners.ROWS_PER_CHUNK):
        runner = SparseSgdRunner(student, train, config, compaction, rows_per_chunk=size)
        runner.load(_params(student), None, 0)
        found.append([])
        for epoch in range(2):
            step = 0
            while step < len(train):
                losses = runner.run(epoch, step).losses
                step += len(losses)
                found[-1] += losses.tolist()
    np.testing.assert_array_equal(*found)
    whole = train.tokens.flattened().without(0)
    first, second = (runner._dropped(epoch) for epoch in range(2))
    assert not np.array_equal(first.ids, second.ids)
    for epoch in (first, second):
        assert (epoch.ids < VOCAB).sum() == (whole.ids < VOCAB).sum()
        share = (epoch.ids >= VOCAB).sum() / (whole.ids >= VOCAB).sum()
        assert 0.4 < share < 0.6
