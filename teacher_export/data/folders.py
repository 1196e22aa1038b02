"""Folders of data files, as a data set's repository on a hub has them: the files' names say which split they are.

Only tables are read; no code of a folder is ever run.
"""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from distill_jax.console import say
from distill_jax.errors import InputError
from distill_jax.tables.compression import name_within
from distill_jax.tables.reading import FORMATS
from teacher_export.options.data import DataConfig

_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "data"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation_data"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test_data"),
}
_NO_ROWS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}  # what describes a data set
_SNAPSHOTS, _BLOBS = "snapshots", "blobs"  # in a hub's cache
_NOTES = ".txt"  # a licence as likely as texts, but for fastText's files


def with_files_of_folders(data: DataConfig) -> DataConfig:
    """Return the options with the files of each folder of ``--data`` in its place, by split.

    A split that ``--validation-data`` or ``--test-data`` gives is not taken from a folder.

    Raises:
        InputError: a folder has no tables, none that train, tables of several kinds, or several data sets.
    """
    if not any(path.is_dir() for path in data.data):
        return data
    found: dict[str, list[Path]] = {"data": [], "validation_data": [], "test_data": []}
    for path in data.data:
        splits = _splits(path, has_notes=data.dataset == "fasttext") if path.is_dir() else {"data": [path]}
        for split, files in splits.items():
            found[split] += files
    return dataclasses.replace(
        data,
        data=tuple(found["data"]),
        validation_data=data.validation_data or tuple(found["validation_data"]),
        test_data=data.test_data or tuple(found["test_data"]),
    )


def _splits(folder: Path, *, has_notes: bool) -> dict[str, list[Path]]:
    files = list(_tables(folder, has_notes=has_notes))
    if not files:
        raise InputError(f"data folder {folder}: expected {', '.join(FORMATS)} files in it, found none; check --data")
    _require_one_data_set(folder, files)
    by_split: dict[str | None, list[Path]] = {}
    for path in files:
        by_split.setdefault(_split_of(path.relative_to(folder)), []).append(path)
    unnamed = by_split.pop(None, [])
    if not by_split:
        by_split = {"data": unnamed}
        unnamed = []
    if "data" not in by_split:
        raise InputError(f"data folder {folder}: expected a file whose name has the word train, found {_named(files)}")
    counts = ", ".join(f"{len(found)} of --{str(split).replace('_', '-')}" for split, found in by_split.items())
    say(f"{folder}: files by their names: {counts}" + (f"; of no split, left out: {_named(unnamed)}" * bool(unnamed)))
    return {str(split): found for split, found in by_split.items()}


def _tables(folder: Path, *, has_notes: bool) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if not path.is_file() or is_hidden or path.name in _NO_ROWS:
            continue
        _require_within(folder, path)
        if (ending := _ending(path)) in FORMATS and (ending != _NOTES or has_notes):
            yield path


def _require_within(folder: Path, path: Path) -> None:
    """Raise where a link leads out of a folder; a hub's snapshot has its files beside it, among the ``blobs``."""
    place, root = path.resolve(), folder.resolve()
    is_blob = root.parent.name == _SNAPSHOTS and place.parent == root.parent.with_name(_BLOBS)
    if not is_blob and not place.is_relative_to(root):
        raise InputError(
            f"data folder {folder}: expected files of its own, found {path.name}, a link to {place}; name that file "
            "after --data if it is meant, or delete the link"
        )


def _ending(path: Path) -> str:
    return Path(name_within(path, FORMATS)).suffix


def _require_one_data_set(folder: Path, files: list[Path]) -> None:
    """Raise where files are of several kinds, which may hold the same rows, or in folders that are no splits."""
    endings = sorted({_ending(path) for path in files})
    if len({str(FORMATS[ending]) for ending in endings}) > 1:
        raise InputError(
            f"data folder {folder}: expected files of one kind, found {' and '.join(endings)}; name those to read "
            "after --data"
        )
    parents = {path.relative_to(folder).parent for path in files}
    sets = sorted({"/".join(part for part in parent.parts if _split_of(Path(part)) is None) for parent in parents})
    if len(sets) > 1:
        shown = ", ".join(name or "." for name in sets[:5])
        raise InputError(
            f"data folder {folder}: expected one data set, found files in several folders ({shown}); give the folder "
            "of one, or its files, after --data"
        )


def _split_of(path: Path) -> str | None:
    """Return the field of the split that a path's last word of one names; the file's name goes first."""
    for part in reversed(path.parts):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in _SPLIT_WORDS:
                return _SPLIT_WORDS[word]
    return None


def _named(files: list[Path]) -> str:
    return ", ".join(path.name for path in files[:5]) + (", …" if len(files) > 5 else "")
