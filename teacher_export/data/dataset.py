"""Review files → texts, labels and row numbers, sampled and split: one function, ``load_dataset``."""

import dataclasses
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from distill_jax.console import format_table, say, warn
from distill_jax.errors import InputError
from distill_jax.tables.delimited import UNQUOTED_TSV
from distill_jax.tasks import SINGLE_LABEL_NAME
from distill_jax.tasks.registry import SINGLE_LABEL, task_named
from distill_jax.tasks.task import Task
from teacher_export.data.demo import FILES, LABEL_NAMES, load_demo_reviews
from teacher_export.data.duplicates import without_repeats
from teacher_export.data.labels import number_of
from teacher_export.data.row_parsers import AmazonRows, RowParser, TableRows, label_column_of
from teacher_export.data.sampling import select_rows
from teacher_export.data.side_columns import TRAIN, SideColumns
from teacher_export.data.splitting import Drawn, draw, draw_all
from teacher_export.data.streaming import LabelledRows, SourceFile, open_source, read_labels, read_texts
from teacher_export.data.text_digests import how_many_stand_in, text_digests
from teacher_export.data.texts_on_disk import taken
from teacher_export.options.data import DEMO_RATINGS, DataConfig

_EXAMPLES_SHOWN = 3
_EXAMPLE_CHARACTERS = 100
SEEN_BY_NONE = -1  # the fold of a row that no teacher was fine-tuned on


@dataclasses.dataclass(frozen=True)
class Split:
    """Texts and labels, in row order.

    Attributes:
        example_ids: int64 [n], the row's number in the source: over all files, counted from 0, the header not counted.
        texts: n texts.
        labels: of one class a row int32 [n], 0 … classes-1; -1 = unlabelled; else as the task says.
        teacher_logits: float32 [n, classes], where the table has the teacher's answers; else None.
        weights: float32 [n], what the rows to train on weigh, where a column says so; else None.
        folds: int32 [n], where teachers are cross-fitted, which of them has not seen the row, or ``SEEN_BY_NONE``; else
            None.
    """

    example_ids: np.ndarray
    texts: Sequence[str]
    labels: np.ndarray
    teacher_logits: np.ndarray | None = None
    weights: np.ndarray | None = None
    folds: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.texts)

    def slice(self, rows: slice) -> "Split":
        """Return neighbouring rows, their texts in memory."""
        return Split(
            self.example_ids[rows],
            self.texts[rows],
            self.labels[rows],
            None if self.teacher_logits is None else self.teacher_logits[rows],
            None if self.weights is None else self.weights[rows],
        )

    def take(self, rows: np.ndarray) -> "Split":
        """Return the rows of these numbers, in their order."""
        return Split(
            self.example_ids[rows],
            taken(self.texts, rows),
            self.labels[rows],
            None if self.teacher_logits is None else self.teacher_logits[rows],
            None if self.weights is None else self.weights[rows],
            None if self.folds is None else self.folds[rows],
        )


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set, ready for the teacher.

    Attributes:
        name: the option's, such as ``demo`` or ``table``.
        label_names: index = class.
        splits: ``train``, ``test`` and, where it was asked for, ``validation``.
        fingerprint: SHA-256 over the label names and every split's ids, labels and texts, in order.
        task: what the rows are labelled with.
        bad_rows: how many were left out because they could not be read.
    """

    name: str
    label_names: tuple[str, ...]
    splits: dict[str, Split]
    fingerprint: str
    task: Task = SINGLE_LABEL
    bad_rows: int = 0


def load_dataset(config: DataConfig, folder: Path | None = None) -> Dataset:
    """Read, sample, shuffle and split a data set, and say what was read, dropped and kept.

    Files are streamed twice: for the labels, from which the rows to keep are drawn, then for those rows' texts.

    Args:
        config: what the user asked for.
        folder: where the texts of files go, if not into the memory.

    Raises:
        InputError: a file or an option cannot be used; the message names the file and row.
    """
    if config.dataset in FILES:
        return _load_demo(config)
    if config.dataset == DEMO_RATINGS:
        from teacher_export.data.demo_ratings import load_demo_ratings

        return load_demo_ratings(config)
    if config.task != SINGLE_LABEL_NAME:
        from teacher_export.data.task_rows import load_task_dataset

        return load_task_dataset(config, folder)
    side = SideColumns(_row_parser(config), config)
    files = open_files(config, side.reader)
    source = read_labels(files, side.reader, skips_bad_rows=config.skips_bad_rows)

    def choose(usable: LabelledRows) -> np.ndarray:
        return select_rows(
            usable.classes, usable.label_names, max_rows=config.most_rows, balance=config.is_balanced, seed=config.seed
        )

    drawn = draw(config, source, side, choose)
    return assemble(config, source, drawn, read_texts(files, side.reader, source, drawn.rows, folder))


def _load_demo(config: DataConfig) -> Dataset:
    reviews = load_demo_reviews(FILES[config.dataset])
    source = LabelledRows(LABEL_NAMES, reviews.classes, reviews.classes >= 0, reviews.dropped)
    drawn = draw_all(config, source)
    return assemble(config, source, drawn, [reviews.texts[row] for row in drawn.rows.tolist()])


def _row_parser(config: DataConfig) -> RowParser:
    if config.dataset == "amazon-pds":
        return AmazonRows(is_the_notebook_s=config.is_the_notebook_s)
    return TableRows(config.text_column, label_column_of(config))


def open_files(config: DataConfig, parser: RowParser) -> list[SourceFile]:
    """Check the data files' being there and their columns.

    Raises:
        InputError: one is missing, empty, of another format, named twice, or lacks a column.
    """
    _require_different(config.files)
    known = UNQUOTED_TSV if config.dataset == "amazon-pds" else None
    return [open_source(path, config, parser.columns, option, known) for option, path in config.named_files]


def _require_different(paths: tuple[Path, ...]) -> None:
    seen = set()
    for path in paths:
        if path.resolve() in seen:
            raise InputError(f"data file {path}: it is named twice; its rows would be in both splits")
        seen.add(path.resolve())


def assemble(
    config: DataConfig, source: LabelledRows, drawn: Drawn, texts: Sequence[str], logits: np.ndarray | None = None
) -> Dataset:
    """Put the rows into their splits and say what they are.

    Args:
        config: what the user asked for.
        source: what is known of all rows.
        drawn: those kept, and where they go.
        texts: theirs.
        logits: theirs, float32 [rows, classes], where the table has a teacher's answers.
    """
    labels = source.classes[drawn.rows].astype(np.int32)
    dataset, source = dataset_of(config, source, drawn, texts, labels, logits)
    _say_summary(dataset, source)
    return dataset


def dataset_of(
    config: DataConfig,
    source: LabelledRows,
    drawn: Drawn,
    texts: Sequence[str],
    labels: np.ndarray,
    logits: np.ndarray | None,
) -> tuple[Dataset, LabelledRows]:
    """Return rows of any task in their splits, and what is known of all rows after repeated texts were left out.

    Args:
        config: what the user asked for.
        source: what is known of all rows.
        drawn: those kept, n, and where they go.
        texts: theirs.
        labels: theirs, [n], the task's.
        logits: theirs, float32 [n, classes], where the table has a teacher's answers.
    """
    if config.drop_duplicates:
        source, drawn = without_repeats(source, drawn, texts)
    splits = {
        name: Split(
            drawn.rows[places],
            taken(texts, places),
            labels[places],
            None if logits is None else logits[places],
            drawn.weights[places] if drawn.weights is not None and name == TRAIN else None,
        )
        for name, places in drawn.splits.items()
    }
    _require_weight(splits[TRAIN].weights)
    names = source.label_names
    bad = 0 if source.bad is None else source.bad.count
    return Dataset(config.dataset, names, splits, fingerprint_of(names, splits), task_named(config.task), bad), source


def _require_weight(weights: np.ndarray | None) -> None:
    if weights is not None and not weights.any():
        raise InputError(
            f"--weight-column: expected a weight above 0 among the {len(weights):,} training rows, got 0 alone"
        )


def fingerprint_of(label_names: tuple[str, ...], splits: Mapping[str, Split]) -> str:
    """Return the SHA-256, in hexadecimal, over label names and every split's name, ids, labels and texts, in order.

    Weights go in where there are any. Each item goes in with its length before it, so that no two data sets read alike.
    """
    digest = hashlib.sha256()

    def add(content: bytes | memoryview) -> None:
        digest.update(memoryview(content).nbytes.to_bytes(8, "little"))
        digest.update(content)

    add(len(label_names).to_bytes(8, "little"))
    for name in label_names:
        add(name.encode())
    for name, split in splits.items():
        add(name.encode())
        add(np.ascontiguousarray(split.example_ids, "<i8").data)
        add(np.ascontiguousarray(split.labels, split.labels.dtype.newbyteorder("<")).data)
        for text in split.texts:
            add(text.encode())
        if split.weights is not None:
            add(b"weights")
            add(np.ascontiguousarray(split.weights, "<f4").data)
    return digest.hexdigest()


def _say_summary(dataset: Dataset, source: LabelledRows) -> None:
    """Say the rows read, dropped and kept, the class counts and a few rows."""
    read, dropped = len(source.classes), sum(source.dropped.values())
    kept = sum(len(split) for split in dataset.splits.values())
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in source.dropped.items())
    not_drawn = read - dropped - kept
    say(
        f"data set {dataset.name}: {read:,} rows read, {dropped:,} dropped{f' ({reasons})' if reasons else ''}"
        f"{f', {not_drawn:,} not drawn' if not_drawn else ''}, {kept:,} kept"
    )
    is_labelled = any((split.labels >= 0).any() for split in dataset.splits.values())
    classes = {name: _classes(split, is_labelled=is_labelled) for name, split in dataset.splits.items()}
    names = dataset.label_names
    counts = {name: np.bincount(found[found >= 0], minlength=len(names)) for name, found in classes.items()}
    body = [[label, *(f"{counts[split][class_]:,}" for split in counts)] for class_, label in enumerate(names)]
    if is_labelled and any((found < 0).any() for found in classes.values()):
        body.append(["(no label)", *(f"{np.count_nonzero(found < 0):,}" for found in classes.values())])
    body.append(["all", *(f"{len(split):,}" for split in dataset.splits.values())])
    say(format_table(["class" if is_labelled else "teacher's answer", *counts], body))
    train = dataset.splits["train"]
    for index in range(min(_EXAMPLES_SHOWN, len(train))):
        label = names[classes["train"][index]] if classes["train"][index] >= 0 else "no label"
        say(f"row {train.example_ids[index] + 1} [{label}] {shortened(train.texts[index])}")
    say_bad_rows(source)
    _warn_of_twins(names)
    for name, split_counts in counts.items():
        empty = [names[class_] for class_ in np.flatnonzero(split_counts == 0)]
        if empty:
            warn(f"warning: the {name} split has no row of {', '.join(map(repr, empty))}; give more rows")
    _warn_of_training_texts(dataset.splits)


def say_bad_rows(source: LabelledRows) -> None:
    """Say which rows could not be read."""
    if source.bad is not None:
        source.bad.say()


def _warn_of_twins(label_names: Sequence[str]) -> None:
    """Warn of two classes that may be meant as one: the same number, or the same letters in two Unicode forms."""
    found: dict[str | float, str] = {}
    for name in label_names:
        number = number_of(name)
        twin = found.setdefault(unicodedata.normalize("NFC", name) if number is None else number, name)
        if twin != name:
            same = "letters in two Unicode forms" if number is None else "number written in two ways"
            form = "form (NFC)" if number is None else "way"
            warn(
                f"warning: the classes {twin!a} and {name!a} are the same {same}, and are taken for two classes, as "
                f"they stand; if one is meant, write the labels in one {form}"
            )


def _warn_of_training_texts(splits: Mapping[str, Split]) -> None:
    """Warn of texts that a split has and the training split has too, word for word."""
    trained = text_digests(splits["train"].texts)  # eight bytes each, wherever the texts are
    trained.sort()
    for name, split in splits.items():
        copies = 0 if name == "train" else how_many_stand_in(text_digests(split.texts), trained)
        if copies:
            warn(
                f"warning: {copies:,} of the {len(split):,} texts of the {name} split ({copies / len(split):.1%}) "
                "stand word for word in the training split too, so its scores tell less of texts never seen; "
                "--drop-duplicates leaves them out of the training split"
            )


def _classes(split: Split, *, is_labelled: bool) -> np.ndarray:
    """Return the rows' labels, or, in data without a label, the classes that the teacher answers."""
    if is_labelled or split.teacher_logits is None:
        return split.labels
    return split.teacher_logits.argmax(axis=1)


def shortened(text: str, characters: int = _EXAMPLE_CHARACTERS) -> str:
    """Return a text's beginning on one line; what a terminal would obey is shown as a blank."""
    beginning = text[: 4 * characters]
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in beginning).split())
    whole = len(line) <= characters and len(text) == len(beginning)
    return line if whole else line[: characters - 1].rstrip() + "…"
