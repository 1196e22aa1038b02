"""From a notebook's checkpoint to a run folder."""

import contextlib
import dataclasses
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax import __version__
from distill_jax.console import say
from distill_jax.errors import InputError, require_range
from distill_jax.export.format import TOKENIZER
from distill_jax.files import atomic_write, sha256_file, temporary_beside, write_json
from distill_jax.runs.checksums import record_files
from distill_jax.runs.config import FORMAT_VERSION
from distill_jax.runs.folder import CONFIG
from distill_jax.runs.weights import write_weights
from distill_jax.students.bilstm import States
from distill_jax.students.config import StudentConfig, own_options
from distill_jax.students.registry import student_config, student_kind, student_to_json
from scripts.convert.state import read_state


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a checkpoint does not hold and predicting needs.

    Attributes:
        tokenizer: the file.
        export: the object ``export`` of ``config.json``.
    """

    tokenizer: Path
    export: dict[str, Any]


def checkpoint_to_run(
    source: Path, output: Path, around: Surroundings, *, distil: bool, states: States = "max"
) -> None:
    """Write the run folder of a notebook's checkpoint: whole, or not at all.

    Raises:
        InputError: the checkpoint is damaged or of another kind, or does not fit its surroundings.
    """
    from distill_jax.data.tokenizer import load_tokenizer
    from distill_jax.students.torch_state import params_from_torch, student_of_state

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
        "student": student_to_json(student),
        "export": {**around.export, "vocab_size": student.vocab_size},
    }
    with _whole_folder(output) as folder:
        with atomic_write(folder / TOKENIZER) as stream:
            stream.write(around.tokenizer.read_bytes())
        write_weights(folder, params)
        write_json(folder / CONFIG, config)
        record_files(folder, CONFIG, TOKENIZER)
    say(f"{source}: a {name} of {student.vocab_size:,} tokens and {student.num_labels} classes; written to {output}")
    say(f"predict with: echo 'a text' | python -m distill_jax.predict --run {shlex.quote(str(output))}")


def _student_config(
    name: str, state: dict[str, np.ndarray], export: dict[str, Any], source: Path, states: States
) -> StudentConfig:
    """Return the architecture that a state dict shows, once it fits the labels and the vocabulary."""
    from distill_jax.students.torch_state import layout_of

    kind, layout = student_kind(name), layout_of(name)
    (vocab_size, dim), classes = state[f"{layout.table}.weight"].shape, len(state[f"{layout.head}.bias"])
    where, names = f"checkpoint {source}", export["label_names"]
    if classes != len(names):
        raise InputError(f"{where}: it has {classes} classes, the label names are {len(names)}: {', '.join(names)}")
    if export.get("vocab_size", vocab_size) != vocab_size:
        raise InputError(
            f"{where}: its embedding has {vocab_size} rows, the export {export['path']} a vocabulary of "
            f"{export['vocab_size']}; name the export of the student's own teacher"
        )
    require_range("--pad-id", export["pad_id"], 0, vocab_size - 1)
    if kind.frozen_padding and state[f"{layout.table}.weight"][export["pad_id"]].any():
        raise InputError(
            f"{where}: {layout.table}.weight: row {export['pad_id']}, the padding's, is not zero, as the linear "
            "student's always is; check the pad id"
        )
    options = {"embedding_dim": dim, **layout.options(state)}
    if "states" in own_options(kind):  # a state dict does not show them
        options["states"] = states
    return student_config(name, vocab_size=vocab_size, num_labels=classes, pad_id=export["pad_id"], **options)


@contextlib.contextmanager
def _whole_folder(output: Path) -> Iterator[Path]:
    """Yield a folder beside ``output`` that takes its place at the end, or is deleted where that is not reached."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(output)
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
