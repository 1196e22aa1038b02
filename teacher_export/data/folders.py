"""Folders of data files, as a data set's repository on a hub has them: its README.md, or their names, say the splits.

Only tables are read; no code of a folder is ever run.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from distill_jax.console import say
from distill_jax.errors import InputError
from distill_jax.files import require_within
from distill_jax.storage.mirror import local_copy
from distill_jax.tables.compression import name_within
from distill_jax.tables.reading import FORMATS
from teacher_export.data.cards import CARD, Subset, read_card, subset_of
from teacher_export.data.hub import fetched, is_on_hub
from teacher_export.options.data import DataConfig

_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "data"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation_data"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test_data"),
}
_NO_ROWS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}  # what describes a data set
_ANY = "**"
_NOTES = ".txt"  # a licence as likely as texts, but for fastText's files


def with_files_of_folders(data: DataConfig) -> DataConfig:
    """Return the options with the files of each folder of ``--data``, or of a hub's data set, in its place, by split.

    A split that ``--validation-data`` or ``--test-data`` gives is not taken from a folder.

    Raises:
        InputError: a folder has no tables, none that train, tables of several kinds, or several data sets.
    """
    data = dataclasses.replace(
        data,
        data=tuple(path if is_on_hub(path) else local_copy(path) for path in data.data),
        validation_data=tuple(map(local_copy, data.validation_data)),
        test_data=tuple(map(local_copy, data.test_data)),
    )
    if not any(path.is_dir() or is_on_hub(path) for path in data.data):
        return data
    found: dict[str, list[Path]] = {"data": [], "validation_data": [], "test_data": []}
    for path in data.data:
        for split, files in _files_of(path, has_notes=data.dataset == "fasttext").items():
            found[split] += files
    return dataclasses.replace(
        data,
        data=tuple(found["data"]),
        validation_data=data.validation_data or tuple(found["validation_data"]),
        test_data=data.test_data or tuple(found["test_data"]),
    )


def _files_of(path: Path, *, has_notes: bool) -> dict[str, list[Path]]:
    """Return a folder's files by split, or a hub's; a file trains."""
    if is_on_hub(path):
        folder, subset = fetched(path)
        return _splits(folder, subset, "name a subset: hf://OWNER/NAME/SUBSET", has_notes=has_notes)
    if path.is_dir():
        return _splits(path, "", "give the files of one after --data", has_notes=has_notes)
    return {"data": [path]}


def _splits(folder: Path, name: str, remedy: str, *, has_notes: bool) -> dict[str, list[Path]]:
    """Return a folder's files by split, as its README.md says it, or else their names."""
    subset = subset_of(read_card(folder, warns=True), name, f"data folder {folder}", remedy)
    if subset is not None and subset.files:
        return _by_card(folder, subset)
    return _by_names(folder / (name if subset is None else subset.folder), has_notes=has_notes)


def _by_card(folder: Path, subset: Subset) -> dict[str, list[Path]]:
    tables = list(_tables(folder, has_notes=True))
    by_split: dict[str, list[Path]] = {}
    left_out = []
    for split, patterns in subset.files:
        field = _split_of(Path(split))
        if field is None:
            left_out.append(split)
            continue
        wanted = [_names_in(pattern) for pattern in patterns]
        found = [path for path in tables if any(_matches(path.relative_to(folder).parts, each) for each in wanted)]
        if not found:
            raise InputError(
                f"data folder {folder}: its {CARD} says that {split} is {', '.join(patterns)}, found no such table"
            )
        by_split.setdefault(field, []).extend(found)
    _require_one_kind(folder, [path for files in by_split.values() for path in files])
    if "data" not in by_split:
        raise InputError(f"data folder {folder}: expected a split train in its {CARD}, found {', '.join(left_out)}")
    _say_splits(folder, f"its {CARD}", by_split, left_out)
    return by_split


def _names_in(pattern: str) -> list[str]:
    """Return a pattern's names; several ``**`` in a row say no more than one."""
    names = [name for name in pattern.split("/") if name != "."]
    return [name for before, name in itertools.pairwise(["", *names]) if (before, name) != (_ANY, _ANY)]


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the names of a path match those of a pattern, of which ``**`` stands for any number of them."""
    if sum(name != _ANY for name in pattern) > len(path):
        return False
    if not pattern:
        return not path
    if pattern[0] == _ANY:
        return any(_matches(path[start:], pattern[1:]) for start in range(len(path) + 1))
    return fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])


def _by_names(folder: Path, *, has_notes: bool) -> dict[str, list[Path]]:
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
    splits = {str(split): found for split, found in by_split.items()}
    _say_splits(folder, "their names", splits, [path.name for path in unnamed])
    return splits


def _say_splits(folder: Path, by: str, splits: dict[str, list[Path]], left_out: list[str]) -> None:
    counts = ", ".join(f"{len(found)} of --{split.replace('_', '-')}" for split, found in splits.items())
    shown = ", ".join(left_out[:5]) + (", …" if len(left_out) > 5 else "")
    say(f"{folder}: files by {by}: {counts}" + (f"; of no split, left out: {shown}" * bool(left_out)))


def _tables(folder: Path, *, has_notes: bool) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if not path.is_file() or is_hidden or path.name in _NO_ROWS:
            continue
        require_within(folder, path, "data folder", "name that file after --data if it is meant, or delete the link")
        if (ending := _ending(path)) in FORMATS and (ending != _NOTES or has_notes):
            yield path


def _ending(path: Path) -> str:
    return Path(name_within(path, FORMATS)).suffix


def _require_one_data_set(folder: Path, files: list[Path]) -> None:
    """Raise where files are of several kinds, or in folders that are no splits."""
    _require_one_kind(folder, files)
    parents = {path.relative_to(folder).parent for path in files}
    sets = sorted({"/".join(part for part in parent.parts if _split_of(Path(part)) is None) for parent in parents})
    if len(sets) > 1:
        shown = ", ".join(name or "." for name in sets[:5])
        raise InputError(
            f"data folder {folder}: expected one data set, found files in several folders ({shown}); give the folder "
            "of one, or its files, after --data"
        )


def _require_one_kind(folder: Path, files: list[Path]) -> None:
    """Raise where files are of several kinds, which may hold the same rows."""
    endings = sorted({_ending(path) for path in files})
    if len({str(FORMATS[ending]) for ending in endings}) > 1:
        raise InputError(
            f"data folder {folder}: expected files of one kind, found {' and '.join(endings)}; name those to read "
            "after --data"
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
