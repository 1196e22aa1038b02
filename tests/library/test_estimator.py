"""The scikit-learn estimator."""

import numpy as np
import pytest
from sklearn.base import clone
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
    np.testing.assert_allclose(model.predict_proba(TEXTS[:5]).sum(axis=1), 1)
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


def test_a_student_without_the_best_recipe_is_one_sentence(monkeypatch):
    monkeypatch.setattr(CnnConfig, "recipes", {"notebook": CnnConfig.recipes["notebook"]})
    with pytest.raises(InputError, match="--recipe: expected one of notebook, got 'best'"):
        TextClassifier("cnn").fit(TEXTS, LABELS)
