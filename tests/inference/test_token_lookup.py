"""When it pays to compute something for each token that occurs, and that prediction then does."""

import jax
import numpy as np
import pytest

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.inference import gate_lookup, token_lookup, window_lookup
from distill_jax.inference import logits as evaluation
from distill_jax.inference.token_lookup import TokenLookup
from distill_jax.students.cnn import CnnConfig
from distill_jax.students.student import build_student
from lookup_helpers import OF_LOOKUPS, looked_up, module_logits, random_texts, small_student
from padded import padded_logits
from student_options import padding
from tolerances import OF_LOGITS, assert_close

pytestmark = pytest.mark.cpu
CONFIG = CnnConfig(vocab_size=40, num_labels=3, pad_id=3)
IDS = np.array([[5, 9, 5, 5, 9, 7, 5, 9], [9, 9, 5, 3, 3, 3, 3, 3]], np.int32)
_PROGRAMS = {"cnn": window_lookup._logits, "bilstm": gate_lookup._logits}


class _Ten(TokenLookup):
    """Ten numbers a token, of which only the tokens are looked at here."""

    @staticmethod
    def width(_):
        return 10

    @staticmethod
    def token_shares(_config, _params, tokens, count):
        return tokens, count

    def logits(self, _):
        raise NotImplementedError


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(token_lookup, "_FEWEST_TOKENS", 11)


def _looked_up(ids=IDS):
    return _Ten.of(CONFIG, {}, Ragged.from_padded(ids, CONFIG.pad_id), 8)


@pytest.mark.usefixtures("few_are_enough")
def test_each_token_has_its_row_and_the_pad_token_one_too():
    lookup = _looked_up()
    ids, count = lookup.shares
    assert ids.tolist() == [3, 5, 7, 9, 0, 0, 0, 0]
    assert count == 4
    assert lookup.tokens.ids.tolist() == [1, 3, 1, 1, 3, 2, 1, 3, 3, 3, 1]


@pytest.mark.usefixtures("few_are_enough")
def test_an_id_that_is_no_token_is_refused():
    with pytest.raises(InputError, match="expected 0 to 39"):
        _looked_up(IDS + 31)


@pytest.mark.usefixtures("few_are_enough")
def test_it_does_not_pay_for_texts_of_new_tokens_alone():
    ids = np.arange(4, 16, dtype=np.int32)[None]
    assert _looked_up(ids) is None


@pytest.mark.usefixtures("few_are_enough")
def test_it_does_not_pay_on_a_gpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert _looked_up() is None


def test_it_does_not_pay_for_few_texts(monkeypatch):
    monkeypatch.setattr(token_lookup, "_FEWEST_TOKENS", 12)
    assert _looked_up() is None


@pytest.mark.usefixtures("few_are_enough")
@pytest.mark.parametrize(("most", "pays"), [(4 * 8 * 10, True), (4 * 8 * 10 - 1, False)])
def test_it_takes_no_more_memory_than_it_may(monkeypatch, most, pays):
    monkeypatch.setattr(token_lookup, "_MOST_BYTES", most)
    assert (_looked_up() is not None) == pays


@pytest.mark.usefixtures("lookup_of_few_texts")
@pytest.mark.parametrize("name", ["cnn", "bilstm"])
def test_float64_stays_float64(name):
    student, params = small_student(name)
    ids = random_texts()
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: x.astype(np.float64), params)
        expected = module_logits(student, params, ids)
        logits = np.asarray(looked_up(student, params, ids).logits(np.arange(50)))
    assert logits.dtype == np.float64
    assert_close(logits, expected, **OF_LOOKUPS, dtype=np.float64)


@pytest.mark.usefixtures("lookup_of_few_texts")
@pytest.mark.parametrize(
    ("name", "options"),
    [("cnn", {"filters": 6}), ("cnn", {"filters": 6, "mask_padding": False}), ("bilstm", {"hidden": 5})],
)
def test_prediction_takes_it_in_batches_of_one_program(monkeypatch, name, options):
    student, params = small_student(name, **options)
    monkeypatch.setattr(evaluation, "eval_logits", lambda *_, **__: pytest.fail("not looked up"))
    ids, before = random_texts(rows=107), _PROGRAMS[name]._cache_size()
    logits = padded_logits(student, params, ids, 16)
    assert _PROGRAMS[name]._cache_size() - before == 1
    assert_close(logits, module_logits(student, params, ids), **OF_LOOKUPS)


@pytest.mark.usefixtures("lookup_of_few_texts")
@pytest.mark.parametrize("name", ["cnn", "bilstm", "ensemble", "fasttext"])
def test_prediction_of_many_texts_gives_the_logits_of_few(name):
    """Whichever way is taken."""
    student = build_student(name, vocab_size=40, num_labels=3, pad_id=3, embedding_dim=7, **padding(name, "masked"))
    params, rng = student.init(0), np.random.default_rng(0)
    ids = rng.integers(4, 40, (300, 30)).astype(np.int32)
    ids[np.arange(30) >= rng.integers(0, 31, 300)[:, None]] = 3
    together = padded_logits(student, params, ids)
    alone = np.concatenate([module_logits(student, params, row[None]) for row in ids])
    assert_close(together, alone, **OF_LOGITS)
