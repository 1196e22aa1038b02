"""The names that a data set's own files give to classes which a column numbers: Parquet's schema, or the README.md."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from distill_jax.console import say
from distill_jax.errors import InputError
from distill_jax.tables.formats import table_format
from distill_jax.tasks import SCORE_NAME
from teacher_export.data.cards import class_names_in, named, read_card
from teacher_export.options.data import DataConfig

_NOTE = "huggingface"  # under which the library datasets notes a table's features
_FOLDERS_UP = 3
_NAMES_SHOWN = 8


def with_class_names(data: DataConfig) -> DataConfig:
    """Return the options with the names that the first file's data set has for the classes of ``--label-column``.

    Names that were given stay.
    """
    column = data.label_column
    if column is None or data.class_names or data.task == SCORE_NAME or not data.data or not data.data[0].is_file():
        return data
    names = _names_for(data.data[0], column)
    if not names:
        return data
    more = ", …" if len(names) > _NAMES_SHOWN else ""
    say(f"the data set names the classes of {column!r}: {', '.join(names[:_NAMES_SHOWN])}{more}")
    return dataclasses.replace(data, class_names=names)


def _names_for(path: Path, column: str) -> tuple[str, ...]:
    return _names_in_parquet(path, column) or _names_in_card(path, column)


def _names_in_parquet(path: Path, column: str) -> tuple[str, ...]:
    try:
        if table_format(path) != "parquet":
            return ()
        from distill_jax.tables.parquet import parquet_note

        note = json.loads(parquet_note(path, _NOTE) or b"{}")
    except (InputError, ValueError, RecursionError):  # what is wrong with the file is said when it is read
        return ()
    feature = _at(note, "info", "features", column)
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    return named(_at(feature, "names") or _at(feature, "feature", "names"))


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _names_in_card(path: Path, column: str) -> tuple[str, ...]:
    """Return what the nearest README.md above a file says; where its subsets differ, that of the file's folder."""
    for folder in list(path.parents)[:_FOLDERS_UP]:
        found = class_names_in(read_card(folder), column)
        if found:
            inside = [names for subset, names in found.items() if subset in path.relative_to(folder).parts]
            choices = set(found.values()) if len(set(found.values())) == 1 else set(inside)
            return choices.pop() if len(choices) == 1 else ()
    return ()
