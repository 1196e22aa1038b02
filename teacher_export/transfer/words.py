"""Words: how texts are cut into them for augmentation, and how they are normalised to be compared."""

import re
import unicodedata

# Chinese and Japanese put no blanks between words: there a character counts as a word.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTERS = rf"[^\W_{_IDEOGRAPHS}]+"
_PIECES = re.compile(rf"([{_IDEOGRAPHS}]|{_LETTERS}(?:['’]{_LETTERS})*)")
_NORMALISED = re.compile(rf"[{_IDEOGRAPHS}]|{_LETTERS}")
_APOSTROPHES = str.maketrans("", "", "'’ʼ`")


def split_words(text: str) -> list[str]:
    """Return what stands between the words, and the words, in turn: words have the odd indices.

    Joined, the pieces are the text again. ``["", "It's", " ", "good", "!"]`` is what ``It's good!`` gives.
    """
    return _PIECES.split(text)


def normalised_words(text: str) -> list[str]:
    """Return a text's words without case, punctuation, apostrophes and compatibility forms (Unicode's NFKC)."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _NORMALISED.findall(text.casefold().translate(_APOSTROPHES))
