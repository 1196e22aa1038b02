"""A training that was stopped anywhere and resumed ends with the bits of one that never stopped."""

import dataclasses

import jax
import numpy as np
import pytest

from distill_jax.config import TrainConfig
from distill_jax.data.ragged import Ragged
from distill_jax.errors import Interrupted
from distill_jax.students.student import build_student
from distill_jax.training.fit import fit

_OPTIONS = {
    "cnn": {"filters": 8},
    "fasttext": {},
    "dan": {"ngrams": 2, "buckets": 900, "hidden": 6, "ngram_dropout": 0.5},
    "bilstm": {"hidden": 6},
    "ensemble": {"filters": 8, "ngrams": 2, "buckets": 900},
}


@pytest.fixture
def few_examples(tiny_examples):
    """45 rows to train on, in batches of eight: six steps an epoch, of which two run at a time."""
    return tuple(examples.take(np.arange(45)) for examples in tiny_examples)


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr("distill_jax.training.runners.ROWS_PER_CHUNK", 16)
    monkeypatch.setattr("distill_jax.training.runners.STEPS_PER_CHUNK", 2)


def _student(name):
    return build_student(name, vocab_size=64, num_labels=3, embedding_dim=8, **_OPTIONS[name])


def _config(name, **changes):
    return TrainConfig.notebook(name, **{"epochs": 2, "batch_size": 8, "distil": True, "alpha": 0.3, **changes})


def _fit(name, examples, config, **options):
    student, (train, test) = _student(name), examples
    return fit(student, student.init(config.seed), train=train, test=test, config=config, **options)


def _assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert first.history.to_csv() == second.history.to_csv()
    assert first.kept_epoch == second.kept_epoch
    np.testing.assert_array_equal(first.test_logits, second.test_logits)


def _stopped(name, examples, config, after, **options):
    """Return the snapshot of a training that is stopped when it is asked for the ``after``th time whether to go on."""
    asked, snapshots = iter(range(1, 1000)), []
    with pytest.raises(Interrupted, match=r"interrupted (in|after) epoch \d"):
        _fit(name, examples, config, on_epoch=snapshots.append, should_stop=lambda: next(asked) >= after, **options)
    return snapshots[-1]


@pytest.mark.parametrize("name", _OPTIONS)
def test_from_any_snapshot_it_ends_with_the_same_bits(name, few_examples):
    config = _config(name)
    whole = _fit(name, few_examples, config)
    for after, place in enumerate([(0, 2), (0, 4), (1, 0), (1, 2), (1, 4)], start=1):
        snapshot = _stopped(name, few_examples, config, after)
        assert (snapshot.epoch, snapshot.step, len(snapshot.losses)) == (*place, place[1])
        for table in _student(name).config.tables:
            assert not np.array_equal(snapshot.params[table], whole.params[table])
        _assert_same(_fit(name, few_examples, config, resume=snapshot), whole)


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
def test_stopped_again_and_again_with_a_validation_split_and_another_order_every_epoch(name, few_examples):
    clip = {"clip_norm": 1.0} if name == "cnn" else {}
    config = _config(name, epochs=4, shuffle=True, schedule="cosine", learning_rate_decay=1.0, **clip)
    validation = few_examples[1]
    whole = _fit(name, few_examples, config, validation=validation)
    snapshot = None
    for _ in range(5):
        snapshot = _stopped(name, few_examples, config, 1, resume=snapshot, validation=validation)
    _assert_same(_fit(name, few_examples, config, resume=snapshot, validation=validation), whole)


def test_for_more_epochs_it_is_training_for_more_epochs(few_examples):
    snapshots = []
    short, longer = _config("cnn", epochs=1), _config("cnn", epochs=3)
    _fit("cnn", few_examples, short, on_epoch=snapshots.append)
    _assert_same(_fit("cnn", few_examples, longer, resume=snapshots[-1]), _fit("cnn", few_examples, longer))
    finished = _fit("cnn", few_examples, short, resume=snapshots[-1])  # nothing is left to do
    assert len(finished.history) == 1
    assert np.isfinite(finished.test_logits).all()


@pytest.mark.parametrize("after", [1, 3, 5])
def test_with_hints_their_map_goes_on_too(few_examples, after):
    train, test = few_examples
    hints = np.random.default_rng(0).integers(-50, 50, (len(train.tokens.ids), 4)).astype(np.int8)
    examples = dataclasses.replace(train, hints=Ragged(hints, train.tokens.lengths)), test
    config = _config("bilstm", hint_weight=0.5)
    snapshot = _stopped("bilstm", examples, config, after)
    whole = _fit("bilstm", examples, config)
    _assert_same(_fit("bilstm", examples, config, resume=snapshot), whole)
    without = _fit("bilstm", examples, dataclasses.replace(config, hint_weight=0.0))
    assert not np.array_equal(without.test_logits, whole.test_logits)


def test_a_snapshot_can_be_kept_while_the_training_goes_on(few_examples):
    """What was handed over is not changed by later steps."""
    snapshots, copies = [], []

    def keep(snapshot):
        snapshots.append(snapshot)
        copies.append(jax.tree.map(np.array, dataclasses.asdict(snapshot)))

    _fit("cnn", few_examples, _config("cnn", epochs=3), on_epoch=keep)
    for snapshot, copy in zip(snapshots, copies, strict=True):
        jax.tree.map(np.testing.assert_array_equal, dataclasses.asdict(snapshot), copy)
