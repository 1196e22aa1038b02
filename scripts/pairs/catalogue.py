"""The pairs of commands, each with the folders they begin in."""

import dataclasses
import itertools

from scripts.trials.inputs import ENCODER, EXPORT, EXPORT_OPTIONS, TABLE, TEACHER, TEXTS
from scripts.trials.processes import Command


@dataclasses.dataclass(frozen=True)
class Step:
    """One command of those that make the folder to begin in.

    Attributes:
        command: the command.
        stopped_at: the file, counted from 1, after whose writing SIGTERM comes; 0 = it runs to its end.
    """

    command: Command
    stopped_at: int = 0


@dataclasses.dataclass(frozen=True)
class Case:
    """Two commands that run at once.

    Attributes:
        start: what is done in the folder before.
        commands: the two; they differ in what they write wherever one may take the other's place.
        reads: whether the second one only reads what the first one writes: its output is judged too.
        between: what else the second one may see: folders that the first one leaves on its way.
        unequal: files that hold times in their text; that they are there is enough.
    """

    start: tuple[Step, ...]
    commands: tuple[Command, Command]
    reads: bool = False
    between: tuple[Command, ...] = ()
    unequal: tuple[str, ...] = ()


READERS = ("distill_jax.predict", "distill_jax.compare", "distill_jax.report")  # of runs
Pairs = dict[str, tuple[Case, ...]]

_EXPORTED = f"--export ../inputs/{EXPORT}"
_CNN = "distill_jax.train --student cnn --recipe notebook --embedding-dim 8 --filters 6"
_LINEAR = "distill_jax.train --student fasttext --distil --embedding-dim 8 --ngrams 2 --buckets 64 --epochs 2"
_MODES = ("", "--resume", "--overwrite")
_AFTER_FIRST_EPOCH = 4  # the history is the fourth file: configuration, tokenizer and checksums come before it


def _train(
    words: str = "", *, seed: int = 0, epochs: int = 2, workdir: str = "run", export: str = _EXPORTED
) -> Command:
    return Command.of(f"{_CNN} {export} --workdir {workdir} --seed {seed} --epochs {epochs} {words}")


def _linear(words: str = "", *, workdir: str = "run", seed: int = 0) -> Command:
    return Command.of(f"{_LINEAR} {_EXPORTED} --workdir {workdir} --seed {seed} {words}")


def _export(words: str = "", *, teacher: str = TEACHER, output: str = "out") -> Command:
    return Command.of(f"teacher_export {EXPORT_OPTIONS} --teacher ../inputs/{teacher} --output {output} {words}")


def _finetuning(output: str, epochs: int = 2) -> Command:
    words = f"--finetune-epochs {epochs} --finetune-output tuned"
    return _export(words, teacher=ENCODER, output=output)


_NOTHING: tuple[Step, ...] = ()
_FINISHED = (Step(_train()),)
_FURTHER = (Step(_train(epochs=1)),)
_STOPPED = (Step(_linear(), stopped_at=_AFTER_FIRST_EPOCH),)
_TWO_RUNS = (Step(_train()), Step(_linear(workdir="other")))


def _trainings() -> Pairs:
    """Return two trainings of one run folder: each way to begin with each, the same run or another seed's."""
    pairs = {}
    for modes in itertools.combinations_with_replacement(_MODES, 2):
        name = " and ".join(f"train {mode}".strip() for mode in modes)
        cases = [
            Case(start, (kind(modes[0]), kind(modes[1], seed=seed)))
            for kind, starts in ((_train, (_NOTHING, _FURTHER, _FINISHED)), (_linear, (_NOTHING, _STOPPED)))
            for start in starts
            for seed in (0, 7)
        ]
        pairs[name] = tuple(cases)
    return pairs


def _seeds() -> Pairs:
    two = [_linear(f"--seeds 2 {mode}".strip()) for mode in _MODES]
    again = (Step(two[0]),)
    return {
        "train --seeds and train --seeds": (
            Case(_NOTHING, (two[0], two[1])),
            Case(_STOPPED, (two[1], two[1])),
            Case(again, (two[2], two[1])),
            Case(again, (two[2], two[2])),
        ),
        "train --seeds and train of its folders": (
            Case(_NOTHING, (two[1], _linear())),
            Case(again, (two[2], _linear("--overwrite"))),
            Case(_NOTHING, (two[1], _linear(workdir="run/seed-1", seed=1))),
            Case(again, (two[2], _linear("--overwrite", workdir="run/seed-1", seed=1))),
        ),
    }


def _exports() -> Pairs:
    whole, other = _export(), _export("--seed 7")
    begun = (Step(whole, stopped_at=6),)
    own = "--export out"
    return {
        "export and export": (
            Case(_NOTHING, (whole, whole)),
            Case(_NOTHING, (whole, other)),
            Case(begun, (whole, whole)),
            Case(begun, (whole, other)),
            Case((Step(whole),), (whole, whole)),
        ),
        "export and train from it": (
            Case(_NOTHING, (whole, _train(export=own))),
            Case(begun, (whole, _train(export=own))),
        ),
        "fine-tuning and fine-tuning": (
            Case(_NOTHING, (_finetuning("out"), _finetuning("two"))),
            Case(_NOTHING, (_finetuning("out"), _finetuning("two", epochs=3))),
            Case((Step(_finetuning("out"), stopped_at=2),), (_finetuning("out"), _finetuning("two"))),
            Case((Step(_finetuning("out")),), (_finetuning("out"), _finetuning("two"))),
        ),
    }


def _readers() -> Pairs:
    """Return a training with each command that reads runs."""
    overwrite, once = _train("--overwrite", seed=7), _train("--overwrite", seed=7, epochs=1)
    further = _train("--resume")
    predict = Command.of(f"distill_jax.predict --run run ../inputs/{TEXTS}")
    compare = Command.of("distill_jax.compare run other")
    report = Command.of("distill_jax.report run other --output report")
    page = ("report/report.html",)
    return {
        "train and predict": (
            Case(_FINISHED, (overwrite, predict), reads=True, between=(once,)),
            Case(_FURTHER, (further, predict), reads=True),
            Case(_NOTHING, (_train(), predict), reads=True, between=(_train(epochs=1),)),
        ),
        "train and compare": (Case(_TWO_RUNS, (overwrite, compare), reads=True),),
        "train and report": (Case(_TWO_RUNS, (overwrite, report), unequal=page),),
        "report and report": (
            Case(_TWO_RUNS, (report, Command.of("distill_jax.report run other --output report --title Another"))),
            Case(_TWO_RUNS, (report, Command.of("distill_jax.report other --output report"))),
        ),
    }


def _others() -> Pairs:
    search = Command.of(f"scripts.search --student fasttext {_EXPORTED} --trials 1 --minutes 2 --study study.db")
    to_run = Command.of(f"scripts.convert notebook.bin {_EXPORTED} --output converted")
    to_torch = Command.of("scripts.convert run --to-torch --output out.bin")
    checkpoint = (*_FINISHED, Step(Command.of("scripts.convert run --to-torch --output notebook.bin")))
    return {
        "search and search": (Case(_NOTHING, (search, search)), Case((Step(search),), (search, search))),
        "convert and convert": (
            Case(checkpoint, (to_run, to_run)),
            Case(checkpoint, (to_run, Command(to_run.module, (*to_run.words, "--distil")))),
            Case(_FINISHED, (to_torch, to_torch)),
        ),
    }


def _packing() -> Pairs:
    """Return a packing with another one, and with what reads its file."""
    pack = Command.of(f"distill_jax.pack run {_EXPORTED} --output run.djx --force")
    other = Command(pack.module, (*pack.words, "--licence", "Apache-2.0"))
    predict = Command.of(f"distill_jax.predict --run run.djx ../inputs/{TEXTS}")
    packed = (*_FINISHED, Step(pack))
    return {
        "pack and pack": (Case(_FINISHED, (pack, pack)), Case(_FINISHED, (pack, other)), Case(packed, (pack, other))),
        "pack and predict": (
            Case(_FINISHED, (pack, predict), reads=True),
            Case(packed, (other, predict), reads=True),
        ),
    }


def _labelling() -> Pairs:
    """Return a table that is labelled with the same by another student, and with what writes its student."""

    def label(words: str = "", run: str = "run") -> Command:
        words = f"--run {run} ../inputs/{TABLE} --text-column text --prefix its_ --output out.csv {words}"
        return Command.of(f"distill_jax.predict {words}")

    begun = (*_TWO_RUNS, Step(label(), stopped_at=3))
    labelled = (*_TWO_RUNS, Step(label()))
    return {
        "label and label": (
            Case(_TWO_RUNS, (label(), label())),
            Case(_TWO_RUNS, (label(), label(run="other"))),
            Case(_TWO_RUNS, (label("--workers 2"), label("--resume", run="other"))),
            Case(begun, (label("--resume"), label("--resume"))),
            Case(begun, (label("--resume"), label("--overwrite", run="other"))),
            Case(labelled, (label("--overwrite"), label("--overwrite", run="other"))),
        ),
        "train and label": (Case(_FINISHED, (_train("--overwrite", seed=7), label())),),
    }


def all_pairs() -> Pairs:
    """Return every pair by its name."""
    return {**_trainings(), **_seeds(), **_exports(), **_readers(), **_packing(), **_labelling(), **_others()}
