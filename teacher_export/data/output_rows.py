"""A table with a teacher's answers in it: read, drawn and split like any other, each row with its logits."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill_jax.console import say
from distill_jax.errors import InputError
from distill_jax.tables.formats import format_of
from distill_jax.tables.reading import column_names
from distill_jax.tables.rows import Row, RowError, ignore, refuse
from distill_jax.tables.sources import require_data_file
from distill_jax.tables.text_columns import TextColumns
from teacher_export.data.answered_table import AnsweredTable
from teacher_export.data.dataset import assemble, open_files
from teacher_export.data.labels import answered_classes, in_order
from teacher_export.data.output_logits import logits_of
from teacher_export.data.outputs import Answers, OutputColumns, OutputObjects
from teacher_export.data.row_parsers import label_column_of, require_no_text
from teacher_export.data.sampling import MIN_CLASS_ROWS, draw_rows, select_rows
from teacher_export.data.side_columns import SideColumns
from teacher_export.data.splitting import draw, in_drawn_order
from teacher_export.data.streaming import LabelledRows, read_labels, read_texts
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig

NO_OUTPUT = "missing teacher output"


class AnsweredRows:
    """A table's rows with a teacher's answers: what ``RowParser`` says, a label being no must.

    The first reading finds the classes, the second keeps the answers of the rows that were drawn.
    """

    keeps_unlabelled = True

    def __init__(self, config: DataConfig, asked: TableTeacherConfig) -> None:
        require_no_text(config.label_column, config.text_column)
        labels = () if config.label_column is None else (config.label_column,)
        columns, names = output_columns_of(config, asked)
        twice = [name for name in columns if name in (*config.text_column, *labels)]
        if twice:
            raise InputError(f"--teacher-outputs {twice[0]}: it is the text's or the label's column too; name another")
        if len(set(columns)) < len(columns):
            raise InputError(
                f"--teacher-outputs: expected a column for each class, got one twice: {', '.join(columns)}"
            )
        self._labels = label_column_of(config) if labels else None
        self._texts = TextColumns(config.text_column, len(labels))
        self._first = len(labels) + len(config.text_column)
        self.columns = (*labels, *config.text_column, *columns)
        kind = asked.outputs_are
        self._reader = OutputColumns(columns, names, kind) if names else OutputObjects(columns[0], kind)
        self._needs_all = kind == "logits"
        self._declared = config.class_names
        self._label_names: tuple[str, ...] = ()
        self.answers = Answers()

    def label(self, row: Row) -> int | str:
        """Return the label's code + 1, 0 where there is none, or why the row is left out.

        Raises:
            InputError: a text, the label or the answer is of a kind that cannot be used.
        """
        missing = self._texts.why_missing(row)
        name = None if self._labels is None else self._labels.name(row)
        answer = self._reader.answer(row, row.cells[self._first :])
        # Last, when nothing of the row can be refused any more.
        code = None if self._labels is None else self._labels.code_of(name, row)
        if answer is None:
            return missing or NO_OUTPUT
        return missing or (0 if code is None else code + 1)

    def skip(self) -> None:
        """Take in a row that is left out unread."""

    @property
    def bad_codes(self) -> dict[int, RowError]:
        """The codes of rows that are left out because of their label, once the classes are known."""
        return {} if self._labels is None else {code + 1: error for code, error in self._labels.bad_codes.items()}

    def text(self, row: Row) -> str:
        """Return the row's text, and keep its answer.

        Raises:
            InputError: a logit is missing, which nothing can stand in for.
        """
        answer = self._reader.answer(row, row.cells[self._first :])
        assert answer is not None  # or the row was left out
        if self._needs_all and len(answer[0]) < len(self._label_names):
            known = {self._names_of_codes[code] for code in answer[0]}
            lacking = next(name for name in self._label_names if name not in known)
            raise InputError(
                f"{row.where}: --teacher-outputs: expected a logit of every class, got none of {lacking!r}; leave the "
                "row's others out too, or give --outputs-are log-probabilities, of which some may be missing"
            )
        self.answers.add(answer)
        return self._texts.text(row)

    def classes(self) -> tuple[tuple[str, ...], list[int]]:
        """Return the answers' classes in order, and each code's class.

        Raises:
            InputError: they are fewer than two, or a label is none of them.
        """
        self._label_names = names = in_order(self._names_of_codes, self._declared)
        if len(names) < 2:
            raise InputError(
                f"--teacher-outputs: expected answers of at least two classes, got {', '.join(names) or 'none'}"
            )
        return names, [-1, *([] if self._labels is None else self._labels.classes_among(names))]

    @property
    def _names_of_codes(self) -> tuple[str, ...]:
        return answered_classes(list(self._reader.codes), self._declared)

    @property
    def class_of_code(self) -> list[int]:
        """The class of each code of an answer."""
        return [self._label_names.index(name) for name in self._names_of_codes]

    @property
    def output_columns(self) -> tuple[str, ...]:
        """The answers' columns: in the order of their classes, or the one of all."""
        columns = self.columns[self._first :]
        return tuple(columns[code] for code in np.argsort(self.class_of_code)) if len(columns) > 1 else columns


def output_columns_of(
    config: DataConfig, asked: TableTeacherConfig, *, one: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the answers' columns and their classes; no classes where one column has the answers of all.

    With ``one``, there is one thing to answer: one column, and its name.
    """
    first = config.data[0]
    require_data_file(first)
    known = [name for name in (*config.text_column, config.label_column) if name is not None]
    on_bad_row = ignore if config.skips_bad_rows else refuse
    found = column_names(first, format_of(first, config.dialect, known), on_bad_row)
    pairs = [_pair(entry, found) for entry in asked.teacher_outputs]
    if one:
        if len(pairs) > 1:
            raise InputError(f"--teacher-outputs: expected one column of scores, got {len(pairs)}")
        return (pairs[0][1],), (config.label_column or pairs[0][0],)
    if len(pairs) == 1 and pairs[0][0] == pairs[0][1]:
        return (pairs[0][1],), ()
    if len(pairs) == 1:
        raise InputError(
            f"--teacher-outputs {asked.teacher_outputs[0]}: expected a column for each class, got one class; name the "
            "others' columns too"
        )
    return tuple(column for _, column in pairs), tuple(name for name, _ in pairs)


def _pair(entry: str, found: Sequence[str]) -> tuple[str, str]:
    """Return the class and the column of ``COLUMN`` or ``CLASS=COLUMN``; either may hold an equals sign."""
    if entry in found or "=" not in entry:
        return entry, entry
    splits = [(entry[:index], entry[index + 1 :]) for index, letter in enumerate(entry) if letter == "="]
    return next(((name, column) for name, column in splits if column in found), splits[0])


def load_answered(config: DataConfig, asked: TableTeacherConfig, folder: Path | None = None) -> AnsweredTable:
    """Read a table with a teacher's answers, draw and split its rows, and say what was read, dropped and kept.

    Its texts go into ``folder``, or into the memory.

    Raises:
        InputError: a file, a row or an option cannot be used; the message names the file and row.
    """
    parser = AnsweredRows(config, asked)
    side = SideColumns(parser, config)
    files = open_files(config, side.reader)
    source = read_labels(files, side.reader, skips_bad_rows=config.skips_bad_rows)
    drawn = draw(config, source, side, lambda usable: _choose(config, usable))
    rows = drawn.rows
    texts = read_texts(files, side.reader, source, rows, folder)
    logits, counts, fingerprint = logits_of(parser.answers, parser.class_of_code, asked.outputs_are, asked.smoothing)
    logits = in_drawn_order(logits, rows)
    dataset = assemble(config, source, drawn, texts, logits)
    return AnsweredTable(dataset, parser.output_columns, fingerprint, counts, asked.outputs_are, asked.smoothing)


def _choose(config: DataConfig, source: LabelledRows) -> np.ndarray:
    """Return the rows to keep, balanced where there is a label in each row and a row of each class."""
    labels = source.classes[source.usable]
    if not len(labels):
        raise InputError(f"data file {config.data[0]}: expected rows with a text and a teacher's output, got none")
    counts = np.bincount(labels[labels >= 0], minlength=len(source.label_names))
    reason = None
    if (labels < 0).any():
        reason = "rows have no label" if (labels >= 0).any() else "no row has a label"
    elif counts.min() < MIN_CLASS_ROWS:
        reason = f"the class {source.label_names[int(counts.argmin())]!r} has {counts.min()} labelled rows"
    options = {"max_rows": config.most_rows, "seed": config.seed}
    if config.is_balanced and reason is None:
        return select_rows(source.classes, source.label_names, balance=True, **options)
    if config.is_balanced:
        say(f"classes are not balanced: {reason}")
    return draw_rows(source.usable, **options)
