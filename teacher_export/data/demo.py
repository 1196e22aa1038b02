"""The demo's data sets: reviews, tweets and editorials, rated by some twenty people each (Hutto & Gilbert 2014).

A file has a line ``id TAB mean rating from -4 to 4 TAB text`` for each sentence, in UTF-8 with CRLF. The five classes
are the fifths of the ratings: a sentence has as many stars as there are quintiles below its rating, plus one.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill_jax.errors import InputError
from teacher_export.data.row_parsers import STAR_NAMES
from teacher_export.downloads import fetch_demo_data

LABEL_NAMES = STAR_NAMES
REVIEW_FILES = ("amazonReviewSnippets_GroundTruth.txt", "movieReviewSnippets_GroundTruth.txt")
EDITORIAL_FILES = ("nytEditorialSnippets_GroundTruth.txt",)
TWEET_FILES = ("tweets_GroundTruth.txt",)
FILES: dict[str, tuple[str, ...]] = {
    "demo": REVIEW_FILES,
    "demo-tweets": TWEET_FILES,
    "demo-editorials": EDITORIAL_FILES,
}
"""The files of each data set whose classes are fifths of the ratings."""
MIN_WORDS = 3
TOO_SHORT = f"of fewer than {MIN_WORDS} words"
DUPLICATE = "with an earlier row's text"


@dataclasses.dataclass(frozen=True)
class DemoReviews:
    """The sentences of some files, in their order.

    Attributes:
        ids: every row's file and its name there, those left out too.
        texts: theirs.
        ratings: float64 [rows], the mean rating.
        classes: int16 [rows], 0 … 4; -1 = left out.
        dropped: why rows are left out, and how many.
    """

    ids: list[tuple[str, str]]
    texts: list[str]
    ratings: np.ndarray
    classes: np.ndarray
    dropped: dict[str, int]


def load_demo_reviews(files: Sequence[str] = REVIEW_FILES) -> DemoReviews:
    """Return the sentences of the review files, or of others, fetched where missing, cut into five classes.

    Left out are, in this order, texts of fewer than three words (separated by white space), and texts equal, letter
    for letter, to that of an earlier row that is kept.

    Args:
        files: their names.

    Raises:
        DownloadError: the files could not be fetched.
    """
    folder = fetch_demo_data()
    rows = [(name, *row) for name in files for row in read_rated_texts(folder / name)]
    ids = [(name, row) for name, row, _, _ in rows]
    texts = [text for _, _, _, text in rows]
    ratings = np.array([rating for _, _, rating, _ in rows])
    reasons = _reasons_to_drop(texts, set())
    kept = np.array([reason is None for reason in reasons])
    classes = np.full(len(rows), -1, np.int16)
    classes[kept] = quintile_classes(ratings[kept])
    dropped = {reason: reasons.count(reason) for reason in (TOO_SHORT, DUPLICATE)}
    return DemoReviews(ids, texts, ratings, classes, dropped)


def load_unlabelled_demo_texts(labelled: Sequence[str] = REVIEW_FILES) -> list[str]:
    """Return the texts that come with those of a data set, of the reviews the editorials and tweets, for transfer.

    Left out are texts of fewer than three words, and texts equal to an earlier one or to one of the data set.

    Args:
        labelled: the data set's own files.

    Raises:
        DownloadError: the files could not be fetched.
    """
    folder = fetch_demo_data()
    others = [name for name in (*REVIEW_FILES, *EDITORIAL_FILES, *TWEET_FILES) if name not in labelled]
    seen = {text for name in labelled for _, _, text in read_rated_texts(folder / name)}
    texts = [text for name in others for _, _, text in read_rated_texts(folder / name)]
    reasons = _reasons_to_drop(texts, seen)
    return [text for text, reason in zip(texts, reasons, strict=True) if reason is None]


def quintile_classes(ratings: np.ndarray) -> np.ndarray:
    """Return each rating's fifth, 0 … 4: how many of the quintiles are less than it (as ``pandas.qcut`` has it)."""
    return classes_between(quintiles(ratings), ratings)


def quintiles(ratings: np.ndarray) -> np.ndarray:
    """Return the four ratings between the fifths, float64 [4]."""
    return np.quantile(ratings, [0.2, 0.4, 0.6, 0.8])


def classes_between(cuts: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """Return for each rating how many of the ascending cuts are less than it, int16 of its shape."""
    return np.searchsorted(cuts, ratings, side="left").astype(np.int16)


def _reasons_to_drop(texts: list[str], seen: set[str]) -> list[str | None]:
    """Return why each text is left out, or None; ``seen`` holds texts that are duplicates from the start."""
    reasons: list[str | None] = []
    for text in texts:
        if len(text.split()) < MIN_WORDS:
            reasons.append(TOO_SHORT)
        elif text in seen:
            reasons.append(DUPLICATE)
        else:
            seen.add(text)
            reasons.append(None)
    return reasons


def read_rated_texts(path: Path) -> list[tuple[str, float, str]]:
    """Return ``(id, mean rating, text)`` of each line of one of the demo's files.

    Raises:
        InputError: a line is not ``id TAB rating TAB text``; the files are checked against their hashes, so this
            means that they were changed since.
    """
    rows = []
    for number, line in enumerate(path.read_bytes().decode().split("\n"), start=1):
        if not line.strip():
            continue
        fields = line.removesuffix("\r").split("\t")
        try:
            row, rating, text = fields
            rows.append((row, float(rating), text))
        except ValueError:
            raise InputError(
                f"{path}: line {number}: expected id, rating and text between tabs, got {line!r}"
            ) from None
    return rows
