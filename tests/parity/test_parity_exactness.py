"""What is done for speed changes no result: compacted tables, cut batches, programs compiled once."""

import dataclasses

import jax
import numpy as np
import pytest

from distill_jax.config import TrainConfig
from distill_jax.data.compaction import Compaction
from distill_jax.data.examples import Examples, concatenate
from distill_jax.losses import Objective
from distill_jax.students.student import build_student, to_device
from distill_jax.training.fit import fit
from distill_jax.training.runners import make_runner
from distill_jax.training.steps import apply_gradients, batch_gradients
from distill_jax.training.token_arrays import token_arrays
from padded import padded, with_ids
from parity_setup import CLASSES, PRECISIONS, STUDENTS, VOCAB, make_pair, precision, random_examples
from tolerances import OF_GRADIENTS, assert_close, assert_trees_close

# Small batches for the CNN: XLA compiles its gradients faster.
SIZES = {"cnn": 8, "fasttext": 1}


def assert_same_bits(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("distil", [False, True], ids=["direct", "distilled"])
@pytest.mark.parametrize("name", STUDENTS)
def test_the_compacted_table_trains_bit_for_bit_like_the_whole_one(name, distil):
    """A test split that holds every token makes the compaction the identity; training must not notice."""
    pair, train = make_pair(name), random_examples(101, 0)
    train = with_ids(train, padded(train) // 4)
    config = TrainConfig.notebook(name, distil=distil, epochs=2, batch_size=SIZES[name])
    few = train.take(np.arange(8))
    everything = np.zeros((8, train.length), np.int32)
    everything.ravel()[:VOCAB] = np.arange(VOCAB)
    all_tokens = with_ids(few, everything)
    assert len(np.unique(padded(few))) < len(np.unique(padded(train))) < VOCAB / 3
    assert len(np.unique(padded(all_tokens))) == VOCAB
    compact = fit(pair.student, pair.params, train=train, test=few, config=config)
    whole = fit(pair.student, pair.params, train=train, test=all_tokens, config=config)
    assert_same_bits(compact.params, whole.params)
    np.testing.assert_array_equal(compact.history["train_loss"], whole.history["train_loss"])
    table, unused = pair.student.config.table_name, np.setdiff1d(np.arange(VOCAB), padded(train))
    np.testing.assert_array_equal(compact.params[table][unused], pair.params[table][unused])
    assert (compact.params[table] != pair.params[table]).any()


def short_texts(rows, seed, length, longest):
    examples = random_examples(rows, seed, length=longest)
    return dataclasses.replace(examples, length=length)


@pytest.mark.parametrize("precision_name", PRECISIONS)
@pytest.mark.parametrize("name", STUDENTS)
def test_cutting_batches_changes_nothing(name, precision_name):
    """The gradients of a batch cut to its longest text, at several lengths, and of the whole rows."""
    pair, batch = make_pair(name, precision_name), short_texts(8, 0, length=64, longest=19)
    with precision(precision_name):
        data = {
            **token_arrays(batch.tokens),
            "labels": jax.numpy.asarray(batch.labels),
            "teacher_logits": jax.numpy.asarray(batch.teacher_logits),
            "rows": jax.numpy.int32(8),
            "dropout_key": jax.random.key(0),
        }
        results = []
        for cut in (19 + pair.student.config.cut_margin, 64):
            cursor = {"step": jax.numpy.int32(0), "global_step": jax.numpy.int32(0)}
            gradients, _, (loss, predictions) = batch_gradients(
                to_device(pair.params),
                cursor,
                data,
                student=pair.student,
                objective=Objective(alpha=1.0),
                batch_size=8,
                length=64,
                cut=cut,
            )
            results.append((gradients, loss, predictions))
    cut, whole = results
    assert_trees_close(cut, whole, **OF_GRADIENTS, dtype=precision_name)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_long_text_elsewhere_in_the_split_changes_nothing(name):
    """One text of full length changes what the other batches are cut to; its batch comes last."""
    pair, short, long = make_pair(name, "float64"), short_texts(32, 0, 64, 11), short_texts(1, 1, 64, 64)
    both = dataclasses.replace(concatenate(short, long), transfer_rows=0)
    config, losses = TrainConfig.notebook(name, epochs=1, batch_size=SIZES[name]), []
    with precision("float64"):
        for train in (short, both):
            compaction = Compaction.of([both.tokens.ids], VOCAB, 0)
            student = make_pair(name, vocab=len(compaction.tokens)).student
            runner = make_runner(student, train, config, compaction)
            table = pair.params[student.config.table_name][compaction.tokens]
            runner.load({**pair.params, student.config.table_name: table}, None, 0)
            losses.append(runner.run(0, 0).losses)
    steps = len(losses[0])
    assert len(losses[1]) == steps + 1
    assert_close(losses[1][:steps], losses[0], **OF_GRADIENTS, dtype=np.float64)


@pytest.mark.parametrize("as_jax", [False, True], ids=["numpy", "jax"])
@pytest.mark.parametrize("name", STUDENTS)
def test_fit_does_not_change_its_params(name, as_jax):
    pair, rows = make_pair(name), random_examples(40, 0)
    before = jax.tree.map(np.array, pair.params)
    given = to_device(pair.params) if as_jax else pair.params
    config = TrainConfig.notebook(name, epochs=1, batch_size=SIZES[name])
    first = fit(pair.student, given, train=rows, test=rows, config=config)
    assert_same_bits(given, before)
    second = fit(pair.student, given, train=rows, test=rows, config=config)
    assert_same_bits(first.params, second.params)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(first.params))


def test_each_step_program_is_compiled_once_for_each_length():
    """Two lengths, a short last batch, three epochs, two fits: two programs for gradients, one for updates."""
    student = build_student("cnn", vocab_size=VOCAB + 1, num_labels=CLASSES, filters=7, embedding_dim=9)
    long, short = random_examples(8, 0, length=40), short_texts(13, 1, 40, 6)
    train = dataclasses.replace(concatenate(long, short), transfer_rows=0)
    params, config = student.init(seed=0), TrainConfig.notebook("cnn", epochs=3, batch_size=8)
    before = batch_gradients._cache_size(), apply_gradients._cache_size()
    fit(student, params, train=train, test=long, config=config)
    fit(student, params, train=train, test=long, config=config)
    after = batch_gradients._cache_size(), apply_gradients._cache_size()
    assert after[0] - before[0] == 2
    assert after[1] - before[1] == 1


@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.parametrize("name", STUDENTS)
def test_any_number_of_rows(name, rows):
    pair, train = make_pair(name), random_examples(rows, 0)
    train = Examples.from_padded(padded(train).astype(np.int64), train.labels.astype(np.int64), None)
    config = TrainConfig.notebook(name, epochs=1, batch_size=SIZES[name])
    result = fit(pair.student, pair.params, train=train, test=train, config=config)
    assert result.test_logits.shape == (rows, CLASSES)
    assert np.isfinite(result.history[["train_loss", "test_loss"]].to_numpy()).all()
