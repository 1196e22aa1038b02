"""The students in NumPy give JAX's logits, whatever is beside a text, and however their tables are kept."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.data.ragged import Ragged
from distill_jax.inference import blas
from distill_jax.inference.logits import predict_logits
from distill_jax.inference.table import Table
from distill_jax.students.params import flat_params, nested_params
from distill_jax.students.student import build_student
from tolerances import assert_close

VOCAB, LENGTH = 40, 16
STUDENTS = {
    "linear": ("fasttext", {"mask_padding": True, "ngrams": 2, "buckets": 50, "embedding_dim": 6}),
    "linear of the notebook": ("fasttext", {"embedding_dim": 6}),
    "dan": ("dan", {"ngrams": 2, "buckets": 50, "embedding_dim": 6, "hidden": 7, "length_power": 0.75}),
    "cnn": ("cnn", {"mask_padding": True, "embedding_dim": 6, "filters": 5, "filter_heights": (1, 3, 2)}),
    "cnn of the notebook": ("cnn", {"embedding_dim": 6, "filters": 5}),
    "cnn with filters higher than texts": ("cnn", {"embedding_dim": 6, "filters": 3, "filter_heights": (2, 20)}),
    "bilstm": ("bilstm", {"embedding_dim": 6, "hidden": 7, "dense": 5}),
    "bilstm of last states": ("bilstm", {"embedding_dim": 6, "hidden": 7, "dense": 5, "states": "last"}),
}
rows_of_tokens = st.lists(st.lists(st.integers(0, VOCAB - 1), max_size=LENGTH), max_size=12)


def _student(name):
    kind, options = STUDENTS[name]
    student = build_student(kind, vocab_size=VOCAB, num_labels=3, pad_id=1, **options)
    rng = np.random.default_rng(5)
    params = {
        key: rng.normal(size=np.shape(value)).astype(np.float32) for key, value in flat_params(student.init(0)).items()
    }
    if student.config.frozen_padding:
        params[student.config.table_name][1] = 0
    return student, nested_params(params)


def _logits(network, rows):
    return network.start(rows, 1)()


@pytest.mark.parametrize("name", STUDENTS)
@settings(max_examples=25, deadline=None)
@given(rows=rows_of_tokens)
def test_numpy_s_logits_are_jax_s(name, rows):
    student, params = _student(name)
    tokens = Ragged.of(rows)
    expected = predict_logits(student, params, tokens, LENGTH)
    found = _logits(student.config.numpy_network(params, LENGTH), tokens)
    assert found.dtype == np.float32
    assert_close(found, expected, terms=LENGTH * 50, why="sums in another order")


@pytest.mark.parametrize("name", STUDENTS)
def test_a_text_s_logits_do_not_hang_on_the_others(name):
    student, params = _student(name)
    rng = np.random.default_rng(0)
    rows = Ragged.of([rng.integers(0, VOCAB, rng.integers(0, LENGTH + 1)).tolist() for _ in range(700)])
    network = student.config.numpy_network(params, LENGTH)
    alone = np.concatenate([_logits(network, rows.take(np.array([row]))) for row in range(len(rows))])
    assert_close(_logits(network, rows), alone, terms=LENGTH * 50, why="products of other shapes")


@pytest.mark.parametrize("name", STUDENTS)
def test_rows_that_are_not_kept_are_zeros(name):
    student, params = _student(name)
    flat = flat_params(params)
    whole = flat[student.config.table_name]
    kept = np.random.default_rng(1).random(len(whole)) < 0.5
    kept[student.config.pad_id] = not student.config.frozen_padding
    tokens = Ragged.of([[2, 3, 4, 5, 6, 7], list(range(2, 18)), []])
    zeroed = nested_params({**flat, student.config.table_name: np.where(kept[:, None], whole, 0)})
    some = nested_params({**flat, student.config.table_name: Table.kept(whole[kept], kept)})
    expected = _logits(student.config.numpy_network(zeroed, LENGTH), tokens)
    np.testing.assert_array_equal(_logits(student.config.numpy_network(some, LENGTH), tokens), expected)


@pytest.mark.parametrize("name", STUDENTS)
def test_networks_are_pickled_and_copied(name):
    student, params = _student(name)
    network = student.config.numpy_network(params, LENGTH)
    tokens = Ragged.of([[2, 3], [4, 5, 6]])
    for other in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        np.testing.assert_array_equal(_logits(other, tokens), _logits(network, tokens))


def test_products_have_one_thread_while_ours_share_the_texts_and_then_as_many_as_before():
    found = blas._openblas()
    if found is None:
        pytest.skip("NumPy was built with another BLAS than its wheels bring")
    get, _ = found
    before = get()
    with blas.one_blas_thread(), blas.one_blas_thread():
        assert get() == 1
    assert get() == before
