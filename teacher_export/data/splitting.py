"""Which row is in which split: what the rows say themselves; or a cut, of whole groups, or of each class alike."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from distill_jax.errors import InputError
from teacher_export.data.sampling import draw_rows, train_rows, validation_rows
from teacher_export.data.side_columns import SPLITS, TEST, TRAIN, VALIDATION, SideColumns
from teacher_export.data.streaming import LabelledRows
from teacher_export.options.data import DataConfig

Places = np.ndarray | slice


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The rows that are kept, and where they go.

    Attributes:
        rows: int64 [n], their numbers.
        splits: by a split's name the places in ``rows`` of those that it has, in their order: int64 [m], or, where
            they are neighbours, a slice, which takes no memory.
        weights: float32 [n], what they weigh in training, where a column says so.
    """

    rows: np.ndarray
    splits: dict[str, Places]
    weights: np.ndarray | None = None


def draw(
    config: DataConfig, source: LabelledRows, side: SideColumns, choose: Callable[[LabelledRows], np.ndarray]
) -> Drawn:
    """Draw the rows to keep and split them.

    Rows that say themselves that they test or validate are all kept, in the files' order. The others are drawn.

    Args:
        config: how.
        source: what is known of all rows.
        side: their own splits, groups and weights.
        choose: returns, shuffled, the rows to keep of those that are usable.

    Raises:
        InputError: a split would be empty.
    """
    own = _own_splits(config, source.rows_per_file, side)
    drawn = _cut_all(config, source, side, choose) if own is None else _around(config, source, own, choose)
    if config.weight_column is None:
        return drawn
    return dataclasses.replace(drawn, weights=np.frombuffer(side.weights, np.float32)[drawn.rows])


def _cut_all(
    config: DataConfig, source: LabelledRows, side: SideColumns, choose: Callable[[LabelledRows], np.ndarray]
) -> Drawn:
    groups = None if config.group_column is None else np.frombuffer(side.groups, np.int64)
    return _cut(config, source, choose(source), groups)


def _around(
    config: DataConfig, source: LabelledRows, own: np.ndarray, choose: Callable[[LabelledRows], np.ndarray]
) -> Drawn:
    """Draw from the rows that train; those of a split of their own come behind."""
    theirs = {name: source.usable & (own == SPLITS.index(name)) for name in SPLITS}
    blocks = {name: np.flatnonzero(theirs[name]) for name in (TEST, VALIDATION) if _is_asked_for(config, own, name)}
    for name in (TRAIN, *blocks):
        if not theirs[name].any():
            raise InputError(f"the {name} split: expected rows that have a text and a label, got none")
    training = np.where(theirs[TRAIN], source.classes, -1)
    chosen = choose(dataclasses.replace(source, classes=training, usable=theirs[TRAIN]))
    drawn = _cut(config, source, chosen, None, there=tuple(blocks))
    rows, splits = drawn.rows, dict(drawn.splits)
    for name, block in blocks.items():
        splits[name] = slice(len(rows), len(rows) + len(block))
        rows = np.concatenate([rows, block])
    return Drawn(rows, {name: splits[name] for name in SPLITS if name in splits})


def in_drawn_order(read: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return what a reading of drawn rows gave in the files' order, [n, …], in the order in which they were drawn."""
    return np.asarray(read[np.searchsorted(np.sort(rows), rows)])


def draw_all(config: DataConfig, source: LabelledRows) -> Drawn:
    """Keep all usable rows, shuffled, and split them."""
    return _cut(config, source, draw_rows(source.usable, max_rows=0, seed=config.seed), None)


def _own_splits(config: DataConfig, rows_per_file: Sequence[int], side: SideColumns) -> np.ndarray | None:
    """Return each row's place in ``SPLITS``, int8 [rows], as its column or its file says; None where nothing does."""
    if config.split_column is not None:
        return np.frombuffer(side.splits, np.int8)
    if not config.test_data and not config.validation_data:
        return None
    files = {TRAIN: config.data, VALIDATION: config.validation_data, TEST: config.test_data}  # in the order of all
    places = [SPLITS.index(name) for name, paths in files.items() for _ in paths]
    return np.repeat(np.array(places, np.int8), rows_per_file)


def _is_asked_for(config: DataConfig, own: np.ndarray, name: str) -> bool:
    """Whether a split's rows are its own: a file of them was named; or a column, which always has rows that test."""
    if config.split_column is not None:
        return name == TEST or bool((own == SPLITS.index(name)).any())
    return bool({TEST: config.test_data, VALIDATION: config.validation_data}[name])


def _cut(
    config: DataConfig,
    source: LabelledRows,
    rows: np.ndarray,
    groups: np.ndarray | None,
    *,
    there: Sequence[str] = (),
) -> Drawn:
    """Split rows that were drawn.

    Args:
        config: how.
        source: what is known of all rows.
        rows: the numbers of those drawn.
        groups: int64 [all rows], a number for each group, where groups stay together.
        there: the splits that have rows of their own, and get none of these.
    """
    train = len(rows) if TEST in there else train_rows(len(rows), config.train_fraction)
    kept = train - (0 if VALIDATION in there else validation_rows(train, config.validation_fraction))
    order = None
    if groups is not None:
        order, bounds = _by_group(groups[rows])
        train, kept = _nearest(bounds, train), _nearest(bounds, kept)
        if not 0 < train < len(rows) or kept == 0 or (kept == train) != (config.validation_fraction == 0):
            raise InputError(
                f"--group-column {config.group_column}: expected groups enough for every split, got "
                f"{len(bounds) - 1:,}, of which one split has none; give another column, fraction or more rows"
            )
    elif config.stratify:
        order = _by_share(source.classes[rows])
    # Off the end of the training rows, so that the other rows of each split keep their places.
    found = {TRAIN: slice(0, kept), TEST: slice(train, len(rows)), VALIDATION: slice(kept, train)}
    blocks = {name: block for name, block in found.items() if block.start < block.stop}
    if order is None:
        return Drawn(rows, dict(blocks))
    return Drawn(rows, {name: np.sort(order[block]) for name, block in blocks.items()})


def _by_group(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of rows, group by group as they first come, and where among these each begins and all end."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    places = np.argsort(first[group], kind="stable")
    return places, np.concatenate([[0], np.flatnonzero(np.diff(groups[places])) + 1, [len(groups)]])


def _by_share(classes: np.ndarray) -> np.ndarray:
    """Return the places of rows in an order of which every beginning has the same share of each class, to a row.

    Row k of the n of a class comes at (k + 1/2) / n.
    """
    _, class_, counts = np.unique(classes, return_inverse=True, return_counts=True)
    by_class = np.argsort(class_, kind="stable")
    within = np.arange(len(classes)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = np.empty(len(classes))
    share[by_class] = (within + 0.5) / np.repeat(counts, counts)
    return np.argsort(share, kind="stable")


def _nearest(bounds: np.ndarray, place: int) -> int:
    return int(bounds[np.abs(bounds - place).argmin()])
