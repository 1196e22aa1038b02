"""The commands that are killed, each with the folder in which it is given and the ways to go on."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from scripts.kill.inputs import ENCODER, LENGTH, TABLE, TEACHER, TEXTS, write_inputs
from scripts.trials.processes import Command

SEARCHED = 2  # trials that a search is asked for
_EXPORT, _RUNS = "exports/tiny", "runs/tiny"
_STUDENTS = {
    "fasttext": "--ngrams 2 --buckets 64",
    "dan": "--ngrams 2 --buckets 64 --hidden 4",
    "cnn": "--filters 4",
    "bilstm": "--hidden 4 --dense 4",
    "ensemble": "--filters 4 --ngrams 2 --buckets 64",
}
_NOTEBOOK = "--recipe notebook --embeddings random --loss-mean examples"  # can go on, so its checkpoints stay


@dataclasses.dataclass(frozen=True)
class Stage:
    """A folder to begin in.

    Attributes:
        name: its name.
        base: the stage that it begins with; None = an empty folder.
        commands: what is then done there, one after the other.
        write: what is written there before, by a function that may use any framework.
    """

    name: str
    base: "Stage | None" = None
    commands: tuple[Command, ...] = ()
    write: Callable[[Path], None] | None = None


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Attributes:
        name: its name.
        stage: the folder in which it is given.
        command: what is killed.
        again: what goes on with it after a kill.
        overwrite: what begins anew, whatever lies there; None where there is no such command.
        output: the file that its standard output goes to; None = it is not kept.
        replaces_another: another configuration's run lies there, so that ``again`` may be refused until that is gone.
        refuses_done: whether ``again`` is refused where all has been done.
        twice: whether what goes on is killed too, now and then.
    """

    name: str
    stage: Stage
    command: Command
    again: Command
    overwrite: Command | None = None
    output: str | None = None
    replaces_another: bool = False
    refuses_done: bool = False
    twice: bool = True


def _train(student: str, *further: str, to: str | None = None, epochs: int = 2) -> Command:
    sizes = f"{_STUDENTS[student]} --embedding-dim 8 --epochs {epochs} --batch-size 16"
    where = f"--export {_EXPORT} --workdir {_RUNS}/{to or student}"
    return Command.of(f"distill_jax.train --student {student} {sizes} {where} {' '.join(further)}")


def _export(teacher: str, *further: str) -> Command:
    table = f"--dataset table --data {TABLE} --text-column text --label-column label"
    sizes = f"--max-length {LENGTH} --part-rows 20 --batch-size 16"
    return Command.of(f"teacher_export {table} --teacher {teacher} --output {_EXPORT} {sizes} {' '.join(further)}")


def _with(command: Command, option: str) -> Command:
    return Command(command.module, (*command.words, option))


_INPUTS = Stage("inputs", write=write_inputs)
_EXPORTING = _export(TEACHER, "--validation-fraction 0.25 --augment 1")
_EXPORTED = Stage("exported", _INPUTS, (_EXPORTING,))
_TRAINED = Stage("trained", _EXPORTED, (_train("fasttext", "--distil"), _train("cnn")))
_PLAIN = _train("cnn", "--recipe notebook --embeddings random", to="plain")
_TO_TORCH = Command.of(f"scripts.convert {_RUNS}/plain --to-torch --output plain.bin")
_REPORT = Command.of(f"distill_jax.report {_RUNS}")


def all_scenarios() -> tuple[Scenario, ...]:
    """Return every scenario."""
    return (*_exports(), *_trainings(), *_overwritings(), *_readings(), *_labellings(), *_studies())


def _repeated(name: str, stage: Stage, command: Command, output: str | None = None) -> Scenario:
    """Return the scenario of a command that is given again as it is."""
    return Scenario(name, stage, command, command, output=output)


def _converted(name: str, stage: Stage, command: Command) -> Scenario:
    return Scenario(name, stage, command, command, refuses_done=True)


def _exports() -> tuple[Scenario, ...]:
    tuning = _export(ENCODER, "--finetune-epochs 2 --finetune-output teachers/own")
    return _repeated("export", _INPUTS, _EXPORTING), _repeated("finetune", _INPUTS, tuning)


def _trainings() -> tuple[Scenario, ...]:
    def training(name: str, command: Command, before: Command | None = None) -> Scenario:
        resume = _with(command, "--resume")
        stage = _EXPORTED if before is None else Stage(name, _EXPORTED, (before,))
        return Scenario(name, stage, command if before is None else resume, resume, _with(command, "--overwrite"))

    return (
        *(training(student, _train(student, "--distil")) for student in _STUDENTS),
        training("checkpoints-stay", _train("cnn", _NOTEBOOK)),
        training("seeds", _train("fasttext", "--seeds 2")),
        training("seeds-checkpoints-stay", _train("cnn", _NOTEBOOK, "--seeds 2")),
        training("further-epochs", _train("cnn", _NOTEBOOK, epochs=3), _train("cnn", _NOTEBOOK, epochs=1)),
        training("further-seeds", _train("fasttext", "--seeds 2"), _train("fasttext")),
    )


def _overwritings() -> tuple[Scenario, ...]:
    def overwriting(name: str, before: Command, command: Command) -> Scenario:
        stage, overwrite = Stage(name, _EXPORTED, (before,)), _with(command, "--overwrite")
        another = before != command
        return Scenario(name, stage, overwrite, _with(command, "--resume"), overwrite, replaces_another=another)

    two_seeds, stays = _train("fasttext", "--seeds 2"), _train("cnn", _NOTEBOOK)
    return (
        overwriting("overwrite", two_seeds, two_seeds),
        overwriting("overwrite-checkpoints", stays, stays),
        overwriting("overwrite-another", _train("cnn", _NOTEBOOK, "--seeds 2", to="fasttext"), _train("fasttext")),
    )


def _readings() -> tuple[Scenario, ...]:
    reported = Stage("reported", _TRAINED, (_with(_with(_REPORT, "--title"), "yesterday"),))
    compare = Command.of(f"distill_jax.compare {_RUNS}/fasttext {_RUNS}/cnn --json comparison.json")
    predict = Command.of(f"distill_jax.predict --run {_RUNS}/cnn {TEXTS}")
    pack = Command.of(f"distill_jax.pack {_RUNS}/cnn --export {_EXPORT} --output cnn.djx --force")
    return (
        _repeated("pack", _TRAINED, pack),
        _repeated("report", _TRAINED, _REPORT),
        _repeated("report-again", reported, _REPORT),
        _repeated("compare", _TRAINED, compare),
        _repeated("predict", _TRAINED, predict, output="predicted.jsonl"),
    )


def _labellings() -> tuple[Scenario, ...]:
    """Return tables that are labelled: in each form, by workers, and over another student's table."""

    def labelling(name: str, student: str, output: str, stage: Stage = _TRAINED, *further: str) -> Scenario:
        words = f"--run {_RUNS}/{student} {TABLE} --text-column text --prefix its_ --output {output}"
        command = Command.of(f"distill_jax.predict {words} {' '.join(further)}")
        return Scenario(
            name, stage, command, _with(command, "--resume"), _with(command, "--overwrite"), refuses_done=True
        )

    csv = labelling("label-csv", "fasttext", "labelled.csv")
    labelled = Stage("labelled", _TRAINED, (csv.command,))
    again = labelling("label-overwrite", "cnn", "labelled.csv", labelled, "--overwrite")
    return (
        csv,
        labelling("label-parquet", "fasttext", "labelled.parquet"),
        labelling("label-workers", "fasttext", "labelled.jsonl.gz", _TRAINED, "--workers 2"),
        dataclasses.replace(again, overwrite=again.command, refuses_done=False),
    )


def _studies() -> tuple[Scenario, ...]:
    search = f"scripts.search --student fasttext --export {_EXPORT} --trials {SEARCHED} --study search/study.db"
    to_run = f"scripts.convert plain.bin --export {_EXPORT} --output {_RUNS}/converted"
    return (
        # A trial of a search that was killed twice is set aside, for it may be what it was killed for.
        dataclasses.replace(_repeated("search", _EXPORTED, Command.of(search)), twice=False),
        _converted("to-torch", Stage("plain", _EXPORTED, (_PLAIN,)), _TO_TORCH),
        _converted("to-run", Stage("checkpoint", _EXPORTED, (_PLAIN, _TO_TORCH)), Command.of(to_run)),
    )
