"""The seam of what computes a student's logits: NumPy's networks, or JAX's programs."""

import abc
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.inference.explanation.features import Features


class Network(abc.ABC):
    """A trained student without its tokenizer: from rows of tokens to logits. Threads may share one.

    Attributes:
        uses_all_processors: whether it computes on all of them by itself, so that further processes gain nothing.
    """

    uses_all_processors: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def device(self) -> str:
        """What it computes on, such as ``cpu``."""

    @abc.abstractmethod
    def start(self, tokens: Ragged, batch_size: int) -> Callable[[], np.ndarray]:
        """Start to compute the rows' logits, and return the function that waits for them, float32 [rows, classes].

        Args:
            tokens: rows of token ids, special ones included, none longer than the student sees.
            batch_size: the rows that a compiled program takes; others ask for nothing of the kind.
        """

    def features(self, row: Ragged) -> Features | None:
        """Return what a row's logits are the sum of; None where they are no sum over stretches of tokens.

        Args:
            row: one row of token ids, as for ``start``, the features' sum being the logits that it gives.
        """
        del row
        return None


class NumpyNetwork(Network):
    """A network that NumPy computes, at once, on the processor."""

    @property
    def device(self) -> str:
        """The processor."""
        return "cpu"

    def start(self, tokens: Ragged, batch_size: int) -> Callable[[], np.ndarray]:
        """Compute the logits at once, whatever the batch of a program would be."""
        del batch_size
        logits = self.logits(tokens)
        return lambda: logits

    @abc.abstractmethod
    def logits(self, tokens: Ragged) -> np.ndarray:
        """Return the rows' logits, float32 [rows, classes]."""
