"""The notebook's checkpoint, a file of ``torch.save``, as a way out: read, and written."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.console import warn
from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer, require_ids_below
from distill_jax.errors import InputError, require_range
from distill_jax.files import atomic_write, sha256_file
from distill_jax.formats.format import Format
from distill_jax.inference.predictor import Origin, Predictor
from distill_jax.students.bilstm import States
from distill_jax.students.config import StudentConfig, own_options
from distill_jax.students.params import flat_params, nested_params
from distill_jax.students.registry import student_config, student_kind
from scripts.convert.state import read_state


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a checkpoint does not hold and predicting needs.

    Attributes:
        tokenizer: the file.
        export: the object ``export`` of ``config.json``.
        distil: whether a teacher was distilled.
        states: the features of a BiLSTM.
    """

    tokenizer: Path
    export: dict[str, Any]
    distil: bool = False
    states: States = "max"


class TorchCheckpoint(Format):
    """A state dict of the notebook's CNN, linear model or BiLSTM.

    Args:
        around: what is read beside a checkpoint; writing needs nothing.
    """

    name = "torch checkpoint"
    suffix = ".bin"

    def __init__(self, around: Surroundings | None = None) -> None:
        self._around = around

    def recognises(self, path: Path) -> bool:
        """Return whether it is a file: which one it is shows in its names."""
        return path.is_file()

    def read(self, path: Path, *, module: Callable[..., Any] | None = None) -> Predictor:
        """Return the student; raise ``InputError`` where the checkpoint is of another kind or does not fit."""
        from distill_jax.students.torch_state import params_from_torch, student_of_state

        del module
        around = self._around
        assert around is not None, "reading needs the surroundings"
        state = read_state(path)
        try:
            name = student_of_state(state)
            params = params_from_torch(name, state)
        except InputError as error:
            raise InputError(f"checkpoint {path}: {error}") from None
        student = _student_config(name, state, around.export, path, around.states)
        max_length = around.export["max_length"]
        tokenizer = load_tokenizer(around.tokenizer, max_length)
        require_ids_below(student.vocab_size, tokenizer, around.tokenizer, path.name)
        source = {"file": path.name, "sha256": sha256_file(path)}
        origin = Origin({"student": name, "distil": around.distil, "converted_from": source}, around.export)
        names = tuple(around.export["label_names"])
        return Predictor.of(names, student, params, FastTokenizer(tokenizer, max_length), max_length, origin)

    def write(self, predictor: Predictor, path: Path) -> None:
        """Write a file that the notebook's ``load_state_dict`` takes."""
        import torch

        from distill_jax.students.torch_state import params_to_torch

        student = predictor.config
        if not predictor.task.has_classes:
            raise InputError(
                f"{path}: the student answers the task {student.task}, and the notebook's model one class a text; "
                "there is no checkpoint of it for the notebook"
            )
        if student.ids > student.vocab_size:
            raise InputError(
                f"{path}: the student was trained with n-grams, which the notebook's model cannot count; train with "
                "--ngrams 1 --buckets 0"
            )
        arrays = {name: np.asarray(array) for name, array in flat_params(predictor.weights()).items()}
        state = params_to_torch(student.name, nested_params(arrays))
        with atomic_write(path) as stream:
            torch.save({key: torch.from_numpy(array) for key, array in state.items()}, stream)
        if getattr(student, "mask_padding", False):
            warn(
                f"note: {path}: the student was trained with --mask-padding; the notebook's model counts padding as "
                "text, so it will predict otherwise"
            )


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
