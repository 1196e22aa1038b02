"""A data set whose rows have a teacher's answers."""

import dataclasses

from teacher_export.data.dataset import Dataset
from teacher_export.data.output_logits import OutputCounts
from teacher_export.options.table_teacher import OutputKind


@dataclasses.dataclass(frozen=True)
class AnsweredTable:
    """A data set whose rows have a teacher's answers.

    Attributes:
        dataset: its splits have ``teacher_logits``.
        columns: the column of each class, in their order; or the one column of all.
        fingerprint: SHA-256 over the answers of the rows kept, as they came.
        counts: in how many of these rows the answers were changed.
        kind: what the answers are.
        smoothing: the votes added to a row; 0 where the answers are no votes.
    """

    dataset: Dataset
    columns: tuple[str, ...]
    fingerprint: str
    counts: OutputCounts
    kind: OutputKind
    smoothing: float
