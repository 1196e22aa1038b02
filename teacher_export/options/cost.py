"""What is to be priced, and at which prices."""

import dataclasses
from pathlib import Path

from distill_jax.errors import InputError, require_range
from distill_jax.tasks import SINGLE_LABEL_NAME, TaskName
from teacher_export.options.teacher import TeacherConfig


@dataclasses.dataclass(frozen=True)
class CostOptions:
    """Measure for a minute how fast this machine labels texts, and say what many rows cost, before they are paid for.

    A machine in the table is one like this one, or one of the rates that are given.
    """

    rows: float = 1e9
    """How many rows; 1e9 is a word for a milliard."""
    teacher: TeacherConfig = dataclasses.field(default_factory=TeacherConfig)
    task: TaskName = SINGLE_LABEL_NAME
    """What the teacher's head is for."""
    classes: int = 5
    """Of a teacher without a head, the classes that it is to have."""
    student: Path | None = None
    """A packed student, measured too, with the command that labels tables (default: no student)."""
    texts: Path | None = None
    """A file of texts like those to be labelled, one a line (default: made-up ones of --tokens tokens)."""
    tokens: int = 100
    """Tokens of a made-up text, special ones not counted."""
    seconds: float = 60.0
    """How long is measured at most, loading not counted."""
    machines: tuple[int, ...] = (1, 4, 16, 64)
    """How many machines work at once: a row of the table each."""
    teacher_rate: float | None = None
    """Documents a second of the teacher on a machine (default: measured here)."""
    student_rate: float | None = None
    """Documents a second of the student on a machine (default: measured here)."""
    timing: Path | None = None
    """The timing.json of a planned export that is finished: its rate is the teacher's, and its parts' seconds are those
    that are simulated (default: every part takes the same time)."""
    teacher_price: float = 0.80
    """Dollars an hour of a machine of the teacher (default: one L4, February 2025)."""
    student_price: float = 0.0816
    """Dollars an hour of a machine of the student (default: two processors of an m7g.large, June 2026)."""
    failures: float = 24.0
    """Mean hours until a machine of the teacher is lost, with the part that it is at; 0 = none is."""
    restart: float = 300.0
    """Seconds until another takes its place."""
    slow_share: float = 0.05
    """Share of the machines that are slow."""
    slow_times: float = 1.5
    """How many times as long a slow machine takes."""
    seed: int = 0
    """Decides the made-up texts, and who is slow and who is lost."""

    def __post_init__(self) -> None:
        require_range("--rows", self.rows, 1, 1e12)
        require_range("--classes", self.classes, 2, 100_000)
        require_range("--tokens", self.tokens, 1, 10_000)
        require_range("--seconds", self.seconds, 1, 3600)
        for number in self.machines:
            require_range("--machines", number, 1, 100_000)
        for name in ("teacher_rate", "student_rate"):
            if (rate := getattr(self, name)) is not None:
                require_range(f"--{name.replace('_', '-')}", rate, 0, 1e9, low_open=True)
        if self.timing is not None and self.teacher_rate is not None:
            raise InputError("--timing and --teacher-rate both give the teacher's rate: give one of them")
        if self.student is not None and self.student_rate is not None:
            raise InputError("--student and --student-rate both give the student's rate: give one of them")
        for name in ("teacher_price", "student_price", "failures", "restart"):
            require_range(f"--{name.replace('_', '-')}", getattr(self, name), 0, 1e6)
        require_range("--slow-share", self.slow_share, 0, 1)
        require_range("--slow-times", self.slow_times, 1, 1000)
        require_range("--seed", self.seed, 0, 2**32 - 1)
