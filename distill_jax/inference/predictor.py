"""``Predictor``: a trained student that takes raw texts, wherever it was read from (``distill_jax.formats``)."""

import copy
import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError
from distill_jax.inference.text_input import text_chunks
from distill_jax.inference.token_scores import TokenScores
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import Params, flat_params, nested_params
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    from distill_jax.students.student import Student

_TEXTS_AT_ONCE = 4096
_STARTED_AT_ONCE = 2
_ROWS = (1, 16, 256)  # what a program takes: few sizes, so that few are compiled


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a student comes from, which predicting does not ask.

    Attributes:
        train: how it was trained, as a run's ``config.json`` says it.
        export: what it was trained on, likewise.
    """

    train: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    export: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A student with its tokenizer and its classes' names.

    Threads may share one (a server's, or those of asyncio's ``run_in_executor``), and an interrupted call leaves it as
    it was. It can be pickled and copied, and so given to a process started by spawn. In a forked process the linear
    student predicts; the others, for which JAX computes, refuse to where their parent has used JAX.

    Attributes:
        label_names: the classes, in class order.
        config: the student.
        params: its parameters.
        tokenizer: the teacher's tokenizer.
        max_length: the tokens of a text that the student sees.
        scores: for the linear student, what each token says for each class.
        origin: where it comes from.
        decided: the task with what was fitted to decide its answers; None = nothing was.

    Example:
        >>> import distill_jax as dj
        >>> model = dj.load("runs/demo/fasttext-distil")
        >>> model.predict_proba(["What a lovely film."]).shape == (1, len(model.classes_))
        True
    """

    label_names: tuple[str, ...]
    config: StudentConfig
    params: Params
    tokenizer: FastTokenizer
    max_length: int
    scores: TokenScores | None = None
    origin: Origin = Origin()
    decided: Task | None = None

    @classmethod
    def load(cls, path: str | Path, *, module: "Callable[..., Any] | None" = None) -> "Predictor":
        """Load a trained student: ``distill_jax.load``, by version 0.1's name for it."""
        import distill_jax

        return distill_jax.load(path, module=module)

    @classmethod
    def of(
        cls,
        label_names: tuple[str, ...],
        config: StudentConfig,
        params: Params,
        tokenizer: FastTokenizer,
        max_length: int,
        origin: Origin = Origin(),
        decided: Task | None = None,
    ) -> "Predictor":
        """Return the predictor of a student with these parameters, NumPy arrays."""
        scores = config.token_scores(params, max_length)
        if scores is None:
            from distill_jax.students.student import to_device

            params = to_device(params)
        return cls(label_names, config, params, tokenizer, max_length, scores, origin, decided)

    def __reduce__(self) -> tuple[Callable[..., "Predictor"], tuple[Any, ...]]:
        """Return how to make it anew, on the device that is then the default."""
        params = nested_params({name: np.asarray(array) for name, array in flat_params(self.params).items()})
        made_of = (self.label_names, self.config, params, self.tokenizer, self.max_length, self.origin, self.decided)
        return Predictor.of, made_of

    @property
    def task(self) -> Task:
        """What it answers."""
        return self.config.labelling if self.decided is None else self.decided

    def anew(self) -> "Predictor":
        """Return the same student with a tokenizer that has met no words yet."""
        return dataclasses.replace(self, tokenizer=copy.copy(self.tokenizer))

    @cached_property
    def student(self) -> "Student":
        """The student as functions of its parameters."""
        from distill_jax.students.student import Student

        return Student(self.config)

    def logits(self, texts: Iterable[str]) -> np.ndarray:
        """Return logits, float32 [texts, classes].

        Args:
            texts: a list, a tuple, an array, a Series (in its order, whatever its index), a generator, ….

        Raises:
            InputError: this is no row of texts, or one of them is none (``text_chunks``); or a logit is not finite.
        """
        # Texts are tokenized while those before them are computed; what is started takes memory until it is done.
        started, done, batch_size = deque[Callable[[], np.ndarray]](), list[np.ndarray](), 0
        for chunk in text_chunks(texts, _TEXTS_AT_ONCE):
            if len(started) == _STARTED_AT_ONCE:
                done.append(started.popleft()())
            batch_size = batch_size or _batch_size(len(chunk))
            started.append(self._start(chunk, batch_size))
        done += [finish() for finish in started]
        if not done:
            return np.zeros((0, len(self.label_names)), np.float32)
        logits = np.concatenate(done)
        _require_finite(logits)
        return logits

    def _start(self, texts: list[str], batch_size: int) -> Callable[[], np.ndarray]:
        tokens = self.tokenizer.encode(texts)
        if self.scores is not None:
            logits = self.scores.logits(tokens)
            return lambda: logits
        from distill_jax.inference.logits import start_logits

        return start_logits(self.student, self.params, tokens, self.max_length, batch_size, fixed_cuts=True)

    @property
    def classes_(self) -> np.ndarray:
        """The classes' names, in class order, as scikit-learn calls them."""
        return np.array(self.label_names, object)

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Return probabilities, float64 [texts, classes]; ``texts`` as for ``logits``.

        Each row sums to 1 where a text has one class; of labels, each has its own.

        Raises:
            InputError: the student gives scores; or as for ``logits``.
        """
        return self.task.probabilities(self.logits(texts))

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """Return each text's answer, [texts]; ``texts`` as for ``logits``.

        That is the name of the most probable class; of labels a tuple of names; a score as a number.
        """
        return self.task.named(self.task.answers(self.logits(texts)), self.label_names)

    def labels(self, texts: Iterable[str]) -> list[Any]:
        """Return what ``predict`` does as a list: version 0.1's name for it."""
        return self.predict(texts).tolist()

    def probabilities(self, texts: Iterable[str]) -> np.ndarray:
        """Return what ``predict_proba`` does: version 0.1's name for it."""
        return self.predict_proba(texts)


def _require_finite(logits: np.ndarray) -> None:
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise InputError(
            f"student: its logits are not finite for {(~finite).sum():,} of {len(finite):,} texts, so its training has "
            "diverged; train it again, with a lower learning rate"
        )


def _batch_size(texts: int) -> int:
    """Return rows a program takes, so that one text does not pay for hundreds."""
    return next(size for size in _ROWS if texts <= size or size == _ROWS[-1])
