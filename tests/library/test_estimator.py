"""The scikit-learn estimator."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from distill_jax import InputError, TextClassifier
from distill_jax.students.cnn import CnnConfig

TEXTS = [f"{word} film number {i}" for i in range(30) for word in ("good", "bad")]
LABELS = ["yes", "no"] * 30
QUICK = {"epochs": 12, "optimizer": "adam", "learning_rate": 0.02, "batch_size": 8}


@pytest.mark.parametrize("student", ["fasttext", "cnn"])
def test_it_learns_and_predicts_names_and_probabilities(student):
    model = TextClassifier(student, training=QUICK).fit(TEXTS, LABELS)
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.predict(["a good film", "a bad film"]).tolist() == ["yes", "no"]
    expected = softmax(model.model_.logits(TEXTS[:5]).astype(np.float64), axis=1)  # no rows to calibrate them on
    np.testing.assert_allclose(model.predict_proba(TEXTS[:5]), expected)
    assert model.score(TEXTS, LABELS) == 1


def test_labels_may_be_numbers_and_the_same_seed_gives_the_same_model():
    labels = [{"yes": 7, "no": 3}[label] for label in LABELS]
    first, second = (TextClassifier(training=QUICK, random_state=5).fit(TEXTS, labels) for _ in range(2))
    assert first.predict(TEXTS[:2]).tolist() == [7, 3]
    np.testing.assert_array_equal(first.predict_proba(TEXTS), second.predict_proba(TEXTS))


def test_it_learns_from_a_teacher_s_logits_against_the_labels():
    logits = np.where(np.array(LABELS)[:, None] == np.array(["yes", "no"]), 4.0, -4.0)  # the other way round
    model = TextClassifier(training={**QUICK, "alpha": 0.0}).fit(TEXTS, LABELS, teacher_logits=logits)
    assert model.predict(["a good film"]).tolist() == ["no"]


class _Polars:
    """A data frame as polars has it: a list of names, and no other way to a column."""

    def __init__(self, frame):
        self._frame = frame

    @property
    def columns(self):
        return list(self._frame.columns)

    def __getitem__(self, name):
        return self._frame[name]

    def __array__(self, dtype=None, copy=None):
        return self._frame.to_numpy(dtype)


class _Lazy(_Polars):
    """One that is not computed yet."""

    def __getitem__(self, name):
        raise TypeError("_Lazy is not subscriptable")


def test_a_data_frame_s_logits_are_known_by_their_names():
    frame = pd.DataFrame({name: np.where(np.array(LABELS) == name, 4.0, -4.0) for name in ("yes", "no")})
    only_logits = {**QUICK, "alpha": 0.0}
    structured = frame.to_records(index=False)
    others = (pa.Table.from_pandas(frame), structured, _Polars(frame))
    for logits in (frame, frame[["no", "yes"]], frame[["no", "yes"]].set_axis(range(2), axis=1), *others):
        model = TextClassifier(training=only_logits).fit(TEXTS, LABELS, teacher_logits=logits)
        assert model.predict(["a good film", "a bad film"]).tolist() == ["yes", "no"]
    with pytest.raises(InputError, match=r"of the classes \['no', 'yes'\], got the columns \['yes', 'other'\]"):
        TextClassifier().fit(TEXTS, LABELS, teacher_logits=frame.rename(columns={"no": "other"}))
    with pytest.raises(InputError, match=r"expected a table of numbers, got _Lazy \(_Lazy is not subscriptable\)"):
        TextClassifier().fit(TEXTS, LABELS, teacher_logits=_Lazy(frame))


def test_it_is_cloned_searched_and_piped_as_others_are():
    model = TextClassifier(training=QUICK, vocab_size=300)
    assert clone(model).get_params() == model.get_params()
    assert cross_val_score(model, TEXTS, LABELS, cv=3).min() > 0.9
    piped = make_pipeline(FunctionTransformer(lambda texts: [text.upper() for text in texts]), model)
    assert piped.fit(TEXTS, LABELS).predict(["GOOD film"]).tolist() == ["yes"]


@pytest.mark.parametrize(
    ("texts", "labels", "logits", "message"),
    [
        ("one text", ["a"], None, "expected a list of texts, got one string"),
        (["a", "b"], ["x"], None, "y: expected a label for each of 2 texts, got 1"),
        (["a", "b"], ["x", "x"], None, "y: expected at least two classes"),
        (["a", "b"], ["x", "y"], np.zeros((2, 3)), r"teacher_logits: expected \[2, 2\]"),
        (["a", None], ["x", "y"], None, r"texts\[1\]: expected a string, got None"),
    ],
)
def test_bad_input_is_one_sentence(texts, labels, logits, message):
    with pytest.raises(InputError, match=message):
        TextClassifier().fit(texts, labels, teacher_logits=logits)


NO_CLASSES = {
    "a missing one among numbers": ([1.0, np.nan], r"y\[1\]: expected a label, got nan; leave out"),
    "None": (["a", None], r"y\[1\]: expected a label, got None"),
    "pandas' missing value": (pd.Series([1, None], dtype="Int64"), r"y\[1\]: expected a label, got (<NA>|nan)"),
    "a missing category": (pd.Series(["a", None], dtype="category"), r"y\[1\]: expected a label, got nan"),
    "numbers and strings": ([1, "b"], r"y\[1\]: expected labels of one kind, a number .*, got a string; make all"),
    "an array of both": (np.array(["b", 1], object), r"a string as the first is, got a number"),
    "booleans and numbers": ([True, 2], r"a boolean as the first is, got a number"),
    "measurements": (
        np.random.default_rng(0).random(60),
        "y: expected a class for each text.*Unknown label type: cont",
    ),
    "infinity": ([1.0, np.inf], "y: expected a class for each text: .*infinity"),
    "three dimensions": (np.zeros((60, 2, 2), int), r"one for each text, got an array of shape \[60, 2, 2\]"),
    "a generator": ((label for label in LABELS), "y: expected a list of labels, .*, got a value of type generator"),
    "a set": ({"yes", "no"}, "y: expected a list of labels, .*, got a value of type set"),
    "nothing": (None, "y: expected a list of labels, .*, got a value of type NoneType"),
    "one string": ("yes", "y: expected a list of labels, .*, got a value of type str"),
    "bytes": ([b"a", b"b"], "y: expected a class for each text: .*, got a value of type bytes"),
    "dates": (np.array(["2020-01-01", "2021-01-01"], "datetime64[D]"), "y: expected a class for each text"),
}


@pytest.mark.parametrize("name", NO_CLASSES)
def test_labels_that_are_no_classes_are_one_sentence(name):
    given, message = NO_CLASSES[name]
    texts = TEXTS[: len(given)] if isinstance(given, list | np.ndarray | pd.Series) else TEXTS
    with pytest.raises(InputError, match=message):
        TextClassifier(training={"epochs": 1}).fit(texts, given)


@pytest.mark.parametrize(
    "labels",
    [
        [True, False] * 30,
        [1, 2.0] * 30,
        np.array([3, 5] * 30, np.int8),
        pd.Series(["a", "b"] * 30, index=range(60)[::-1], dtype="string"),
        pd.Series(["a", "b"] * 30, dtype="category"),
        pd.Series([1, 2] * 30, dtype="Int64"),
    ],
    ids=["booleans", "whole floats", "int8", "strings", "categories", "Int64"],
)
def test_classes_come_back_as_they_were_given(labels):
    model = TextClassifier(training={**QUICK, "epochs": 1}).fit(TEXTS, labels)
    assert model.classes_.tolist() == sorted(set(labels))
    assert set(model.predict(TEXTS).tolist()) <= set(labels)


def test_a_column_of_labels_is_taken_with_scikit_learn_s_warning():
    with pytest.warns(DataConversionWarning):
        model = TextClassifier(training={"epochs": 1}).fit(TEXTS, np.array(LABELS)[:, None])
    assert model.classes_.tolist() == ["no", "yes"]


def test_a_student_without_the_best_recipe_is_one_sentence(monkeypatch):
    monkeypatch.setattr(CnnConfig, "recipes", {"notebook": CnnConfig.recipes["notebook"]})
    with pytest.raises(InputError, match="--recipe: expected one of notebook, got 'best'"):
        TextClassifier("cnn").fit(TEXTS, LABELS)


def test_a_training_that_is_refused_leaves_the_student_that_was_there():
    model = TextClassifier(training={"epochs": 5}).fit(["good film", "bad film"] * 20, ["pos", "neg"] * 20)
    before = model.predict(["good film"]).tolist()
    for training, labels in (({"epochs": 0}, ["a", "z"]), ({"epochs": 0}, [["praise"], []])):
        model.set_params(training=training)
        with pytest.raises(InputError):
            model.fit(["good film", "bad film"] * 20, labels * 20)
        assert model.predict(["good film"]).tolist() == before
        assert model.classes_.tolist() == ["neg", "pos"]


def test_labels_that_numpy_would_make_one_are_refused():
    with pytest.raises(InputError, match=r"y\[1\]: expected a label without a NUL at its end, got 'a.x00'"):
        TextClassifier().fit(["x", "y", "z"], ["a", "a\0", "b"])


def test_masked_labels_are_no_class():
    with pytest.raises(InputError, match="expected a label for each text, got masked ones"):
        TextClassifier().fit(["a", "b", "c"], np.ma.array([0, 1, 999], mask=[False, False, True]))


UNUSABLE = {
    "no tokens": ({"max_length": 0}, "max_length: expected a whole number from 1 to 100,000, got 0"),
    "half a token": ({"max_length": 1.5}, "max_length: expected a whole number from 1 to 100,000, got 1.5"),
    "no words": ({"vocab_size": 0}, "vocab_size: expected a whole number"),
    "a typing error": (
        {"training": {"epochz": 1}},
        r"fields of TrainConfig \(.*epochs.*\), got 'epochz'",
    ),
    "what the logits say": ({"training": {"distil": True}}, "got 'distil'"),
    "what goes with an export": ({"training": {"memory": "1GB"}}, "got 'memory'"),
    "a teacher that is not there": ({"training": {"embeddings": "teacher"}}, "embeddings: expected 'random' or a file"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_options_that_cannot_be_used_are_one_sentence(kind):
    options, message = UNUSABLE[kind]
    with pytest.raises(InputError, match=message):
        TextClassifier(**options).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (np.full((60, 2), "1"), "expected real numbers, got an array of <U1"),
        (np.ones((60, 2), complex), "expected real numbers, got an array of complex"),
        (np.ma.masked_equal(np.eye(60, 2), 0), "got masked ones"),
        (pd.DataFrame({"no": ["a"] * 60, "yes": ["b"] * 60}), "expected real numbers, got an array of (object|str)"),
    ],
)
def test_logits_that_are_no_numbers_are_one_sentence(logits, message):
    with pytest.raises(InputError, match=f"teacher_logits: .*{message}"):
        TextClassifier().fit(TEXTS, LABELS, teacher_logits=logits)
