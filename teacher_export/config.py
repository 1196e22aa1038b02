"""What an export can be told: frozen dataclasses with every default; those of a table that teaches: table_config.py."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from distill_jax.errors import InputError, require_range
from teacher_export.table_config import TableTeacherConfig

DatasetName = Literal["demo", "amazon-pds", "table"]
PrecisionName = Literal["auto", "float32", "bfloat16"]
DeviceName = Literal["auto", "cpu", "cuda"]

DEMO_TEACHER = "demo"
DEMO_TEXTS = "demo"
DEMO_FINETUNE_EPOCHS = 2
DEMO_FINETUNE_LEARNING_RATE = 8e-5
FINETUNE_EPOCHS = 3
FINETUNE_LEARNING_RATE = 5e-5

Repeatable = tyro.conf.UseAppendAction


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which texts, and how they are sampled and split."""

    dataset: DatasetName = "demo"
    """demo: review sentences fetched through pip; amazon-pds: the Amazon reviews' TSV; table: any other file."""
    data: tuple[Path, ...] = ()
    """Files to read: TSV for amazon-pds; CSV, TSV, JSONL or Parquet for table; gzipped (.gz) or not."""
    text_column: Annotated[tuple[str, ...], Repeatable] = ()
    """The text's column (table). Give it several times to join columns by a blank line."""
    label_column: str | None = None
    """The class's column (table): numbers or names; -1 = unlabelled, left out. No must with --teacher-outputs."""
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
        if self.dataset != "table" and (self.text_column or self.label_column):
            raise InputError("--text-column and --label-column go with --dataset table")


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
    """Which teacher, and how its classes are matched to the data's."""

    teacher: str = DEMO_TEACHER
    """demo, a local folder, or a hub name of a sequence classifier (or of a bare encoder, which is then fine-tuned)."""
    teacher_config: str | None = None
    """With --state-dict: the hub name or folder of the configuration and tokenizer that the weights belong to."""
    state_dict: Path | None = None
    """A file saved by torch.save(model.state_dict(), FILE); read with weights_only."""
    label_map: tuple[str, ...] = ()
    """The data's class for each of the teacher's, as "LABEL_0=1 star" …; or the word in-order: class i is class i."""
    max_length: int = 128
    """Tokens a text is cut to, special tokens included."""
    device: DeviceName = "auto"
    """Where the teacher runs; auto takes a CUDA GPU where there is one."""
    precision: PrecisionName = "auto"
    """Arithmetic of the teacher's pass; auto takes bfloat16 where the hardware is good at it."""
    batch_size: int = 32
    """Rows in a batch of the teacher's pass and of fine-tuning."""

    def __post_init__(self) -> None:
        require_range("--max-length", self.max_length, 4, 100_000)
        require_range("--batch-size", self.batch_size, 1, 65_536)
        if (self.teacher_config is None) != (self.state_dict is None):
            raise InputError("--teacher-config NAME and --state-dict FILE go together: give both or neither")
        if self.state_dict is not None and self.teacher != DEMO_TEACHER:
            raise InputError("--teacher and --state-dict both name a teacher: give one of them")


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """How a teacher without a trained head for these classes is fine-tuned (AdamW, linear warm-up and decay)."""

    finetune_epochs: int | None = None
    """Passes over the training split (default: 2 for the demo teacher, 3 for others)."""
    finetune_learning_rate: float | None = None
    """Highest learning rate (default: 8e-5 for the demo teacher, 5e-5 for others)."""
    finetune_output: Path | None = None
    """Folder for the fine-tuned teacher (default: teachers/<the export folder's name>)."""

    def __post_init__(self) -> None:
        if self.finetune_epochs is not None:
            require_range("--finetune-epochs", self.finetune_epochs, 1, 1000)
        if self.finetune_learning_rate is not None:
            require_range("--finetune-learning-rate", self.finetune_learning_rate, 0, 1, low_open=True)

    def epochs(self, *, demo: bool) -> int:
        """Return the number of epochs, the default where none was given."""
        return self.finetune_epochs or (DEMO_FINETUNE_EPOCHS if demo else FINETUNE_EPOCHS)

    def learning_rate(self, *, demo: bool) -> float:
        """Return the highest learning rate, the default where none was given."""
        return self.finetune_learning_rate or (DEMO_FINETUNE_LEARNING_RATE if demo else FINETUNE_LEARNING_RATE)


@dataclasses.dataclass(frozen=True)
class TransferSetConfig:
    """Which further texts, without classes, the teacher labels for the student (the split "transfer")."""

    unlabelled: tuple[Path, ...] = ()
    """Files of texts: one a line (.txt), or tables (CSV, TSV, JSONL, Parquet); the word demo takes the demo's own."""
    unlabelled_column: Annotated[tuple[str, ...], Repeatable] = ()
    """The text's column in the tables of --unlabelled (default: --text-column). Several are joined by a blank line."""
    augment: int = 0
    """Changed copies to make of each training text (Tang et al. 2019 make 20); duplicates are dropped."""
    mask_probability: float = 0.1
    """Chance of a word in a copy to be masked (Tang's 0.1)."""
    pos_probability: float = 0.1
    """Chance of a word in a copy to be replaced by one of the same part of speech (Tang's 0.1)."""
    ngram_probability: float = 0.25
    """Chance of a copy to be cut to 1-5 words (Tang's 0.25)."""
    crop_probability: float = 0.25
    """Chance of a copy to be cut to a run of 6 words or more."""
    cross_probability: float = 0.25
    """Chance of a copy to be half of one text and half of another."""

    def __post_init__(self) -> None:
        require_range("--augment", self.augment, 0, 10_000)
        for name, value in self.probabilities().items():
            require_range(_option(name), value, 0, 1)
            if value != type(self).__dataclass_fields__[name].default and not self.augment:
                raise InputError(f"{_option(name)} goes with --augment N, got no --augment")
        for group in (("mask", "pos"), ("ngram", "crop", "cross")):
            total = sum(getattr(self, f"{name}_probability") for name in group)
            if total > 1 + 1e-9:
                names = " + ".join(f"--{name}-probability" for name in group)
                raise InputError(f"{names}: expected a sum of at most 1, got {total:g}")
        if self.augment and not any(self.probabilities().values()):
            raise InputError("--augment: all its probabilities are 0, so that every copy would be the text itself")
        if self.unlabelled_column and not self.unlabelled:
            raise InputError("--unlabelled-column goes with --unlabelled FILE…, got no file")

    @property
    def wanted(self) -> bool:
        """Whether there is to be a transfer set."""
        return bool(self.unlabelled or self.augment)

    def probabilities(self) -> dict[str, float]:
        """Return augmentation's chances by their names."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name.endswith("_probability")
        }


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


@dataclasses.dataclass(frozen=True)
class OutputConfig:
    """Where the export goes."""

    output: Path | None = None
    """The export folder (default: exports/<data set>, so exports/demo)."""
    part_rows: int = 4096
    """Rows in a part file: what an interrupted export loses at most."""

    def __post_init__(self) -> None:
        require_range("--part-rows", self.part_rows, 1, 10_000_000)


# What of TeacherConfig a table has no use for; texts are cut for students of it too.
_OF_A_TRANSFORMER = ("teacher", "teacher_config", "state_dict", "label_map", "device", "precision", "batch_size")


def _given(config: Any, *names: str) -> list[str]:
    """Return the options of a configuration, or those of some fields, whose value is not the default."""
    fields = (field for field in dataclasses.fields(config) if not names or field.name in names)
    return [_option(field.name) for field in fields if getattr(config, field.name) != field.default]


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Everything an export is told."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    teacher: TeacherConfig = dataclasses.field(default_factory=TeacherConfig)
    finetune: FinetuneConfig = dataclasses.field(default_factory=FinetuneConfig)
    transfer_set: TransferSetConfig = dataclasses.field(default_factory=TransferSetConfig)
    table_teacher: TableTeacherConfig = dataclasses.field(default_factory=TableTeacherConfig)
    output: OutputConfig = dataclasses.field(default_factory=OutputConfig)

    def __post_init__(self) -> None:
        if self.table_teacher.is_asked_for:
            self._check_table_teacher()
        elif self.data.dataset == "table" and self.data.label_column is None:
            raise InputError("--dataset table needs --text-column NAME and --label-column NAME")

    def _check_table_teacher(self) -> None:
        if self.data.dataset != "table":
            raise InputError(f"--teacher-outputs goes with --dataset table, got {self.data.dataset}")
        others = (*_given(self.teacher, *_OF_A_TRANSFORMER), *_given(self.finetune))
        if others:
            raise InputError(
                f"{others[0]} and --teacher-outputs do not go together: the table's answers are the teacher, so no "
                "model is loaded, run or fine-tuned"
            )
        if self.transfer_set.wanted:
            option = "--unlabelled" if self.transfer_set.unlabelled else "--augment"
            raise InputError(
                f"{option} and --teacher-outputs do not go together: a table cannot answer texts that are not in it; "
                "add your teacher's answers to them as rows"
            )

    @property
    def export_folder(self) -> Path:
        """The export folder, the default where none was given."""
        return self.output.output or Path("exports") / self.data.dataset

    @property
    def finetuned_folder(self) -> Path:
        """The fine-tuned teacher's folder, the default where none was given."""
        return self.finetune.finetune_output or Path("teachers") / self.export_folder.name

    @property
    def is_demo_teacher(self) -> bool:
        """Whether the teacher is the packaged one."""
        return self.teacher.teacher == DEMO_TEACHER and self.teacher.state_dict is None
