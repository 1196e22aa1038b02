"""``Predictor``: a trained student that takes raw texts; needs its run folder, neither torch nor the export folder."""

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer
from distill_jax.errors import InputError, MissingInputError
from distill_jax.inference.logits import EVAL_BATCH, start_logits
from distill_jax.inference.token_scores import TokenScores
from distill_jax.runs.checkpoints import load_params
from distill_jax.runs.config import student_of
from distill_jax.runs.folder import CHECKPOINTS, CONFIG, TOKENIZER, read_config
from distill_jax.students.student import Params, Student, to_device

_TEXTS_AT_ONCE = 4096
_STARTED_AT_ONCE = 2


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A student with its tokenizer and its classes' names.

    Attributes:
        label_names: the classes, in class order.
        student: the student.
        params: its parameters.
        tokenizer: the teacher's tokenizer.
        max_length: the tokens of a text that the student sees.
        scores: for the linear student, what each token says for each class.

    Example:
        >>> predictor = Predictor.load("runs/demo/cnn-distil")          # doctest: +SKIP
        >>> predictor.labels(["What a lovely film."])                   # doctest: +SKIP
        ['5 stars']
    """

    label_names: tuple[str, ...]
    student: Student
    params: Params
    tokenizer: FastTokenizer
    max_length: int
    scores: TokenScores | None = None

    @classmethod
    def load(cls, folder: str | Path) -> "Predictor":
        """Load a run folder's latest checkpoint.

        Raises:
            MissingInputError: no such folder, or a file is not in it.
            InputError: a file in it is damaged.
        """
        folder = Path(folder)
        if not (folder / CONFIG).is_file():
            raise MissingInputError(f"run folder {folder}: it has no {CONFIG}, so it holds no run")
        config = read_config(folder)
        student = Student(student_of(config, f"run configuration {folder / CONFIG}"))
        max_length = _max_length(config, folder)
        params = load_params(folder / CHECKPOINTS)
        _require_shapes(student, params, folder)
        return cls(
            label_names=tuple(config["export"]["label_names"]),
            student=student,
            params=params if student.config.is_linear else to_device(params),
            tokenizer=FastTokenizer(load_tokenizer(folder / TOKENIZER, max_length), max_length),
            max_length=max_length,
            scores=student.config.token_scores(params, max_length),
        )

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return logits, float32 [texts, classes]."""
        if not len(texts):
            return np.zeros((0, len(self.label_names)), np.float32)
        # Texts are tokenized while those before them are computed; what is started takes memory until it is done.
        started, done = deque[Callable[[], np.ndarray]](), []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            if len(started) == _STARTED_AT_ONCE:
                done.append(started.popleft()())
            started.append(self._start(texts[start : start + _TEXTS_AT_ONCE], _batch_size(len(texts))))
        return np.concatenate([*done, *(finish() for finish in started)])

    def _start(self, texts: Sequence[str], batch_size: int) -> Callable[[], np.ndarray]:
        rows = self.tokenizer.encode(texts)
        if self.scores is not None:
            logits = self.scores.logits(rows)
            return lambda: logits
        input_ids = rows.padded(self.max_length, self.student.config.pad_id)
        return start_logits(self.student, self.params, input_ids, batch_size, fixed_cuts=True)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Return probabilities, float64 [texts, classes], each row summing to 1."""
        logits = self.logits(texts).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def labels(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable class of each text."""
        return [self.label_names[index] for index in self.logits(texts).argmax(axis=1)]


def _max_length(config: dict[str, Any], folder: Path) -> int:
    value = config["export"].get("max_length")
    if not isinstance(value, int) or value < 1:
        raise InputError(
            f"run configuration {folder / CONFIG}: export: max_length: expected a number of tokens, got {value!r}"
        )
    return value


def _batch_size(texts: int) -> int:
    """Return rows a program takes: few sizes, so that few are compiled, and one text does not pay for hundreds."""
    return next(size for size in (1, 16, EVAL_BATCH) if texts <= size or size == EVAL_BATCH)


def _require_shapes(student: Student, params: Params, folder: Path) -> None:
    import jax

    expected = jax.tree_util.tree_leaves_with_path(student.shapes())
    found = dict(jax.tree_util.tree_leaves_with_path(params))
    for path, leaf in expected:
        name = jax.tree_util.keystr(path)
        got = found.get(path)
        if got is None or got.shape != leaf.shape:
            shape = None if got is None else list(got.shape)
            raise InputError(
                f"checkpoints {folder / CHECKPOINTS}: parameter {name}: expected {list(leaf.shape)} (config.json), "
                f"got {shape}; the folder's files belong to different runs"
            )
