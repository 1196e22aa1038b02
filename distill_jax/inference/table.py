"""A table of vectors, one for each id, of which those that say something may be kept alone."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of numbers by id.

    Attributes:
        values: float32 [rows, width]; where ids have places, the last row is the zeros of the ids that are not kept.
        places: int32 [ids], each id's row; None = an id is its row.
    """

    values: np.ndarray
    places: np.ndarray | None = None

    @classmethod
    def of(cls, table: "np.ndarray | Table") -> "Table":
        """Return an array of a row an id as a table; a table as it is."""
        return table if isinstance(table, Table) else cls(np.asarray(table))

    @classmethod
    def kept(cls, values: np.ndarray, kept: np.ndarray) -> "Table":
        """Return the table of some ids.

        Args:
            values: float32 [rows, width], in the ids' order.
            kept: bool [ids], which they are.
        """
        places = np.full(len(kept), len(values), np.int32)
        places[kept] = np.arange(len(values), dtype=np.int32)
        return cls(np.concatenate([values, np.zeros((1, values.shape[1]), values.dtype)]), places)

    @property
    def ids(self) -> int:
        """How many ids there are."""
        return len(self.values if self.places is None else self.places)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Return the rows' numbers of ids."""
        return ids if self.places is None else self.places[ids]
