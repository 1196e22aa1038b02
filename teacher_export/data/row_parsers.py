"""What a row of each kind of data set means: its text and its class, or the reason to leave it out."""

from collections.abc import Mapping
from typing import Protocol

from distill_jax.errors import InputError
from distill_jax.tables.rows import Row, RowError
from distill_jax.tables.text_columns import TextColumns
from teacher_export.data.labels import PANDAS_MISSING, LabelColumn
from teacher_export.options.data import DataConfig

MISSING_LABEL = "missing label"
NO_BAD_CODES: Mapping[int, RowError] = {}
_NOTEBOOK_COLUMNS = ("star_rating", "review_body", "review_id", "review_headline")
STAR_NAMES = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")


class RowParser(Protocol):
    """How the rows of a data set are read.

    Attributes:
        columns: the columns that ``label`` and ``text`` want in a row's values.
        keeps_unlabelled: whether rows whose class is -1 are kept.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns wanted."""

    @property
    def keeps_unlabelled(self) -> bool:
        """Whether rows without a label are kept."""

    @property
    def bad_codes(self) -> Mapping[int, RowError]:
        """The codes of rows that are left out as bad ones, once the classes are known, and the first one's error."""

    def label(self, row: Row) -> int | str:
        """Return the row's preliminary code, or the reason why the row is left out.

        Raises:
            RowError: the row cannot be read; nothing of it was taken in.
        """

    def skip(self) -> None:
        """Take in a row that is left out unread."""

    def text(self, row: Row) -> str:
        """Return the text of a row that is kept."""

    def classes(self) -> tuple[tuple[str, ...], list[int]]:
        """Return the classes' names and each code's class (-1 = unlabelled), once all rows have been seen."""


class AmazonRows:
    """The Amazon customer reviews' TSV: the text is ``review_body``; a row with a missing column is left out.

    Args:
        is_the_notebook_s: whether the columns are all that the notebook read, or those alone that are used.
    """

    keeps_unlabelled = False
    bad_codes = NO_BAD_CODES

    def __init__(self, *, is_the_notebook_s: bool) -> None:
        self.columns = _NOTEBOOK_COLUMNS if is_the_notebook_s else _NOTEBOOK_COLUMNS[:2]

    def label(self, row: Row) -> int | str:
        """Return ``star_rating`` - 1.

        Raises:
            InputError: the rating is not a whole number from 1 to 5.
        """
        for name, value in zip(self.columns, row.cells, strict=True):
            if not value or value in PANDAS_MISSING:
                return f"missing {name}"
        rating = row.cells[0].strip()
        if rating.removesuffix(".0") not in {"1", "2", "3", "4", "5"}:
            raise RowError(f"{row.where}: star_rating: expected a whole number from 1 to 5, got {rating[:60]!r}")
        return "blank review_body" if row.cells[1].isspace() else int(rating[0]) - 1

    def skip(self) -> None:
        """Take in a row that is left out unread."""

    def text(self, row: Row) -> str:
        """Return ``review_body`` as it stands, ``<br />`` and all."""
        return str(row.cells[1])

    def classes(self) -> tuple[tuple[str, ...], list[int]]:
        """Return the five star ratings; a code is its class."""
        return STAR_NAMES, list(range(len(STAR_NAMES)))


def require_no_text(label_column: str | None, text_columns: tuple[str, ...]) -> None:
    """Raise ``InputError`` where the label's column is a text's too."""
    if label_column in text_columns:
        raise InputError(f"--label-column {label_column}: it is a --text-column too; the label would be in the text")


def label_column_of(config: DataConfig) -> LabelColumn:
    """Return the label's column as the options describe it."""
    assert config.label_column is not None  # ExportConfig sees to it
    return LabelColumn(
        config.label_column, config.keep_labels, skips=config.skips_bad_rows, declared=config.class_names
    )


class TableRows:
    """Any table: a label column and text columns; a row without a label or a text is left out."""

    keeps_unlabelled = False

    def __init__(self, text_columns: tuple[str, ...], labels: LabelColumn) -> None:
        require_no_text(labels.column, text_columns)
        self.columns = (labels.column, *text_columns)
        self._labels, self._texts = labels, TextColumns(text_columns, 1)

    def label(self, row: Row) -> int | str:
        """Return the label's code, or why the row is left out.

        Raises:
            InputError: a text or the label is of a kind that cannot be used.
        """
        missing = self._texts.why_missing(row)
        code = self._labels.code(row)
        return MISSING_LABEL if code is None else missing or code

    def skip(self) -> None:
        """Take in a row that is left out unread."""

    @property
    def bad_codes(self) -> Mapping[int, RowError]:
        """The codes of labels that turned out to be none."""
        return self._labels.bad_codes

    def text(self, row: Row) -> str:
        """Return the text columns joined."""
        return self._texts.text(row)

    def classes(self) -> tuple[tuple[str, ...], list[int]]:
        """Return the label column's distinct values in order, and each code's class."""
        return self._labels.classes()
