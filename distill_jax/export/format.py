"""The export folder, the border between the two halves: its schema, and its manifest.

``manifest.json``, ``tokenizer.json``, ``token_embeddings.npy``, maybe ``hint_directions.npy``, their record and
``<split>/part-00000.npz`` …; see ``docs/export-format.md``. NumPy and the standard library only. Arrays are read in
``reader.py``; all of it is written in ``writer.py``.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from distill_jax.checksums import read_checksums, require_recorded
from distill_jax.console import EXPORT_COMMAND
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import parse_json, sha256_file
from distill_jax.tasks import AS_THEY_ARE
from distill_jax.tasks.registry import SINGLE_LABEL, task_named
from distill_jax.tasks.task import Task

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
TOKEN_EMBEDDINGS = "token_embeddings.npy"  # noqa: S105 - a file's name, not a secret
SPLIT_NAMES = ("train", "test", "validation", "transfer")
LONGEST_TEXT = 1 << 20  # tokens of a text
PART_NAME = re.compile(r"part-\d{5,}")  # without its ending
HINT_DIRECTIONS = "hint_directions.npy"
WEIGHTS, HINTS = OPTIONAL_ARRAYS = ("weights", "hints")  # the arrays that a part need not have
LEARNT_SPLITS = ("train", "transfer")  # those that students learn from, whose parts may have hints
HINT_STEP = 1 / 16  # what a 1 of a hint's int8 stands for


Result = TypeVar("Result")


class ExportFormatError(InputError):
    """The export folder breaks a rule of its format: the message names the file, the rule and what was found."""


@dataclasses.dataclass(frozen=True)
class Part:
    """The rows of one part file.

    Attributes:
        example_ids: int64 [n], the row's number in the source.
        tokens: the rows' tokens, special ones included.
        labels: of one class a row int32 [n], 0 … classes-1, or -1 = unlabelled; else as the task says.
        teacher_logits: float32 [n, classes], raw: no softmax, no temperature.
        weights: float32 [n], how much the rows count in training, by their ratios; None = every row counts as one.
        hints: int8 [tokens, width], what the context adds to each token in the teacher, in steps of ``HINT_STEP``; None
            = there are none, or they are not read.
    """

    example_ids: np.ndarray
    tokens: Ragged
    labels: np.ndarray
    teacher_logits: np.ndarray
    weights: np.ndarray | None = None
    hints: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.example_ids)

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Part":
        """Return the rows that a part file's arrays hold; they keep the rules of the format (``validate_arrays``)."""
        tokens = Ragged(arrays["token_ids"], np.diff(arrays["token_offsets"]))
        further = (arrays.get(name) for name in OPTIONAL_ARRAYS)
        return cls(arrays["example_ids"], tokens, arrays["labels"], arrays["teacher_logits"], *further)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of the part's file; row i is ``token_ids[token_offsets[i]:token_offsets[i+1]]``."""
        return {
            "example_ids": self.example_ids,
            "token_ids": self.tokens.ids,
            "token_offsets": np.concatenate([np.zeros(1, np.int64), self.tokens.stops]),
            "labels": self.labels,
            "teacher_logits": self.teacher_logits,
            **{name: array for name in OPTIONAL_ARRAYS if (array := getattr(self, name)) is not None},
        }


@dataclasses.dataclass(frozen=True)
class PartInfo:
    """What the manifest says of a part: its path in the folder, its rows, the SHA-256 of its bytes."""

    file: str
    examples: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The contents of ``manifest.json``; ``splits`` maps a split's name to its parts in row order.

    ``fingerprint`` is the SHA-256 of the file that it was read of, by which the export is known again.
    """

    label_names: tuple[str, ...]
    vocab_size: int
    pad_id: int
    max_length: int
    teacher: dict[str, Any]
    config: dict[str, Any]
    splits: dict[str, tuple[PartInfo, ...]]
    task: str = SINGLE_LABEL.name
    standardisation: tuple[float, ...] = AS_THEY_ARE
    fingerprint: str = dataclasses.field(default="", compare=False)

    @property
    def num_labels(self) -> int:
        """The number of classes."""
        return len(self.label_names)

    @property
    def labelling(self) -> Task:
        """What the rows are labelled with."""
        return task_named(self.task, self.standardisation)

    @property
    def has_token_embeddings(self) -> bool:
        """Whether it has what embeddings may start from; ``"token_embeddings_sha256": null`` says that it has not."""
        return "token_embeddings_sha256" not in self.teacher or self.teacher["token_embeddings_sha256"] is not None

    @property
    def hint_width(self) -> int:
        """How many numbers a hint has; 0 = there are none."""
        return int(self.config.get("hint_width", 0))

    def hint_width_of(self, file: str) -> int:
        """Return how many numbers the hints of a part have; 0 = none, as of every part that no student learns from."""
        return self.hint_width if file.partition("/")[0] in LEARNT_SPLITS else 0

    @property
    def sizes(self) -> dict[str, Any]:
        """What a student takes from here, by the names of its fields."""
        names = ("vocab_size", "num_labels", "pad_id", "task", "standardisation")
        return {name: getattr(self, name) for name in names}

    def examples(self, split: str) -> int:
        """Return the number of rows of a split, 0 where there is no such split."""
        return sum(part.examples for part in self.splits.get(split, ()))

    def task_fields(self) -> dict[str, Any]:
        """Return what JSON says of the task: nothing where it is a single label's."""
        fields: dict[str, Any] = {} if self.task == SINGLE_LABEL.name else {"task": self.task}
        if self.standardisation != AS_THEY_ARE:
            fields["standardisation"] = list(self.standardisation)
        return fields

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``parse_manifest`` reads; one without a task is a single label's."""
        return {
            "schema_version": SCHEMA_VERSION,
            **self.task_fields(),
            "label_names": list(self.label_names),
            "vocab_size": self.vocab_size,
            "pad_id": self.pad_id,
            "max_length": self.max_length,
            "teacher": self.teacher,
            "config": self.config,
            "splits": {
                name: {
                    "examples": sum(part.examples for part in parts),
                    "parts": [dataclasses.asdict(part) for part in parts],
                }
                for name, parts in self.splits.items()
            },
        }


def read_manifest(folder: Path) -> Manifest:
    """Read and validate ``folder/manifest.json``.

    Raises:
        MissingInputError: no such folder, or no manifest in it.
        ExportFormatError: a field is missing or breaks its rule, the schema version is unknown, or the file is not the
            recorded one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingInputError(
            f"export folder {folder}: there is no such folder; make one with {EXPORT_COMMAND}, "
            "or name another with --export"
        )
    path = folder / MANIFEST
    if not path.is_file():
        raise MissingInputError(
            f"export folder {folder}: it has no {MANIFEST}, so its export has not ended; run the same "
            f"{EXPORT_COMMAND} command again, it goes on where it stopped"
        )
    content = path.read_bytes()
    fingerprint = hashlib.sha256(content).hexdigest()
    manifest = dataclasses.replace(
        parse_manifest(parse_json(content, f"manifest {path}"), str(path)), fingerprint=fingerprint
    )
    require_whole(folder, MANIFEST, manifest)
    return manifest


def require_whole(folder: Path, name: str, manifest: Manifest) -> None:
    """Raise ``ExportFormatError`` where a file is not the recorded one, or another export's.

    Called after the file is read, so that one which took its place meanwhile is found. An export without a record, as
    before version 0.2, is asked for its manifest alone.

    Args:
        folder: the export folder.
        name: the file.
        manifest: the export's manifest as it was read first.
    """
    recorded = _checked(read_checksums, folder)
    known = recorded.get(MANIFEST) if recorded else sha256_file(folder / MANIFEST)
    if name != MANIFEST and known != manifest.fingerprint:
        raise ExportFormatError(
            f"export folder {folder}: it was written anew since its manifest was read; wait for that, and begin again"
        )
    if recorded:
        remedy = "copy the folder again, or delete it and export again"
        _checked(require_recorded, folder, name, what="export folder", remedy=remedy)


def _checked(function: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
    try:
        return function(*arguments, **options)
    except InputError as error:
        raise ExportFormatError(str(error)) from None


def parse_manifest(value: dict[str, Any], where: str) -> Manifest:
    """Validate a manifest's JSON object; ``where`` names it in error messages."""
    version = _field(value, "schema_version", int, where)
    if version != SCHEMA_VERSION:
        raise ExportFormatError(
            f"{where}: schema_version is {version}, this program reads version {SCHEMA_VERSION}; "
            "use the distill-jax that wrote the folder, or export again"
        )
    try:
        standardisation = tuple(_field({"standardisation": list(AS_THEY_ARE), **value}, "standardisation", list, where))
        task = task_named(value.get("task", SINGLE_LABEL.name), standardisation)
    except InputError as error:
        raise ExportFormatError(f"{where}: {error}") from None
    label_names = _field(value, "label_names", list, where)
    fault = task.check_label_names(label_names)
    if fault:
        raise ExportFormatError(f"{where}: label_names: {fault}")
    if len(set(label_names)) != len(label_names):
        raise ExportFormatError(f"{where}: label_names: expected different names, got {label_names!r}")
    vocab_size = _positive(value, "vocab_size", where)
    pad_id = _field(value, "pad_id", int, where)
    if not 0 <= pad_id < vocab_size:
        raise ExportFormatError(f"{where}: pad_id: expected 0 to {vocab_size - 1} (vocab_size - 1), got {pad_id}")
    config = _field(value, "config", dict, where)
    if "hint_width" in config:
        _positive(config, "hint_width", f"{where}: config")
    splits = _field(value, "splits", dict, where)
    for name in ("train", "test"):
        if name not in splits:
            raise ExportFormatError(f"{where}: splits: expected a split {name!r}, got {sorted(splits)}")
    return Manifest(
        label_names=tuple(label_names),
        vocab_size=vocab_size,
        pad_id=pad_id,
        max_length=_positive(value, "max_length", where, LONGEST_TEXT),
        teacher=_field(value, "teacher", dict, where),
        config=config,
        splits={name: _parse_split(name, split, where) for name, split in splits.items()},
        task=task.name,
        standardisation=standardisation,
    )


def _parse_split(name: str, split: Any, where: str) -> tuple[PartInfo, ...]:
    where = f"{where}: splits.{name}"
    if name not in SPLIT_NAMES:
        raise ExportFormatError(f"{where}: expected one of {', '.join(SPLIT_NAMES)}, got {name!r}")
    if not isinstance(split, dict):
        raise ExportFormatError(f"{where}: expected a JSON object, got {type(split).__name__}")
    parts = []
    for index, part in enumerate(_field(split, "parts", list, where)):
        part_where = f"{where}.parts[{index}]"
        if not isinstance(part, dict):
            raise ExportFormatError(f"{part_where}: expected a JSON object, got {type(part).__name__}")
        file, digest = _field(part, "file", str, part_where), _field(part, "sha256", str, part_where)
        if file != part_file(name, index):  # so that a manifest can never point outside its folder
            raise ExportFormatError(f"{part_where}.file: expected {part_file(name, index)!r}, got {file!r}")
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise ExportFormatError(f"{part_where}.sha256: expected 64 hexadecimal digits, got {digest!r}")
        parts.append(PartInfo(file, _positive(part, "examples", part_where), digest))
    examples = _field(split, "examples", int, where)
    if examples != sum(part.examples for part in parts):
        raise ExportFormatError(
            f"{where}.examples: expected the sum over its parts, {sum(part.examples for part in parts)}, got {examples}"
        )
    return tuple(parts)


def part_file(split: str, index: int) -> str:
    """Return a part's path inside the export folder."""
    return f"{split}/part-{index:05d}.npz"


def _field(value: dict[str, Any], name: str, kind: type, where: str) -> Any:
    if name not in value:
        raise ExportFormatError(f"{where}: missing field {name!r}")
    found = value[name]
    if not isinstance(found, kind) or isinstance(found, bool):
        names = {int: "a whole number", str: "a string", list: "a list", dict: "a JSON object"}
        raise ExportFormatError(f"{where}: {name}: expected {names[kind]}, got {found!r}")
    return found


def _positive(value: dict[str, Any], name: str, where: str, most: int = 2**31 - 1) -> int:
    number = int(_field(value, name, int, where))
    if not 1 <= number <= most:
        raise ExportFormatError(f"{where}: {name}: expected 1 to {most}, got {number}")
    return number
