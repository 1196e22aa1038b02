"""What an export can be told of a teacher that is a table: the columns of its answers, and a tokenizer."""

import dataclasses
from typing import Literal

from distill_jax.errors import InputError, require_range

OutputKind = Literal["probabilities", "logits", "log-probabilities", "votes", "score"]
TRAIN = "train"
VOCABULARY = 30_000
VOTES_SMOOTHING = 1.0


@dataclasses.dataclass(frozen=True)
class TableTeacherConfig:
    """A teacher whose answers stand in the table, an LLM's or people's: no PyTorch is needed (--dataset table)."""

    teacher_outputs: tuple[str, ...] = ()
    """A column for each class, COLUMN or CLASS=COLUMN; or one column of objects ({"pos": 0.9, …}) or of lists of votes
    (["pos", "neg", "pos"]). Rows without an answer are left out; --label-column is then optional."""
    outputs_are: OutputKind = "probabilities"
    """What the numbers are: probabilities, logits, log-probabilities (of the likeliest classes, or of all), or votes
    (counts, or a list of names); with --task multi-label each label's own probability, or logits; with --task score,
    score: one column of numbers."""
    votes_smoothing: float | None = None
    """With --outputs-are votes, so many votes are added to each row, the classes sharing them equally (default: 1)."""
    tokenizer: str = TRAIN
    """train: a WordPiece vocabulary of the training texts; or a tokenizer.json, a folder or a hub name that has one."""
    vocabulary: int | None = None
    """With --tokenizer train, so many tokens at most (default: 30,000)."""

    def __post_init__(self) -> None:
        if self.vocabulary is not None:
            require_range("--vocabulary", self.vocabulary, 100, 1_000_000)
        if self.votes_smoothing is not None:
            require_range("--votes-smoothing", self.votes_smoothing, 0, 1000)
        if self.vocabulary is not None and self.tokenizer != TRAIN:
            raise InputError(f"--vocabulary goes with --tokenizer train, got --tokenizer {self.tokenizer}")

    @property
    def is_asked_for(self) -> bool:
        """Whether a table's columns are the teacher."""
        return bool(self.teacher_outputs)

    @property
    def smoothing(self) -> float:
        """The votes added to a row; 0 where the numbers are no votes."""
        return self.smoothing_of(self.outputs_are)

    def smoothing_of(self, kind: OutputKind) -> float:
        """Return the votes added to a row of such numbers, the default where none was given; 0 for all but votes."""
        if kind != "votes":
            return 0.0
        return VOTES_SMOOTHING if self.votes_smoothing is None else self.votes_smoothing
