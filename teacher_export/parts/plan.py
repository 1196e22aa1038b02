"""The plan of an export: which rows are in which part, and all that a part is made of but the teacher's files.

It lies in the export folder until the export is finished: ``plan/plan.json``, written last, and each part's rows.
"""

import bisect
import dataclasses
import hashlib
import itertools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.checksums import CHECKSUMS, record_digests, require_recorded
from distill_jax.errors import InputError, MissingInputError
from distill_jax.export.format import MANIFEST, SPLIT_NAMES, WEIGHTS, Manifest, parse_manifest, part_file
from distill_jax.files import atomic_write, json_bytes, read_json, require_no_links, sha256_file
from distill_jax.npz import read_npz
from teacher_export.data.dataset import Split

PLAN_FOLDER = "plan"
PLAN = "plan.json"
PLAN_FILES = (f"{PLAN_FOLDER}/{CHECKSUMS}", f"{PLAN_FOLDER}/{PLAN}")  # in the order in which they are written
_VERSION = 1
_LOGITS = "teacher_logits"
_TYPES = {
    "header": dict,
    "rows": dict,
    "part_rows": int,
    "inputs": list,
    "teacher": dict,
    "figures": dict,
    "order_is_known": bool,
}
_ARRAYS = ("example_ids", "texts", "text_offsets", "labels")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A plan that is whole.

    Attributes:
        folder: the export folder.
        header: the manifest to be, without parts.
        rows: how many rows each split has; its parts come in this order, numbered from 0 over all splits.
        part_rows: how many rows a part has; the last of a split has the rest.
        inputs: the SHA-256 of each part's rows, by number.
        teacher: what the teacher is loaded of.
        figures: what the manifest says of the teacher beside its scores.
        order_is_known: whether nobody need doubt which of its logits is which class's.
    """

    folder: Path
    header: Manifest
    rows: Mapping[str, int]
    part_rows: int
    inputs: Sequence[str]
    teacher: dict[str, Any]
    figures: dict[str, Any]
    order_is_known: bool

    @property
    def counts(self) -> dict[str, int]:
        """How many parts each split has."""
        return {name: -(-rows // self.part_rows) for name, rows in self.rows.items()}

    def __len__(self) -> int:
        """Return the number of parts."""
        return sum(self.counts.values())

    def place(self, number: int) -> tuple[str, int]:
        """Return the split and the index there of a part."""
        counts = self.counts
        ends = list(itertools.accumulate(counts.values()))
        split = bisect.bisect_right(ends, number)
        name = list(counts)[split]
        return name, number - ends[split] + counts[name]

    def examples(self, number: int) -> int:
        """Return how many rows a part has."""
        split, index = self.place(number)
        return min(self.part_rows, self.rows[split] - index * self.part_rows)

    def part_path(self, number: int) -> Path:
        """Return where a part is written."""
        return self.folder / part_file(*self.place(number))

    def read_rows(self, number: int) -> Split:
        """Return a part's rows.

        Raises:
            InputError: the file of them is missing or is not the one that was written.
        """
        path = input_path(self.folder, *self.place(number))
        arrays = read_npz(path, "a part's rows", _ARRAYS, (WEIGHTS, _LOGITS))
        if sha256_file(path) != self.inputs[number]:
            raise InputError(f"a part's rows {path}: they are not what was planned; delete the folder and plan again")
        content = memoryview(arrays["texts"].tobytes())
        offsets = arrays["text_offsets"].tolist()
        texts = [str(content[start:stop], "utf-8") for start, stop in itertools.pairwise(offsets)]
        return Split(arrays["example_ids"], texts, arrays["labels"], arrays.get(_LOGITS), arrays.get(WEIGHTS))

    def write(self) -> None:
        """Write it, once all rows are written: from then on parts can be computed."""
        value = {
            "version": _VERSION,
            "header": self.header.to_json(),
            "rows": dict(self.rows),
            "part_rows": self.part_rows,
            "inputs": list(self.inputs),
            "teacher": self.teacher,
            "figures": self.figures,
            "order_is_known": self.order_is_known,
        }
        content = json_bytes(value)
        record_digests(self.folder / PLAN_FOLDER, {PLAN: hashlib.sha256(content).hexdigest()})
        with atomic_write(plan_file(self.folder)) as stream:
            stream.write(content)


def plan_file(folder: Path) -> Path:
    """Return where an export's plan lies."""
    return folder / PLAN_FOLDER / PLAN


def input_path(folder: Path, split: str, index: int) -> Path:
    """Return where the rows of a part lie."""
    return folder / PLAN_FOLDER / part_file(split, index)


def write_rows(folder: Path, split: str, index: int, rows: Split) -> str:
    """Write the rows of a part and return the SHA-256 of their file.

    Args:
        folder: the export folder.
        split: the part's split.
        index: its number there.
        rows: its rows.
    """
    contents = [text.encode() for text in rows.texts]
    offsets = np.zeros(len(contents) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, contents), np.int64, len(contents)), out=offsets[1:])
    arrays: dict[str, Any] = {
        "example_ids": rows.example_ids,
        "texts": np.frombuffer(b"".join(contents), np.uint8),
        "text_offsets": offsets,
        "labels": rows.labels,
    }
    further = {_LOGITS: rows.teacher_logits, WEIGHTS: rows.weights}
    arrays |= {name: array for name, array in further.items() if array is not None}
    path = input_path(folder, split, index)
    with atomic_write(path) as stream:
        np.savez(stream, **arrays)
    return sha256_file(path)


def read_plan(folder: Path) -> Plan:
    """Return the plan of an export.

    Raises:
        MissingInputError: there is none.
        InputError: it is damaged, of another version, or a link.
    """
    require_own_plan(folder)
    path = plan_file(folder)
    if not path.is_file():
        if (folder / MANIFEST).is_file():
            raise MissingInputError(f"output folder {folder}: its export is finished already; nothing is left to do")
        raise MissingInputError(
            f"output folder {folder}: expected a plan in it, found none; make one: python -m teacher_export plan, with "
            "the options of the export"
        )
    require_recorded(path.parent, PLAN, what="plan", remedy="delete the folder and plan again")
    found = read_json(path, "plan")
    if found.get("version") != _VERSION:
        raise InputError(f"plan {path}: expected version {_VERSION}, got {found.get('version')!r}; plan again")
    fields: dict[str, Any] = {name: found.get(name) for name in _TYPES}
    for name, kind in _TYPES.items():
        if not isinstance(fields[name], kind):
            raise InputError(f"plan {path}: {name}: expected a {kind.__name__}, got {fields[name]!r}; plan again")
    empty = {"examples": 0, "parts": []}
    header = parse_manifest({**fields.pop("header"), "splits": {"train": empty, "test": empty}}, str(path))
    plan = Plan(folder, dataclasses.replace(header, splits={}), **fields)
    if plan.part_rows < 1 or len(plan.inputs) != len(plan):
        raise InputError(f"plan {path}: expected {len(plan)} parts, got {len(plan.inputs)}; plan again")
    return plan


def require_own_plan(folder: Path) -> None:
    """Raise ``InputError`` where a link stands in the place of an export's plan, or of a folder or file of it."""
    names = (*PLAN_FILES, *(f"{PLAN_FOLDER}/{split}" for split in SPLIT_NAMES))
    require_no_links(folder, names, "output folder")


def delete_plan(folder: Path) -> None:
    """Delete an export's plan: first what makes it one.

    Raises:
        InputError: a link stands in its place.
    """
    require_own_plan(folder)
    plan_file(folder).unlink(missing_ok=True)
    if (folder / PLAN_FOLDER).is_dir():
        shutil.rmtree(folder / PLAN_FOLDER)
