"""Which rows are kept, and in what order: the notebook's balancing, sampling and shuffling, by row number alone."""

from collections.abc import Sequence

import numpy as np

from distill_jax.console import warn
from distill_jax.errors import InputError

MIN_CLASS_ROWS = 2


def select_rows(
    classes: np.ndarray, label_names: Sequence[str], *, max_rows: int, balance: bool, seed: int
) -> np.ndarray:
    """Return the row numbers to keep, shuffled.

    With balancing, ``n = min(max_rows // classes, smallest class)`` rows of each class are drawn, class by class, as
    ``pandas.Series.sample(n, random_state=seed)`` draws them; without, ``max_rows`` rows of all. Then all of them are
    shuffled by ``sample(frac=1, random_state=seed)``. This is what the notebook's pandas code does to a data frame.

    Args:
        classes: int [rows], each row's class; -1 = not to be used.
        label_names: the classes' names.
        max_rows: how many rows to keep at most; 0 = no limit.
        balance: whether to keep equally many of each class.
        seed: decides the draw and the order.

    Returns:
        int64 [kept].

    Raises:
        InputError: fewer than two classes, or a class with fewer than two rows.
    """
    import pandas as pd

    if len(label_names) < 2:
        raise InputError(f"expected at least two classes, got {len(label_names)} ({', '.join(label_names) or 'none'})")
    counts = np.bincount(classes[classes >= 0], minlength=len(label_names))
    _require_rows(counts, label_names, "in the data")
    if balance:
        count = int(counts.min()) if max_rows == 0 else min(max_rows // len(label_names), int(counts.min()))
        if count < MIN_CLASS_ROWS:
            raise InputError(
                f"--max-rows {max_rows}: expected at least {MIN_CLASS_ROWS * len(label_names)}, so that each of the "
                f"{len(label_names)} classes has {MIN_CLASS_ROWS} rows"
            )
        _warn_of_rare_class(counts, label_names, count)
        drawn = [
            pd.Series(np.flatnonzero(classes == class_)).sample(n=count, random_state=seed)
            for class_ in range(len(label_names))
        ]
        return pd.concat(drawn).sample(frac=1, random_state=seed).to_numpy(dtype=np.int64)
    rows = draw_rows(classes >= 0, max_rows=max_rows, seed=seed)
    counts = np.bincount(classes[rows], minlength=len(label_names))
    _require_rows(counts, label_names, f"among the {len(rows):,} rows sampled (--max-rows)")
    return rows


def _warn_of_rare_class(counts: np.ndarray, label_names: Sequence[str], kept: int) -> None:
    """Warn where balancing leaves out most rows; it is the rarest class that decides, unless fewer rows are wanted."""
    rarest, rows = int(counts.argmin()), int(counts.sum())
    if kept == counts[rarest] and 2 * kept * len(counts) < rows:
        warn(
            f"warning: --balance keeps {kept * len(counts):,} of {rows:,} rows, because the class "
            f"{label_names[rarest]!r} has {kept:,}; leave --balance out, or give more rows of that class"
        )


def draw_rows(usable: np.ndarray, *, max_rows: int, seed: int) -> np.ndarray:
    """Return the numbers of ``max_rows`` of the usable rows (0 = all), shuffled, int64 [kept], whatever their class.

    They are drawn as ``pandas.Series.sample`` draws, but in place: eight bytes a row are held.
    """
    kept = np.flatnonzero(usable)
    if 0 < max_rows < len(kept):
        np.random.RandomState(seed).shuffle(kept)
        kept = kept[:max_rows].copy()
    np.random.RandomState(seed).shuffle(kept)
    return kept


def _require_rows(counts: np.ndarray, label_names: Sequence[str], where: str) -> None:
    for name, count in zip(label_names, counts.tolist(), strict=True):
        if count < MIN_CLASS_ROWS:
            raise InputError(
                f"class {name!r}: expected at least {MIN_CLASS_ROWS} usable rows {where}, got {count}; "
                "add rows of it, or leave it out of the data"
            )


def train_rows(rows: int, train_fraction: float) -> int:
    """Return how many of the first rows train; the rest is the test split.

    Raises:
        InputError: one of the splits would be empty.
    """
    count = int(rows * train_fraction)
    if not 0 < count < rows:
        split = "train" if count == 0 else "test"
        raise InputError(
            f"--train-fraction {train_fraction:g}: of {rows} rows it leaves the {split} split empty; "
            "give another fraction or more rows"
        )
    return count


def validation_rows(train: int, fraction: float) -> int:
    """Return how many of the last training rows validate instead.

    Args:
        train: the training rows.
        fraction: the share of them; 0 = none.

    Raises:
        InputError: one of the two splits would be empty.
    """
    if fraction == 0:
        return 0
    count = int(train * fraction)
    if not 0 < count < train:
        split = "validation" if count == 0 else "train"
        raise InputError(
            f"--validation-fraction {fraction:g}: of {train} training rows it leaves the {split} split empty; "
            "give another fraction or more rows"
        )
    return count
