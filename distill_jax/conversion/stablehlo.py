"""A student as a StableHLO program that ``jax.export`` serialised, with its weights inside."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from distill_jax.conversion.about import about
from distill_jax.conversion.converter import Converter
from distill_jax.conversion.padding_tokenizer import TOKENIZER, padding_tokenizer
from distill_jax.files import json_bytes
from distill_jax.packed.coding import Quantised
from distill_jax.packed.student import PackedStudent
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import nested_params

if TYPE_CHECKING:
    from jax import Array
    from jax.export import Exported

PROGRAM, ABOUT = "model.stablehlo", "student.json"
PLATFORMS = ("cpu", "cuda")


class StableHlo(Converter):
    """``model.stablehlo``, ``student.json`` with the classes' names, and ``tokenizer.json``."""

    name: ClassVar[str] = "stablehlo"
    suffix: ClassVar[str] = ""
    extra: ClassVar[str | None] = "train"

    def files(self, student: PackedStudent) -> Mapping[str, bytes]:
        """Return the program, what is to be known of it, and its tokenizer."""
        tokenizer = padding_tokenizer(student).encode()
        program = bytes(exported(student).serialize())
        return {PROGRAM: program, ABOUT: json_bytes(about(student)), TOKENIZER: tokenizer}


def exported(student: PackedStudent) -> "Exported":
    """Return the program of ``ids``, int32 [batch, length], and ``lengths``, int32 [batch].

    Batch and length are any from 1 on, the length at most what the student sees. It gives logits and, where the task
    has them, probabilities, float32 [batch, classes].
    """
    import jax
    from jax import export

    shape = export.symbolic_shape("batch, length", constraints=(f"length <= {student.max_length}",))
    arguments = (jax.ShapeDtypeStruct(shape, np.int32), jax.ShapeDtypeStruct(shape[:1], np.int32))
    return export.export(jax.jit(_program(student)), platforms=PLATFORMS)(*arguments)


def _program(student: PackedStudent) -> Any:
    """Return the function from ids and lengths to logits and probabilities."""
    import jax
    import jax.numpy as jnp

    from distill_jax.students.student import Student, to_device

    config, length = student.config, student.max_length
    task = config.labelling.decided(dict(student.decision), len(student.label_names))
    compact, arrays, places = _kept_alone(student)
    params, network = to_device(nested_params(arrays)), Student(compact)
    probabilities = {"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid}.get(task.link or "")

    def answer(ids: "Array", lengths: "Array") -> "tuple[Array, ...]":
        ids = jnp.where(jnp.arange(ids.shape[1]) < lengths[:, None], ids, config.pad_id)
        if config.cut_margin:  # padding counts as text
            ids = jnp.pad(ids, ((0, 0), (0, length - ids.shape[1])), constant_values=config.pad_id)
        inputs = config.traced_inputs(ids)
        logits = network.logits(params, inputs if places is None else jnp.asarray(places)[inputs], padded_length=length)
        logits = task.outputs(logits)
        return (logits,) if probabilities is None else (logits, probabilities(logits / (task.temperature or 1.0)))

    return answer


def _kept_alone(student: PackedStudent) -> tuple[StudentConfig, dict[str, np.ndarray], np.ndarray | None]:
    """Return the student over the ids that are kept, its arrays, and each id's place among them; None = its own.

    Padding comes first, then a row of zeros, that of the ids that are not kept, then all others: a bag of n-grams tells
    words by their places, of which padding is one, and no id that is not kept may be taken for padding.
    """
    config, table = student.config, student.arrays[student.config.table_name]
    arrays = {
        name: array.numbers.reshape(-1, *array.shape[1:]) if isinstance(array, Quantised) else array
        for name, array in student.arrays.items()
    }
    if not isinstance(table, Quantised) or table.kept is None:
        return config, arrays, None
    others = table.kept.copy()
    others[config.pad_id] = False
    places = np.where(others, 1 + np.cumsum(others), 1).astype(np.int32)
    places[config.pad_id] = 0
    rows = np.zeros((2 + int(others.sum()), table.shape[-1]), np.float32)
    rows[places[table.kept]] = table.numbers
    arrays[config.table_name] = rows
    return config.compacted(np.arange(len(rows)), 0), arrays, places
