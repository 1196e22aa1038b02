"""``Predictor``: a trained student that takes raw texts, wherever it was read from (``distill_jax.formats``)."""

import copy
import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError
from distill_jax.extras import are_installed, require_packages
from distill_jax.inference.network import Network
from distill_jax.inference.text_input import text_chunks
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import Params, flat_params, nested_params
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    from distill_jax.inference.explanation.explainer import Explainer
    from distill_jax.inference.explanation.explanation import Explanation, Method

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
    it was. It can be pickled and copied, and so given to a process started by spawn. In a forked process what NumPy
    computes predicts; what JAX computes refuses to where the parent has used JAX.

    Attributes:
        label_names: the classes, in class order.
        config: the student.
        network: what computes its logits.
        tokenizer: the teacher's tokenizer.
        max_length: the tokens of a text that the student sees.
        params: its parameters, NumPy arrays, to write and to convert; None = there are no others than the network's.
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
    network: Network
    tokenizer: FastTokenizer
    max_length: int
    params: Params | None = None
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
        """Return the predictor of a student with these parameters."""
        params = nested_params({name: np.asarray(array) for name, array in flat_params(params).items()})
        network = _network(config, params, max_length)
        return cls(label_names, config, network, tokenizer, max_length, params, origin, decided)

    def __reduce__(self) -> tuple[Callable[..., "Predictor"], tuple[Any, ...]]:
        """Return how to make it anew, on the device that is then the default."""
        about = (self.tokenizer, self.max_length)
        if self.params is None:
            made_of = (self.label_names, self.config, self.network, *about, None, self.origin, self.decided)
            return Predictor, made_of
        return Predictor.of, (self.label_names, self.config, self.params, *about, self.origin, self.decided)

    def weights(self) -> Params:
        """Return the parameters, to write and to convert.

        Raises:
            InputError: it was packed, and has none but its network's.
        """
        if self.params is None:
            raise InputError("student: it was packed, and its weights are rounded; name the run that it comes from")
        return self.params

    @property
    def task(self) -> Task:
        """What it answers."""
        return self.config.labelling if self.decided is None else self.decided

    def anew(self) -> "Predictor":
        """Return the same student with a tokenizer that has met no words yet."""
        return dataclasses.replace(self, tokenizer=copy.copy(self.tokenizer))

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
        return self.network.start(self.tokenizer.encode(texts), batch_size)

    def encode(self, texts: list[str]) -> Ragged:
        """Return the texts' token ids, as the student sees them."""
        return self.tokenizer.encode(texts)

    def logits_of(self, tokens: Ragged) -> np.ndarray:
        """Return the logits, float32 [texts, classes], of texts that were encoded (``encode``).

        Raises:
            InputError: a logit is not finite.
        """
        logits = self.network.start(tokens, _batch_size(len(tokens)))()
        _require_finite(logits)
        return logits

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

    def explain(self, texts: Iterable[str], method: "Method | None" = None) -> "list[Explanation]":
        """Return why each text gets its answer: what each of its words adds to each class's logit.

        Args:
            texts: as for ``logits``.
            method: ``features``, what the network adds up: of a linear student exactly its tokens and n-grams, of a CNN
                the windows that its filters took; ``leave-one-out``, what the logits lose without each word, for any
                student; None = the first where there is such a sum, else the second.

        Raises:
            InputError: there is no such sum, or as for ``logits``.

        Example:
            >>> import distill_jax as dj
            >>> model = dj.load("runs/demo/fasttext-distil")
            >>> (explanation,) = model.explain(["What a lovely film."])
            >>> sorted(word for word, _ in explanation.why())
            ['.', 'What', 'a', 'film', 'lovely']
        """
        return list(self.explainer.explain(texts, method))

    @cached_property
    def explainer(self) -> "Explainer":
        """What explains its answers, one after the other, in NumPy where the student has such a network."""
        from distill_jax.inference.explanation.explainer import Explainer

        numpy_s = None if self.params is None else self.config.numpy_network(self.params, self.max_length)
        return Explainer(self.label_names, self.task, self.network if numpy_s is None else numpy_s, self.tokenizer)

    def labels(self, texts: Iterable[str]) -> list[Any]:
        """Return what ``predict`` does as a list: version 0.1's name for it."""
        return self.predict(texts).tolist()

    def probabilities(self, texts: Iterable[str]) -> np.ndarray:
        """Return what ``predict_proba`` does: version 0.1's name for it."""
        return self.predict_proba(texts)


def _network(config: StudentConfig, params: Params, max_length: int) -> Network:
    """Return NumPy's network of a bag of n-grams, for which a compiled program would do nothing faster; else JAX's.

    Where there is no JAX, NumPy's serves every student that has one.
    """
    numpy_s = config.numpy_network(params, max_length)
    if numpy_s is not None and (config.predicts_in_numpy or not are_installed("jax", "flax")):
        return numpy_s
    require_packages("jax", "flax", what=f"student {config.name}")
    from distill_jax.inference.jax_network import JaxNetwork

    return JaxNetwork(config, params, max_length)


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
