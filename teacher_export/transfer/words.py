"""Words: how texts are cut into them for augmentation, and how they are normalised to be compared."""

import re
import unicodedata

# Chinese and Japanese put no blanks between words: there a character counts as a word.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTERS = rf"[^\W_{_IDEOGRAPHS}]+"
_PIECES = re.compile(rf"([{_IDEOGRAPHS}]|{_LETTERS}(?:['’]{_LETTERS})*)")
_NORMALISED = re.compile(rf"[{_IDEOGRAPHS}]|{_LETTERS}")
# Characters that are not seen (Unicode's Cf), such as soft hyphens: tokenizers leave them out, within words too.
_UNSEEN = re.compile(
    "[\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
    "\U000e0020-\U000e007f]"
)
_APOSTROPHES = str.maketrans("", "", "'’ʼ`")


def split_words(text: str) -> list[str]:
    """Return what stands between the words, and the words, in turn: words have the odd indices.

    Joined, the pieces are the text again. ``["", "It's", " ", "good", "!"]`` is what ``It's good!`` gives.
    """
    return _PIECES.split(text)


def normalised_words(text: str) -> list[str]:
    """Return a text's words without case, punctuation, apostrophes, compatibility forms (NFKC) and what is not seen."""
    if not text.isascii():
        text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return _NORMALISED.findall(text.casefold().translate(_APOSTROPHES))
