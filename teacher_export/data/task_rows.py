"""Tables of scores, or of rows with several labels each, with a teacher's answers beside them or without."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.console import format_table, say
from distill_jax.errors import InputError
from distill_jax.tables.rows import Row
from distill_jax.tables.text_columns import TextColumns
from distill_jax.tasks import SCORE_NAME
from distill_jax.tasks.registry import task_named
from teacher_export.data.answered_table import AnsweredTable
from teacher_export.data.dataset import Dataset, dataset_of, open_files, say_bad_rows, shortened
from teacher_export.data.labels import answered_classes, in_order
from teacher_export.data.output_checks import LABEL_PROBABILITIES, LOGITS
from teacher_export.data.output_logits import OutputCounts, label_logits_of
from teacher_export.data.output_rows import NO_OUTPUT, output_columns_of
from teacher_export.data.outputs import Answers, OutputColumns, OutputObjects
from teacher_export.data.row_parsers import MISSING_LABEL, NO_BAD_CODES, require_no_text
from teacher_export.data.sampling import draw_rows
from teacher_export.data.side_columns import SideColumns
from teacher_export.data.splitting import draw, in_drawn_order
from teacher_export.data.streaming import LabelledRows, read_labels, read_texts
from teacher_export.data.task_labels import IndicatorLabels, ScoreLabels, TagLabels, TaskLabels
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig

_EXAMPLES_SHOWN = 3


class TaskRows:
    """What ``RowParser`` says, for labels that are no classes."""

    def __init__(self, config: DataConfig, asked: TableTeacherConfig | None) -> None:
        self._labels, self._declared = _labels_of(config), config.class_names
        columns = () if self._labels is None else self._labels.columns
        for column in columns:
            require_no_text(column, config.text_column)
        self._cells = slice(0, len(columns))
        self._texts = TextColumns(config.text_column, len(columns))
        self._first = len(columns) + len(config.text_column)
        self.keeps_unlabelled = asked is not None
        self.bad_codes = NO_BAD_CODES
        self.outputs: tuple[str, ...] = ()
        if asked is not None:
            self.outputs, names = output_columns_of(config, asked, one=config.task == SCORE_NAME)
            twice = [name for name in self.outputs if name in (*config.text_column, *columns)]
            if twice:
                raise InputError(
                    f"--teacher-outputs {twice[0]}: it is the text's or the label's column too; name another"
                )
            self._are = asked.outputs_are
            kind = LABEL_PROBABILITIES if self._are == "probabilities" else LOGITS
            self._reader = OutputColumns(self.outputs, names, kind) if names else OutputObjects(self.outputs[0], kind)
        self.columns = (*columns, *config.text_column, *self.outputs)
        self.answers = Answers()

    def label(self, row: Row) -> int | str:
        """Return 0 for a row that is kept, or why it is left out."""
        missing = self._texts.why_missing(row)
        label = None if self._labels is None else self._labels.read(row, row.cells[self._cells])
        lacking = NO_OUTPUT if self.outputs and self._answer(row) is None else None
        if self._labels is not None:  # last, when nothing of the row can be refused any more
            self._labels.add(label)
        if not self.outputs and label is None:
            lacking = MISSING_LABEL
        return missing or lacking or 0

    def skip(self) -> None:
        """Take in a row that is left out unread."""
        if self._labels is not None:
            self._labels.add(None)

    def _answer(self, row: Row) -> tuple[Sequence[int], Sequence[float]] | None:
        return self._reader.answer(row, row.cells[self._first :])

    def text(self, row: Row) -> str:
        """Return the row's text, and keep its answer."""
        if self.outputs:
            answer = self._answer(row)
            assert answer is not None  # or the row was left out
            if self._are != "probabilities" and len(answer[0]) < len(self._reader.codes):
                raise InputError(f"{row.where}: --teacher-outputs: expected a logit of every label, got fewer")
            self.answers.add(answer)
        return self._texts.text(row)

    def classes(self) -> tuple[tuple[str, ...], list[int]]:
        """Return the labels' names; every row that is kept has the code 0."""
        if self.outputs:
            return in_order(self._names_of_codes, self._declared), [0]
        assert self._labels is not None  # the options see to it
        return self._labels.names(), [0]

    @property
    def _names_of_codes(self) -> tuple[str, ...]:
        return answered_classes(list(self._reader.codes), self._declared)

    def labels_of(self, rows: np.ndarray, names: Sequence[str], config: DataConfig) -> np.ndarray:
        """Return the labels of some rows, as the task has them."""
        if self._labels is None:
            return task_named(config.task).unlabelled(len(rows), len(names))
        return self._labels.of(rows, names)

    def logits(self, names: Sequence[str]) -> tuple[np.ndarray, OutputCounts, str]:
        """Return the answers' logits in the order of their reading, what was done to them, and their fingerprint."""
        places = [names.index(name) for name in self._names_of_codes]
        return label_logits_of(self.answers, places, self._are)


def _labels_of(config: DataConfig) -> TaskLabels | None:
    if config.label_columns:
        return IndicatorLabels(config.label_columns)
    if config.label_column is None:
        return None
    if config.task == SCORE_NAME:
        return ScoreLabels(config.label_column)
    return TagLabels(config.label_column, config.label_separator, config.keep_labels, config.class_names)


def load_task_dataset(config: DataConfig, folder: Path | None = None) -> Dataset:
    """Read a table of scores or of several labels a row, draw and split its rows, and say what they are.

    Raises:
        InputError: a file, a row or an option cannot be used; the message names the file and row.
    """
    return _load(config, TaskRows(config, None), folder)[0]


def load_answered_task(config: DataConfig, asked: TableTeacherConfig, folder: Path | None = None) -> AnsweredTable:
    """Do the same with a teacher's answers beside the texts; raises what ``load_task_dataset`` does."""
    parser = TaskRows(config, asked)
    dataset, counts, fingerprint = _load(config, parser, folder)
    return AnsweredTable(dataset, parser.outputs, fingerprint, counts, asked.outputs_are, 0.0)


def _load(config: DataConfig, parser: TaskRows, folder: Path | None) -> tuple[Dataset, OutputCounts, str]:
    side = SideColumns(parser, config)
    files = open_files(config, side.reader)
    source = read_labels(files, side.reader, skips_bad_rows=config.skips_bad_rows)
    if not source.usable.any():
        raise InputError(f"data file {config.data[0]}: expected rows with a text and a label, got none")

    def choose(usable: LabelledRows) -> np.ndarray:
        return draw_rows(usable.usable, max_rows=config.most_rows, seed=config.seed)

    drawn = draw(config, source, side, choose)
    rows = drawn.rows
    texts = read_texts(files, side.reader, source, rows, folder)
    labels = parser.labels_of(rows, source.label_names, config)
    logits, counts, fingerprint = None, OutputCounts(), ""
    if parser.outputs:
        logits, counts, fingerprint = parser.logits(source.label_names)
        logits = in_drawn_order(logits, rows)  # the other order is let go before further copies are made
    dataset, source = dataset_of(config, source, drawn, texts, labels, logits)
    say_summary(dataset, source)
    return dataset, counts, fingerprint


def say_summary(dataset: Dataset, source: LabelledRows) -> None:
    """Say the rows read, dropped and kept, what their labels are, and a few of them."""
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in source.dropped.items())
    kept = sum(map(len, dataset.splits.values()))
    say(
        f"data set {dataset.name} ({dataset.task.name}): {len(source.classes):,} rows read, "
        f"{sum(source.dropped.values()):,} dropped{f' ({dropped})' if dropped else ''}, {kept:,} kept"
    )
    say(format_table(["", *dataset.splits], _summary_rows(dataset)))
    train = dataset.splits["train"]
    for index in range(min(_EXAMPLES_SHOWN, len(train))):
        shown = _shown(dataset, train.labels[index])
        say(f"row {train.example_ids[index] + 1} [{shown}] {shortened(train.texts[index])}")
    say_bad_rows(source)


def _summary_rows(dataset: Dataset) -> list[list[str]]:
    labels = {name: split.labels[dataset.task.is_labelled(split.labels)] for name, split in dataset.splits.items()}
    rows = [["rows", *(f"{len(split):,}" for split in dataset.splits.values())]]
    rows.append(["with a label", *(f"{len(found):,}" for found in labels.values())])
    if next(iter(labels.values())).ndim == 2:
        for place, name in enumerate(dataset.label_names):
            rows.append([name, *(f"{int(found[:, place].sum()):,}" for found in labels.values())])
        return rows
    for title, of in (("least", np.min), ("mean", np.mean), ("most", np.max)):
        rows.append([title, *(f"{float(of(found)):.3f}" if len(found) else "-" for found in labels.values())])
    return rows


def _shown(dataset: Dataset, label: Any) -> str:
    if not dataset.task.is_labelled(np.asarray(label)[None])[0]:
        return "no label"
    named = dataset.task.named(np.asarray(label)[None], dataset.label_names)[0]
    return ", ".join(named) if isinstance(named, tuple) else f"{named:g}"
