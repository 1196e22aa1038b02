import jax
import numpy as np
import optax
import pytest

from distill_jax.inference import logits as evaluation
from distill_jax.inference import token_lookup
from distill_jax.inference.logits import eval_logits
from distill_jax.metrics.classification import cross_entropies, mean_of_batch_means
from distill_jax.students.student import build_student
from padded import padded_logits
from tolerances import OF_LOGITS, assert_close


def _inputs(rows, length, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 40, (rows, length)).astype(np.int32)
    ids[np.arange(length) >= rng.integers(0, length + 1, rows)[:, None]] = 0
    return ids


@pytest.mark.parametrize("fixed_cuts", [False, True])
@pytest.mark.parametrize("name", ["cnn", "fasttext"])
@pytest.mark.parametrize("rows", [1, 7, 40])
def test_logits_come_in_the_rows_order(name, rows, fixed_cuts):
    student = build_student(name, vocab_size=40, num_labels=3, embedding_dim=5)
    params = student.init(0)
    if name == "fasttext":
        params["output"]["kernel"] = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    ids = _inputs(rows, 50)
    expected = np.asarray(eval_logits(params, ids, student=student, padded_length=50))
    logits = padded_logits(student, params, ids, 8, fixed_cuts=fixed_cuts)
    assert_close(logits, expected, **OF_LOGITS)
    assert logits.dtype == np.float32


def test_few_programs_are_compiled_for_a_split_of_many_lengths(monkeypatch):
    monkeypatch.setattr(token_lookup, "_FEWEST_TOKENS", 10**9)
    student = build_student("cnn", vocab_size=40, num_labels=3, embedding_dim=7)
    before = eval_logits._cache_size()
    padded_logits(student, student.init(0), _inputs(300, 100), 16)
    assert 1 <= eval_logits._cache_size() - before <= 4


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("default_matmul_precision", "highest"),
        ("debug_nans", True),
        ("default_prng_impl", "rbg"),
        ("device", None),
    ],
)
def test_threads_compute_with_what_the_caller_set_for_its_own(monkeypatch, option, value):
    if option == "device":
        option, value = "default_device", jax.devices()[0]
    student = build_student("bilstm", vocab_size=40, num_labels=3, embedding_dim=5)
    seen = []

    def watched(*arguments, **options):
        seen.append(getattr(jax.config, f"jax_{option}"))
        return eval_logits(*arguments, **options)

    monkeypatch.setattr(evaluation, "eval_logits", watched)
    with getattr(jax, option)(value):
        padded_logits(student, student.init(0), _inputs(20, 12), 8)
    assert seen == [value] * 3
    padded_logits(student, student.init(0), _inputs(20, 12), 8)
    assert value not in seen[3:]


def test_no_rows_give_no_logits():
    student = build_student("fasttext", vocab_size=40, num_labels=3)
    assert padded_logits(student, student.init(0), np.zeros((0, 9), np.int32)).shape == (0, 3)


def test_cross_entropies_equal_optax_s_and_are_finite_for_large_logits():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(9, 4)).astype(np.float32) * 5, rng.integers(0, 4, 9)
    expected = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
    of_losses = {"terms": 4, "why": "the exponentials of a row, beside its logits", "scale": np.abs(logits).max()}
    assert_close(cross_entropies(logits, labels), expected, **of_losses)
    assert cross_entropies(np.array([[1e30, -1e30]], np.float32), np.array([0])).tolist() == [0.0]


def test_a_short_batch_counts_whole_in_the_mean_of_batch_means():
    values = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
    assert mean_of_batch_means(values, 2) == (1.5 + 3.5 + 10) / 3
    assert mean_of_batch_means(values, 2) != values.mean()
