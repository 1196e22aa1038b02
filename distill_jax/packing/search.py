"""The smallest packed student within a loss, or the best one within a size."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property

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
        judge: compares its answers; None = there is nothing to compare with.
    """

    level: int
    student: PackedStudent
    judge: Judge | None

    @cached_property
    def logits(self) -> Mapping[str, np.ndarray]:
        """What it says of each split's rows; empty where there are none to judge by."""
        return {} if self.judge is None else self.judge.answers_of(self.student)

    @cached_property
    def bytes(self) -> int:
        """The size of its file, but for what is said of it there."""
        return len(self.student.to_bytes())


@dataclasses.dataclass(frozen=True)
class Candidates:
    """A student's levels.

    Attributes:
        whole: the student as it is.
        shrinker: makes it smaller.
        cut_tokenizer: the tokenizer without the words that no training text has.
        judge: compares answers; None = there is nothing to compare with.
        on_level: is told of each level that is judged, and of what it loses.
    """

    whole: PackedStudent
    shrinker: Shrinker
    cut_tokenizer: str
    judge: Judge | None
    on_level: Callable[[int, float], None] = lambda _level, _points: None

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        usage: Usage,
        judge: Judge | None,
        on_level: Callable[[int, float], None] = lambda _level, _points: None,
    ) -> "Candidates":
        """Prepare a student's levels.

        Raises:
            InputError: a student of its kind cannot be packed.
        """
        whole, kind = whole_student(predictor), predictor.config.shrinker()
        if kind is None:
            raise InputError(f"student {predictor.config.name}: with these options it cannot be packed")
        tokenizer = without_unused(whole.tokenizer, usage.tokens > 0)
        return cls(whole, kind.of(predictor.config, predictor.weights(), usage), tokenizer, judge, on_level)

    def at(self, level: int) -> Candidate:
        """Return a level's student."""
        shrunk = self.shrinker.at(level)
        tokenizer = self.whole.tokenizer if level < self.shrinker.levels_of_all_words else self.cut_tokenizer
        student = dataclasses.replace(self.whole, config=shrunk.config, arrays=shrunk.arrays, tokenizer=tokenizer)
        return Candidate(level, student, self.judge)

    @cached_property
    def points(self) -> list[float]:
        """What each level loses, in hundredths of the first metric; it grows from level to level, or stays.

        What is lost between two levels is less than chance adds on some hundred rows. So the losses are the ascending
        ones nearest to those found (isotonic regression), in which chance is averaged out.
        """
        from sklearn.isotonic import isotonic_regression

        assert self.judge is not None
        found = []
        for level in range(self.shrinker.levels):
            found.append(self.judge.points(self.at(level).logits))
            self.on_level(level, found[-1])
        return [float(points) for points in isotonic_regression(np.array(found))]

    def largest_within(self, most_bytes: int) -> Candidate:
        """Return the largest student of at most so many bytes; the smallest one where each has more."""
        low, high = 0, self.shrinker.levels - 1
        while low < high:  # sizes descend
            middle = (low + high) // 2
            low, high = (low, middle) if self.at(middle).bytes <= most_bytes else (middle + 1, high)
        return self.at(low)

    def smallest_within(self, most_points: float) -> Candidate:
        """Return the smallest student that loses no more; the largest one where each does."""
        return self.at(max(0, int(np.searchsorted(self.points, most_points, side="right")) - 1))
