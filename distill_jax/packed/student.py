"""A packed student in memory: what its file holds, and the predictor that answers with it."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.data.tokenizer import FastTokenizer, require_ids_below, tokenizer_of
from distill_jax.data.tokenizer_file import require_short_tokens
from distill_jax.errors import InputError, refusing
from distill_jax.export.format import LONGEST_TEXT
from distill_jax.files import atomic_write
from distill_jax.inference.network import Network
from distill_jax.inference.predictor import Origin, Predictor
from distill_jax.packed.coding import Quantised, decoded, decoded_bytes, encoded
from distill_jax.packed.container import container_bytes, read_container
from distill_jax.packed.vocabulary import tokenizer_of_streams, tokenizer_streams
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import flat_params, nested_params
from distill_jax.students.registry import student_from_json, student_to_json

_WEIGHTS = "weights/"
_LITTLE, _MOST_TIMES = 1 << 28, 200  # bytes of memory for any file, and so many more for each of its own
_MOST = 1 << 30  # and for the largest


@dataclasses.dataclass(frozen=True)
class PackedStudent:
    """What a packed file holds.

    Attributes:
        label_names: the classes, in class order.
        config: the student, of the whole vocabulary.
        arrays: its parameters by dotted name: float32, or quantised.
        tokenizer: the content of a ``tokenizer.json``.
        max_length: the tokens of a text that the student sees.
        decision: what decides its answers (``Task.decision``).
        facts: what is said of it: ``run`` (where it comes from), ``scores``, ``texts``, ``licence``, ….
    """

    label_names: tuple[str, ...]
    config: StudentConfig
    arrays: Mapping[str, np.ndarray | Quantised]
    tokenizer: str
    max_length: int
    decision: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        streams: dict[str, bytes] = {}
        about: dict[str, Any] = {}
        for name, array in self.arrays.items():
            about[name], found = encoded(_WEIGHTS + name, array)
            streams |= found
        sizes, found = tokenizer_streams(self.tokenizer)
        manifest = {
            "label_names": list(self.label_names),
            "student": student_to_json(self.config),
            "max_length": self.max_length,
            "decision": dict(self.decision),
            "arrays": about,
            "tokenizer": sizes,
            **self.facts,
        }
        return container_bytes(manifest, {**streams, **found})

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; what lies there is replaced.

        Raises:
            OSError: the disk is full, ….
        """
        content = self.to_bytes()
        with atomic_write(path) as stream:
            stream.write(content)

    def network(self) -> Network:
        """Return what computes its logits from token ids, in NumPy.

        Raises:
            InputError: with these options JAX alone computes it.
        """
        arrays = {name: array.array() if isinstance(array, Quantised) else array for name, array in self.arrays.items()}
        network = self.config.numpy_network(nested_params(arrays), self.max_length)
        if network is None:
            raise InputError(f"a student {self.config.name} of these options is computed by JAX alone")
        return network

    def predictor(self, where: str = "packed student") -> Predictor:
        """Return what answers with it, in NumPy.

        Args:
            where: names the file in messages.

        Raises:
            InputError: the tokenizer is damaged, or not the student's.
        """
        with _saying(where):
            return self._predictor(Path(where))

    def _predictor(self, path: Path) -> Predictor:
        content = self.tokenizer.encode()
        require_short_tokens(content, str(path))
        tokenizer = tokenizer_of(content, path, self.max_length)
        require_ids_below(self.config.vocab_size, tokenizer, path, "packed student")
        network = self.network()
        task = self.config.labelling.decided(dict(self.decision), len(self.label_names))
        origin = Origin(export={"label_names": list(self.label_names)})
        fast = FastTokenizer(tokenizer, self.max_length)
        return Predictor(self.label_names, self.config, network, fast, self.max_length, None, origin, task)


def whole_student(predictor: Predictor) -> PackedStudent:
    """Return a student as it is, with all its parameters in float32.

    Raises:
        InputError: NumPy cannot compute it, or it was packed already.
    """
    params = predictor.weights()
    if predictor.config.numpy_network(params, predictor.max_length) is None:
        raise InputError(f"student {predictor.config.name}: with these options it is computed by JAX alone")
    arrays = {name: np.asarray(array, np.float32) for name, array in flat_params(params).items()}
    tokenizer = predictor.tokenizer.to_json()
    decision = predictor.task.decision()
    return PackedStudent(predictor.label_names, predictor.config, arrays, tokenizer, predictor.max_length, decision)


def read_packed(path: Path) -> PackedStudent:
    """Read a packed student.

    Raises:
        MissingInputError: there is no such file.
        InputError: it is none, or damaged, or what it says does not go together.
    """
    manifest, streams = read_container(path)
    with (
        _saying(f"packed student {path}"),
        refusing(lambda reason: f"expected a packed student, got something else ({reason})"),
    ):
        _require_memory(manifest["arrays"], path.stat().st_size)
        config = student_from_json(manifest["student"])
        arrays = {name: decoded(_WEIGHTS + name, about, streams) for name, about in manifest["arrays"].items()}
        tokenizer = tokenizer_of_streams(manifest["tokenizer"], streams).decode()
        student = PackedStudent(
            label_names=_names(manifest, config),
            config=config,
            arrays=arrays,
            tokenizer=tokenizer,
            max_length=_max_length(manifest),
            decision=dict(manifest["decision"]),
            facts={name: value for name, value in manifest.items() if name not in _KNOWN},
        )
        _require_layout(student)
    return student


_KNOWN = ("label_names", "student", "max_length", "decision", "arrays", "tokenizer")


@contextlib.contextmanager
def _saying(where: str) -> Iterator[None]:
    """Say of what is refused within which file it is of."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error) if where in str(error) else f"{where}: {error}") from error


def _require_memory(arrays: Mapping[str, Any], size: int) -> None:
    declared, most = sum(decoded_bytes(arrays)), min(_LITTLE + _MOST_TIMES * size, _MOST)
    if declared > most:
        raise InputError(f"expected at most {most:,} bytes of numbers in a file of {size:,}, got {declared:,}")


def _names(manifest: Mapping[str, Any], config: StudentConfig) -> tuple[str, ...]:
    names = manifest["label_names"]
    fault = config.labelling.check_label_names(names)
    if fault:
        raise InputError(f"label_names: {fault}")
    if len(set(names)) != len(names) or len(names) != config.num_labels:
        raise InputError(f"label_names: expected {config.num_labels} different names, got {json.dumps(names)}")
    return tuple(names)


def _max_length(manifest: Mapping[str, Any]) -> int:
    value = manifest["max_length"]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LONGEST_TEXT:
        raise InputError(f"max_length: expected 1 to {LONGEST_TEXT} tokens, got {value!r}")
    return value


def _require_layout(student: PackedStudent) -> None:
    """Refuse parameters that are not the student's, or not finite: an id beyond a table would read another's memory."""
    expected = {name: shape for name, (shape, _) in student.config.parameter_layout().items()}
    found = {name: tuple(array.shape) for name, array in student.arrays.items()}
    if found != expected:
        name = next(name for name in (*expected, *found) if expected.get(name) != found.get(name))
        raise InputError(f"parameter {name}: expected {expected.get(name)}, got {found.get(name)}")
    for name, array in student.arrays.items():
        if not (array.is_finite if isinstance(array, Quantised) else np.isfinite(array).all()):
            raise InputError(f"parameter {name}: expected finite numbers, got others")
        if isinstance(array, Quantised) and array.kept is not None and name not in student.config.tables:
            raise InputError(f"parameter {name}: expected all of its rows, got some")
