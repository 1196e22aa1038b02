"""A table's columns, known by their names, as Python's libraries give them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from distill_jax.errors import InputError, refusing


def column_names(table: Any) -> Any:
    """Return the names by which a table gives its columns; None for what has none, as an array.

    Args:
        table: a data frame (pandas, polars), a table of pyarrow, a structured array, or anything else.
    """
    names = getattr(getattr(table, "dtype", None), "names", None)  # of a structured array
    for attribute in ("column_names", "columns"):  # pyarrow's, whose other ones are the columns; pandas' and polars'
        names = getattr(table, attribute, None) if names is None else names
    return names


def named_columns(table: Any, wanted: Sequence[Any], what: str) -> list[np.ndarray] | None:
    """Return a table's columns in the order of their names; None for an array, or where pandas only numbers them.

    Args:
        table: as for ``column_names``.
        wanted: the names in order; ``1`` and ``"1"`` are one name.
        what: what the table is, for messages.

    Raises:
        InputError: its columns are others, or it gives none by its name.
    """
    given = column_names(table)
    if given is None:
        return None
    names, expected = [str(name) for name in given], [str(name) for name in wanted]
    if sorted(names) == sorted(expected):
        with refusing(lambda reason: f"{what}: expected a table of numbers, got {type(table).__name__} ({reason})"):
            return [np.asarray(table[given[names.index(name)]]) for name in expected]
    if isinstance(given, pd.RangeIndex):
        return None
    raise InputError(
        f"{what}: expected a column for each of the classes {expected}, got the columns {names}; an array's columns "
        "are taken in the classes' order"
    )
