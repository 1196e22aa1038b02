import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, f1_score, log_loss

from distill_jax.config import TrainConfig
from distill_jax.data.compaction import Compaction
from distill_jax.errors import InputError
from distill_jax.inference.logits import predict_logits
from distill_jax.losses import cross_entropy, kl_at_temperature, logit_mse
from distill_jax.runs.checkpoints import Snapshot
from distill_jax.runs.history import COLUMNS
from distill_jax.students.student import build_student
from distill_jax.training.epoch_scores import best_epoch
from distill_jax.training.fit import NonFiniteLossError, fit
from padded import padded, with_ids
from student_options import padding
from tolerances import OF_LOGITS, assert_close, assert_trees_close

VOCAB, CLASSES = 64, 3
_BIGRAMS = {"ngrams": 2, "buckets": 900}  # more buckets than a few rows have bigrams


def _student(name, **options):
    options = {"filters": 8, **options} if name != "fasttext" else options
    if name == "ensemble":
        options = {**padding(name, "masked"), **_BIGRAMS, **options}
    return build_student(name, **{"vocab_size": VOCAB, "num_labels": CLASSES, "embedding_dim": 8, **options})


def _config(name, **changes):
    return TrainConfig.notebook(name, **{"epochs": 2, "batch_size": 8, **changes})


def _cut(examples, rows):
    """Return the first rows of examples."""
    return examples.take(np.arange(min(rows, len(examples))))


def _fit(student, train, test, config, **options):
    return fit(student, student.init(config.seed), train=train, test=test, config=config, **options)


def _probabilities(student, examples):
    """Return the untrained student's class probabilities, float64 [n, classes]."""
    logits = predict_logits(student, student.init(0), examples.tokens, examples.length).astype(np.float64)
    return softmax(logits, axis=1)


def _assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert first.history.to_csv() == second.history.to_csv()
    np.testing.assert_array_equal(first.test_logits, second.test_logits)


@pytest.mark.parametrize("name", ["cnn", "fasttext", "ensemble"])
@pytest.mark.parametrize("distil", [False, True])
def test_it_learns_and_its_metrics_are_scikit_learn_s(name, distil, tiny_examples):
    train, test = tiny_examples  # 330 and 90 rows: neither 8 nor 32 divides them
    student = _student(name)
    linear = {"learning_rate": 2.0, "learning_rate_decay": 0.9}
    rate = linear if name == "fasttext" else {"learning_rate": 0.01}
    result = _fit(student, train, test, _config(name, distil=distil, epochs=4, **rate))
    assert list(result.history.columns) == list(COLUMNS)
    assert result.history["epoch"].tolist() == [0, 1, 2, 3]
    last = result.history.iloc[-1]
    assert last["model"] == {"cnn": "CNN", "fasttext": "Linear", "ensemble": "Ensemble"}[name] + (
        " (distilled)" if distil else ""
    )
    assert last["test_acc"] > 0.6 > 1 / 3 + 0.1
    assert_close(result.test_logits, predict_logits(student, result.params, test.tokens, test.length), **OF_LOGITS)
    predictions = result.test_logits.argmax(axis=1)
    assert last["test_acc"] == accuracy_score(test.labels, predictions)
    assert last["test_f1_macro"] == f1_score(test.labels, predictions, average="macro")
    losses = -np.log(softmax(result.test_logits, axis=1)[np.arange(90), test.labels])
    batches = [losses[start : start + 32].mean() for start in (0, 32, 64)]
    assert_close(last["test_loss"], np.mean(batches), **OF_LOGITS, scale=np.abs(result.test_logits).max())
    assert result.seconds > 0


def test_loss_mean_examples_counts_each_row_once(tiny_examples):
    train, test = tiny_examples
    train = _cut(train, 9)  # batches of eight and of one
    student = _student("cnn", dropout=0.0)
    still = {"learning_rate": 1e-30, "epochs": 1}  # parameters stand still, so that losses can be computed afterwards
    batches = _fit(student, train, test, _config("cnn", **still)).history.iloc[0]
    examples = _fit(student, train, test, _config("cnn", loss_mean="examples", **still)).history.iloc[0]
    probabilities = _probabilities(student, train)
    losses = -np.log(probabilities[np.arange(9), train.labels])
    assert abs(batches["train_loss"] - examples["train_loss"]) > 1e-4
    assert_close(examples["train_loss"], losses.mean(), **OF_LOGITS)
    assert_close(batches["train_loss"], (losses[:8].mean() + losses[8]) / 2, **OF_LOGITS)
    assert batches["test_loss"] != examples["test_loss"]
    probabilities = _probabilities(student, test)
    assert_close(examples["test_loss"], log_loss(test.labels, probabilities), **OF_LOGITS)


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
def test_one_seed_one_result_another_seed_another(name, tiny_examples):
    train, test = (_cut(examples, 40) for examples in tiny_examples)
    first, again = (_fit(_student(name), train, test, _config(name)) for _ in range(2))
    other = _fit(_student(name), train, test, _config(name, seed=1))
    _assert_same(first, again)
    assert first.history["train_loss"].tolist() != other.history["train_loss"].tolist()


@pytest.mark.parametrize(("name", "rate"), [("fasttext", 1e5), ("cnn", 1e6)])
def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_rate(name, rate, tiny_examples):
    train, test = tiny_examples
    config = _config(name, distil=True, learning_rate=rate, learning_rate_decay=0.5, epochs=3)
    config = dataclasses.replace(config, optimizer="sgd")
    with pytest.raises(NonFiniteLossError) as caught:
        _fit(_student(name), train, test, config)
    message = str(caught.value)
    assert re.match(r"the loss became (nan|inf) in epoch 1, step \d+ of 42, at learning rate", message)
    assert f"at learning rate {rate:g}; try a lower --learning-rate" in message


def test_the_last_whole_epoch_is_kept_when_the_loss_diverges(tiny_examples, monkeypatch):
    train, test = tiny_examples
    config, snapshots = _config("fasttext", distil=True, epochs=3), []
    monkeypatch.setattr(TrainConfig, "learning_rate_at", lambda _, epoch, *__: 0.5 if epoch == 0 else 1e5)
    with pytest.raises(NonFiniteLossError, match=r"in epoch 2, step \d+ of 42, at learning rate 100000"):
        _fit(_student("fasttext"), train, test, config, on_epoch=snapshots.append)
    assert [(snapshot.epoch, snapshot.step) for snapshot in snapshots] == [(1, 0)]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(snapshots[0].params))


def test_a_last_step_that_goes_too_far_is_noticed(tiny_examples):
    train, test = (_cut(examples, 8) for examples in tiny_examples)  # one step, whose own loss is finite
    huge = dataclasses.replace(train, teacher_logits=train.teacher_logits * np.float32(1e17))
    config = _config("fasttext", distil=True, learning_rate=1e6, epochs=1)
    student = _student("fasttext")
    params = student.init(0)
    params["output"]["kernel"] = np.full((8, CLASSES), 1e17, np.float32)
    with pytest.raises(NonFiniteLossError, match="the test logits became infinite or NaN in epoch 1, step 1 of 1"):
        fit(student, params, train=huge, test=test, config=config)


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
def test_unlabelled_rows_teach_through_the_teacher_alone(name, tiny_examples):
    train, test = tiny_examples
    unlabelled = dataclasses.replace(train, labels=np.full_like(train.labels, -1))
    config = _config(name, distil=True, learning_rate=0.01 if name == "cnn" else 2.0, epochs=3)
    blind, seeing = (_fit(_student(name), rows, test, config) for rows in (unlabelled, train))
    jax.tree.map(np.testing.assert_array_equal, blind.params, seeing.params)  # alpha is 0: labels play no part
    assert blind.history["train_acc"].isna().all()
    assert blind.history["test_acc"].iloc[-1] > 0.6
    some = dataclasses.replace(train, labels=np.where(np.arange(330) % 2, train.labels, -1).astype(np.int32))
    mixed = _fit(_student(name), some, test, dataclasses.replace(config, alpha=0.5))
    assert mixed.history.iloc[:, :-1].notna().all(axis=None)


def test_unlabelled_test_rows_are_left_out_of_the_scores(tiny_examples):
    train, test = (_cut(examples, 40) for examples in tiny_examples)
    labels = np.where(np.arange(40) < 25, test.labels, -1).astype(np.int32)
    config, student = _config("cnn", epochs=1), _student("cnn")
    result = _fit(student, train, dataclasses.replace(test, labels=labels), config)
    assert result.test_logits.shape == (40, CLASSES)
    shorter = _fit(student, train, _cut(test, 25), config)
    assert result.history["test_acc"].tolist() == shorter.history["test_acc"].tolist()


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
@pytest.mark.parametrize(("rows", "batch_size"), [(1, 8), (5, 64), (3, 1)])
def test_few_rows_and_large_batches(name, rows, batch_size, tiny_examples):
    train, test = _cut(tiny_examples[0], rows), _cut(tiny_examples[1], 1)
    result = _fit(_student(name), train, test, _config(name, batch_size=batch_size, distil=True))
    assert np.isfinite(result.history.iloc[:, :-1].to_numpy(float)).all()


@pytest.mark.parametrize("pooling", ["padded", "masked"])
def test_texts_padded_to_less_than_the_widest_filter(pooling, tiny_examples):
    train, test = (with_ids(_cut(rows, 20), padded(rows)[:20, :2]) for rows in tiny_examples)
    result = _fit(_student("cnn", **padding("cnn", pooling)), train, test, _config("cnn"))
    assert np.isfinite(result.test_logits).all()


def test_the_initial_parameters_are_not_changed(tiny_examples):
    train, test = (_cut(examples, 20) for examples in tiny_examples)
    for name in ("cnn", "fasttext"):
        student = _student(name)
        params = student.init(0)
        result = fit(student, params, train=train, test=test, config=_config(name))
        jax.tree.map(np.testing.assert_array_equal, params, student.init(0))
        assert not np.array_equal(result.params[student.config.table_name], params[student.config.table_name])


def test_rows_of_the_table_that_no_text_uses_never_move(tiny_examples):
    train, test = (_cut(examples, 20) for examples in tiny_examples)
    student = _student("cnn", vocab_size=100)
    result = _fit(student, train, test, _config("cnn"))
    np.testing.assert_array_equal(result.params["embedding"][64:], student.init(0)["embedding"][64:])
    assert (result.params["embedding"][4:64] != student.init(0)["embedding"][4:64]).any()


@pytest.mark.parametrize("name", ["ensemble", "fasttext"])
def test_training_without_the_ids_that_no_text_uses_changes_nothing(name, tiny_examples, monkeypatch):
    train, test = (_cut(examples, 20) for examples in tiny_examples)
    student, config = _student(name, **padding(name, "masked"), vocab_size=100, **_BIGRAMS), _config(name, distil=True)
    compact = _fit(student, train, test, config)
    for table, ids in student.config.tables.items():
        assert (compact.params[table] != student.init(0)[table]).any(axis=1).sum() < 0.7 * ids
    kept = []

    def everything(splits, ids, pad_id):
        kept.append(ids)
        return Compaction(np.arange(ids, dtype=np.int32), pad_id, np.arange(ids, dtype=np.int32))

    monkeypatch.setattr("distill_jax.training.compact_tables.Compaction.of", everything)
    whole = _fit(student, train, test, config)
    assert kept == [1000]
    assert_trees_close(compact.params, whole.params, terms=6, why="the steps, one after another")
    assert_close(compact.test_logits, whole.test_logits, **OF_LOGITS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, tr, te, c: (s, _cut(tr, 0), te, c), "train: expected at least one row, got none"),
        (lambda s, tr, te, c: (s, tr, _cut(te, 0), c), "test: expected at least one row, got none"),
        (
            lambda s, tr, te, c: (s, dataclasses.replace(tr, labels=tr.labels + 1), te, c),
            r"train: labels \(row \d+\): expected -1 to 2, got 3",
        ),
        (
            lambda s, tr, te, c: (s, tr, dataclasses.replace(te, labels=te.labels - 2), c),
            r"test: labels \(row \d+\): expected -1 to 2, got -2",
        ),
        (
            lambda s, tr, te, c: (s, dataclasses.replace(tr, teacher_logits=tr.teacher_logits[:, :2]), te, c),
            r"train: teacher_logits: expected \[330, 3\], got \[330, 2\]",
        ),
        (
            lambda s, tr, te, c: (s, dataclasses.replace(tr, teacher_logits=None), te, c),
            "train: teacher_logits: distillation needs them, got None",
        ),
        (
            lambda s, tr, te, c: (
                s,
                dataclasses.replace(tr, labels=np.full_like(tr.labels, -1)),
                te,
                dataclasses.replace(c, distil=False),
            ),
            "train: labels: training without --distil needs labelled rows, got none",
        ),
        (
            lambda s, tr, te, c: (
                s,
                tr,
                dataclasses.replace(te, labels=np.full_like(te.labels, -1), teacher_logits=None),
                c,
            ),
            "test: labels: expected a label or teacher_logits to judge by, got neither",
        ),
        (
            lambda s, tr, te, c: (_student("fasttext"), tr, te, c),
            "config.student: expected 'fasttext', the student's, got 'cnn'",
        ),
        (
            lambda s, tr, te, c: (_student("cnn", vocab_size=40), tr, te, c),
            r"input_ids: expected 0 to 39 \(the student's vocabulary\), got 63",
        ),
    ],
)
def test_examples_that_do_not_fit_are_refused(change, message, tiny_examples):
    student, train, test, config = change(_student("cnn"), *tiny_examples, _config("cnn", distil=True))
    with pytest.raises(InputError, match=message):
        _fit(student, train, test, config)


def test_a_snapshot_holds_numpy_arrays_alone(tiny_examples):
    train, test = (_cut(examples, 20) for examples in tiny_examples)
    snapshots = []
    _fit(_student("cnn"), train, test, _config("cnn", epochs=1), on_epoch=snapshots.append)
    (snapshot,) = snapshots
    assert isinstance(snapshot, Snapshot)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(snapshot.params))
    assert all(isinstance(leaf, np.ndarray) for leaf in snapshot.opt_state)
    assert snapshot.history.shape == (1, 7)


@pytest.mark.parametrize("split", ["train", "test", "validation"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (lambda rows: {"labels": np.full_like(rows.labels, CLASSES)}, r"labels \(row 0\): expected -1 to 2, got 3"),
        (lambda rows: {"labels": np.full_like(rows.labels, -2)}, r"labels \(row 0\): expected -1 to 2, got -2"),
        (
            lambda rows: {"teacher_logits": rows.teacher_logits[:, :2]},
            r"teacher_logits: expected .*3\], got .*2\]",
        ),
        (
            lambda rows: {"teacher_logits": rows.teacher_logits * np.nan},
            "teacher_logits: expected finite .* row 0",
        ),
        (
            lambda rows: {"teacher_logits": rows.teacher_logits + np.inf},
            "teacher_logits: expected finite .* row 0",
        ),
    ],
)
def test_every_split_is_checked_alike(split, changes, message, tiny_examples):
    splits = dict.fromkeys(("train", "test", "validation"), _cut(tiny_examples[0], 20))
    splits[split] = dataclasses.replace(splits[split], **changes(splits[split]))
    student = _student("fasttext")
    for distil in (False, True):
        with pytest.raises(InputError, match=f"^{split}: {message}"):
            fit(student, student.init(0), config=_config("fasttext", distil=distil), **splits)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_splits_that_the_loss_is_taken_of_have_what_it_needs(split, tiny_examples):
    splits = dict.fromkeys(("train", "test", "validation"), _cut(tiny_examples[0], 20))
    student, rows = _student("fasttext"), splits[split]
    splits[split] = dataclasses.replace(rows, teacher_logits=None)
    with pytest.raises(InputError, match=f"^{split}: teacher_logits: distillation needs them, got None"):
        fit(student, student.init(0), config=_config("fasttext", distil=True), **splits)
    splits[split] = dataclasses.replace(rows, labels=np.full_like(rows.labels, -1))
    for config, how in (
        (_config("fasttext"), "without --distil"),
        (_config("fasttext", distil=True, alpha=1.0), "with --alpha 1"),
    ):
        with pytest.raises(InputError, match=f"^{split}: labels: training {how} needs labelled rows, got none"):
            fit(student, student.init(0), config=config, **splits)
    fit(student, student.init(0), config=_config("fasttext", distil=True, alpha=0.5, epochs=1), **splits)


@pytest.mark.parametrize(
    ("choice", "rows"),
    [({}, "labelled"), ({"distil": True, "alpha": 1.0}, "labelled"), ({"distil": True, "alpha": 0.5}, "all"),
     ({"distil": True, "alpha": 0.0, "soft_loss": "kl"}, "all")],
    ids=["labels", "alpha 1", "both", "teacher"],
)  # fmt: skip
def test_the_validation_loss_is_the_mean_over_the_rows_that_it_learns_from(choice, rows, tiny_examples):
    train, validation = (_cut(examples, 60) for examples in tiny_examples)
    labels = np.where(np.arange(60) % 3 == 0, validation.labels, -1).astype(np.int32)
    partly = dataclasses.replace(validation, labels=labels)
    config = _config("fasttext", epochs=1, **choice)
    result = _fit(_student("fasttext"), train, None, config, validation=partly)
    logits, teacher, known = jnp.asarray(result.validation_logits), jnp.asarray(validation.teacher_logits), labels >= 0
    hard = np.asarray(cross_entropy(logits, jnp.asarray(np.maximum(labels, 0)))) * known
    alpha = config.alpha if config.distil else 1.0
    soft = kl_at_temperature(logits, teacher, 1.0) if config.soft_loss == "kl" else logit_mse(logits, teacher)
    losses = alpha * hard + (1 - alpha) * np.asarray(soft)
    expected = losses[known].mean() if rows == "labelled" else losses.mean()
    assert result.history["validation_loss"].iloc[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "logits",
    [np.zeros((20, CLASSES)), np.tile([1.0, -2.5, 0.25], (20, 1)), np.tile(np.arange(20.0)[:, None], CLASSES)],
    ids=["zeros", "one answer", "no preference"],
)
def test_a_teacher_that_says_the_same_of_every_row_is_not_distilled(logits, tiny_examples):
    rows = _cut(tiny_examples[0], 20)
    alike = dataclasses.replace(rows, teacher_logits=logits.astype(np.float32))
    splits = {"train": alike, "test": rows, "validation": rows}
    student = _student("fasttext")
    with pytest.raises(InputError, match=r"^train: teacher_logits: .* all 20 rows; a teacher that says the same of"):
        fit(student, student.init(0), config=_config("fasttext", distil=True), **splits)
    fit(student, student.init(0), config=_config("fasttext", epochs=1), **splits)  # on labels it does not matter
    few = {"train": rows, "test": rows, "validation": alike}  # a split of one kind of text may well be all alike
    fit(student, student.init(0), config=_config("fasttext", distil=True, epochs=1), **few)


def test_a_validation_score_that_is_not_finite_stops_and_names_the_epoch(tiny_examples):
    train, test = (_cut(examples, 20) for examples in tiny_examples)
    far = dataclasses.replace(test, teacher_logits=test.teacher_logits * np.float32(1e30))  # its square is infinite
    with pytest.raises(NonFiniteLossError, match="the validation loss became infinite or NaN in epoch 1"):
        _fit(_student("fasttext"), train, test, _config("fasttext", distil=True), validation=far)


@pytest.mark.parametrize("distil", [False, True])
def test_an_epoch_without_a_finite_score_is_never_the_best(distil):
    history = np.zeros((4, 10))
    history[:, 7] = [np.nan, 0.5, 0.25, -np.inf]
    history[:, 9] = [np.nan, 0.5, 0.75, np.inf]
    assert best_epoch(history, _config("cnn", distil=distil)) == 2


@pytest.mark.parametrize("distil", [False, True])
def test_where_no_epoch_has_a_score_the_last_is_kept(distil):
    assert best_epoch(np.full((4, 10), np.nan), _config("cnn", distil=distil)) == 3


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
def test_without_a_test_split_the_training_is_the_same_and_its_test_columns_are_empty(name, tiny_examples):
    train, test = (_cut(examples, 40) for examples in tiny_examples)
    student, config = _student(name), _config(name, distil=True)
    whole = _fit(student, train, test, config, validation=test)
    without = _fit(student, train, None, config, validation=test)
    jax.tree.map(np.testing.assert_array_equal, without.params, whole.params)
    assert list(without.history.columns) == list(whole.history.columns)
    columns = ["test_loss", "test_acc", "test_f1_macro"]
    assert without.history[columns].isna().all(axis=None)
    assert without.history.drop(columns=columns).equals(whole.history.drop(columns=columns))
    assert without.test_logits is None
    np.testing.assert_array_equal(without.validation_logits, whole.test_logits)
    alone = _fit(student, train, None, config)
    assert alone.test_logits is None
    assert alone.validation_logits is None
    assert alone.kept_epoch == 1


def test_a_last_step_that_goes_too_far_is_noticed_without_any_split_to_evaluate(tiny_examples):
    train = _cut(tiny_examples[0], 8)
    huge = dataclasses.replace(train, teacher_logits=train.teacher_logits * np.float32(1e17))
    student = _student("fasttext")
    params = student.init(0)
    params["output"]["kernel"] = np.full((8, CLASSES), 1e30, np.float32)
    params["embeddings"] = params["embeddings"] * np.float32(1e-20)
    config = _config("fasttext", distil=True, learning_rate=1e6, epochs=1)
    with pytest.raises(NonFiniteLossError, match="became infinite or NaN in epoch 1, step 1 of 1"):
        fit(student, params, train=huge, config=config)


@pytest.mark.parametrize(("rows", "chooses"), [(99, False), (100, True)])
def test_a_few_validation_rows_choose_no_epoch_of_a_schedule_made_for_its_end(rows, chooses, tiny_examples):
    train, others = tiny_examples[0].take(np.arange(20)), tiny_examples[0].take(np.arange(20, 20 + rows))
    config = _config("fasttext", distil=True, soft_loss="kl", epochs=40, schedule="cosine", learning_rate_decay=1.0,
                     learning_rate=4.0, shuffle=True)  # fmt: skip
    result = _fit(_student("fasttext"), train, None, config, validation=others)
    best = int(result.history["validation_loss"].argmin())
    assert best < 39
    assert result.kept_epoch == (best if chooses else 39)


@pytest.mark.parametrize(("labelled", "chooses"), [(99, False), (100, True)])
def test_rows_without_a_label_choose_no_epoch_of_a_student_of_labels(labelled, chooses, tiny_examples):
    train, others = tiny_examples[0].take(np.arange(20)), tiny_examples[0].take(np.arange(20, 320))
    labels = np.where(np.arange(300) < labelled, others.labels, -1).astype(others.labels.dtype)
    config = _config("fasttext", epochs=40, schedule="cosine", learning_rate_decay=1.0, learning_rate=4.0, shuffle=True)
    result = _fit(_student("fasttext"), train, None, config, validation=dataclasses.replace(others, labels=labels))
    best = int(result.history["validation_f1_macro"].argmax())
    assert best < 39
    assert result.kept_epoch == (best if chooses else 39)
