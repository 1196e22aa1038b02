import random
from collections import Counter

import numpy as np
import pytest

from teacher_export.transfer import word_classes
from teacher_export.transfer.word_classes import MIN_COUNT, WordClasses, learn_word_classes
from tolerances import share_error

GRAMMAR = {
    "determiner": ["the", "a", "this", "my"],
    "adjective": ["red", "old", "tiny", "great", "dull"],
    "noun": ["phone", "film", "book", "camera", "story"],
    "verb": ["works", "breaks", "ends", "shines", "fails"],
    "adverb": ["badly", "nicely", "slowly", "quickly"],
}


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    patterns = [["determiner", "adjective", "noun", "verb", "adverb"], ["determiner", "noun", "verb"]]
    return [
        " ".join(str(rng.choice(GRAMMAR[kind])) for kind in patterns[rng.integers(len(patterns))]) for _ in range(2000)
    ]


def test_words_that_stand_in_like_places_form_a_class(texts, monkeypatch):
    monkeypatch.setattr(word_classes, "_WORDS_PER_CLASS", 3)  # seven classes of these few words
    classes = learn_word_classes(texts, 0).members()
    kind_of = {word: kind for kind, words in GRAMMAR.items() for word in words}
    assert sorted(word for group in classes for word in group) == sorted(kind_of)
    assert all(len({kind_of[word] for word in group}) == 1 for group in classes)


def test_the_seed_decides_and_the_order_of_the_texts_does_not_change_the_words(texts):
    assert learn_word_classes(texts, 0).members() == learn_word_classes(texts, 0).members()
    first, second = (
        sorted(word for group in learn_word_classes(some, 0).members() for word in group)
        for some in (texts, texts[::-1])
    )
    assert first == second


def test_a_replacement_is_of_the_same_class_and_as_frequent_as_the_word_is():
    classes = WordClasses(["good", "bad", "film"], [30, 10, 5], np.array([0, 0, 1]))
    draw = random.Random(0)
    drawn = Counter(classes.replacement("bad", draw) for _ in range(4000))
    assert drawn.keys() == {"good", "bad"}
    assert drawn["good"] / 4000 == pytest.approx(0.75, abs=share_error(0.75, 4000))
    assert {classes.replacement("Film", draw) for _ in range(5)} == {"Film"}
    assert {classes.replacement("GOOD", draw) for _ in range(40)} == {"GOOD", "BAD"}
    assert {classes.replacement("Bad", draw) for _ in range(40)} == {"Good", "Bad"}


@pytest.mark.parametrize("texts", [[], [""], ["one two"], ["word"] * (MIN_COUNT - 1)])
def test_words_seen_too_rarely_are_left_alone(texts):
    classes = learn_word_classes(texts, 0)
    assert classes.members() == []
    assert classes.replacement("word", random.Random(0)) == "word"


def test_a_single_frequent_word_is_its_own_class():
    classes = learn_word_classes(["again"] * MIN_COUNT, 0)
    assert classes.members() == [["again"]]
    assert classes.replacement("Again", random.Random(0)) == "Again"
