"""The scikit-learn estimators of several labels a text, and of scores."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_score
from sklearn.utils import get_tags

import distill_jax as dj
from distill_jax import InputError, TextClassifier, TextRegressor

QUICK = {"epochs": 30, "optimizer": "adam", "learning_rate": 0.02, "batch_size": 8}
TEXTS = [f"{first} {second} number {i}" for i in range(15) for first in ("good", "bad") for second in ("film", "book")]
NAMES = [[name for name, word in (("praise", "good"), ("reading", "book")) if word in text] for text in TEXTS]
MATRIX = np.array([[name in names for name in ("praise", "reading")] for names in NAMES], int)
ASKED, FOUND = ["good book number 3", "bad film number 4", "good film number 5"], [(1, 1), (0, 0), (1, 0)]
SCORES = [4.5 if "good" in text else 1.5 for text in TEXTS]


@pytest.mark.parametrize("student", ["fasttext", "cnn"])
def test_a_matrix_of_labels_is_answered_by_one(student):
    model = TextClassifier(student, training=QUICK).fit(TEXTS, MATRIX)
    assert model.predict(ASKED).tolist() == [list(row) for row in FOUND]
    assert model.classes_.tolist() == [0, 1]
    probabilities = model.predict_proba(ASKED)
    np.testing.assert_array_equal(probabilities >= 0.5, model.predict(ASKED))
    assert f1_score(MATRIX, model.predict(TEXTS), average="macro") == model.score(TEXTS, MATRIX) == 1


FORMS = {
    "a table": pd.DataFrame(MATRIX, columns=["praise", "reading"]),
    "a table of pyarrow": pa.table(dict(zip(["praise", "reading"], MATRIX.T, strict=True))),
    "a sparse matrix": csr_matrix(MATRIX),
    "booleans": MATRIX.astype(bool),
    "lists of numbers": MATRIX.tolist(),
    "lists of names": NAMES,
    "a Series of sets": pd.Series(list(map(set, NAMES)), index=range(60)[::-1]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_labels_gives_the_same_student(form):
    expected = TextClassifier(training=QUICK).fit(TEXTS, MATRIX)
    model = TextClassifier(training=QUICK).fit(TEXTS, FORMS[form])
    np.testing.assert_array_equal(model.predict_proba(ASKED), expected.predict_proba(ASKED))
    named = "names" in form or "sets" in form
    answers = [("praise", "reading"), (), ("praise",)] if named else [list(row) for row in FOUND]
    assert model.predict(ASKED).tolist() == answers
    assert model.score(TEXTS, FORMS[form]) == 1
    assert model.classes_.tolist() == (["praise", "reading"] if named or "table" in form else [0, 1])


def test_a_text_counts_as_right_where_all_its_labels_are():
    model = TextClassifier(training=QUICK).fit(TEXTS, NAMES)
    assert model.score(ASKED, [["reading", "praise"], ["praise"], ["praise"]]) == pytest.approx(2 / 3)
    assert model.score(ASKED, [["praise"], [], ["unseen"]], sample_weight=[1, 2, 1]) == pytest.approx(0.5)


def test_it_learns_from_a_teacher_s_logits_of_labels_against_the_labels():
    logits = np.where(MATRIX == 1, -4.0, 4.0)
    model = TextClassifier(training={**QUICK, "alpha": 0.0}).fit(TEXTS, MATRIX, teacher_logits=logits)
    assert model.predict(ASKED).tolist() == [[1 - value for value in row] for row in FOUND]


def test_it_is_searched_as_others_are():
    model = TextClassifier(training=QUICK)
    assert cross_val_score(model, TEXTS, MATRIX, cv=3, scoring="f1_macro").min() > 0.9
    assert is_classifier(model)
    assert get_tags(model).classifier_tags.multi_label


WRONG = {
    "a number that is neither": (np.vstack([MATRIX[:-1], [0, 2]]), r"y\[59\]: expected 0 or 1 for each label .*2"),
    "a missing entry": (np.where(np.eye(60, 2) > 0, np.nan, MATRIX), r"y\[0\]: expected 0 or 1 for each label .*nan"),
    "letters": (np.full((60, 2), "a"), r"y\[0\]: expected 0 or 1 for each label"),
    "no labels at all": (np.zeros((60, 2), int), "y: expected labels for some of the texts, got none for any"),
    "empty lists": ([[]] * 60, "y: expected labels for some of the texts, got none for any"),
    "too few rows": (MATRIX[:3], "y: expected labels for each of 60 texts, got 3"),
    "too few lists": (NAMES[:3], "y: expected labels for each of 60 texts, got 3"),
    "a missing list": ([*NAMES[:-1], None], r"y\[59\]: expected a list of labels, .* got None; an empty list is"),
    "a name alone": ([*NAMES[:-1], "good"], r"y\[59\]: expected a list of labels, .* got 'good'"),
    "a number among names": ([*NAMES[:-1], ["good", 3]], r"y\[59\]: expected names of labels, strings, got 3"),
    "a missing name": ([*NAMES[:-1], [None]], r"y\[59\]: expected names of labels, strings, got None"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_labels_that_are_none_are_one_sentence(name):
    labels, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        TextClassifier(training={"epochs": 1}).fit(TEXTS, labels)


@pytest.mark.parametrize("form", ["a table", "lists of names"])
def test_labels_to_score_by_are_known_by_their_names_in_every_form(form):
    model = TextClassifier(training=QUICK).fit(TEXTS, FORMS[form])
    table = FORMS["a table"][["reading", "praise"]]
    for labels in (table, pa.Table.from_pandas(table), MATRIX, csr_matrix(MATRIX), NAMES):
        assert model.score(TEXTS, labels) == 1
    assert model.score(TEXTS, table.to_numpy()) < 1  # an array has no names
    for wrong, words in (
        (table.rename(columns={"praise": "other"}), r"of the classes \['praise', 'reading'\], got the columns"),
        (np.ones((60, 3), int), r"a column for each of the labels \['praise', 'reading'\], got 3"),
        ([["unseen"]] * 60, r"expected labels of \['praise', 'reading'\], got others alone: \['unseen'\]"),
        (MATRIX[:5], "expected labels for each of 60 texts, got 5"),
        (MATRIX * 2, "expected 0 or 1 for each label of the text"),
    ):
        with pytest.raises(InputError, match=words):
            model.score(TEXTS, wrong)


def test_logits_of_another_number_of_labels_are_refused():
    with pytest.raises(InputError, match=r"teacher_logits: expected \[60, 2\], the classes \[0, 1\], got \[60, 3\]"):
        TextClassifier().fit(TEXTS, MATRIX, teacher_logits=np.zeros((60, 3)))


@pytest.mark.parametrize("student", ["fasttext", "cnn"])
@pytest.mark.parametrize("unit", [1, 1000])
def test_scores_are_predicted_in_their_own_unit(student, unit):
    model = TextRegressor(student, training=QUICK).fit(TEXTS, np.array(SCORES) * unit + 7)
    learnt = (model.predict(ASKED) - 7) / unit
    assert (np.abs(learnt - [4.5, 1.5, 4.5]) < 0.5).all()
    assert model.score(TEXTS, np.array(SCORES) * unit + 7) > 0.95


def test_a_regressor_is_one_to_scikit_learn():
    model = TextRegressor(training=QUICK, vocab_size=300)
    assert clone(model).get_params() == model.get_params()
    assert cross_val_score(model, TEXTS, SCORES, cv=3).min() > 0.5
    assert is_regressor(model)
    assert not hasattr(model, "predict_proba")


def test_it_learns_from_a_teacher_s_scores_against_the_labels():
    taught = TextRegressor(training={**QUICK, "alpha": 0.0}).fit(TEXTS, SCORES, teacher_scores=[-s for s in SCORES])
    good, bad, _ = taught.predict(ASKED)
    assert good < bad


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, 2.0], "y: expected a number for each of 60 texts, got 2"),
        ([*SCORES[:-1], None], r"y\[59\]: expected a finite number, got None; leave out"),
        ([*SCORES[:-1], float("nan")], r"y\[59\]: expected a finite number, got .*nan"),
        ([*SCORES[:-1], 1e300], r"y\[59\]: expected a finite number, got 1e\+300"),
        ([1e9 + score for score in SCORES], r"y: expected scores that float32 tells apart, got 1000000"),
        ([*SCORES[:-1], "4"], r"y\[59\]: expected a finite number, got '4'"),
        (["4"] * 60, r"y\[0\]: expected a finite number, got '4'"),
        ([True] * 60, r"y\[0\]: expected a finite number, got True"),
        (MATRIX, r"y: expected a list of numbers, one for each text, got an array of shape \[60, 2\]"),
        (3.0, "y: expected a list of numbers, one for each text, got a value of type float"),
    ],
)
def test_scores_that_are_no_numbers_are_one_sentence(scores, message):
    with pytest.raises(InputError, match=message):
        TextRegressor(training={"epochs": 1}).fit(TEXTS, scores)
    with pytest.raises(InputError, match=message.replace("y", "teacher_scores", 1)):
        TextRegressor(training={"epochs": 1}).fit(TEXTS, SCORES, teacher_scores=scores)


def test_a_score_s_loss_that_compares_classes_is_refused():
    with pytest.raises(InputError, match="--soft-loss kl compares classes"):
        TextRegressor(training={"soft_loss": "kl"}).fit(TEXTS, SCORES, teacher_scores=SCORES)


@pytest.mark.parametrize("task", ["multi-label", "score"])
def test_what_was_trained_is_saved_and_loaded(task, tmp_path):
    model = TextRegressor(training=QUICK) if task == "score" else TextClassifier(training=QUICK)
    model.fit(TEXTS, SCORES if task == "score" else NAMES)
    dj.save(model.model_, tmp_path / "student")
    assert dj.load(tmp_path / "student").predict(ASKED).tolist() == model.predict(ASKED).tolist()
    assert dj.load(tmp_path / "student").labels(ASKED) == model.predict(ASKED).tolist()


@pytest.mark.parametrize("names", [["tag", "tag"], [1, "1"]])
def test_labels_of_one_name_are_refused(names):
    with pytest.raises(InputError, match="y: expected a column for each label, got several columns of the name"):
        TextClassifier(training=QUICK).fit(TEXTS, pd.DataFrame(MATRIX, columns=names))
