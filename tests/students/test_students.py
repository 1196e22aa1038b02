from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distill_jax.errors import InputError
from distill_jax.students.networks.layers import dropout, real_lengths
from distill_jax.students.params import flat_params, parameter_count
from distill_jax.students.student import build_student
from padded import padded_inputs, padded_logits
from student_options import padding
from tolerances import STANDARD_ERRORS, assert_close, rounding, share_error, uniform_spread_error

OF_LOGITS = {"terms": 60, "why": "5 · 6 products of a filter and up to 30 features of a logit"}


STUDENTS = ("cnn", "fasttext")
VOCAB, BUCKETS = 30, 50
_NGRAMS = {"ngrams": 2, "buckets": BUCKETS}
# What the notebook does not have; all of them see real tokens alone.
VARIANTS = {
    "bigrams": {"name": "fasttext", **_NGRAMS},
    "mean-max-min": {"name": "fasttext", "pooling": "mean-max-min", "mask_padding": True},
    "dan": {"name": "dan", "hidden": 7, "length_power": 0.75, **_NGRAMS},
    "ensemble": {"name": "ensemble", "filters": 7, **_NGRAMS},
}
MASKED = [(name, "masked") for name in (*STUDENTS, *VARIANTS)]
POOLINGS = [*[(name, "padded") for name in STUDENTS], *MASKED]


def _student(name, pooling="masked", **options):
    if name == "cnn":
        options = {"filters": 7, **options}
    shape = {"name": name, "vocab_size": VOCAB, "num_labels": 4, "embedding_dim": 6}
    shape |= padding(VARIANTS.get(name, {}).get("name", name), pooling)
    return build_student(**{**shape, **VARIANTS.get(name, {}), **options})


@partial(jax.jit, static_argnames=("student", "padded_length"))
def _jitted(params, ids, student, padded_length):
    return student.logits(params, ids, padded_length=padded_length)


def _logits(student, params, ids, padded_length=None):
    return np.asarray(_jitted(params, padded_inputs(student.config, ids), student, padded_length))


def _params(student, seed=0):
    """Return parameters that no term leaves out: zeros are filled too, but for the linear student's frozen pad row."""
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), student.init(seed))
    if student.config.frozen_padding:
        params["embeddings"][student.config.pad_id] = 0
    return params


def _texts():
    """Texts of 0, 1, 2, … tokens, with a pad id inside one."""
    rng = np.random.default_rng(1)
    texts = [rng.integers(1, VOCAB, length) for length in (0, 1, 2, 3, 4, 5, 9, 12)]
    texts[6][4] = 0
    return texts


def _pad(texts, length):
    return np.array([[*text, *[0] * (length - len(text))] for text in texts], np.int32)


@pytest.mark.parametrize(("name", "pooling"), MASKED)
def test_masked_pooling_gives_a_text_the_same_logits_alone_padded_further_and_in_any_batch(name, pooling):
    student = _student(name, pooling)
    params = _params(student)
    texts = _texts()
    together = np.asarray(_logits(student, params, _pad(texts, 12)))
    assert np.ptp(together, axis=0).min() > 0.1
    for row in (0, 2, 6):
        text = texts[row]
        alone = _logits(student, params, _pad([text], len(text)).reshape(1, -1))
        assert_close(alone[0], together[row], **OF_LOGITS)
    further = _logits(student, params, _pad(texts, 57))
    assert_close(further, together, **OF_LOGITS)
    order = [5, 2, 7, 2]
    other_batch = _logits(student, params, _pad([texts[row] for row in order], 20))
    assert_close(other_batch, together[order], **OF_LOGITS)


def test_padded_pooling_divides_by_the_padded_length():
    student = _student("fasttext", "padded")
    params = _params(student)
    text = [np.array([3, 4, 5])]
    short, long = _logits(student, params, _pad(text, 3)), _logits(student, params, _pad(text, 6))
    assert not np.allclose(short, long, atol=1e-3)
    bias = params["output"]["bias"]
    assert_close(long - bias, (short - bias) / 2, **OF_LOGITS, scale=np.abs(short).max())
    cut = _logits(student, params, _pad(text, 3), padded_length=6)
    assert_close(cut, long, **OF_LOGITS)


def test_padded_pooling_lets_the_cnn_s_maximum_run_over_padding():
    student = _student("cnn", "padded")
    params = _params(student)
    text = [np.array([3, 4, 5, 6, 7, 8])]
    assert not np.allclose(_logits(student, params, _pad(text, 6)), _logits(student, params, _pad(text, 12)), atol=1e-3)


@pytest.mark.parametrize(("name", "pooling"), POOLINGS)
def test_rows_cut_to_their_longest_have_the_logits_of_the_whole_rows(name, pooling):
    student = _student(name, pooling)
    params = _params(student)
    ids = _pad(_texts(), 60)
    whole = _logits(student, params, ids)
    assert_close(padded_logits(student, params, ids, 3), whole, **OF_LOGITS)


@pytest.mark.parametrize(("name", "pooling"), POOLINGS)
@pytest.mark.parametrize("length", [1, 4, 12])
def test_empty_texts_and_texts_shorter_than_the_filters_have_finite_logits_and_gradients(name, pooling, length):
    student = _student(name, pooling)
    params = student.init(0)
    ids = np.zeros((3, length), np.int32)
    ids[1, 0] = 5
    ids[2, :] = 7
    ids = padded_inputs(student.config, ids)
    value, gradient = jax.jit(jax.value_and_grad(lambda params: jnp.square(student.logits(params, ids)).sum()))(params)
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_the_linear_student_ignores_the_order_of_words_and_the_cnn_does_not():
    ids = _pad(_texts(), 12)[-1:]
    shuffled = np.random.default_rng(0).permutation(ids[0])[None]
    assert (ids != shuffled).any()
    linear, cnn = _student("fasttext"), _student("cnn")
    params = _params(linear)
    assert_close(_logits(linear, params, ids), _logits(linear, params, shuffled), **OF_LOGITS)
    params = _params(cnn)
    assert not np.allclose(_logits(cnn, params, ids), _logits(cnn, params, shuffled), atol=1e-2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # embedding + three convolutions (height · 6 · 7 + 7) + output (21 · 4 + 4)
        ("cnn", 30 * 6 + (3 * 42 + 7) + (4 * 42 + 7) + (5 * 42 + 7) + (21 * 4 + 4)),
        ("fasttext", 30 * 6 + 6 * 4 + 4),
        ("bigrams", (30 + 50) * 6 + 6 * 4 + 4),
        ("mean-max-min", 30 * 6 + 3 * 6 * 4 + 4),
        ("dan", (30 + 50) * 6 + (6 * 7 + 7) + (7 * 4 + 4)),
        # the CNN, and a number of each class for each token and bucket
        ("ensemble", 30 * 6 + (3 * 42 + 7) + (4 * 42 + 7) + (5 * 42 + 7) + (21 * 4 + 4) + (30 + 50) * 4),
    ],
)
def test_parameter_counts(name, expected):
    student = _student(name)
    assert parameter_count(student.init(0)) == expected
    assert parameter_count(student.shapes()) == expected


@pytest.mark.parametrize(("name", "pooling"), POOLINGS)
def test_the_layout_that_a_file_is_held_to_is_the_network_s(name, pooling):
    student = _student(name, pooling)
    shapes = {name: (leaf.shape, str(leaf.dtype)) for name, leaf in flat_params(student.shapes()).items()}
    assert student.config.parameter_layout() == shapes


def test_the_notebook_s_sizes():
    options = {"vocab_size": 119_547, "num_labels": 5}
    cnn, linear = build_student("cnn", **options), build_student("fasttext", **options)
    table = 119_547 * 50
    assert parameter_count(cnn.shapes()) == table + 100 * 50 * (3 + 4 + 5) + 3 * 100 + 300 * 5 + 5
    assert parameter_count(linear.shapes()) == table + 50 * 5 + 5


@pytest.mark.parametrize("name", STUDENTS)
def test_one_seed_gives_one_initialisation(name):
    student = _student(name)
    first, again, other = student.init(3), student.init(3), student.init(4)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(first))
    assert not np.array_equal(first[student.config.table_name], other[student.config.table_name])
    assert jax.tree.map(np.shape, first) == jax.tree.map(lambda leaf: leaf.shape, student.shapes())


def test_the_cnn_starts_from_the_notebook_s_distributions():
    student = build_student("cnn", vocab_size=4000, num_labels=5, pad_id=3)
    params = student.init(0)
    table = np.delete(params["embedding"], 3, axis=0)
    assert abs(table.mean()) < STANDARD_ERRORS / table.size**0.5
    assert abs(table.std() - 1) < STANDARD_ERRORS / (2 * table.size) ** 0.5
    assert (params["embedding"][3] == 0).all()
    for index, height in enumerate((3, 4, 5)):
        kernel, bias = params[f"conv{index}"]["kernel"], params[f"conv{index}"]["bias"]
        bound = (height * 50) ** -0.5
        assert 0.98 * bound < np.abs(kernel).max() <= bound
        assert np.abs(bias).max() <= bound
        np.testing.assert_allclose(kernel.std(), bound / 3**0.5, rtol=uniform_spread_error(kernel.size))
    kernel = params["fc"]["kernel"]
    np.testing.assert_allclose(kernel.std(), 300**-0.5 / 3**0.5, rtol=uniform_spread_error(kernel.size))


def test_the_linear_student_starts_from_the_notebook_s_distributions():
    params = build_student("fasttext", vocab_size=4000, num_labels=5).init(0)
    table = params["embeddings"][1:]
    assert table.min() >= 0
    assert 0.0199 < table.max() <= 0.02
    np.testing.assert_allclose(table.mean(), 0.01, rtol=STANDARD_ERRORS / (3 * table.size) ** 0.5)
    assert (params["embeddings"][0] == 0).all()
    assert (params["output"]["kernel"] == 0).all()
    assert np.abs(params["output"]["bias"]).max() <= 50**-0.5


def test_dropout_is_there_in_training_alone():
    student = _student("cnn", dropout=0.5)
    params, ids = _params(student), _pad(_texts(), 12)
    plain = _logits(student, params, ids)
    np.testing.assert_array_equal(plain, _logits(student, params, ids))
    training_logits = jax.jit(lambda params, ids, key: student.logits(params, ids, dropout_rng=key))
    first, again, other = (training_logits(params, jnp.asarray(ids), jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(first, plain)
    without = _student("cnn", dropout=0.0)
    kept = without.logits(params, jnp.asarray(ids), dropout_rng=jax.random.key(0))
    assert_close(kept, plain, **OF_LOGITS)


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    dropped = np.asarray(dropout(jnp.ones((200, 300)), 0.3, jax.random.key(0)))
    assert abs((dropped == 0).mean() - 0.3) < share_error(0.3, dropped.size)
    np.testing.assert_allclose(dropped[dropped != 0], 1 / 0.7, rtol=rounding(1, scale=1))


def test_the_ensemble_s_logits_are_the_cnn_s_and_the_bag_s():
    cnn, ensemble = _student("cnn"), _student("ensemble")
    params, ids = _params(ensemble), _pad(_texts(), 12)
    without_bag = {name: value for name, value in params.items() if name != "bag"}
    bag = np.zeros((len(ids), 4))
    for row, features in enumerate(padded_inputs(ensemble.config, ids).reshape(len(ids), -1)):
        real = features[features != 0]
        bag[row] = params["bag"][real].sum(axis=0) / max(len(real), 1) ** 0.5
    found = _logits(ensemble, params, ids) - _logits(cnn, without_bag, ids)
    assert_close(found, bag, **OF_LOGITS)


def test_the_ensemble_starts_as_the_cnn():
    found, expected = _student("ensemble").init(3), _student("cnn").init(3)
    assert not found.pop("bag").any()
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_real_lengths():
    ids = jnp.array([[0, 0, 0], [4, 0, 0], [4, 0, 5], [0, 6, 0]])
    assert real_lengths(ids, 0).tolist() == [0, 1, 3, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "rnn"}, "--student: expected one of cnn, fasttext, dan, bilstm, ensemble, got 'rnn'"),
        ({"name": "fasttext", "pooling": "max"}, "--pooling: expected one of mean, mean-max-min, got 'max'"),
        ({"vocab_size": 0}, "--vocab-size: expected a number at least 1"),
        ({"vocab_size": 30.0}, "--vocab-size: expected a whole number, got 30.0"),
        ({"num_labels": 1}, "--num-labels: expected a number at least 2"),
        ({"pad_id": 30}, "--pad-id: expected a number below the vocabulary's size, 30, got 30"),
        ({"embedding_dim": 0}, "--embedding-dim: expected a number at least 1"),
        ({"embedding_dim": True}, "--embedding-dim: expected a whole number, got True"),
        ({"filters": 0}, "--filters: expected a number at least 1"),
        ({"dropout": 1.0}, "--dropout: expected a number at least 0 and at most 0.99, got 1"),
        ({"dropout": float("nan")}, "--dropout: expected a number at least 0 and at most 0.99, got nan"),
        ({"filter_heights": ()}, "--filter-heights: expected at least one value, as a tuple"),
        ({"filter_heights": (3, 0)}, "--filter-heights: expected a number at least 1"),
        ({"mask_padding": "yes"}, "--mask-padding: expected true or false, got 'yes'"),
        ({"ngrams": 2, "buckets": 9}, "--ngrams: student cnn has no such option; it has --embedding-dim"),
        ({"pooling": "mean-max-min"}, "--pooling: student cnn has no such option"),
        ({"name": "ensemble", "mask_padding": False}, "--mask-padding: student ensemble has no such option"),
        (
            {"name": "fasttext", "ngrams": 6, "buckets": 9},
            "--ngrams: expected a number at least 1 and at most 5",
        ),
        ({"name": "fasttext", "buckets": -1}, "--buckets: expected a number at least 0"),
        ({"name": "fasttext", "ngrams": 2, "mask_padding": True}, "--ngrams and --buckets go together"),
        ({"name": "fasttext", "ngrams": 2, "buckets": 9}, "--no-mask-padding is the notebook's mean over padding"),
        ({"name": "fasttext", "pooling": "mean-max-min"}, "--no-mask-padding is the notebook's mean over padding"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(InputError, match=message):
        build_student(**{"name": "cnn", "vocab_size": VOCAB, "num_labels": 4, **options})
