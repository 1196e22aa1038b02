"""Everything that an export is told: the options of ``options/`` together, and where it goes."""

import dataclasses
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError, require_range
from distill_jax.options import option_of
from distill_jax.tasks import MULTI_LABEL_NAME, SCORE_NAME, SINGLE_LABEL_NAME
from teacher_export.options.data import DEMO_VOTES, DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig
from teacher_export.options.teacher import DEMO_TEACHER, FinetuneConfig, TeacherConfig
from teacher_export.options.transfer_set import TransferSetConfig

_PART_ROWS, _MOST_PARTS = 4096, 8192


@dataclasses.dataclass(frozen=True)
class OutputConfig:
    """Where the export goes."""

    output: Path | None = None
    """The export folder (default: exports/<data set>, so exports/demo)."""
    part_rows: int | None = None
    """Rows in a part file: what an interrupted export loses at most (default: 4,096; beyond 33 million rows as many as
    leave 8,192 files)."""

    def __post_init__(self) -> None:
        if self.part_rows is not None:
            require_range("--part-rows", self.part_rows, 1, 10_000_000)

    def rows_of_part(self, rows: int) -> int:
        """Return how many rows a part has of an export of so many."""
        if self.part_rows is not None:
            return self.part_rows
        size = _PART_ROWS
        while size * _MOST_PARTS < rows:
            size *= 2
        return size


# What of TeacherConfig a table has no use for; texts are cut for students of it too.
_OF_A_TRANSFORMER = (
    *("teacher", "teacher_config", "state_dict", "label_map", "device", "precision", "batch_size"),
    *("long_texts", "window_overlap", "student_max_length", "embedding_texts", "hint_width"),
)


def _given(config: Any, *names: str) -> list[str]:
    """Return the options of a configuration, or those of some fields, whose value is not the default."""
    fields = (field for field in dataclasses.fields(config) if not names or field.name in names)
    return [option_of(field.name) for field in fields if getattr(config, field.name) != field.default]


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
        if self.finetune.class_weights and self.data.task != SINGLE_LABEL_NAME:
            raise InputError(
                f"--class-weights goes with --task {SINGLE_LABEL_NAME}, got --task {self.data.task}: its rows have no "
                "class each; what a row weighs can stand in a column, --weight-column"
            )
        if self.teacher_is_table:
            self._check_table_teacher()
            return
        if self.teacher.hint_width and self.finetune.teacher_folds is not None:
            raise InputError("--hint-width does not go with --teacher-folds: each teacher has states of its own")
        given = _given(self.table_teacher)
        if given:
            raise InputError(f"{given[0]} goes with --teacher-outputs COLUMN…, got none")
        if self.data.dataset == "table" and self.data.label_column is None and not self.data.label_columns:
            raise InputError("--dataset table needs --text-column NAME and --label-column NAME")

    def _check_outputs(self) -> None:
        """Refuse numbers that are no answers of the task: they would be taken for what they are not."""
        task, kind = self.data.task, self.table_teacher.outputs_are
        if (task == SCORE_NAME) != (kind == "score"):
            raise InputError(
                f"--task score and --outputs-are score go together, got --task {task} --outputs-are {kind}"
            )
        if task == MULTI_LABEL_NAME and kind not in ("probabilities", "logits"):
            raise InputError(
                f"--task multi-label: expected --outputs-are probabilities, each label's own, or logits, got {kind}"
            )

    def _check_table_teacher(self) -> None:
        asked = self.table_teacher
        if asked.is_asked_for:
            self._check_outputs()
        if asked.is_asked_for and self.data.is_no_table:
            raise InputError(f"--teacher-outputs goes with --dataset table, got {self.data.dataset}")
        if not asked.is_asked_for and (given := _given(asked, "outputs_are")):
            raise InputError(f"{given[0]} goes with --teacher-outputs COLUMN…; --dataset {DEMO_VOTES} has votes")
        if asked.votes_smoothing is not None and asked.is_asked_for and asked.outputs_are != "votes":
            raise InputError(f"--votes-smoothing goes with --outputs-are votes, got {asked.outputs_are}")
        others = (*_given(self.teacher, *_OF_A_TRANSFORMER), *_given(self.finetune))
        if others:
            raise InputError(
                f"{others[0]} and {self._table} do not go together: the table's answers are the teacher, so no "
                "model is loaded, run or fine-tuned"
            )
        if self.transfer_set.wanted:
            option = "--unlabelled" if self.transfer_set.unlabelled else "--augment"
            raise InputError(
                f"{option} and {self._table} do not go together: a table cannot answer texts that are not in it; "
                "add your teacher's answers to them as rows"
            )

    @property
    def teacher_is_table(self) -> bool:
        """Whether the teacher is a table of answers, so that no model is run."""
        return self.table_teacher.is_asked_for or self.data.dataset == DEMO_VOTES

    @property
    def _table(self) -> str:
        return "--teacher-outputs" if self.table_teacher.is_asked_for else f"--dataset {DEMO_VOTES}"

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
