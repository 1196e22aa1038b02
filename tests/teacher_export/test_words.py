import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teacher_export.transfer.words import normalised_words, split_words


@given(st.text(max_size=60))
def test_the_pieces_are_the_text_and_words_have_the_odd_indices(text):
    pieces = split_words(text)
    assert "".join(pieces) == text
    assert len(pieces) % 2 == 1
    assert all(pieces[1::2])
    assert not any(letter.isalpha() for piece in pieces[::2] for letter in piece)


def test_an_apostrophe_belongs_to_its_word_and_ideographs_are_words():
    assert split_words("It's good!") == ["", "It's", " ", "good", "!"]
    assert split_words("很好, ok")[1::2] == ["很", "好", "ok"]


@pytest.mark.parametrize("text", ["It's GOOD, yes!", "its good yes", "  it’s—good… (yes)", "ＩＴ'S good yes"])
def test_case_punctuation_and_forms_do_not_count(text):
    assert normalised_words(text) == ["its", "good", "yes"]


def test_words_are_told_apart():
    assert normalised_words("straße café") == ["strasse", "café"]
    assert normalised_words("good") != normalised_words("food")
    assert normalised_words("?! ...") == []


def test_characters_that_are_not_seen_do_not_make_another_text():
    """A tokenizer leaves them out: a test text with soft hyphens is that test text."""
    text = "A charming film, really."
    for number in (0x00AD, 0x200B, 0x200D, 0x2060, 0xFEFF, 0xE0041):
        assert normalised_words(chr(number).join(text)) == normalised_words(text)
    unseen = (chr(number) for number in range(0x110000) if unicodedata.category(chr(number)) == "Cf")
    assert not [character for character in unseen if normalised_words(f"a{character}b") != ["ab"]]
