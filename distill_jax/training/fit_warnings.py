"""What a finished training's history says against it."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# Where guessing the most frequent class is right as often this rarely, the training has learnt something.
_SIGNIFICANCE = 1e-3


def is_at_chance(history: "pd.DataFrame", labels: np.ndarray) -> bool:
    """Whether a training stopped before it learnt anything.

    That is where the last epoch's training accuracy is not above the most frequent class's share, by a one-sided
    binomial test, while the training loss still falls.

    Args:
        history: a row an epoch.
        labels: the classes of the rows trained on, int [n]; −1 = unlabelled, which does not count.
    """
    from scipy.special import bdtrc  # a tenth of a second that the first steps do not wait for

    known = labels[labels >= 0]
    losses = history["train_loss"].to_numpy(float)
    if not len(known) or len(losses) < 2 or not losses[-1] < losses[-2]:
        return False
    share = np.bincount(known).max() / len(known)
    correct = round(float(history["train_acc"].iloc[-1]) * len(known))
    return bool(share < 1 and bdtrc(correct - 1, len(known), share) >= _SIGNIFICANCE)
