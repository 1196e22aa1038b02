"""What counts as a copy of a protected text, and that the index finds exactly that."""

import itertools
import tracemalloc

import numpy as np
import pytest

from teacher_export.transfer import near_copies, shingles
from teacher_export.transfer.near_copies import NearCopyIndex, near_copy_groups
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


@pytest.mark.parametrize("seed", range(40))
def test_neither_slices_nor_what_counts_as_common_change_what_is_found(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(shingles, "MOST_RARE", int(rng.integers(1, 6)))
    monkeypatch.setattr(shingles, "SLICE", int(rng.integers(1, 50)))
    words, longest = int(rng.integers(2, 12)), int(rng.integers(4, 30))
    opening = list(rng.integers(0, words, size=rng.integers(0, 10)).astype(str))

    def texts(count, words):
        tails = [list(rng.integers(0, words, size=rng.integers(0, longest)).astype(str)) for _ in range(count)]
        return [opening * int(rng.integers(0, 2)) + tail for tail in tails]

    protected, candidates = texts(40, words), texts(40, words + 3)
    for source in protected:
        changed = list(source)
        for _ in range(rng.integers(0, 6)):
            changed.insert(rng.integers(len(changed) + 1), str(rng.integers(0, words + 4)))
        candidates.append(changed)
    found = NearCopyIndex(" ".join(words) for words in protected).find(candidates)
    assert found.tolist() == [reference(words, protected) for words in candidates]


@pytest.mark.parametrize("most_rare", [1, 3, 256])
def test_groups_hold_all_that_copy_each_other_by_way_of_others(most_rare, monkeypatch):
    from scipy.sparse.csgraph import connected_components

    monkeypatch.setattr(shingles, "MOST_RARE", most_rare)
    monkeypatch.setattr(near_copies, "_MOST_PENDING", 20)
    rng = np.random.default_rng(most_rare)
    texts = [[f"{row}-{word}" for word in rng.integers(0, 90, size=rng.integers(1, 14))] for row in range(30)]
    opening = ["to", "whom", "it", "may", "concern", "of", "them", "all"]
    texts += [opening + list(rng.integers(0, 5, size=4).astype(str)) for _ in range(8)]
    texts += [[*texts[row], "more"] for row in rng.integers(0, 38, size=20)]
    words = [normalised_words(" ".join(text)) for text in texts]
    copies = [[reference(one, [other]) for other in words] for one in words]
    expected = connected_components(np.array(copies), directed=False)[1]
    found = near_copy_groups([" ".join(text) for text in texts])
    together = found[:, None] == found
    assert together[expected[:, None] == expected].all()
    assert len(set(found)) > 10
    if most_rare == 256:  # else texts that share a common opening may be taken together
        assert (together == (expected[:, None] == expected)).all()
    assert near_copy_groups([]).tolist() == []


@pytest.mark.parametrize(
    ("protected", "candidate", "is_found"),
    [
        ("to whom it may concern q{0}", "to whom it may concern z{0}", True),
        ("to whom it may concern q{0} r{0} s{0}", "to whom it may concern z{0} y{0} x{0}", True),
        ("to whom it may concern q{0} r{0} s{0} t{0} u{0}", "to whom it may concern z{0} y{0} x{0}", False),
        ("q{1} to whom it may concern r{2}", "to whom it was once z{0}", False),
    ],
    ids=["short", "long", "too little of long", "many openings"],
)
def test_boilerplate_that_all_texts_share_takes_memory_in_proportion_to_the_texts(protected, candidate, is_found):
    index = NearCopyIndex(protected.format(i, i % 80, i % 81) for i in range(5_000))
    texts = [normalised_words(candidate.format(i)) for i in range(4_096)]
    tracemalloc.start()
    try:
        found = index.find(texts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.all() == found.any() == is_found
    assert peak < 100e6  # the pairs, of eight bytes, would take 160 MB to 650 MB


def test_pairs_that_cannot_be_avoided_are_held_a_slice_at_a_time(monkeypatch):
    monkeypatch.setattr(shingles, "SLICE", 10_000)
    texts = [" ".join(words) for words in itertools.product(*([f"{i}a", f"{i}b"] for i in range(12)))]
    index = NearCopyIndex(text for text in texts if text[-1] == "a")
    words = [text.split() for text in texts[1::2][:256]]
    tracemalloc.start()
    try:
        found = index.find(words)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.all()
    assert peak < 10e6  # each of the texts has hundreds of partners by each of its shingles


def test_nothing_protected_and_nothing_to_compare():
    assert NearCopyIndex([]).find([["a"], []]).tolist() == [False, False]
    assert NearCopyIndex([LONG]).find([]).tolist() == []
