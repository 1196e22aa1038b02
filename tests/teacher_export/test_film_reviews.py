"""Sentences of film reviews, and draws of them."""

import collections
import itertools

import pytest

from distill_jax.errors import InputError
from teacher_export.data import film_reviews
from teacher_export.data.film_reviews import load_film_review_sentences, sentences
from teacher_export.transfer.draw import drawn_texts


@pytest.mark.parametrize(
    ("review", "found"),
    [
        ("It was bad. I left early!", ["It was bad.", "I left early!"]),
        ("It was bad.<br /><br />I left &amp; slept.", ["It was bad.", "I left & slept."]),
        ('He said "go home." Then he left (to sleep.) "I am here." ok', [
            'He said "go home."', "Then he left (to sleep.)", '"I am here." ok',
        ]),
        ("two words. Here  are\tthree.", ["Here are three."]),
        (f"{'long ' * 51}. Here are three.", ["Here are three."]),
        ("a film by e. g. nobody. it ends", ["a film by e. g. nobody. it ends"]),
        ("", []),
    ],
)  # fmt: skip
def test_reviews_are_cut_into_sentences(review, found):
    assert list(sentences(review)) == found


def test_the_sentences_of_the_demos_own_source_are_left_out(tmp_path, monkeypatch):
    path = tmp_path / "reviews.csv"
    path.write_text('text,label,source\n"One, two three.\nFour five six",1,imdb\none of the demo,0,rotten_tomatoes\n')
    monkeypatch.setattr(film_reviews, "fetch_film_reviews", lambda: path)
    assert list(load_film_review_sentences()) == ["One, two three.", "Four five six"]


@pytest.mark.parametrize("content", [b"text,label\na b c,1\n", b"text,label,source\n\xff\xfe b c,1,imdb\n"])
def test_another_file_is_refused(tmp_path, monkeypatch, content):
    (tmp_path / "reviews.csv").write_bytes(content)
    monkeypatch.setattr(film_reviews, "fetch_film_reviews", lambda: tmp_path / "reviews.csv")
    with pytest.raises(InputError, match="expected the columns text, label and source, got another file"):
        list(load_film_review_sentences())


def test_as_many_are_drawn_in_their_order_and_the_same_ones_by_the_same_seed():
    texts = [f"text {number:03}" for number in range(300)]
    for count in (1, 7, 299):
        drawn = list(drawn_texts(iter(texts), count, seed=5))
        assert len(drawn) == count
        assert drawn == sorted(set(drawn))
        assert drawn == list(drawn_texts(texts, count, seed=5))
    assert list(drawn_texts(texts, 7, seed=5)) != list(drawn_texts(texts, 7, seed=6))
    for count in (300, 301):
        assert list(drawn_texts(iter(texts), count, seed=5)) == texts
    assert list(drawn_texts(iter(()), 3, seed=5)) == []


def test_equal_texts_are_drawn_too():
    assert list(drawn_texts(["same"] * 9, 4, seed=0)) == ["same"] * 4


def test_each_text_is_as_likely_as_any_other():
    draws, texts, count = 4000, list("abcdefgh"), 3
    found = collections.Counter(itertools.chain(*(drawn_texts(texts, count, seed) for seed in range(draws))))
    expected = draws * count / len(texts)
    deviation = (expected * (1 - count / len(texts))) ** 0.5
    assert all(abs(found[text] - expected) < 4 * deviation for text in texts)
