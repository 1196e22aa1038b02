"""Weights of classes and rows: what they multiply, and that one is none."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.utils.class_weight import compute_class_weight

import distill_jax as dj
from distill_jax import TextClassifier
from distill_jax.class_weights import class_weights
from distill_jax.config import TrainConfig
from distill_jax.data.examples import Examples
from distill_jax.errors import InputError, Interrupted
from distill_jax.students.student import build_student
from distill_jax.training.fit import fit
from distill_jax.training.row_weights import weighted
from tolerances import OF_LOGITS, assert_close

NAMES = ("bad", "fair", "good")
STUDENTS = ("cnn", "fasttext")


def _student(name):
    options = {"filters": 4, "dropout": 0.0} if name == "cnn" else {}  # another batch draws another dropout
    return build_student(name, vocab_size=64, num_labels=3, embedding_dim=8, **options)


def _train(name, rows, **changes):
    student = _student(name)
    config = TrainConfig.notebook(name, **{"epochs": 2, "batch_size": 8, **changes})
    return fit(student, student.init(0), train=rows, test=rows, config=config)


def _weights(values):
    return np.asarray(values, np.float32)


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("distil", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_weights_of_one_are_none_to_the_bit(name, distil, shuffle, tiny_examples):
    train, _ = tiny_examples
    ones = dataclasses.replace(train, weights=np.ones(len(train), np.float32))
    first, second = (_train(name, rows, distil=distil, shuffle=shuffle) for rows in (train, ones))
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert first.history.to_csv() == second.history.to_csv()


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("distil", [False, True])
def test_a_row_of_weight_k_moves_the_student_as_k_such_rows_do(name, distil, tiny_examples):
    rows = tiny_examples[0].take(np.arange(6))
    times = np.array([1, 3, 1, 2, 4, 1])
    repeated = rows.take(np.repeat(np.arange(6), times))
    # One step of plain SGD over all rows: the mean is over 6 rows here and over 12 there.
    settings = {"distil": distil, "epochs": 1, "batch_size": 16, "optimizer": "sgd", "learning_rate_decay": 1.0}
    settings |= {"embeddings": "random", "clip_norm": 0.0}
    once = _train(name, dataclasses.replace(rows, weights=_weights(times)), learning_rate=0.5, **settings)
    often = _train(name, repeated, learning_rate=1.0, **settings)
    assert_close(once.test_logits, often.test_logits[np.cumsum(times) - 1], **OF_LOGITS)
    untrained = _student(name).init(0)
    assert any(not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (once.params, untrained)), strict=True))


@pytest.mark.parametrize("name", STUDENTS)
def test_a_row_of_weight_zero_is_not_learnt_from(name, tiny_examples):
    train, _ = tiny_examples
    rows = train.take(np.arange(16))
    weights = _weights([1] * 8 + [0] * 8)
    turned = dataclasses.replace(rows, labels=np.where(weights > 0, rows.labels, (rows.labels + 1) % 3))
    first, second = (_train(name, dataclasses.replace(each, weights=weights)) for each in (rows, turned))
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_stopped_training_goes_on_with_its_weights(name, tiny_examples):
    train = weighted(tiny_examples[0], "good=3", NAMES)
    student, snapshots = _student(name), []
    config = TrainConfig.notebook(name, epochs=3, batch_size=8, class_weights="good=3", shuffle=True)
    whole = fit(student, student.init(0), train=train, config=config)

    def stop(snapshot):
        snapshots.append(snapshot)
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        fit(student, student.init(0), train=train, config=config, on_epoch=stop)
    resumed = fit(student, student.init(0), train=train, config=config, resume=snapshots[0])
    jax.tree.map(np.testing.assert_array_equal, whole.params, resumed.params)
    assert whole.history.to_csv() == resumed.history.to_csv()


@pytest.mark.parametrize("seed", range(20))
def test_balanced_weights_are_scikit_learn_s_whatever_the_classes_are_called(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 9))
    labels = rng.choice(classes, 60, p=rng.dirichlet(np.full(classes, 0.5))).astype(np.int32)
    there = np.unique(labels)
    weights = class_weights("balanced", labels, [str(each) for each in range(classes)])
    expected = np.ones(classes)
    expected[there] = compute_class_weight("balanced", classes=there, y=labels)
    np.testing.assert_allclose(weights, expected)
    assert weights[labels].mean() == pytest.approx(1)
    order = rng.permutation(classes)
    np.testing.assert_array_equal(class_weights("balanced", order[labels], [""] * classes)[order], weights)


def test_the_label_loss_is_torch_s_with_its_weights():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(9, 3)).astype(np.float32), rng.integers(0, 3, 9)
    of_classes = class_weights("good=3,bad=0.5", labels, NAMES)
    ours = np.asarray(dj.losses.cross_entropy(logits, labels)) * of_classes[labels]
    torch_s = torch.nn.functional.cross_entropy(
        torch.tensor(logits),
        torch.tensor(labels),
        weight=torch.tensor(of_classes).float(),
        reduction="none",
    )
    assert_close(ours, torch_s.numpy(), terms=100, why="a row's classes and their exponentials", scale=10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good=3", [1, 1, 3]),
        ("bad=0.5,good=2e1", [0.5, 1, 20]),
        ("a, b=2,c=d=3", [1, 2, 3]),
    ],
)
def test_weights_go_by_the_classes_names(text, expected):
    names = ("x", "a, b", "c=d") if "a, b" in text else NAMES
    assert class_weights(text, np.zeros(3, np.int32), names).tolist() == expected


@pytest.mark.parametrize("text", ["even", "good=", "good=0", "good=-1", "good=nan", "good=inf", "=3", "good=1,good=2"])
def test_what_is_no_weight_is_refused_before_anything_is_read(text):
    with pytest.raises(InputError, match="--class-weights: expected balanced, or weights more than 0"):
        TrainConfig.notebook("cnn", class_weights=text)


def test_a_class_that_is_not_there_is_named(tiny_examples):
    with pytest.raises(InputError, match=r"names of classes \(bad, fair, good\), got 'great'"):
        weighted(tiny_examples[0], "great=3", NAMES)


def test_unlabelled_rows_and_those_with_weights_keep_theirs():
    rows = Examples.from_padded(np.array([[5, 6], [7, 8], [9, 4]]), np.array([0, -1, 2], np.int32))
    rows = dataclasses.replace(rows, weights=_weights([2, 5, 1]))
    assert weighted(rows, "bad=3", NAMES).weights.tolist() == [6, 5, 1]
    assert weighted(rows, "", NAMES) is rows


def test_a_rare_class_is_the_likelier_the_more_it_weighs(tiny_examples):
    train, _ = tiny_examples
    rare = np.flatnonzero(train.labels == 2)[:12]
    rows = train.take(np.sort(np.concatenate([np.flatnonzero(train.labels != 2), rare])))
    likely = []
    for wanted in ("", "balanced", "good=60"):
        result = _train("fasttext", weighted(rows, wanted, NAMES), learning_rate=0.3, class_weights=wanted)
        likely.append(softmax(result.test_logits, axis=1)[:, 2].mean())
    assert likely[0] < likely[1] < likely[2]


def test_the_python_api_and_the_estimator_take_them(tiny_export):
    export = dj.Export.open(tiny_export)
    plain, heavy = (
        dj.fit(dj.student("fasttext", export), export.train, epochs=2, embeddings="random", **options).model
        for options in ({}, {"class_weights": "good=50"})
    )
    texts = [f"w{number}" for number in range(30)]
    assert (heavy.predict_proba(texts)[:, 2] > plain.predict_proba(texts)[:, 2]).mean() > 0.8
    with pytest.raises(InputError, match="got 'none'"):
        TextClassifier(training={"class_weights": "none=2", "epochs": 1}).fit(["a", "b"], ["x", "y"])
