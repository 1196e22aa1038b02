"""What training can do beyond the notebook: another order every epoch, other rates, a validation split."""

import dataclasses

import jax
import numpy as np
import pytest

from distill_jax.config import TrainConfig, check_training
from distill_jax.data.batching import shuffled_by_length
from distill_jax.data.examples import Examples
from distill_jax.errors import InputError
from distill_jax.students.student import build_student
from distill_jax.training.fit import fit
from student_options import own, padding
from tolerances import OF_LOGITS, assert_close


def _student(name):
    options = {"filters": 8} if name == "cnn" else {}
    return build_student(name, vocab_size=64, num_labels=3, embedding_dim=8, **padding(name, "masked"), **options)


def _config(name, **changes):
    rate = {"learning_rate": 0.01} if name == "cnn" else {"learning_rate": 0.5, "learning_rate_decay": 1.0}
    return TrainConfig.notebook(name, **{"epochs": 3, "batch_size": 8, "distil": True, **rate, **changes})


def _fit(name, train, test, config, **options):
    student = _student(name)
    return fit(student, student.init(0), train=train, test=test, config=config, **options)


def _same(first, second):
    return first.history.to_csv() == second.history.to_csv() and all(
        np.array_equal(a, b) for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(second.params), strict=True)
    )


def test_a_shuffled_order_has_every_row_once_and_batches_of_like_length():
    lengths = np.random.default_rng(0).integers(1, 100, 1003)
    order = shuffled_by_length(lengths, 8, np.random.default_rng(1))
    assert sorted(order) == list(range(1003))
    spreads = np.ptp(lengths[order[:1000]].reshape(-1, 8), axis=1)
    assert spreads.mean() < 10 < np.ptp(lengths[:1000].reshape(-1, 8), axis=1).mean()
    assert not np.array_equal(order, shuffled_by_length(lengths, 8, np.random.default_rng(2)))


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
def test_shuffling_is_seeded_and_differs_from_epoch_to_epoch(name, tiny_examples):
    train, test = tiny_examples
    plain = _fit(name, train, test, _config(name))
    shuffled = _fit(name, train, test, _config(name, shuffle=True))
    assert not _same(plain, shuffled)
    assert _same(shuffled, _fit(name, train, test, _config(name, shuffle=True)))
    other = dataclasses.replace(_config(name, shuffle=True), seed=5)
    assert not _same(shuffled, _fit(name, train, test, other))
    assert shuffled.history["train_loss"].iloc[-1] < shuffled.history["train_loss"].iloc[0]


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
def test_the_train_columns_of_a_shuffled_epoch_compare_each_row_with_its_own_label(name, tiny_examples):
    """With a rate of almost nothing, the predictions during an epoch are the initial ones, in whatever order."""
    train, test = tiny_examples
    tiny = {"learning_rate": 1e-12, "epochs": 1}
    student = build_student(
        name, vocab_size=64, num_labels=3, embedding_dim=8, **own(name, dropout=0.0, mask_padding=True)
    )
    columns = ["train_acc", "train_f1_macro"]
    found = [
        fit(student, student.init(3), train=train, test=test, config=_config(name, shuffle=shuffle, **tiny))
        for shuffle in (False, True)
    ]
    np.testing.assert_allclose(found[0].history[columns], found[1].history[columns])


def test_the_cosine_falls_to_zero_and_the_step_schedule_does_not():
    cosine = TrainConfig("cnn", epochs=4, schedule="cosine", learning_rate=2.0)
    rates = [cosine.learning_rate_at(epoch, part) for epoch in range(4) for part in (0.0, 0.5)]
    assert rates[0] == 2.0
    np.testing.assert_allclose(rates[4], 1.0)
    assert_close(cosine.learning_rate_at(4), 0.0, terms=1, why="1 + cos π", scale=2.0, dtype=np.float64)
    assert (np.diff(rates) < 0).all()
    step = dataclasses.replace(cosine, schedule="step", learning_rate_decay=0.5)
    assert step.learning_rate_at(1, 0.7) == step.learning_rate_at(1) == 1.0


def test_clipping_bounds_the_gradient_and_a_large_bound_changes_nothing(tiny_examples):
    train, test = tiny_examples
    free = _fit("cnn", train, test, _config("cnn"))
    wide = _fit("cnn", train, test, _config("cnn", clip_norm=1e9))
    # Another program, whose roundings Adam turns into a small part of a step where a gradient nearly vanishes.
    part = 0.01 * _config("cnn").learning_rate
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=part), free.params, wide.params)
    tight = _fit("cnn", train, test, _config("cnn", clip_norm=0.001, optimizer="adam"))
    assert np.abs(tight.params["fc"]["kernel"] - free.params["fc"]["kernel"]).max() > 1e-3


@pytest.mark.parametrize("distil", [False, True])
def test_a_validation_split_chooses_the_epoch_that_is_kept(tiny_examples, distil):
    train, test = tiny_examples
    config = _config("cnn", epochs=5, learning_rate=0.05, distil=distil)
    result = _fit("cnn", train, test, config, validation=test)
    scores = result.history["validation_f1_macro"]
    losses = result.history["validation_loss"]
    assert result.kept_epoch == int(losses.argmin() if distil else scores.argmax())
    logits, teacher = result.test_logits, test.teacher_logits
    if distil:  # mean squared error, of the epoch that was kept
        scale = np.abs(logits).max() * np.abs(logits - teacher).max()  # an error's square has twice its rounding
        assert_close(losses[result.kept_epoch], np.square(logits - teacher).mean(), **OF_LOGITS, scale=2 * scale)
    np.testing.assert_allclose(result.history["test_f1_macro"], scores)  # the same rows
    kept = result.history.iloc[result.kept_epoch]
    assert (result.test_logits.argmax(axis=1) == test.labels).mean() == pytest.approx(kept["test_acc"])


def test_patience_stops_the_training_early(tiny_examples):
    train, test = tiny_examples
    config = _config("cnn", epochs=30, learning_rate=0.05)
    result = _fit("cnn", train, test, dataclasses.replace(config, patience=2), validation=test)
    assert len(result.history) == result.kept_epoch + 3 < 30
    with pytest.raises(InputError, match="--patience needs a validation split"):
        _fit("cnn", train, test, dataclasses.replace(config, patience=2))


def test_labels_alone_are_learnt_from_labelled_rows_alone(tiny_examples):
    train, test = tiny_examples
    some = train.labels.copy()
    some[::3] = -1
    partly = dataclasses.replace(train, labels=some)
    kept = Examples(train.tokens.take(some >= 0), some[some >= 0], length=train.length)
    config = _config("fasttext", distil=False)
    assert _same(_fit("fasttext", partly, test, config), _fit("fasttext", kept, test, config))
    distil = _config("fasttext")
    assert not _same(_fit("fasttext", partly, test, distil), _fit("fasttext", partly.labelled(), test, distil))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distil": False, "soft_loss": "kl"}, "--soft-loss goes with --distil"),
        ({"distil": False, "transfer": True}, "--transfer goes with --distil"),
        ({"transfer_share": 0.5}, r"--transfer-share 0\.5 goes with --distil --transfer"),
        ({"transfer": True, "transfer_share": 0}, "--transfer-share: expected a number more than 0 and at most 1"),
        ({"temperature": 0.0}, "--temperature: expected a number more than 0"),
        ({"schedule": "linear"}, "--schedule: expected one of step, cosine, got 'linear'"),
        ({"clip_norm": -1.0}, "--clip-norm: expected a number at least 0"),
        ({"patience": -1}, "--patience: expected a number at least 0"),
    ],
)
def test_bad_choices_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        _config("cnn", **changes)


def test_the_linear_student_s_sparse_steps_are_not_clipped():
    student = _student("fasttext")
    with pytest.raises(InputError, match="--clip-norm 1 does not go with the sparse steps of --student fasttext"):
        check_training(student.config, _config("fasttext", clip_norm=1.0))
    check_training(student.config, _config("fasttext", clip_norm=1.0, optimizer="adam"))
