"""Whether a teacher's classes stand in another order than was taken for them: a test of significance."""

from collections.abc import Sequence

import numpy as np

# Of so many exports of teachers whose order is right, one is warned of at most.
_SIGNIFICANT = 0.001
# An order put right must also make a teacher of use; that is no second doubt of the first answer.
_USEFUL = 0.05


def wrong_order(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray | None:
    """Return the class order that fits the labels better than the one taken, where that is beyond chance.

    Any small table of labels and predictions gains by exchanging columns, so the order is chosen on one half of the
    rows and tested on the other: against the order taken, and against always answering the most frequent class.

    Args:
        labels: int [n], 0 … classes-1.
        predictions: int [n], the teacher's.
        classes: how many there are.

    Returns:
        int [classes]: at ``i`` the class that is now predicted where ``i`` is right; or None.
    """
    first, second = np.array_split(np.random.default_rng(0).permutation(len(labels)), 2)
    chosen = _better_order(labels[first], predictions[first], classes)
    if (chosen == np.arange(classes)).all():
        return None
    frequent = np.bincount(labels[first], minlength=classes).argmax()
    labels, predictions = labels[second], predictions[second]
    right = chosen[labels] == predictions
    better = _p_value(right, predictions == labels) < _SIGNIFICANT and _p_value(right, labels == frequent) < _USEFUL
    return chosen if better else None


def _better_order(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Return the order of most right answers that exchanges no class without a majority for it.

    A class that is hardly ever predicted could stand for any other at no loss: a teacher that ignores classes has no
    order to be put right. So a ring of exchanged classes counts where each is mostly predicted as its new one.
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    _, best = linear_sum_assignment(-counts)
    rows = np.arange(classes)
    found = counts[rows, best]
    is_main = (found > 0) & (found == counts.max(axis=1))
    order = rows.copy()
    for ring in _rings(best):
        if is_main[ring].all():
            order[ring] = best[ring]
    return order


def _rings(permutation: np.ndarray) -> list[list[int]]:
    """Return a permutation's cycles."""
    rings: list[list[int]] = []
    left = set(range(len(permutation)))
    while left:
        ring = [min(left)]
        while (following := int(permutation[ring[-1]])) != ring[0]:
            ring.append(following)
        left.difference_update(ring)
        rings.append(ring)
    return rings


def _p_value(right: np.ndarray, other: np.ndarray) -> float:
    """Return the chance to be right on so many more rows than another without being better (McNemar, one-sided)."""
    from scipy.stats import binomtest

    gained, lost = int((right & ~other).sum()), int((other & ~right).sum())
    return float(binomtest(gained, gained + lost, alternative="greater").pvalue) if gained else 1.0


def order_sentence(order: np.ndarray, labels: np.ndarray, predictions: np.ndarray, names: Sequence[str]) -> str:
    """Return the warning for an order that ``wrong_order`` found, with the accuracy before and after."""
    before, after = (predictions == labels).mean(), (order[labels] == predictions).mean()
    pairs = ", ".join(
        f"{names[taken]!r} looks like {names[class_]!r}" for class_, taken in enumerate(order) if taken != class_
    )
    return (
        f"WARNING: the teacher's test accuracy is {before:.3f}, but {after:.3f} if its classes stood in another order: "
        f"the label order is probably wrong. What is now taken for {pairs}; give the right order with --label-map and "
        "another --output"
    )
