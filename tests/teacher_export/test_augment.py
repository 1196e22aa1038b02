import dataclasses

import numpy as np
import pytest

from teacher_export.options.transfer_set import TransferSetConfig
from teacher_export.transfer.augment import Augmenter, mask_token_of
from teacher_export.transfer.word_classes import WordClasses
from teacher_export.transfer.words import split_words
from tiny_teacher import make_tokenizer
from tolerances import share_error

TEXTS = [
    "It's the best phone, by far: I would buy it again, and so would my wife (who hates phones)!",
    "Not for me; the film drags, the jokes fall flat, nobody laughs.",
    "Superb.",
    "A camera that anyone can use",
]
NONE = dict.fromkeys(TransferSetConfig().probabilities(), 0.0)
MASK = "[MASK]"


def settings(augment=200, **chances):
    return TransferSetConfig(augment=augment, **{**NONE, **{f"{name}_probability": x for name, x in chances.items()}})


def copies(chances, texts=TEXTS, classes=None, mask=MASK, seed=0):
    return list(Augmenter(texts, settings(**chances), classes or WordClasses([], [], np.zeros(0, int)), mask, seed))


def words(text):
    return split_words(text)[1::2]


def by_source(found, augment=200):
    return [(TEXTS[index // augment], text) for index, text in enumerate(found)]


def test_masking_takes_the_place_of_words_and_leaves_the_rest():
    assert copies({"mask": 1.0, "augment": 1})[1] == (
        "[MASK] [MASK] [MASK]; [MASK] [MASK] [MASK], [MASK] [MASK] [MASK] [MASK], [MASK] [MASK]."
    )
    found = copies({"mask": 0.1})
    draws = 200 * sum(len(words(text)) for text in TEXTS)
    share = sum(text.count(MASK) for text in found) / draws
    assert share == pytest.approx(0.1, abs=share_error(0.1, draws))
    assert {text.replace(MASK, "") == source for source, text in by_source(found)} == {True, False}


def test_without_a_mask_token_words_are_deleted():
    assert copies({"mask": 1.0, "augment": 1}, mask="")[2] == "."
    text = copies({"mask": 0.5, "augment": 1}, mask="")[0]
    assert "  " not in text
    kept = words(text)
    assert 0 < len(kept) < len(words(TEXTS[0]))
    assert set(kept) < set(words(TEXTS[0]))


def test_replacement_draws_words_of_the_class():
    classes = WordClasses(["phone", "film", "camera"], [1, 1, 1], np.zeros(3, int))
    found = copies({"pos": 1.0}, classes=classes)
    assert {text for source, text in by_source(found) if source == TEXTS[3]} == {
        f"A {word} that anyone can use" for word in ("phone", "film", "camera")
    }


@pytest.mark.parametrize(("cut", "low", "high"), [("ngram", 1, 5), ("crop", 6, 99)])
def test_a_cut_leaves_a_run_of_the_texts_words(cut, low, high):
    lengths, starts = set(), set()
    for source, text in by_source(copies({cut: 1.0})):
        assert text in source
        here = len(words(text))
        assert min(low, len(words(source))) <= here <= min(high, len(words(source)))
        if source == TEXTS[0]:
            lengths.add(here)
            starts.add(source.index(text))
    assert lengths == set(range(low, min(high, len(words(TEXTS[0]))) + 1))
    assert len(starts) > 5


def test_crossing_joins_the_first_half_of_a_text_to_the_second_half_of_another():
    halves = {source: (words(source)[: -(-len(words(source)) // 2)]) for source in TEXTS}
    seconds = [words(source)[len(words(source)) // 2 :] for source in TEXTS]
    met = set()
    for source, text in by_source(copies({"cross": 1.0})):
        first = halves[source]
        assert words(text)[: len(first)] == first
        met.add(seconds.index(words(text)[len(first) :]))
    assert met == {0, 1, 2, 3}


def test_the_chances_are_kept():
    found = by_source(copies({"ngram": 0.25, "crop": 0.25, "cross": 0.25, "augment": 2000}, TEXTS[:1]), 2000)
    kinds = {"whole": 0, "ngram": 0, "crop": 0, "cross": 0}
    for source, text in found:
        kind = "whole" if text == source else "ngram" if len(words(text)) <= 5 else "crop"
        kinds[kind if text in source else "cross"] += 1  # crossed with itself, the text lacks a comma
    crops = len(words(TEXTS[0])) - 5  # as many lengths, one of them the whole
    expected = {"whole": 0.25 + 0.25 / crops, "ngram": 0.25, "crop": 0.25 * (1 - 1 / crops), "cross": 0.25}
    assert {kind: count / 2000 for kind, count in kinds.items()} == pytest.approx(expected, abs=share_error(0.25, 2000))


def test_the_seed_decides_every_copy():
    chances = {name.removesuffix("_probability"): x for name, x in TransferSetConfig().probabilities().items()}
    classes = WordClasses(["the", "my", "phone", "film"], [4, 3, 2, 1], np.array([0, 0, 1, 1]))
    first = copies(chances, classes=classes)
    assert first == copies(chances, classes=classes)
    assert first != copies(chances, classes=classes, seed=1)
    assert len(first) == 200 * len(TEXTS)


def test_a_text_without_words_has_no_copies():
    assert copies({"ngram": 1.0}, ["", "?!"]) == []
    assert len(copies({"cross": 1.0, "augment": 3}, ["one", "...", "two"])) == 6


def test_the_mask_token_must_be_one_that_the_tokenizer_reads_in_a_text():
    tokenizer = make_tokenizer()
    backend = tokenizer.backend_tokenizer
    assert mask_token_of(backend, tokenizer.mask_token, tokenizer.unk_token) == "[MASK]"
    assert mask_token_of(backend, None, tokenizer.unk_token) == "[UNK]"
    assert mask_token_of(backend, "<mask>", "[UNK]") == "[UNK]"
    assert mask_token_of(backend, "<mask>", None) == ""


def test_the_defaults_are_the_papers():
    defaults = {field.name: field.default for field in dataclasses.fields(TransferSetConfig)}
    assert (defaults["mask_probability"], defaults["pos_probability"], defaults["ngram_probability"]) == (
        0.1,
        0.1,
        0.25,
    )
