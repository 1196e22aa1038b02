"""Sentences of 25,000 film reviews (Maas et al. 2011), as texts without labels (no PyTorch).

The file is a CSV with the columns ``text``, ``label`` and ``source``. Beside those reviews it has sentences of another
source, which the demo has too: these are left out.
"""

import csv
import html
import re
from collections.abc import Iterator

from distill_jax.errors import InputError
from teacher_export.downloads import fetch_film_reviews

MIN_WORDS, MAX_WORDS = 3, 50
_SOURCE = "imdb"
_LINE_BREAK = re.compile(r"<br\s*/?>|\n")
# A sentence ends with a full stop or the like, quoted or not, after which come blanks and what may begin another.
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')]))\s+(?=[\"'(A-Z0-9])")


def load_film_review_sentences() -> Iterator[str]:
    """Yield the sentences of 3 to 50 words, review by review; repeated ones too.

    Raises:
        DownloadError: the file could not be fetched.
        InputError: it was changed since.
    """
    path = fetch_film_reviews()
    with path.open(encoding="utf-8", newline="") as stream:
        try:
            for row in csv.DictReader(stream, strict=True):
                if row["source"] == _SOURCE:
                    yield from sentences(row["text"])
        except (KeyError, csv.Error, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: expected the columns text, label and source, got another file ({error})"
            ) from None


def sentences(review: str) -> Iterator[str]:
    """Yield a review's sentences of 3 to 50 words, words being what stands between white space."""
    for line in _LINE_BREAK.split(html.unescape(review)):
        for sentence in _SENTENCE_END.split(line):
            words = sentence.split()
            if MIN_WORDS <= len(words) <= MAX_WORDS:
                yield " ".join(words)
