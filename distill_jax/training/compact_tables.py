"""A student and its tables over the ids that occur, and back over all of them.

Rows of a table that no text uses have no gradient and never move, so training without them is exact.
"""

import jax
import numpy as np

from distill_jax.data.compaction import Compaction
from distill_jax.students.params import Params
from distill_jax.students.student import Student


class CompactTables:
    """From a student over the whole vocabulary to the one that is trained.

    Attributes:
        compaction: which ids occur.
        student: the student over them alone.
    """

    def __init__(self, student: Student, params: Params, seen: list[np.ndarray]) -> None:
        """Look at the ids of all inputs that the student will be trained and evaluated on.

        Args:
            student: the student over the whole vocabulary.
            params: its parameters; the rows that do not occur are taken from them again at the end.
            seen: the ids of what ``StudentConfig.inputs`` gave for each split.

        Raises:
            InputError: an id lies outside the vocabulary.
        """
        # A student that names no table keeps every id in its place.
        if not student.config.tables:
            seen = [*seen, np.arange(student.config.ids)]
        self.compaction = Compaction.of(seen, student.config.ids, student.config.pad_id)
        tokens = self.compaction.tokens
        self.student = Student(student.config.compacted(tokens, self.compaction.pad_id))
        self._kept = {name: tokens[tokens < rows] for name, rows in student.config.tables.items()}
        self._whole = {name: np.asarray(params[name]) for name in student.config.tables}

    def compact(self, params: Params) -> Params:
        """Return parameters over the ids that occur."""
        return {**params, **{name: np.asarray(params[name])[rows] for name, rows in self._kept.items()}}

    def whole(self, params: Params) -> Params:
        """Return parameters over the whole vocabulary, as NumPy arrays."""
        params = jax.tree.map(np.asarray, params)
        tables = {name: table.copy() for name, table in self._whole.items()}
        for name, table in tables.items():
            table[self._kept[name]] = params[name]
        return {**params, **tables}
