"""Write an export folder part by part, so that an export killed at any moment goes on from its last whole part.

While parts are being written, ``manifest.partial.json`` says what the export is (its identity), and beside each whole
part lies its record; at the end ``manifest.json`` takes their place. So several processes may write parts of one
export, each its own. NumPy and the standard library only.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.checksums import record_digests, record_files
from distill_jax.errors import InputError
from distill_jax.export.format import (
    HINT_DIRECTIONS,
    LEARNT_SPLITS,
    MANIFEST,
    PART_NAME,
    SCHEMA_VERSION,
    SPLIT_NAMES,
    TOKEN_EMBEDDINGS,
    TOKENIZER,
    Manifest,
    Part,
    PartInfo,
    part_file,
)
from distill_jax.export.reader import validate_arrays
from distill_jax.files import (
    atomic_write,
    first_difference,
    is_temporary,
    json_bytes,
    read_json,
    remove_temporaries,
    require_no_links,
    sha256_file,
    write_json,
)
from distill_jax.locks import remove_locks
from distill_jax.npz import read_npy

PARTIAL_MANIFEST = "manifest.partial.json"
SHARED_ARRAYS = {TOKEN_EMBEDDINGS: "token_embeddings_sha256", HINT_DIRECTIONS: "hint_directions_sha256"}
"""The files of what all parts share, and the names of their hashes."""
_FIELDS = {field.name for field in dataclasses.fields(PartInfo)}


class OtherExportError(InputError):
    """The output folder holds another configuration's export: the message names the field and both values."""


class ExportWriter:
    """Writes the parts of one export and, last, its manifest.

    Args:
        folder: the export folder; the first file makes it.
        header: the manifest to be, with no parts in it (``splits={}``). Its ``label_names``, ``vocab_size``,
            ``pad_id``, ``max_length``, ``config`` and the teacher's name and fingerprint are the export's identity.
        beside_others: other processes are writing parts of the same export, so that what they have begun is left alone.

    Raises:
        OtherExportError: the folder holds an export, whole or begun, whose identity differs.
        InputError: the folder holds other files and no export, or a link in a split's place.
    """

    def __init__(self, folder: Path, header: Manifest, *, beside_others: bool = False) -> None:
        self.folder = Path(folder)
        self.header = header
        self._begun: list[dict[str, Any]] = []
        self._written: dict[str, PartInfo] = {}
        self._hash_checked: set[str] = set()
        self._shared: dict[str, str | None] = {}
        found = read_begun_export(self.folder)
        if found is None:
            if self.folder.exists() and any(not is_temporary(path) for path in self.folder.iterdir()):
                raise InputError(
                    f"output folder {self.folder}: expected an empty folder or an export, found other files; "
                    "name another with --output"
                )
        else:
            require_same_identity(self.folder, found["identity"], self.identity)
            self._begun = found["parts"]
            self._shared = {name: value for name, value in found.items() if name in SHARED_ARRAYS.values()}
        splits = [self.folder / name for name in SPLIT_NAMES]
        require_no_links(self.folder, SPLIT_NAMES, "output folder")
        if not beside_others:
            for written in (self.folder, *splits):
                remove_temporaries(written)
                remove_locks(written)

    @cached_property
    def _recorded(self) -> dict[str, PartInfo]:
        """The parts that were whole when it was first asked; read late, for they are many."""
        begun = {part["file"]: PartInfo(**part) for part in self._begun}
        return begun | _read_records(self.folder)

    def _info(self, split: str, index: int) -> PartInfo | None:
        name = part_file(split, index)
        return self._written.get(name) or self._recorded.get(name)

    @property
    def identity(self) -> dict[str, Any]:
        """What must agree for two exports to be the same one."""
        return identity_of(self.header)

    def begin(self) -> None:
        """Record which export this folder is, before its first file, so that a kill leaves nothing unexplained."""
        if not (self.folder / PARTIAL_MANIFEST).is_file():
            self._record()

    def _record(self) -> None:
        write_json(self.folder / PARTIAL_MANIFEST, {"identity": self.identity, "parts": self._begun, **self._shared})

    def is_done(self, split: str, index: int) -> bool:
        """Whether a part is recorded, there, and has the recorded bytes; what others write meanwhile is not seen."""
        info = self._info(split, index)
        if info is None:
            return False
        path = self.folder / info.file
        if info.file not in self._hash_checked:
            if not path.is_file() or sha256_file(path) != info.sha256:
                return False
            self._hash_checked.add(info.file)
        return True

    def write(self, split: str, index: int, part: Part, notes: Mapping[str, Any] | None = None) -> None:
        """Write a part atomically, then its record; a kill in between only computes the part again.

        Args:
            split: the part's split.
            index: its number there.
            part: its rows.
            notes: what the record says besides, until the export is finished.

        Raises:
            ExportFormatError: the arrays break a rule (a logit that is not finite, …); nothing is written.
            OSError: the disk is full; nothing is left behind.
        """
        name = part_file(split, index)
        path = self.folder / name
        arrays: dict[str, Any] = part.arrays()
        task = self.header.labelling
        validate_arrays(arrays, self.header.num_labels, self.header.vocab_size, f"part {path}", task)
        self.begin()
        with atomic_write(path) as stream:
            np.savez(stream, **arrays)
        self._written[name] = info = PartInfo(name, len(part), sha256_file(path))
        self._hash_checked.add(name)
        write_json(record_of(path), {**dataclasses.asdict(info), **({"notes": notes} if notes else {})})

    def write_tokenizer(self, text: str) -> None:
        """Write ``tokenizer.json``: ``text`` is what ``tokenizers.Tokenizer.to_str`` returns."""
        self.begin()
        with atomic_write(self.folder / TOKENIZER) as stream:
            stream.write(text.encode())

    def write_token_embeddings(self, table: np.ndarray | None) -> None:
        """Write what students' embeddings may start from, [vocab_size, dim], as float16, then its record.

        Args:
            table: None = there is nothing: what lies there is deleted.

        Raises:
            InputError: a number is not finite, or too large for float16.
        """
        self._write_shared(TOKEN_EMBEDDINGS, None if table is None else _as_float16(table))

    def write_hint_directions(self, directions: np.ndarray) -> None:
        """Write what hints are made along, float32 [hidden, width], then its record."""
        self._write_shared(HINT_DIRECTIONS, directions)

    def _write_shared(self, name: str, array: np.ndarray | None) -> None:
        self.begin()
        path = self.folder / name
        if array is None:
            path.unlink(missing_ok=True)
        else:
            with atomic_write(path) as stream:
                np.save(stream, array, allow_pickle=False)
        key, digest = SHARED_ARRAYS[name], None if array is None else sha256_file(path)
        if self.header.hint_width and self._shared.get(key, digest) != digest:
            self._delete_hinted_parts()
        self._shared[key] = digest
        self._record()

    def _delete_hinted_parts(self) -> None:
        """Delete the parts whose hints were made by other arrays: computed anew, these need not have the same bits."""
        for split in LEARNT_SPLITS:
            for path in (self.folder / split).glob("part-*"):
                path.unlink()

    @property
    def knows_shared_arrays(self) -> bool:
        """Whether it is recorded which arrays this export's parts share, or that there is none, and they are there."""
        return all(map(self._knows, self._shared_names))

    @property
    def _shared_names(self) -> list[str]:
        return [TOKEN_EMBEDDINGS, *([HINT_DIRECTIONS] if self.header.hint_width else [])]

    def _knows(self, name: str) -> bool:
        path, key = self.folder / name, SHARED_ARRAYS[name]
        there = sha256_file(path) if path.is_file() else None
        return key in self._shared and self._shared[key] == there and not path.is_symlink()

    def shared_sha256s(self) -> dict[str, str | None]:
        """Return the SHA-256 of each array that parts share, by its name in the manifest; None = there is none.

        Raises:
            InputError: what lies there is not what was written.
        """
        return {SHARED_ARRAYS[name]: self._required(name) for name in self._shared_names}

    def read_shared_array(self, name: str) -> np.ndarray:
        """Return an array that parts share; raises what ``shared_sha256s`` does."""
        self._required(name)
        return read_npy(self.folder / name, "array")

    def _required(self, name: str) -> str | None:
        if not self._knows(name):
            raise InputError(
                f"{self.folder / name}: expected what was written for this export, found nothing or another file; give "
                "the export's first command (export, or plan) again: it writes it anew"
            )
        return self._shared[SHARED_ARRAYS[name]]

    def parts(self, split: str, count: int) -> tuple[PartInfo, ...]:
        """Return the first ``count`` parts of a split, all of them written."""
        found = (self._info(split, index) for index in range(count))
        return tuple(info for info in found if info is not None)

    def finish(self, parts_per_split: dict[str, int], teacher: dict[str, Any]) -> Manifest:
        """Write the record of the files that are no parts, and last ``manifest.json``.

        Args:
            parts_per_split: how many parts each split has.
            teacher: the header's, with what the export found out (accuracies).
        """
        splits = {split: self.parts(split, count) for split, count in parts_per_split.items()}
        assert all(len(splits[split]) == count for split, count in parts_per_split.items())
        manifest = dataclasses.replace(self.header, splits=splits, teacher=teacher)
        content = json_bytes(manifest.to_json())
        # The record comes first, so that no manifest stands without it.
        record_digests(self.folder, {MANIFEST: hashlib.sha256(content).hexdigest()})
        record_files(self.folder, *(name for name in (TOKENIZER, *SHARED_ARRAYS) if (self.folder / name).is_file()))
        with atomic_write(self.folder / MANIFEST) as stream:
            stream.write(content)
        self.clear()
        return manifest

    def clear(self) -> None:
        """Delete what is of no use beside a manifest: the parts' records, and last what says that parts are missing."""
        for path in _records(self.folder):
            path.unlink(missing_ok=True)
        (self.folder / PARTIAL_MANIFEST).unlink(missing_ok=True)


def _as_float16(table: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what is too large becomes infinity
        table = table.astype(np.float16)
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{TOKEN_EMBEDDINGS}: expected finite numbers of at most {np.finfo(np.float16).max:,.0f}, got others in "
            f"the row of token {int(np.argmin(finite))}; check the teacher's weights"
        )
    return table


def record_of(part: Path) -> Path:
    """Return where the record of a part's file lies until the export is finished."""
    return part.with_suffix(".json")


def read_record(path: Path) -> tuple[PartInfo, dict[str, Any]]:
    """Return what the record of a part says, and what was noted besides.

    Raises:
        InputError: it is another file.
    """
    found = read_json(path, "record of a part")
    notes = found.pop("notes", {})
    expected = f"{path.parent.name}/{path.stem}.npz"
    if set(found) != _FIELDS or found["file"] != expected or not isinstance(notes, dict):
        raise InputError(f"{path}: expected the record of {expected}, got something else; delete it")
    return PartInfo(**found), notes


def _records(folder: Path) -> list[Path]:
    return [
        path
        for split in SPLIT_NAMES
        for path in (folder / split).glob("part-*.json")
        if PART_NAME.fullmatch(path.stem) and not path.is_symlink()
    ]


def _read_records(folder: Path) -> dict[str, PartInfo]:
    found = (read_record(path)[0] for path in _records(folder) if path.is_file())
    return {info.file: info for info in found}


def identity_of(manifest: Manifest) -> dict[str, Any]:
    """Return the fields of a manifest that say which export it is."""
    return {
        "schema_version": SCHEMA_VERSION,
        "label_names": list(manifest.label_names),
        "vocab_size": manifest.vocab_size,
        "pad_id": manifest.pad_id,
        "max_length": manifest.max_length,
        **manifest.task_fields(),
        "teacher": {key: manifest.teacher.get(key) for key in ("name", "fingerprint")},
        "config": manifest.config,
    }


def read_begun_export(folder: Path) -> dict[str, Any] | None:
    """Return ``{"identity": …, "parts": […]}`` of the export in ``folder``, whole or begun, or None.

    Beside them stand the hashes of the arrays that parts share, where they are settled; null = it has none.
    """
    from distill_jax.export.format import parse_manifest

    whole, partial = folder / MANIFEST, folder / PARTIAL_MANIFEST
    finished: dict[str, Any] | None = None
    if whole.is_file():
        manifest = parse_manifest(read_json(whole, "manifest"), str(whole))
        whole_parts = [dataclasses.asdict(part) for split in manifest.splits.values() for part in split]
        finished = {"identity": identity_of(manifest), "parts": whole_parts}
        finished |= {name: manifest.teacher[name] for name in SHARED_ARRAYS.values() if name in manifest.teacher}
    if partial.is_file():
        found = read_json(partial, "manifest of a begun export")
        parts = found.get("parts")
        are_parts = isinstance(parts, list) and all(isinstance(part, dict) and set(part) == _FIELDS for part in parts)
        if not isinstance(found.get("identity"), dict) or not are_parts:
            raise InputError(f"{partial}: expected an export's record, got something else; delete the folder")
        known = [] if finished is None else finished["parts"]  # the last deletion was interrupted
        return {**found, "parts": [*known, *found["parts"]]}
    return finished


def require_same_identity(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise ``OtherExportError`` naming the first field in which two identities differ."""
    difference = first_difference(found, wanted)
    if difference:
        name, old, new = difference
        raise OtherExportError(
            f"output folder {folder}: it holds another export: its {name} is {old!r}, this one's is {new!r}; "
            "name another folder with --output, or delete this one"
        )
