"""A table's columns as Python's libraries name them."""

from typing import Any


def column_names(table: Any) -> Any:
    """Return the names by which a table gives its columns; None for what has none, as an array.

    Args:
        table: a data frame (pandas, polars), a table of pyarrow, a structured array, or anything else.
    """
    names = getattr(getattr(table, "dtype", None), "names", None)  # of a structured array
    for attribute in ("column_names", "columns"):  # pyarrow's, whose other ones are the columns; pandas' and polars'
        names = getattr(table, attribute, None) if names is None else names
    return names
