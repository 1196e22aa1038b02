"""What any reader can reach where labels are what people's ratings say: people disagree.

A text's label is the class of its raters' mean rating (or, as a second reading, the class that most of them chose).
Other raters would have given some texts another label, and nobody can know which raters came. Two numbers lie on either
side of what a perfect reader reaches:

* **Halves**: the raters of a text are divided in two by chance, and each half gives a label by itself. How often they
  agree is the accuracy of a reader who knows one half, on the labels of the other. Both labels are less sure than one
  of all raters, so that a perfect reader of labels of all raters reaches more.
* **Known raters**: panels of as many raters are drawn with replacement from a text's own, and the reader names the
  label that most panels give. It knows the very ratings that the panels are drawn from, so that no reader of the text
  is expected to reach more.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from teacher_export.data.demo import LABEL_NAMES, classes_between, quintiles
from teacher_export.data.demo_votes import most_voted

SPLITS, PANELS = 100, 200
_NOBODY = -128  # fills up the rows of texts that fewer people rated


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """Of each text, and each of the two labels, the share of draws in which the reader is right: float64 [2, n]."""

    halves: np.ndarray
    known: np.ndarray
    raters: tuple[int, int, int]
    """The fewest, the median and the most raters of a text."""


LABELS = ("mean rating", "majority")


def measure_ceiling(votes: list[list[int]], cuts: np.ndarray, seed: int = 0) -> Ceiling:
    """Measure what a reader can reach.

    Args:
        votes: the ratings of each text, at least two.
        cuts: the ascending ratings between the classes.
        seed: draws splits and panels.
    """
    rng = np.random.default_rng(seed)
    counts = np.array([len(each) for each in votes])
    table = np.full((len(votes), counts.max()), _NOBODY, np.int16)
    for row, each in enumerate(votes):
        table[row, : len(each)] = each
    halves = np.mean([one == other for one, other in _halves(table, counts, cuts, rng)], axis=0)
    tally = np.zeros((len(LABELS), len(votes), len(cuts) + 1))
    for labels in _panels(table, counts, cuts, rng):
        for place, each in enumerate(labels):
            tally[place, np.arange(len(votes)), each] += 1
    return Ceiling(halves, tally.max(axis=2) / PANELS, (int(counts.min()), int(np.median(counts)), int(counts.max())))


def class_cuts(ratings: np.ndarray) -> np.ndarray:
    """Return the ratings between a data set's classes."""
    return quintiles(ratings)


def _halves(
    table: np.ndarray, counts: np.ndarray, cuts: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the labels of two halves of each text's raters, of odd ones without one rater: int [2, n] each."""
    size = counts // 2
    places = np.arange(table.shape[1])
    for _ in range(SPLITS):
        order = np.argsort(np.where(places < counts[:, None], rng.random(table.shape), 2), axis=1)
        shuffled = np.take_along_axis(table, order, axis=1)
        first, second = places < size[:, None], (places >= size[:, None]) & (places < 2 * size[:, None])
        yield _labels(shuffled, first, cuts), _labels(shuffled, second, cuts)


def _panels(table: np.ndarray, counts: np.ndarray, cuts: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the labels of as many raters of each text, drawn with replacement: int [2, n]."""
    there = np.arange(table.shape[1]) < counts[:, None]
    for _ in range(PANELS):
        drawn = (rng.random(table.shape) * counts[:, None]).astype(np.int64)
        yield _labels(np.take_along_axis(table, drawn, axis=1), there, cuts)


def _labels(ratings: np.ndarray, there: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return the class of the mean and the class that most chose, int [2, n], of the ratings that are there."""
    by_mean = classes_between(cuts, (ratings * there).sum(axis=1) / there.sum(axis=1))
    chosen = classes_between(cuts, ratings)
    votes = np.stack([((chosen == class_) & there).sum(axis=1) for class_ in range(len(LABEL_NAMES))], axis=1)
    return np.stack([by_mean, most_voted(votes, by_mean)])
