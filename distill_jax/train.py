"""``python -m distill_jax.train``: train one student from an export folder."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from distill_jax.config import TrainConfig, check_training
from distill_jax.console import parse_options, run_command, say
from distill_jax.errors import InputError
from distill_jax.extras import require_extra
from distill_jax.options import Flag, Range, check_fields, option_of, require_host_and_port
from distill_jax.recipes import DEFAULT_RECIPE
from distill_jax.students.config import StudentConfig
from distill_jax.students.registry import recipe_student, student_kind, student_names

DEFAULT_STUDENT = "cnn"
_DESCRIPTION = (
    "Train a student from an export folder, on its labels or, with --distil, on its teacher's logits. "
    "The export says what is learnt: a class a text, several labels a text (multi-label), or a score. "
    "The defaults shown are those of the chosen --student, --recipe and --distil."
)


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """From where, to where, and how often."""

    export: Path = Path("exports/demo")
    """The export folder, as python -m teacher_export writes it."""
    workdir: Annotated[
        Path | None,
        tyro.conf.arg(metavar="PATH", help_behavior_hint="(default: runs/<the export's name>/<student>[-distil])"),
    ] = None
    """The run folder."""
    seeds: Annotated[int, Range(1, 1000)] = 1
    """Train so many students, of --seed and the following ones, and report their mean and spread."""
    resume: Annotated[bool, Flag()] = False
    """Go on with an unfinished run; where there is none, start one."""
    resume_elsewhere: Annotated[bool, Flag()] = False
    """With --resume, also where another processor, number of them, device or JAX gives the run other last bits."""
    overwrite: Annotated[bool, Flag()] = False
    """Delete the run that is there and train it again."""
    coordinator: Annotated[str, tyro.conf.arg(metavar="HOST:PORT", help_behavior_hint="(default: one process)")] = ""
    """Of several processes that train one student, on one machine or many: where process 0 is."""
    processes: Annotated[int, Range(0, 65_536), tyro.conf.arg(metavar="N")] = 0
    """How many processes there are; without --coordinator Slurm, Open MPI or Kubernetes say where and which."""
    process: Annotated[int, Range(-1, 65_535), tyro.conf.arg(metavar="I", help_behavior_hint="")] = -1
    """Which of them this is, from 0; process 0 prints and writes. All are given the same command otherwise."""

    def __post_init__(self) -> None:
        if self.coordinator:
            require_host_and_port("--coordinator", self.coordinator)
        if self.coordinator and not 0 <= self.process < self.processes:
            raise InputError(
                f"--coordinator {self.coordinator}: expected --processes N and --process I with I from 0 to N-1, got "
                f"{self.processes} and {self.process}"
            )
        if self.process >= 0 and not self.processes:
            raise InputError(f"--process {self.process}: expected --processes N beside it, got none")
        if self.processes and self.seeds > 1:
            raise InputError("--seeds goes with one process; give each seed a command of its own (--seed)")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Everything the command line takes: the configurations themselves."""

    train: TrainConfig
    student: StudentConfig
    run: RunOptions = dataclasses.field(default_factory=RunOptions)

    @staticmethod
    def of(student: type[StudentConfig]) -> type["Arguments"]:
        """Return the arguments whose options are a student's own.

        A generic class would cost 30 ms at every start: tyro looks for help in the source of a class's ancestors.
        """
        return dataclasses.make_dataclass("Arguments", [("student", student)], bases=(Arguments,), frozen=True)


def defaults(words: Sequence[str]) -> Arguments:
    """Return the defaults of a command line: what its recipe says for its student.

    Only the options that decide are looked at, and forgivingly: the real parser reports what is wrong.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--student", default=DEFAULT_STUDENT)
    parser.add_argument("--recipe", default=DEFAULT_RECIPE)
    parser.add_argument("--distil", action="store_true")
    parser.add_argument("--transfer", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--epochs", type=int)
    try:
        found, _ = parser.parse_known_args(list(words))
    except argparse.ArgumentError:
        return defaults([])
    if found.student not in student_names() or found.recipe not in student_kind(found.student).recipes:
        return defaults([])
    changes: dict[str, Any] = {} if found.transfer else {"transfer": False}
    if found.epochs is not None and found.epochs > 0:
        changes["epochs"] = found.epochs  # what the recipe does every so many epochs hangs on it
    train = TrainConfig.of_recipe(found.recipe, found.student, distil=found.distil, **changes)
    student = recipe_student(found.student, found.recipe)  # its sizes are the export's, not read yet
    return Arguments.of(type(student))(train, student)


def parse(words: Sequence[str]) -> Arguments:
    """Return the arguments of a command line, with the defaults of its recipe.

    Raises:
        InputError: a value is out of range, or options exclude each other.
        SystemExit: help was asked for, or the words are wrong; what there is to say has been printed.
    """
    start = defaults(words)
    arguments = parse_options(
        type(start),
        words,
        prog="python -m distill_jax.train",
        description=_DESCRIPTION,
        default=start,
    )
    check_fields(arguments.run)
    arguments.student.check_options()
    check_training(arguments.student, arguments.train)
    return arguments


def _is_given(option: str, words: Sequence[str]) -> bool:
    return any(word.partition("=")[0] == option for word in words)


def _for_export(train: TrainConfig, export: Path, words: Sequence[str]) -> TrainConfig:
    """Return the recipe's training as it goes with the export, and say what is not as ``--help`` has it."""
    from distill_jax.export.format import read_manifest
    from distill_jax.training.length import fitted_to_rows
    from distill_jax.training.start_embeddings import recipe_for

    given = [field.name for field in dataclasses.fields(train) if _is_given(option_of(field.name), words)]
    manifest = read_manifest(export)
    fitting = recipe_for(train, manifest, given)
    if fitting.embeddings != train.embeddings:
        say("the teacher has no embedding table, so the student's embeddings start at random")
    rows, transfer_rows = manifest.examples("train"), manifest.examples("transfer")
    long = fitted_to_rows(fitting, rows, transfer_rows, given)
    if long.epochs != fitting.epochs:
        passes = f" and {long.transfer_passes} passes over the transfer set" if long.transfer_passes else ""
        say(f"{rows:,} training rows: {long.epochs} epochs{passes}, for enough steps (--epochs gives others)")
    return long


def default_workdir(export: Path, config: TrainConfig) -> Path:
    """Return ``runs/<the export's name>/<student>[-distil]``."""
    return Path("runs") / export.absolute().name / (config.student + ("-distil" if config.distil else ""))


def main(words: Sequence[str] | None = None) -> None:
    """Parse a command line's words (None = the process's) and train.

    Raises:
        InputError, SystemExit: as ``parse``.
        InputError, Interrupted: as ``train_seeds``.
    """
    words = sys.argv[1:] if words is None else words
    arguments = parse(words)
    train, run = arguments.train, arguments.run
    require_extra("train", "training")
    from distill_jax.jax_setup import configure_jax

    configure_jax(fused_loops=arguments.student.takes_sparse_steps(train.optimizer))
    from distill_jax.training import processes

    if run.processes:
        processes.join(run.coordinator, run.processes, run.process)
        with processes.quiet():
            _train(arguments, words)
        return
    _train(arguments, words)


def _train(arguments: Arguments, words: Sequence[str]) -> None:
    from distill_jax.storage.mirror import local_copy
    from distill_jax.training import processes
    from distill_jax.training.run import TrainRun, follow_run
    from distill_jax.training.seed_runs import train_seeds

    run = dataclasses.replace(arguments.run, export=local_copy(arguments.run.export))
    train = _for_export(arguments.train, run.export, words)
    asked = TrainRun(
        export=run.export,
        workdir=run.workdir or default_workdir(run.export, train),
        train=train,
        student=arguments.student.options(),
        resume=run.resume,
        elsewhere=run.resume_elsewhere,
        overwrite=run.overwrite,
        command=tuple(words),
    )
    if processes.leads():
        train_seeds(asked, run.seeds)
    else:
        follow_run(asked)


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
