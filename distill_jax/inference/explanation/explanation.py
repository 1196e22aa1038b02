"""The explanation of one answer: each word's part of each class's logit."""

import dataclasses
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from distill_jax.data.pieces import Pieces
from distill_jax.inference.explanation.features import Features
from distill_jax.tasks.task import Task

Method = Literal["features", "leave-one-out"]
DIGITS = 6


@dataclasses.dataclass(frozen=True)
class Part:
    """What a stretch of the text adds to the logits.

    Attributes:
        text: its characters; empty for what is of none, such as a special token.
        start: where they begin in the text.
        stop: where they end.
        parts: float64 [classes].
    """

    text: str
    start: int
    stop: int
    parts: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """Why a text got its answer: its logits, as a sum over what the student read.

    Attributes:
        text: the text.
        label_names: the classes, in class order.
        task: what the student answers.
        method: ``features`` where the parts are those that the network adds up, n-grams or windows;
            ``leave-one-out`` where each is what the logits lose without a word.
        pieces: the text as the student reads it; ``pieces.is_cut`` says whether it goes on, unread.
        features: what the logits are the sum of, by places among the pieces.
    """

    text: str
    label_names: tuple[str, ...]
    task: Task
    method: Method
    pieces: Pieces
    features: Features

    @cached_property
    def _shared(self) -> tuple[np.ndarray, np.ndarray]:
        return self.features.by_token(self.pieces.words >= 0)

    @property
    def parts(self) -> np.ndarray:
        """Each piece's part of each logit, float64 [pieces, classes]; with the remainder they sum to the logits."""
        return self._shared[0]

    @property
    def remainder(self) -> np.ndarray:
        """What is of no piece, float64 [classes]: the bias; and with ``leave-one-out`` what words say together."""
        return self._shared[1]

    @property
    def logits(self) -> np.ndarray:
        """The logits, float64 [classes]."""
        return np.asarray(self.parts.sum(axis=0) + self.remainder)

    @property
    def answer(self) -> Any:
        """What ``predict`` says of the text."""
        return self.task.named(self.task.answers(self.logits[None]), self.label_names)[0]

    @property
    def is_cut(self) -> bool:
        """Whether the student reads no more than a part of the text."""
        return self.pieces.is_cut

    @cached_property
    def words(self) -> tuple[Part, ...]:
        """The words of the text that the student reads, in their order."""
        extents = self.pieces.word_extents
        parts = np.zeros((len(extents), len(self.label_names)))
        within = self.pieces.words >= 0
        np.add.at(parts, self.pieces.words[within], self.parts[within])
        return self._stretches(extents, parts)

    @cached_property
    def stretches(self) -> tuple[Part, ...]:
        """The features: tokens and n-grams, windows, or words, each with all of its part."""
        return self._stretches(np.stack([self.features.starts, self.features.stops], axis=1), self.features.parts)

    def _stretches(self, extents: np.ndarray, parts: np.ndarray) -> tuple[Part, ...]:
        places = [self.pieces.span_of(first, stop) for first, stop in extents.tolist()]
        return tuple(
            Part(self.text[start:stop], start, stop, part) for (start, stop), part in zip(places, parts, strict=True)
        )

    def evidence(self, label: int | None = None) -> np.ndarray:
        """Return how much each word speaks for a label, float64 [words], in the logits' unit.

        Of classes it is what a word adds to the class's log-odds, the others counting as they are probable.

        Args:
            label: its place among ``label_names``; None = the answer's first, or the most probable where it has none.
        """
        if label is None:
            label = next(iter(self.task.answered(self.logits)), int(self.logits.argmax()))
        weights = self.task.evidence(self.logits, label)
        return np.array([word.parts @ weights for word in self.words], np.float64)

    def why(self, label: int | None = None) -> list[tuple[str, float]]:
        """Return the words with how much each speaks for a label (``evidence``), the highest first."""
        found = self.evidence(label)
        return [(self.words[place].text, float(found[place])) for place in np.argsort(-found, kind="stable")]

    def why_json(self) -> Any:
        """Return ``why`` of the answer as JSON values; of several labels an object, with a list for each."""
        if isinstance(self.answer, tuple):
            return {self.label_names[label]: _rounded(self.why(label)) for label in self.task.answered(self.logits)}
        return _rounded(self.why())

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values, numbers with six digits behind the point; the text itself is left out."""
        line = self.task.json_lines(self.label_names, ensure_ascii=False).format(self.logits[None])
        return {
            **json.loads(line),
            "why": self.why_json(),
            "method": self.method,
            "is_cut": self.is_cut,
            "logits": self._named(self.logits),
            "remainder": self._named(self.remainder),
            "words": self._json(self.words),
            "pieces": [
                {"token": token, "start": span[0], "stop": span[1], "parts": self._named(parts)}
                for token, span, parts in zip(self.pieces.tokens, self.pieces.spans.tolist(), self.parts, strict=True)
            ],
            "features": self._json(self.stretches),
        }

    def _json(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        return [
            {"text": part.text, "start": part.start, "stop": part.stop, "parts": self._named(part.parts)}
            for part in parts
        ]

    def _named(self, numbers: np.ndarray) -> dict[str, float]:
        return {name: round(number, DIGITS) for name, number in zip(self.label_names, numbers.tolist(), strict=True)}


def _rounded(words: Sequence[tuple[str, float]]) -> list[list[Any]]:
    return [[word, round(part, DIGITS)] for word, part in words]
