"""A page's own student answers as NumPy's does."""

import numpy as np
import pytest

from page_students import LENGTH, OPTIONS, WORDS, page_student
from tolerances import AGREEMENT

_ANSWERS = "async (texts) => { const s = await student; return texts.map((text) => s.answer(text)); }"
_EXPLAINED = """
async (text) => {
  const s = await student, steps = s.explain(text);
  for (;;) { const { done, value } = steps.next(); if (done) return value; }
}
"""
_EVIDENCE = f"""
async ([text, label]) => (await student).evidence(await ({_EXPLAINED})(text), label)
"""


def texts_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    words = [*(word.removeprefix("##") for word in WORDS), "a", "z9", "qqq", "!", "[PAD]", "[MASK]", "x" * 13]
    return ["", "[PAD] [PAD]", *(" ".join(rng.choice(words, rng.integers(0, 2 * LENGTH))) for _ in range(rows))]


@pytest.mark.parametrize("kind", OPTIONS)
def test_logits_and_probabilities_are_numpy_s(open_page, kind):
    student, texts = page_student(kind, decision={"temperature": 1.7}), texts_of(60)
    predictor = student.predictor()
    found = open_page(student).evaluate(_ANSWERS, texts)
    np.testing.assert_allclose(
        [one["logits"] for one in found], predictor.logits(texts), rtol=AGREEMENT, atol=AGREEMENT
    )
    np.testing.assert_allclose([one["shares"] for one in found], predictor.predict_proba(texts), atol=AGREEMENT)
    assert [student.label_names[one["answered"][0]] for one in found] == predictor.predict(texts).tolist()


@pytest.mark.parametrize("kind", ["fasttext", "cnn", "bilstm"])
def test_labels_are_answered_from_their_thresholds_on(open_page, kind):
    texts = texts_of(60)
    given = np.sort(page_student(kind, task="multi-label").predictor().predict_proba(texts), axis=0)
    thresholds = [float(given[place : place + 2, label].mean()) for label, place in enumerate((20, 30, 45))]
    student = page_student(kind, task="multi-label", decision={"thresholds": thresholds})
    predictor = student.predictor()
    found = open_page(student).evaluate(_ANSWERS, texts)
    answers = [tuple(student.label_names[index] for index in one["answered"]) for one in found]
    assert answers == predictor.predict(texts).tolist()
    assert len(set(answers)) > 3
    np.testing.assert_allclose([one["shares"] for one in found], predictor.predict_proba(texts), atol=AGREEMENT)


@pytest.mark.parametrize("kind", ["fasttext", "cnn", "bilstm"])
def test_scores_are_in_the_data_s_unit(open_page, kind):
    student = page_student(kind, names=("stars",), task="score", standardisation=(3.2, 1.4))
    texts = texts_of(60)
    found = open_page(student).evaluate(_ANSWERS, texts)
    assert {one["shares"] for one in found} == {None}
    np.testing.assert_allclose(
        [one["logits"][0] for one in found], student.predictor().predict(texts), rtol=AGREEMENT, atol=AGREEMENT
    )


@pytest.mark.parametrize("kind", ["fasttext", "fasttext as the notebook"])
def test_the_words_parts_of_a_linear_student_and_what_no_word_says_are_the_logits(open_page, kind):
    student = page_student(kind)
    page = open_page(student)
    biases = student.arrays["output.bias"]
    text = "The film, not bad: unaffable!"
    found = page.evaluate(_EXPLAINED, text)
    (answer,) = page.evaluate(_ANSWERS, [text])
    assert found["exact"]
    assert [text[slice(*word)] for word in found["words"]] == ["The", "film", ",", "not", "bad", ":", "unaffable", "!"]
    # What stands around every text is no word's: it is what is left when the words' parts are taken away.
    left = np.array(answer["logits"]) - np.sum(found["parts"], axis=0) - biases
    others = page.evaluate(_EXPLAINED, "istanbul cafe, the film good!")
    (answer,) = page.evaluate(_ANSWERS, ["istanbul cafe, the film good!"])
    if kind == "fasttext as the notebook":  # the divisor is the same for all texts
        np.testing.assert_allclose(
            left, np.array(answer["logits"]) - np.sum(others["parts"], axis=0) - biases, atol=AGREEMENT
        )
    assert np.abs(found["parts"]).max() > 0


@pytest.mark.parametrize("task", [{}, {"names": ("stars",), "task": "score", "standardisation": (3.2, 1.4)}])
@pytest.mark.parametrize("kind", ["cnn", "bilstm"])
def test_a_word_s_part_is_what_the_logits_lose_without_it(open_page, kind, task):
    student = page_student(kind, **task)
    found = open_page(student).evaluate(_EXPLAINED, "The film is good")
    assert not found["exact"]
    logits = student.predictor().logits(
        ["The film is good", "film is good", "The is good", "The film good", "The film is"]
    )
    np.testing.assert_allclose(found["parts"], logits[0] - logits[1:], atol=10 * AGREEMENT)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
@pytest.mark.parametrize("kind", ["fasttext", "bilstm"])
def test_words_speak_for_a_class_as_much_as_python_s_explanation_says(open_page, kind, task):
    decision = {"temperature": 1.7} if task == "single-label" else {}
    student, text = page_student(kind, task=task, decision=decision), "the film good bad istanbul cafe"
    page = open_page(student)
    method = None if kind == "fasttext" else "leave-one-out"
    (told,) = student.predictor().explain([text], method=method)
    for label in range(3):
        found = page.evaluate(_EVIDENCE, [text, label])
        np.testing.assert_allclose(found, told.evidence(label), rtol=10 * AGREEMENT, atol=AGREEMENT)


@pytest.mark.parametrize("kind", ["fasttext", "cnn"])
def test_words_beyond_the_longest_text_say_nothing_and_are_told_apart(open_page, kind):
    text = "good bad " * LENGTH
    found = open_page(kind).evaluate(_EXPLAINED, text)
    assert found["seen"] == [True] * (LENGTH - 2) + [False]
    assert found["words"][-1][1] == len(text)
    assert np.abs(found["parts"][-1]).max() == 0
