"""The BiLSTM: blind to padding, its states and features, its size, its way through training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distill_jax.config import TrainConfig
from distill_jax.errors import InputError
from distill_jax.inference.logits import eval_logits, predict_logits
from distill_jax.students.networks.bilstm import reversed_texts
from distill_jax.students.params import parameter_count
from distill_jax.students.student import build_student
from distill_jax.training.fit import fit
from distill_jax.training.steps import apply_gradients, batch_gradients
from padded import padded, padded_logits, with_ids
from tolerances import STANDARD_ERRORS, assert_close, share_error, uniform_spread_error

OF_LOGITS = {"terms": 200, "why": "a gate's products at each of up to 12 tokens, one after another"}

VOCAB, CLASSES = 30, 4
BOTH_STATES = pytest.mark.parametrize("states", ["max", "last"])


def _student(states="max", **options):
    sizes = {"vocab_size": VOCAB, "num_labels": CLASSES, "embedding_dim": 6, "hidden": 5, "dense": 8}
    return build_student("bilstm", **{**sizes, "states": states, **options})


def _params(student, seed=0):
    """Return parameters all of which tell in the logits, the pad row too."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), student.init(seed))


def _logits(student, params, ids):
    return np.asarray(eval_logits(params, ids, student=student, padded_length=ids.shape[1]))


def _texts():
    """Texts of 0, 1, 2, … tokens, with a pad id inside one."""
    rng = np.random.default_rng(1)
    texts = [rng.integers(1, VOCAB, length) for length in (0, 1, 2, 3, 4, 5, 9, 12)]
    texts[6][4] = 0
    return texts


def _pad(texts, length, pad_id=0):
    return np.array([[*text, *[pad_id] * (length - len(text))] for text in texts], np.int32).reshape(len(texts), length)


@pytest.mark.parametrize("states", ["max", "last"])
def test_a_text_has_the_same_logits_alone_padded_further_and_in_any_batch(states):
    student = _student(states)
    assert student.config.cut_margin == 0
    params, texts = _params(student), _texts()
    together = _logits(student, params, _pad(texts, 12))
    assert np.isfinite(together).all()
    assert np.ptp(together, axis=0).min() > 0.1
    for row in (0, 2, 6):  # the empty one, and that with a pad id inside, among them
        alone = _logits(student, params, _pad([texts[row]], len(texts[row])))
        assert_close(alone[0], together[row], **OF_LOGITS)
    assert_close(_logits(student, params, _pad(texts, 57)), together, **OF_LOGITS)
    order = [5, 2, 7, 2]
    other_batch = _logits(student, params, _pad([texts[row] for row in order], 20))
    assert_close(other_batch, together[order], **OF_LOGITS)
    assert_close(padded_logits(student, params, _pad(texts, 60), 3), together, **OF_LOGITS)


def test_an_empty_text_s_features_are_zeros():
    student = _student()
    params = _params(student)
    hidden = np.maximum(params["dense"]["bias"], 0)
    expected = hidden @ params["fc"]["kernel"] + params["fc"]["bias"]
    assert_close(_logits(student, params, np.zeros((2, 7), np.int32)), [expected] * 2, **OF_LOGITS)


@BOTH_STATES
def test_the_pad_row_s_numbers_do_not_tell_and_have_no_gradient(states):
    student = _student(states)
    params, ids = _params(student), _pad([text for text in _texts() if 0 not in text], 14)
    other = {**params, "embedding": params["embedding"].copy()}
    other["embedding"][0] = 50
    np.testing.assert_array_equal(_logits(student, params, ids), _logits(student, other, ids))
    gradient = jax.jit(jax.grad(lambda params: jnp.square(student.logits(params, ids)).sum()))(params)
    assert not np.asarray(gradient["embedding"])[0].any()
    assert np.asarray(gradient["embedding"])[ids[-1, 0]].any()


@BOTH_STATES
@pytest.mark.parametrize("length", [1, 12])
def test_gradients_are_finite_with_empty_texts(states, length):
    student = _student(states)
    ids = np.zeros((3, length), np.int32)
    ids[1, 0], ids[2] = 5, 7
    value, gradient = jax.jit(jax.value_and_grad(lambda params: jnp.square(student.logits(params, ids)).sum()))(
        student.init(0)
    )
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@BOTH_STATES
def test_the_recurrence_written_out(states):
    """One text, token by token in NumPy at float64, each direction on its own."""
    student = _student(states)
    params, text = _params(student), np.array([3, 9, 4, 4, 17])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def states_of(layer, tokens):
        state, cell, seen = np.zeros(5), np.zeros(5), []
        for token in tokens:
            gates = params["embedding"][token].astype(float) @ layer["input_kernel"] + layer["input_bias"]
            gates += state @ layer["state_kernel"] + layer["state_bias"]
            i, f, g, o = np.split(gates, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            state = sigmoid(o) * np.tanh(cell)
            seen.append(state)
        return np.array(seen)

    forward, backward = states_of(params["forward"], text), states_of(params["backward"], text[::-1])
    features = np.concatenate([s.max(axis=0) if states == "max" else s[-1] for s in (forward, backward)])
    hidden = np.maximum(features @ params["dense"]["kernel"] + params["dense"]["bias"], 0)
    expected = hidden @ params["fc"]["kernel"] + params["fc"]["bias"]
    assert_close(_logits(student, params, _pad([text], 9))[0], expected, **OF_LOGITS)
    logits, beside = student.with_token_states(params, _pad([text], 9))
    assert_close(logits[0], expected, **OF_LOGITS)
    assert beside.shape == (1, 9, student.config.token_state_width)
    assert_close(beside[0, :5], np.concatenate([forward, backward[::-1]], axis=1), **OF_LOGITS)


def test_each_row_is_reversed_by_its_own_length():
    ids = jnp.array([[1, 2, 3, 0], [4, 0, 0, 0], [0, 0, 0, 0], [5, 0, 6, 7]])
    found = reversed_texts(ids, jnp.array([3, 1, 0, 4]))
    assert found.tolist() == [[3, 2, 1, 0], [4, 0, 0, 0], [0, 0, 0, 0], [7, 6, 0, 5]]


def test_the_order_of_words_counts():
    student = _student()
    params, text = _params(student), np.arange(1, 9)
    forth, back = _logits(student, params, _pad([text, text[::-1]], 8))
    assert np.abs(forth - back).max() > 0.1


@pytest.mark.parametrize(("embedding", "hidden", "dense", "classes"), [(50, 150, 200, 5), (7, 3, 4, 2)])
def test_parameter_count(embedding, hidden, dense, classes):
    shape = {"vocab_size": 40, "num_labels": classes, "embedding_dim": embedding}
    student = build_student("bilstm", **shape, hidden=hidden, dense=dense)
    lstm = 2 * (4 * hidden * (embedding + hidden) + 2 * 4 * hidden)
    expected = 40 * embedding + lstm + (2 * hidden + 1) * dense + (dense + 1) * classes
    assert parameter_count(student.shapes()) == parameter_count(student.init(0)) == expected
    defaults = build_student("bilstm", vocab_size=40, num_labels=5).config
    assert (defaults.hidden, defaults.dense, defaults.states) == (150, 200, "max")


def test_it_starts_from_torch_s_distributions():
    params = build_student("bilstm", vocab_size=4000, num_labels=5, pad_id=3).init(0)
    table = np.delete(params["embedding"], 3, axis=0)
    assert abs(table.std() - 1) < STANDARD_ERRORS / (2 * table.size) ** 0.5
    assert (params["embedding"][3] == 0).all()
    bounds = {"dense": 300**-0.5, "fc": 200**-0.5, "forward": 150**-0.5, "backward": 150**-0.5}
    for layer, bound in bounds.items():
        for array in params[layer].values():
            assert np.abs(array).max() <= bound
            np.testing.assert_allclose(array.std(), bound / 3**0.5, rtol=uniform_spread_error(array.size))
    assert (params["forward"]["state_kernel"] != params["backward"]["state_kernel"]).any()
    assert (params["forward"]["input_bias"] != params["forward"]["state_bias"]).any()


def test_dropout_acts_on_the_relu_layer_in_training_alone():
    student = _student(dense=CLASSES * 50, num_labels=CLASSES * 50, dropout=0.5)
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), student.shapes())
    params["dense"]["bias"] += 1
    params["fc"]["kernel"] = np.eye(CLASSES * 50, dtype=np.float32)  # the logits are the ReLU layer's units, all 1
    ids = np.ones((30, 4), np.int32)
    np.testing.assert_array_equal(_logits(student, params, ids), 1)
    dropped = np.asarray(student.logits(params, ids, padded_length=4, dropout_rng=jax.random.key(0)))
    assert set(dropped.ravel().tolist()) == {0.0, 2.0}
    assert abs(dropped.mean() / 2 - 0.5) < share_error(0.5, dropped.size)
    assert (dropped != np.asarray(student.logits(params, ids, padded_length=4, dropout_rng=jax.random.key(1)))).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 0}, "hidden: expected a number at least 1"),
        ({"dense": 0}, "dense: expected a number at least 1"),
        ({"states": "mean"}, "--states: expected one of max, last, got 'mean'"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(InputError, match=message):
        _student(**options)


def _first(examples, rows):
    return examples.take(np.arange(rows))


def _assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert first.history.to_csv() == second.history.to_csv()
    np.testing.assert_array_equal(first.test_logits, second.test_logits)


def _tiny_student(**options):
    return _student(vocab_size=64, num_labels=3, embedding_dim=8, **options)


@pytest.mark.parametrize("distil", [False, True])
def test_it_learns(distil, tiny_examples):
    train, test = tiny_examples
    student = _tiny_student(hidden=12)
    config = TrainConfig.notebook("bilstm", distil=distil, epochs=4, batch_size=8, learning_rate=0.01)
    result = fit(student, student.init(0), train=train, test=test, config=config)
    last = result.history.iloc[-1]
    assert last["model"] == "BiLSTM" + (" (distilled)" if distil else "")
    assert last["test_acc"] > 0.6 > 1 / 3 + 0.1
    assert_close(result.test_logits, predict_logits(student, result.params, test.tokens, test.length), **OF_LOGITS)


def test_each_program_is_compiled_once_for_each_length(tiny_examples):
    train, test = (_first(examples, 21) for examples in tiny_examples)
    long, short = padded(train), padded(train)
    long[:, :] = np.maximum(long, 1)
    short[:, 3:] = 0
    ids = np.concatenate([long[:8], short[8:]])
    train = with_ids(train, ids)
    student = _tiny_student(hidden=7)
    config = TrainConfig.notebook("bilstm", epochs=3, batch_size=8)
    before = batch_gradients._cache_size(), apply_gradients._cache_size()
    for _ in range(2):
        fit(student, student.init(0), train=train, test=test, config=config)
    assert batch_gradients._cache_size() - before[0] == 2
    assert apply_gradients._cache_size() - before[1] == 1
