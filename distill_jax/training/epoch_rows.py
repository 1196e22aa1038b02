"""Which rows an epoch takes: all training rows, and of the transfer set a part, another one each time."""

import dataclasses

import numpy as np

from distill_jax.config import TrainConfig
from distill_jax.data.examples import Examples
from distill_jax.data.stored_examples import StoredExamples


@dataclasses.dataclass(frozen=True)
class EpochRows:
    """The rows of each epoch of a training.

    A transfer set may be many times as large as the training split. Spread over the epochs, every epoch stays short
    enough to be evaluated and saved after, and the labelled texts are met in each.

    Attributes:
        fixed: how many rows every epoch takes, the first ones.
        others: how many stand behind them.
        part: how many of those an epoch takes.
        seed: decides which.
    """

    fixed: int
    others: int
    part: int
    seed: int

    @classmethod
    def of(cls, train: Examples | StoredExamples, config: TrainConfig) -> "EpochRows":
        """Return the rows of a training's epochs."""
        others, passes = train.transfer_rows, config.transfer_passes
        whole = not passes or passes >= config.epochs
        part = others if whole else -(-others * passes // config.epochs)
        return cls(len(train) - others, others, part, config.seed)

    def __len__(self) -> int:
        """Return how many rows an epoch has."""
        return self.fixed + self.part

    @property
    def is_whole(self) -> bool:
        """Whether every epoch takes all rows."""
        return self.part == self.others

    def rows(self, epoch: int) -> np.ndarray:
        """Return an epoch's rows, int64 [len(self)].

        The transfer set is gone through in a random order, each epoch from where the last one stopped, and then again
        in another order.
        """
        if self.is_whole:
            return np.arange(len(self))
        places = epoch * self.part + np.arange(self.part)
        passes = places // self.others
        taken = [self._order(number)[places[passes == number] % self.others] for number in np.unique(passes).tolist()]
        return np.concatenate([np.arange(self.fixed), *(self.fixed + part for part in taken)])

    def _order(self, number: int) -> np.ndarray:
        """Return the order of the transfer set's rows in a pass."""
        return np.random.default_rng([self.seed, number, self.others]).permutation(self.others)
