"""A teacher in ONNX Runtime on a CPU, written by whichever of torch's exporters makes the faster graph."""

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError, reason_of, refusing
from distill_jax.processors import usable_processors
from teacher_export.teacher.families import batch_inputs, batches_allowed, row_kinds
from teacher_export.teacher.logits import CPU_TOKENS, plan_batches

_DYNAMO = {"torch.export": True, "TorchScript": False}  # the exporters' names, and how torch.onnx tells them apart
_BATCH_SIZE = 32
_TRIED = 128  # texts that tell which graph is faster
_INPUTS = ("input_ids", "attention_mask")
_AXES = {0: "rows", 1: "width"}
_QUIET = 4  # of ONNX Runtime's levels of messages: nothing but what ends it


class OnnxTeacher:
    """A graph in ONNX Runtime, with our pass's batches: rows of like length, or of one where they must be."""

    def __init__(self, path: Path, model: Any, pad_id: int) -> None:
        """Read a graph.

        Args:
            path: the file.
            model: what it was written of.
            pad_id: fills the shorter rows of a batch, masked.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = usable_processors(), _QUIET
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [each.name for each in self._session.get_inputs()]
        self._model, self._pad_id = model, pad_id

    def __call__(self, tokens: Ragged) -> np.ndarray:
        """Return the logits of every row, float32 [rows, classes]."""
        logits = np.empty((len(tokens), self._model.config.num_labels), np.float32)
        for rows in _batches(self._model, tokens):
            inputs = batch_inputs(tokens.take(rows), self._pad_id, None)
            (logits[rows],) = self._session.run(None, {name: inputs[name] for name in self._names})
        return logits


def fastest(model: Any, tokens: Ragged, pad_id: int, folder: Path) -> tuple[OnnxTeacher, Path, dict[str, str]]:
    """Return the exporters' faster graph, its file, and which exporter wrote it, with why the other did not.

    Args:
        model: a sequence classifier in evaluation mode.
        tokens: rows, of which a few are for trying.
        pad_id: fills the shorter rows of a batch, masked.
        folder: takes the files.

    Raises:
        InputError: neither writes a graph that reads the rows.
    """
    tokens, tried, failures = tokens.take(np.arange(min(len(tokens), _TRIED))), [], []
    for name, dynamo in _DYNAMO.items():
        path = folder / f"{name}.onnx"
        try:
            with refusing(str):
                write(model, tokens, pad_id, path, dynamo=dynamo)
                teacher = OnnxTeacher(path, model, pad_id)
                teacher(tokens)
        except InputError as error:
            failures.append(f"{name}: {reason_of(_first_cause(error))}")
            continue
        started = time.perf_counter()
        teacher(tokens)
        tried.append((time.perf_counter() - started, name, teacher, path))
    if not tried:
        raise InputError(f"no exporter writes a graph that reads the texts: {'; '.join(failures)}")
    _, name, teacher, path = min(tried, key=lambda each: each[0])
    return teacher, path, {"exporter": name, "refused": "; ".join(failures)}


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def write(model: Any, tokens: Ragged, pad_id: int, path: Path, *, dynamo: bool) -> None:
    """Write a model as an ONNX graph for batches of any number of rows and any width."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
            return logits

    batches = _batches(model, tokens)
    shown = batch_inputs(tokens.take(batches[len(batches) // 2][:2]), pad_id, None)
    example = tuple(torch.from_numpy(shown[name]) for name in _INPUTS)
    axes = dict.fromkeys(_INPUTS, _AXES)
    free = {"dynamic_shapes": axes, "external_data": False} if dynamo else {"dynamic_axes": axes}
    with torch.inference_mode(), batches_allowed(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is to come in exporters, and of numbers that a trace takes as fixed
        torch.onnx.export(
            Logits().eval(), example, path, input_names=list(_INPUTS), dynamo=dynamo, verbose=False, **free
        )


def in_int8(path: Path) -> Path:
    """Write a graph with weights of eight bits, activations quantised while it runs, and return its file."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantised = path.with_suffix(".int8.onnx")
    quantize_dynamic(path, quantised, weight_type=QuantType.QInt8)
    return quantised


def _batches(model: Any, tokens: Ragged) -> list[np.ndarray]:
    return plan_batches(tokens.lengths, _BATCH_SIZE * CPU_TOKENS, row_kinds(model, tokens))
