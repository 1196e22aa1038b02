"""The demo's reviews as people voted on them: each of fifteen to twenty-nine raters' stars is a vote (no PyTorch).

A file has a line ``id TAB mean TAB standard deviation TAB [rating, …]`` for each sentence, in UTF-8. A rating from -4
to 4 votes for the class that the demo gives to a sentence of that mean rating (``demo.py``).
"""

import json
from pathlib import Path

import numpy as np

from distill_jax.errors import InputError
from teacher_export.data.answered_table import AnsweredTable
from teacher_export.data.dataset import assemble
from teacher_export.data.demo import LABEL_NAMES, DemoReviews, classes_between, load_demo_reviews, quintiles
from teacher_export.data.output_logits import logits_of
from teacher_export.data.outputs import Answers
from teacher_export.data.splitting import draw_all
from teacher_export.data.streaming import LabelledRows
from teacher_export.downloads import fetch_demo_votes
from teacher_export.options.data import DataConfig

_LARGEST = 4  # a rating's size


def load_demo_votes(config: DataConfig, smoothing: float) -> AnsweredTable:
    """Return the demo's rows, in the demo's splits; a row's label is the class that most raters chose.

    Of classes with equally many votes it is the one nearest the mean rating's, the lower of two.

    Args:
        config: how they are split.
        smoothing: votes added to a row (``logits_of``).

    Raises:
        DownloadError: the files could not be fetched.
        InputError: one was changed since.
    """
    reviews = load_demo_reviews()
    cuts = quintiles(reviews.ratings[reviews.classes >= 0])
    counts = np.zeros((len(reviews.texts), len(LABEL_NAMES)))
    for row, votes in enumerate(votes_of(reviews)):
        counts[row] = np.bincount(classes_between(cuts, np.array(votes)), minlength=len(LABEL_NAMES))
    labels = np.where(reviews.classes >= 0, most_voted(counts, reviews.classes), -1).astype(np.int16)
    source = LabelledRows(LABEL_NAMES, labels, labels >= 0, reviews.dropped)
    drawn = draw_all(config, source)
    answers, classes = Answers(), range(len(LABEL_NAMES))
    for votes in counts[drawn.rows]:
        answers.add((classes, votes))
    logits, changed, fingerprint = logits_of(answers, classes, "votes", smoothing)
    dataset = assemble(config, source, drawn, [reviews.texts[row] for row in drawn.rows.tolist()], logits)
    return AnsweredTable(dataset, ("votes",), fingerprint, changed, "votes", smoothing)


def votes_of(reviews: DemoReviews) -> list[list[int]]:
    """Return what each of a text's raters gave it, from -4 to 4, for every text.

    Raises:
        DownloadError: the files could not be fetched.
        InputError: one was changed since.
    """
    names = dict.fromkeys(name for name, _ in reviews.ids)
    folder = fetch_demo_votes([votes_file(name) for name in names])
    ratings = {(name, row): votes for name in names for row, votes in read_votes(folder / votes_file(name)).items()}
    missing = next((key for key in reviews.ids if key not in ratings), None)
    if missing is not None:
        raise InputError(f"{folder / votes_file(missing[0])}: expected the ratings of {missing[1]!r}, found none")
    return [ratings[key] for key in reviews.ids]


def votes_file(name: str) -> str:
    """Return the name of the file with the single ratings of a file of texts."""
    return name.replace("GroundTruth", "anonDataRatings")


def most_voted(counts: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the class with the most votes, int [n].

    Of several it is the one nearest to the row's own class, and the lower of two as near.

    Args:
        counts: votes, [n, classes].
        classes: int [n], the rows' own.
    """
    distance = np.abs(np.arange(counts.shape[1]) - classes[:, None])
    return np.asarray((counts * 2 * counts.shape[1] - distance).argmax(axis=1))


def read_votes(path: Path) -> dict[str, list[int]]:
    """Return the ratings of each id of a file.

    Raises:
        InputError: a line is not ``id TAB mean TAB deviation TAB [rating, …]``; the files are checked against their
            hashes, so this means that they were changed since.
    """
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row, _, _, votes = line.split("\t")
            found[row] = [_rating(vote) for vote in json.loads(votes)]
            if not found[row]:
                raise ValueError("no rating")
        except (ValueError, TypeError):
            raise InputError(
                f"{path}: line {number}: expected id, mean, deviation and a list of ratings between tabs, got "
                f"{line[:100]!r}"
            ) from None
    return found


def _rating(vote: object) -> int:
    if type(vote) is not int or abs(vote) > _LARGEST:
        raise ValueError(vote)
    return vote
