"""The smallest packed student within a loss, or the best one within a size."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from distill_jax.errors import InputError
from distill_jax.inference.predictor import Predictor
from distill_jax.packed.student import PackedStudent, whole_student
from distill_jax.packed.vocabulary import without_unused
from distill_jax.packing.loss import Judge
from distill_jax.packing.shrinker import Shrinker
from distill_jax.packing.usage import Usage


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A packed student of one level.

    Attributes:
        level: its level; 0 is the largest.
        student: the student.
        bytes: the size of its file, but for what is said of it there.
        logits: what it says of each split's rows; empty where there are none to judge by.
    """

    level: int
    student: PackedStudent
    bytes: int
    logits: Mapping[str, np.ndarray]


@dataclasses.dataclass
class Candidates:
    """A student's levels, each made once."""

    whole: PackedStudent
    shrinker: Shrinker
    cut_tokenizer: str
    judge: Judge | None
    on_candidate: Callable[[Candidate, float | None], None] = lambda _candidate, _points: None

    def __post_init__(self) -> None:
        self._made: dict[int, Candidate] = {}

    @classmethod
    def of(cls, predictor: Predictor, usage: Usage, judge: Judge | None) -> "Candidates":
        """Prepare a student's levels.

        Raises:
            InputError: a student of its kind cannot be packed.
        """
        whole, kind = whole_student(predictor), predictor.config.shrinker()
        if kind is None:
            raise InputError(f"student {predictor.config.name}: with these options it cannot be packed")
        tokenizer = without_unused(whole.tokenizer, usage.tokens > 0)
        return cls(whole, kind.of(predictor.config, predictor.weights(), usage), tokenizer, judge)

    def at(self, level: int) -> Candidate:
        """Return a level's student, with its answers."""
        if level not in self._made:
            shrunk = self.shrinker.at(level)
            tokenizer = self.whole.tokenizer if level < self.shrinker.levels_of_all_words else self.cut_tokenizer
            student = dataclasses.replace(self.whole, config=shrunk.config, arrays=shrunk.arrays, tokenizer=tokenizer)
            logits = {} if self.judge is None else self.judge.answers_of(student)
            self._made[level] = candidate = Candidate(level, student, len(student.to_bytes()), logits)
            self.on_candidate(candidate, self.points(level))
        return self._made[level]

    def points(self, level: int) -> float | None:
        """Return what a level loses, in hundredths of the first metric; None where nothing judges."""
        return None if self.judge is None else self.judge.points(self.at(level).logits)

    def largest_within(self, most_bytes: int) -> Candidate:
        """Return the largest student of at most so many bytes.

        Raises:
            InputError: the smallest one is larger.
        """
        smallest = self.at(self.shrinker.levels - 1)
        if smallest.bytes > most_bytes:
            raise InputError(f"--max-bytes {most_bytes}: the smallest packed student has {smallest.bytes:,} bytes")
        return self.at(_first(self.shrinker.levels, lambda level: self.at(level).bytes <= most_bytes))

    def smallest_within(self, most_points: float) -> Candidate:
        """Return the smallest student of those up to the first that loses more."""
        worse = _first(self.shrinker.levels, lambda level: (self.points(level) or 0.0) > most_points)
        return self.at(max(0, worse - 1))


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """Return the first number below ``count`` for which something holds that holds from there on, by halving."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
