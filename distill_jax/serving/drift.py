"""Are the texts still those that the student was made for? Recent texts against the statistics of its packed file.

The measure is the population stability index, Σ (p − q) ln (p / q) over bins: 0 = alike; from about 0.1 on one looks,
from 0.25 on one acts.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError, refusing
from distill_jax.inference.predictor import Predictor
from distill_jax.serving.shared_numbers import SharedNumbers

HALF_LIFE = 5_000  # texts of a worker after which one counts half
_NOTED_AT_ONCE = 256  # texts
COUNTERS = ("texts", "tokens", "unknown_tokens")


@dataclasses.dataclass(frozen=True)
class Reference:
    """What a packed file says of one statistic of its validation texts.

    Attributes:
        shares: of each bin, float64 [bins], all more than 0.
        edges: between the bins, ascending; None = the bins are classes.
    """

    shares: np.ndarray
    edges: np.ndarray | None = None

    @classmethod
    def of_quantiles(cls, quantiles: Mapping[str, float], rows: int) -> "Reference":
        """Return the bins between quantiles; those that are equal are one edge."""
        levels = np.array(list(map(float, quantiles)))
        values = np.array(list(map(float, quantiles.values())))
        if (np.diff(levels) <= 0).any() or (np.diff(values) < 0).any() or not np.isfinite(values).all():
            raise InputError("expected quantiles in ascending order")
        edges, first = np.unique(values, return_index=True)
        last = np.append(first[1:], len(values)) - 1
        middle = (levels[first] + levels[last]) / 2  # where several levels are one value, it has the mass between them
        return cls(_positive(np.diff(middle, prepend=0, append=1), rows), edges)

    @classmethod
    def of_shares(cls, shares: Any, rows: int, bins: int) -> "Reference":
        """Return the bins of so many classes."""
        found = np.array(shares, np.float64)
        if found.shape != (bins,) or not (found >= 0).all() or abs(found.sum() - 1) > 1e-6:
            raise InputError(f"expected {bins} shares that sum to 1, got {shares!r}")
        return cls(_positive(found, rows))

    def counts(self, values: np.ndarray) -> np.ndarray:
        """Return how many values are in each bin; one on an edge is half in each of the two."""
        if self.edges is None:
            return np.bincount(values, minlength=len(self.shares)).astype(np.float64)
        bins = len(self.shares)
        left, right = (np.searchsorted(self.edges, values, side=side) for side in ("left", "right"))
        return (np.bincount(left, minlength=bins) + np.bincount(right, minlength=bins)) / 2

    def index(self, counts: np.ndarray) -> float:
        """Return the population stability index of counts, [bins]; one row of the reference's is added to them."""
        live = (counts + self.shares) / (counts.sum() + 1)
        return float(((live - self.shares) * np.log(live / self.shares)).sum())


def _positive(shares: np.ndarray, rows: int) -> np.ndarray:
    """Return shares of rows with half a row added to each bin: one that no row is in is rare, not impossible."""
    return (shares * rows + 0.5) / (rows + 0.5 * len(shares))


def references(facts: Mapping[str, Any], classes: int) -> dict[str, Reference]:
    """Return the statistics that a packed file has of its validation texts: name → reference; {} = it has none.

    Args:
        facts: what the file says.
        classes: how many the student has.

    Raises:
        InputError: what it says is no such thing.
    """
    if "texts" not in facts:
        return {}
    with refusing(lambda reason: f"texts: expected statistics of validation texts, got something else ({reason})"):
        about = facts["texts"]
        rows = int(about["rows"])
        unknown = float(about["unknown_share"])
        found = {
            "tokens": Reference.of_quantiles(about["tokens"], rows),
            "unknown": Reference.of_shares([1 - unknown, unknown], rows, 2),
        }
        if "label_shares" in about:
            found["labels"] = Reference.of_shares(about["label_shares"], rows, classes)
            found["confidence"] = Reference.of_quantiles(about["confidence"], rows)
        return found


class Drift:
    """Notes the texts of one student, and compares them.

    Attributes:
        references: what it compares them with.

    Args:
        name: the student's, in the names of its blocks.
        predictor: the student.
        facts: what its file says.
    """

    def __init__(self, name: str, predictor: Predictor, facts: Mapping[str, Any]) -> None:
        self._name, self._predictor = name, predictor
        self.references = references(facts, len(predictor.label_names))
        self._noted: list[tuple[Ragged, np.ndarray]] = []
        self._waiting = 0
        self._numbers: SharedNumbers | None = None

    def blocks(self) -> dict[str, int]:
        """Return the blocks of shared numbers that it needs."""
        own = {"counters": len(COUNTERS), "labels": len(self._predictor.label_names), "recent": 1}
        own |= {f"recent {statistic}": len(found.shares) for statistic, found in self.references.items()}
        return {f"{self._name} {block}": count for block, count in own.items()}

    def write_to(self, numbers: SharedNumbers) -> None:
        """Name the shared numbers, which have its blocks."""
        self._numbers = numbers

    def note(self, tokens: Ragged, logits: np.ndarray) -> None:
        """Note answered texts; they are counted together with others, or when ``flush`` is called."""
        self._noted.append((tokens, logits))
        self._waiting += len(tokens)
        if self._waiting >= _NOTED_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Count what was noted."""
        noted, self._noted, self._waiting = self._noted, [], 0
        if not noted or self._numbers is None:
            return
        tokens = Ragged.concatenate([part for part, _ in noted])
        logits = np.concatenate([part for _, part in noted])
        unknown_id = self._predictor.tokenizer.unknown_id
        unknown = 0 if unknown_id is None else int(np.count_nonzero(tokens.ids == unknown_id))
        self._mine("counters")[:] += (len(tokens), len(tokens.ids), unknown)
        counts = {"unknown": np.array([len(tokens.ids) - unknown, unknown], np.float64)}
        if "tokens" in self.references:
            counts["tokens"] = self.references["tokens"].counts(tokens.lengths)
        if self._predictor.task.has_classes:
            probabilities = self._predictor.task.probabilities(logits)
            labels = probabilities.argmax(axis=1)
            self._mine("labels")[:] += np.bincount(labels, minlength=probabilities.shape[1])
            counts["labels"] = np.bincount(labels, minlength=probabilities.shape[1]).astype(np.float64)
            if "confidence" in self.references:
                counts["confidence"] = self.references["confidence"].counts(probabilities.max(axis=1))
        keep = 0.5 ** (len(tokens) / HALF_LIFE)
        self._decay("recent", np.array([len(tokens)]), keep)
        for statistic in self.references:
            self._decay(f"recent {statistic}", counts[statistic], keep)

    def _decay(self, block: str, new: np.ndarray, keep: float) -> None:
        block_ = self._mine(block)
        block_[:] = block_ * keep + new

    def _mine(self, block: str) -> np.ndarray:
        assert self._numbers is not None
        return self._numbers.mine(f"{self._name} {block}")

    def total(self, block: str) -> np.ndarray:
        """Return the sums of a block over all workers: ``counters``, ``labels``, or ``recent``, the texts compared."""
        assert self._numbers is not None
        return self._numbers.total(f"{self._name} {block}")

    def index(self, statistic: str) -> float:
        """Return the population stability index of recent texts, of all workers."""
        return self.references[statistic].index(self.total(f"recent {statistic}"))
