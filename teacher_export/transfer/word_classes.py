"""Parts of speech learnt from the texts alone, in any language: words that stand in like places form a class.

A word's vector is the distribution of its left and of its right neighbours over the most frequent words, and its
ending; reduced to its principal directions and clustered by k-means (Schütze 1995, Distributional part-of-speech
tagging; the ending as in Clark 2003). No dictionary, no tagger: a class is a cluster, it has no name, and a word
has one class wherever it stands. Determiners, verb forms, adjectives and the like come out; rare words are noisy.
"""

import bisect
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from teacher_export.transfer.words import split_words

MIN_COUNT = 3
"""Words seen less often have no class: their neighbours say too little."""
MAX_WORDS = 20_000
MAX_CLASSES = 64  # somewhat above the Penn Treebank's 45 tags, for a cluster often splits one
_WORDS_PER_CLASS = 8
_CONTEXT_WORDS = 250
_ENDINGS = 100
_ENDING_LETTERS = (2, 3)
_ENDING_WEIGHT = 0.5
_DIMENSIONS = 50
_ITERATIONS = 25


class WordClasses:
    """Classes of words, to draw another word of the same class from.

    Args:
        words: the classified words, without case.
        counts: how often each occurs.
        classes: int [words], each word's class.
    """

    def __init__(self, words: Sequence[str], counts: Sequence[int], classes: np.ndarray) -> None:
        self._class_of = dict(zip(words, classes.tolist(), strict=True))
        self._members: list[list[str]] = [[] for _ in range(int(classes.max(initial=-1)) + 1)]
        weights: list[list[int]] = [[] for _ in self._members]
        for word, count, class_ in zip(words, counts, classes.tolist(), strict=True):
            self._members[class_].append(word)
            weights[class_].append(count)
        self._cumulative = [list(itertools.accumulate(group)) for group in weights]

    def members(self) -> list[list[str]]:
        """Return each class's words, most frequent first."""
        return [list(group) for group in self._members]

    def replacement(self, word: str, draw: random.Random) -> str:
        """Return a word of the same class, drawn by how often it occurs (it may be the word itself).

        It is written in capitals where ``word`` is; a word without a class is returned as it is.
        """
        class_ = self._class_of.get(word.casefold())
        if class_ is None:
            return word
        cumulative = self._cumulative[class_]
        other = self._members[class_][bisect.bisect_right(cumulative, draw.random() * cumulative[-1])]
        if word.isupper() and len(word) > 1:
            return other.upper()
        return other.capitalize() if word[0].isupper() else other


def learn_word_classes(texts: Iterable[str], seed: int) -> WordClasses:
    """Return classes of the words that occur often enough; the same texts and seed give the same classes."""
    sentences = [[word.casefold() for word in split_words(text)[1::2]] for text in texts]
    tally = Counter(word for words in sentences for word in words)
    # Ties by the word itself, so that the order of the texts does not decide.
    frequent = sorted((-count, word) for word, count in tally.items() if count >= MIN_COUNT)[:MAX_WORDS]
    words, counts = [word for _, word in frequent], [-count for count, _ in frequent]
    if not words:
        return WordClasses((), (), np.zeros(0, np.int64))
    vectors = _reduce(np.hstack([_context_vectors(sentences, words), _ending_vectors(words)]))
    classes = min(MAX_CLASSES, max(1, len(words) // _WORDS_PER_CLASS))
    return WordClasses(words, counts, _kmeans(vectors, np.sqrt(counts), classes, np.random.default_rng(seed)))


def _context_vectors(sentences: Sequence[Sequence[str]], words: Sequence[str]) -> np.ndarray:
    """Return the square roots of the shares of each word's left and right neighbours, float32 [words, 2·contexts]."""
    contexts = min(_CONTEXT_WORDS, len(words))
    width = contexts + 2  # a rarer word, and the text's edge
    ids = {word: index for index, word in enumerate(words)}
    rare, edge = len(words), len(words) + 1
    flat = [edge]
    for sentence in sentences:
        flat.extend(ids.get(word, rare) for word in sentence)
        flat.append(edge)
    stream = np.array(flat, np.int64)
    context = np.where(stream == edge, contexts + 1, np.minimum(stream, contexts))
    halves = []
    for centre, neighbour in ((stream[1:], context[:-1]), (stream[:-1], context[1:])):
        known = centre < len(words)
        places = centre[known] * width + neighbour[known]
        table = np.bincount(places, minlength=len(words) * width).reshape(len(words), width)
        halves.append(np.sqrt(table / table.sum(axis=1, keepdims=True)).astype(np.float32))
    return np.hstack(halves)


def _ending_vectors(words: Sequence[str]) -> np.ndarray:
    """Return which of the most common endings each word has, float32 [words, endings]."""
    endings = [{word[-letters:] for letters in _ENDING_LETTERS if len(word) > letters + 1} for word in words]
    tally = Counter(ending for group in endings for ending in group)
    common = [ending for _, ending in sorted((-count, ending) for ending, count in tally.items())[:_ENDINGS]]
    columns = {ending: column for column, ending in enumerate(common)}
    table = np.zeros((len(words), len(common)), np.float32)
    for row, group in enumerate(endings):
        for ending in group & columns.keys():
            table[row, columns[ending]] = _ENDING_WEIGHT
    return table


def _reduce(vectors: np.ndarray) -> np.ndarray:
    """Project centred vectors onto their principal directions."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return centred @ directions[:, ::-1][:, :_DIMENSIONS]


def _kmeans(vectors: np.ndarray, weights: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Return each vector's cluster, int64 [n]: Lloyd's iterations from k-means++ centres."""
    centres = vectors[[rng.choice(len(vectors), p=weights / weights.sum())]]
    nearest = ((vectors - centres[0]) ** 2).sum(axis=1)
    while len(centres) < classes and (nearest * weights).sum() > 0:
        chance = nearest * weights
        centre = vectors[rng.choice(len(vectors), p=chance / chance.sum())]
        centres = np.vstack([centres, centre])
        nearest = np.minimum(nearest, ((vectors - centre) ** 2).sum(axis=1))
    assigned = np.zeros(len(vectors), np.int64)
    for _ in range(_ITERATIONS):
        assigned = ((centres**2).sum(axis=1) - 2 * vectors @ centres.T).argmin(axis=1)
        for cluster in range(len(centres)):
            members = assigned == cluster
            if members.any():
                centres[cluster] = np.average(vectors[members], axis=0, weights=weights[members])
    return assigned
