"""New texts out of training texts, for the teacher to label: Tang et al. 2019, section 3.2, and two ways of cutting.

For each copy of a text, first at most one cut is drawn:

* **n-gram sampling** (Tang): what is left is a random run of 1 to 5 words;
* **cropping**: what is left is a random run of at least 6 words (of all, where there are fewer);
* **crossing**: the first half of the text is joined to the second half of another training text.

Then each word left is masked (its place taken by the tokenizer's mask token), replaced by another word of the same
part of speech, or, mostly, kept. Tang cuts last; as words are changed independently, the outcome is distributed alike.
Parts of speech are learnt from the training texts (``word_classes``), where Tang uses a tagger.

Reference: R. Tang et al. (2019), Distilling Task-Specific Knowledge from BERT into Simple Neural Networks.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from teacher_export.options.transfer_set import TransferSetConfig
from teacher_export.transfer.word_classes import WordClasses
from teacher_export.transfer.words import split_words

MAX_NGRAM = 5

_Pieces = list[str]
"""As ``split_words`` has it: words at the odd indices."""


class Augmenter:
    """Draws copies of texts; the same arguments give the same copies in the same order.

    Args:
        texts: the training texts.
        settings: how many copies, and the probabilities.
        classes: parts of speech, to draw replacements from.
        mask_token: what masks a word; "" deletes it instead.
        seed: decides every draw.
    """

    def __init__(
        self, texts: Sequence[str], settings: TransferSetConfig, classes: WordClasses, mask_token: str, seed: int
    ) -> None:
        self._texts, self._settings, self._classes, self._mask_token = texts, settings, classes, mask_token
        self._draw = random.Random(seed)  # noqa: S311 - not for secrets

    def __iter__(self) -> Iterator[str]:
        """Yield ``settings.augment`` copies of every text, text by text; a text without words has none."""
        for text in self._texts:
            pieces = split_words(text)
            if len(pieces) > 1:
                for _ in range(self._settings.augment):
                    yield self._change_words(self._cut(pieces))

    def _cut(self, pieces: _Pieces) -> _Pieces:
        settings, words = self._settings, len(pieces) // 2
        drawn = self._draw.random()
        if drawn < settings.ngram_probability:
            return self._run(pieces, min(words, self._draw.randint(1, MAX_NGRAM)))
        drawn -= settings.ngram_probability
        if drawn < settings.crop_probability:
            return self._run(pieces, self._draw.randint(min(words, MAX_NGRAM + 1), words))
        if drawn - settings.crop_probability < settings.cross_probability:
            return self._cross(pieces)
        return list(pieces)

    def _run(self, pieces: _Pieces, length: int) -> _Pieces:
        """Return a random run of ``length`` words, with what stands between them."""
        words = len(pieces) // 2
        first = self._draw.randint(0, words - length)
        last = 2 * (first + length) + (first + length == words)  # what follows the text's last word belongs to it
        return pieces[:last] if first == 0 else ["", *pieces[2 * first + 1 : last]]

    def _cross(self, pieces: _Pieces) -> _Pieces:
        other = split_words(self._texts[self._draw.randrange(len(self._texts))])
        half, other_half = -(-(len(pieces) // 2) // 2), len(other) // 2 // 2
        return [*pieces[: 2 * half], " ", *other[2 * other_half + 1 :]]

    def _change_words(self, pieces: _Pieces) -> str:
        """Mask or replace words of ``pieces``, in place, and join them."""
        mask, replace = self._settings.mask_probability, self._settings.pos_probability
        for index in range(1, len(pieces), 2):
            drawn = self._draw.random()
            if drawn < mask:
                pieces[index] = self._mask_token
            elif drawn < mask + replace:
                pieces[index] = self._classes.replacement(pieces[index], self._draw)
        text = "".join(pieces)
        return text if self._mask_token else " ".join(text.split())


def mask_token_of(tokenizer: Any, mask_token: str | None, unknown_token: str | None) -> str:
    """Return what masks a word: the mask token, else the unknown token, else "" (the word is deleted).

    A token counts only where the tokenizer reads it, within a text, as that one token.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``.
        mask_token: the mask token that the teacher's tokenizer names, if it names one.
        unknown_token: likewise the unknown token.
    """
    for token in (mask_token, unknown_token):
        if token:
            found = tokenizer.encode(f"{token} {token}", add_special_tokens=False).ids
            if found.count(tokenizer.token_to_id(token)) == 2:
                return token
    return ""
