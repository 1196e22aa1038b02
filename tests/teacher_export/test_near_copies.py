"""What counts as a copy of a protected text, and that the index finds exactly that."""

import numpy as np
import pytest

from teacher_export.transfer.near_copies import NearCopyIndex
from teacher_export.transfer.words import normalised_words

LONG = "The battery of this phone lasts for two days, and the screen is bright enough to read outside."
SHORT = "I love this player."
FILLERS = ["one", "two", "three", "four", "five", "six"]


def is_copy(text, *protected):
    return bool(NearCopyIndex(protected).find([normalised_words(text)])[0])


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        LONG.upper().replace(",", " --"),
        LONG.replace("bright", "clear"),
        LONG.replace("phone", "[MASK]").replace("read", "[MASK]"),
        LONG.replace("two days, and ", ""),
        f"My brother said so too: {LONG} I agree with all of it.",
        LONG[: LONG.index("is bright")],
    ],
)
def test_a_long_text_changed_here_and_there_or_within_a_longer_one_is_found(text):
    assert is_copy(text, "something else entirely", SHORT, LONG)


@pytest.mark.parametrize(
    "text",
    [
        "The battery of this phone",
        "lasts for two days",
        "The battery of this phone lasts for ever, which I like, but it is far too heavy for my pocket.",
        " ".join(sorted(LONG.split())),
        "",
    ],
)
def test_a_phrase_of_a_long_text_and_an_unlike_text_are_no_copies(text):
    assert not is_copy(text, LONG)


@pytest.mark.parametrize("text", ["i love this player!!!", "I love this", "I LOVE THIS player, ok"])
def test_a_short_text_of_like_length_is_found(text):
    assert is_copy(text, SHORT)


@pytest.mark.parametrize(
    "text",
    [
        "I love this player because it holds every song that I own and weighs next to nothing.",
        "I love my old camera",
        "I really do hate this player",
        "love",
        "player",
    ],
)
def test_a_short_text_within_a_long_one_and_its_words_alone_are_no_copies(text):
    assert not is_copy(text, SHORT)


@pytest.mark.parametrize("text", ["Superb!", "superb"])
def test_a_text_of_one_word_is_found_by_itself_alone(text):
    assert is_copy(text, "superb", LONG)
    assert not is_copy(f"{text} film", "superb", LONG)


def reference(candidate, protected):
    """The definition, word for word."""

    def shingles(words, width):
        return {tuple(words[i : i + width]) for i in range(len(words) - width + 1)}

    for words in protected:
        if words == candidate:
            return True
        width = 3 if len(words) >= 8 else 2
        mine, theirs = shingles(candidate, width), shingles(words, width)
        total = len(theirs) if len(words) >= 8 else len(mine | theirs)
        if mine & theirs and len(mine & theirs) >= 0.5 * total:
            return True
    return False


def test_the_index_finds_what_the_definition_says():
    rng = np.random.default_rng(0)
    protected = [list(rng.choice(FILLERS[:5], size=rng.integers(0, 14))) for _ in range(40)]
    candidates = [list(rng.choice(FILLERS, size=rng.integers(0, 14))) for _ in range(400)]
    for _ in range(200):  # changed copies
        words = list(protected[rng.integers(len(protected))])
        for _ in range(rng.integers(0, 3)):
            words.insert(rng.integers(len(words) + 1), str(rng.choice(FILLERS[:5])))
        candidates.append(words)
    found = NearCopyIndex(" ".join(words) for words in protected).find(candidates)
    expected = [reference(words, protected) for words in candidates]
    assert found.tolist() == expected
    assert 50 < sum(expected) < len(expected) - 50


def test_nothing_protected_and_nothing_to_compare():
    assert NearCopyIndex([]).find([["a"], []]).tolist() == [False, False]
    assert NearCopyIndex([LONG]).find([]).tolist() == []
