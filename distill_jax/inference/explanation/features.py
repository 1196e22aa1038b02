"""What a student's logits are the sum of: features, each of a stretch of tokens."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from distill_jax.data.ragged import Ragged, spans

if TYPE_CHECKING:
    from distill_jax.inference.network import Network
    from distill_jax.tasks.task import Task

_ROWS_AT_ONCE, _BATCH = 512, 16


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of one row of tokens; their parts and the remainder sum to its logits.

    Attributes:
        starts: int [features], the first token of each.
        stops: int [features], one more than its last token; as ``starts`` where it is of no token (of padding alone).
        parts: float64 [features, classes], what each adds to each logit.
        remainder: float64 [classes], what is of no feature: the bias.
    """

    starts: np.ndarray
    stops: np.ndarray
    parts: np.ndarray
    remainder: np.ndarray

    def of_task(self, task: "Task") -> "Features":
        """Return the features of logits, where these are of what a network computes (``Task.outputs``, affine)."""
        parts = task.outputs(self.parts) - task.outputs(np.zeros_like(self.parts))
        return dataclasses.replace(self, parts=parts, remainder=task.outputs(self.remainder))

    def by_token(self, preferred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each token's part, float64 [tokens, classes], and what is left over, [classes].

        A feature is shared equally among its tokens, or among the preferred ones where it has such.

        Args:
            preferred: bool [tokens].
        """
        counts = self.stops - self.starts
        places, of_feature = spans(self.starts, counts), np.repeat(np.arange(len(counts)), counts)
        weights = preferred[places].astype(np.float64)
        totals = np.bincount(of_feature, weights, len(counts))
        weights[totals[of_feature] == 0] = 1
        totals = np.where(totals == 0, counts, totals)
        parts = np.zeros((len(preferred), self.parts.shape[1]))
        np.add.at(parts, places, self.parts[of_feature] * (weights / totals[of_feature])[:, None])
        return parts, self.remainder + self.parts[counts == 0].sum(axis=0)


def left_out(network: "Network", row: Ragged, words: np.ndarray) -> Features:
    """Return, for any network, what a row's logits lose without each of its words, all computed together.

    The remainder is what no word alone makes: the logits of none, and what words say together.

    Args:
        network: the student's.
        row: one row of token ids.
        words: int [words, 2], the first token of each, and one more than its last.
    """
    whole = _logits(network, row)[0]
    parts = np.empty((len(words), len(whole)))
    for start in range(0, len(words), _ROWS_AT_ONCE):
        some = words[start : start + _ROWS_AT_ONCE]
        place = np.arange(len(row.ids))
        kept = (place < some[:, :1]) | (place >= some[:, 1:])
        shorter = Ragged(np.broadcast_to(row.ids, kept.shape)[kept], kept.sum(axis=1))
        parts[start : start + len(some)] = whole - _logits(network, shorter)
    return Features(words[:, 0], words[:, 1], parts, whole - parts.sum(axis=0))


def _logits(network: "Network", rows: Ragged) -> np.ndarray:
    return network.start(rows, _BATCH)().astype(np.float64)
