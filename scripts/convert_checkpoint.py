"""Move checkpoints between the PyTorch notebook and this project: ``python scripts/convert_checkpoint.py --help``."""

import contextlib
import dataclasses
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from distill_jax import __version__
from distill_jax.config import States, StudentConfig, StudentName
from distill_jax.console import run_command, say, warn
from distill_jax.errors import InputError, MissingExtraError, MissingInputError, require_range
from distill_jax.export_format import TOKENIZER, read_manifest
from distill_jax.files import atomic_write, read_json, sha256_file, write_json
from distill_jax.run_folder import CHECKPOINTS, CONFIG, FORMAT_VERSION, read_config

DESCRIPTION = """Make a run folder from a notebook's checkpoint, or a notebook's checkpoint from a run folder.

A checkpoint is a file of torch.save(model.state_dict(), FILE), of the CNN, the linear model or the BiLSTM; which one it
is shows in its names. The run folder holds all that python -m distill_jax.predict --run needs, and predicts what the
model did.

From an export folder: SOURCE --export exports/NAME --output runs/NAME/cnn

Without one: SOURCE --tokenizer tokenizer.json --label-names "1 star" "2 stars" … --max-length 128 --pad-id 0 --output …

Back: runs/NAME/cnn --to-torch --output cnn.bin"""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What is converted, to where."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """The checkpoint's file; with --to-torch, the run folder."""
    output: Path
    """The run folder to make; with --to-torch, the file to write."""
    to_torch: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Convert a run folder to a checkpoint for the notebook."""
    distil: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """The checkpoint was distilled from a teacher (it is noted in the run folder and changes nothing else)."""
    export: Path | None = None
    """An export folder of the same teacher and labels: it has the tokenizer, the names and the numbers below."""
    tokenizer: Path | None = None
    """The teacher's tokenizer.json."""
    label_names: tuple[str, ...] = ()
    """The classes, in class order."""
    max_length: int | None = None
    """Tokens that texts were cut and padded to (the notebook: 128)."""
    pad_id: int | None = None
    """The token id of the padding (the notebook: 0)."""
    states: States = "max"
    """The features of a BiLSTM, which its checkpoint does not show: max, its states' maximum over time; last."""


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a checkpoint does not hold and predicting needs.

    Attributes:
        tokenizer: the file.
        export: the object ``export`` of ``config.json``.
    """

    tokenizer: Path
    export: dict[str, Any]


def main() -> None:
    """Parse the command line and convert."""
    arguments = tyro.cli(Arguments, prog="python scripts/convert_checkpoint.py", description=DESCRIPTION)
    _require_usable(arguments)
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(
            "converting checkpoints needs torch, which is not installed; "
            'run: pip install -c constraints.txt -e ".[teacher]"'
        )
    from distill_jax.jax_setup import configure_jax

    configure_jax()
    if arguments.to_torch:
        run_to_checkpoint(arguments.source, arguments.output)
    else:
        checkpoint_to_run(
            arguments.source,
            arguments.output,
            surroundings(arguments),
            distil=arguments.distil,
            states=arguments.states,
        )


def _require_usable(arguments: Arguments) -> None:
    """Refuse what can be refused before anything heavy is imported."""
    given = [arguments.tokenizer, arguments.label_names, arguments.max_length, arguments.pad_id]
    if arguments.to_torch:
        if arguments.export or arguments.distil or any(value not in (None, ()) for value in given):
            raise InputError("--to-torch takes a run folder and --output alone: leave the other options out")
        if arguments.output.exists():
            raise InputError(f"--output {arguments.output}: it exists already; name another file")
        return
    if not arguments.source.is_file():
        raise MissingInputError(f"checkpoint {arguments.source}: there is no such file")
    if arguments.export and any(value not in (None, ()) for value in given):
        raise InputError("--export brings tokenizer, label names, length and pad id: give it or the others, not both")
    if not arguments.export and any(value in (None, ()) for value in given):
        raise InputError(
            "expected --export FOLDER, or all of --tokenizer FILE, --label-names NAME…, --max-length N and --pad-id N"
        )
    output = arguments.output
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"--output {output}: expected a new or an empty folder; name another")


def surroundings(arguments: Arguments) -> Surroundings:
    """Return tokenizer, label names and lengths, from the export folder or the options.

    Raises:
        InputError: the export folder or an option is not usable.
    """
    if arguments.export:
        manifest = read_manifest(arguments.export)
        described = {"label_names": list(manifest.label_names), "vocab_size": manifest.vocab_size}
        lengths = {"pad_id": manifest.pad_id, "max_length": manifest.max_length, "teacher": manifest.teacher}
        name, tokenizer = arguments.export.absolute().name, arguments.export / TOKENIZER
        return Surroundings(tokenizer, {"name": name, "path": str(arguments.export), **described, **lengths})
    names = list(arguments.label_names)
    if len(names) < 2 or len(set(names)) != len(names):
        raise InputError(f"--label-names: expected at least two different names, got {names}")
    assert arguments.tokenizer is not None
    assert arguments.max_length is not None
    require_range("--max-length", arguments.max_length, 1, 100_000)
    lengths = {"pad_id": arguments.pad_id, "max_length": arguments.max_length, "teacher": {}}
    return Surroundings(arguments.tokenizer, {"name": arguments.source.stem, "label_names": names, **lengths})


def checkpoint_to_run(
    source: Path, output: Path, around: Surroundings, *, distil: bool, states: States = "max"
) -> None:
    """Write the run folder of a notebook's checkpoint: whole, or not at all.

    Raises:
        InputError: the checkpoint is damaged or of another kind, or does not fit its surroundings.
    """
    from distill_jax.checkpoints import save_checkpoint
    from distill_jax.interop import params_from_torch, student_of_state
    from distill_jax.predictor import load_tokenizer
    from distill_jax.snapshot import Snapshot

    state = read_state(source)
    try:
        name = student_of_state(state)
        params = params_from_torch(name, state)
    except InputError as error:
        raise InputError(f"checkpoint {source}: {error}") from None
    student = _student_config(name, state, around.export, source, states)
    tokens = load_tokenizer(around.tokenizer, around.export["max_length"]).get_vocab_size()
    if tokens > student.vocab_size:
        raise InputError(
            f"tokenizer {around.tokenizer}: it has {tokens} tokens, the checkpoint's embedding {student.vocab_size} "
            "rows; name the tokenizer that the student was trained with"
        )
    config = {
        "format_version": FORMAT_VERSION,
        "program": f"distill-jax {__version__}",
        "train": {
            "student": name,
            "distil": distil,
            "converted_from": {"file": source.name, "sha256": sha256_file(source)},
        },
        "student": dataclasses.asdict(student),
        "export": {**around.export, "vocab_size": student.vocab_size},
    }
    nothing: dict[str, Any] = {"losses": np.zeros(0), "predictions": np.zeros(0, np.int32), "history": np.zeros((0, 7))}
    with _whole_folder(output) as folder:
        with atomic_write(folder / TOKENIZER) as stream:
            stream.write(around.tokenizer.read_bytes())
        snapshot = Snapshot(params=params, opt_state=[], epoch=0, step=0, seconds=0.0, **nothing)
        save_checkpoint(folder / CHECKPOINTS, snapshot, 0)
        write_json(folder / CONFIG, config)
    say(f"{source}: a {name} of {student.vocab_size:,} tokens and {student.num_labels} classes; written to {output}")
    say(f"predict with: echo 'a text' | python -m distill_jax.predict --run {output}")


def read_state(source: Path) -> dict[str, np.ndarray]:
    """Read a file of ``torch.save(model.state_dict(), FILE)``, unpickling nothing but tensors: name → float32 array.

    Raises:
        InputError: it is no such file, or a number in it is not finite.
    """
    import torch

    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - whatever the bytes are, torch and pickle fail in many ways
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"checkpoint {source}: expected a file of torch.save(model.state_dict(), FILE), got something else "
            f"({reason})"
        ) from None
    if not isinstance(found, dict):
        raise InputError(f"checkpoint {source}: expected a state dict, got {type(found).__name__}")
    state = {}
    for key, tensor in found.items():
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            what = f"a tensor of {tensor.dtype}" if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise InputError(
                f"checkpoint {source}: {key}: expected a tensor of floating-point numbers, got {what}; "
                "save model.state_dict() itself"
            )
        state[str(key)] = tensor.detach().to(torch.float32).numpy()
        if not np.isfinite(state[str(key)]).all():
            raise InputError(
                f"checkpoint {source}: {key}: expected finite numbers, got NaN or infinity; train it again"
            )
    return state


def _student_config(
    name: StudentName, state: dict[str, np.ndarray], export: dict[str, Any], source: Path, states: States
) -> StudentConfig:
    """Return the architecture that a state dict shows, once it fits the labels and the vocabulary."""
    table, head = ("embeddings", "output") if name == "fasttext" else ("embedding", "fc")
    (vocab_size, dim), classes = state[f"{table}.weight"].shape, len(state[f"{head}.bias"])
    where, names = f"checkpoint {source}", export["label_names"]
    if classes != len(names):
        raise InputError(f"{where}: it has {classes} classes, the label names are {len(names)}: {', '.join(names)}")
    if export.get("vocab_size", vocab_size) != vocab_size:
        raise InputError(
            f"{where}: its embedding has {vocab_size} rows, the export {export['path']} a vocabulary of "
            f"{export['vocab_size']}; name the export of the student's own teacher"
        )
    options: dict[str, Any] = {}
    if name == "cnn":
        heights = [key for key in state if key.startswith("conv") and key.endswith(".weight")]
        options["filter_heights"] = tuple(state[f"conv{index}.weight"].shape[2] for index in range(len(heights)))
        options["filters"] = len(state["conv0.bias"])
    if name == "bilstm":
        options = {"hidden": state["lstm.weight_hh_l0"].shape[1], "dense": len(state["dense.bias"]), "states": states}
    require_range("--pad-id", export["pad_id"], 0, vocab_size - 1)
    if name == "fasttext" and state["embeddings.weight"][export["pad_id"]].any():
        raise InputError(
            f"{where}: embeddings.weight: row {export['pad_id']}, the padding's, is not zero, as the linear student's "
            "always is; check the pad id"
        )
    return StudentConfig(
        name, vocab_size=vocab_size, num_labels=classes, pad_id=export["pad_id"], embedding_dim=dim, **options
    )


@contextlib.contextmanager
def _whole_folder(output: Path) -> Iterator[Path]:
    """Yield a folder beside ``output`` that takes its place at the end, or is deleted where that is not reached."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def run_to_checkpoint(run: Path, output: Path) -> None:
    """Write a run folder's latest checkpoint as a file that the notebook's ``load_state_dict`` takes.

    Raises:
        InputError: the folder holds no run, or a damaged one.
    """
    import torch

    from distill_jax.checkpoints import load_params
    from distill_jax.interop import params_to_torch

    if not (run / CONFIG).is_file():
        raise MissingInputError(f"run folder {run}: it has no {CONFIG}, so it holds no run")
    read_config(run)
    student = read_json(run / CONFIG, "run configuration").get("student")
    if not isinstance(student, dict):
        raise InputError(f"run configuration {run / CONFIG}: student: expected a JSON object, got {student!r}")
    if student.get("ngrams", 1) != 1:
        raise InputError(
            f"run folder {run}: it was trained with --ngrams {student['ngrams']}, which the notebook's model cannot "
            "count; train with --ngrams 1 --buckets 0"
        )
    state = params_to_torch(student.get("name", ""), load_params(run / CHECKPOINTS))
    with atomic_write(output) as stream:
        torch.save({key: torch.from_numpy(array) for key, array in state.items()}, stream)
    if student.get("pooling") != "padded" and student.get("name") != "bilstm":
        warn(
            f"note: {run} was trained with --pooling {student.get('pooling')}; the notebook's model counts padding as "
            "text and will predict otherwise"
        )
    say(f"written to {output}: {', '.join(state)}")


if __name__ == "__main__":
    run_command(main)
