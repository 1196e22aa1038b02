"""Which texts a fine-tuned teacher has seen, so that it is never tested on them by another split."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.console import warn
from distill_jax.errors import InputError
from distill_jax.files import atomic_write, read_json, utf8, write_json
from distill_jax.npz import read_npy
from teacher_export.data.text_digests import text_digests
from teacher_export.options.data import DataConfig
from teacher_export.teacher.finetune_state import RECORD
from teacher_export.teacher.source import TeacherSource
from teacher_export.transfer.transfer_set import PROTECTED_SPLITS

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset


TRAINING_SPLIT = "training_split.json"
TRAINING_TEXTS = "training_texts.npy"
# Reviews repeat themselves: so large a share of a split may be texts that were trained on, by chance.
_REPEATED_BY_CHANCE = 0.02


def write_training_rows(folder: Path, texts: Iterable[str], options: dict[str, Any]) -> None:
    """Write what ``require_unseen`` reads.

    Args:
        folder: the fine-tuned teacher's.
        texts: what it was trained on; their digests are kept, each once, sorted.
        options: what ``split_options`` says of the data.
    """
    write_json(folder / TRAINING_SPLIT, options)
    with atomic_write(folder / TRAINING_TEXTS) as stream:
        np.save(stream, np.unique(text_digests(texts)), allow_pickle=False)


def split_options(data: DataConfig) -> dict[str, Any]:
    """Return the options that decide which rows train."""
    settings = dataclasses.asdict(data)
    files = {name: [utf8(path.name) for path in settings[name]] for name in ("data", "validation_data", "test_data")}
    drawn = {"max_rows": data.most_rows, "balance": data.is_balanced}
    columns = {name: list(settings[name]) for name in ("text_column", "label_columns", "keep_labels", "class_names")}
    return {**settings, **files, **drawn, **columns}


def require_unseen(config: DataConfig, dataset: "Dataset", source: TeacherSource) -> None:
    """Refuse to test a teacher on texts that it was fine-tuned on.

    A folder from before such texts were noted cannot tell: a warning says so where the data or the split is another.

    Raises:
        InputError: the test or validation split holds them; the message says how many and what to do.
    """
    folder = source.weights[0].parent
    if not (folder / RECORD).is_file():
        return
    record = read_json(folder / RECORD, "fine-tuned teacher's record")
    if record.get("data") == dataset.fingerprint:
        return
    if not (folder / TRAINING_TEXTS).is_file():
        warn(
            f"WARNING: the teacher in {folder} was fine-tuned on other data or another split, and its folder does not "
            "say on which texts: where they are in this test or validation split, its figures are too good"
        )
        return
    seen = _read_training_texts(folder / TRAINING_TEXTS)
    for name in PROTECTED_SPLITS:
        split = dataset.splits.get(name)
        known = 0 if split is None else int(np.isin(text_digests(split.texts), seen).sum())
        if split is not None and known > _REPEATED_BY_CHANCE * len(split):
            raise InputError(
                f"--teacher {folder}: it was fine-tuned on {known:,} of the {len(split):,} texts of this {name} split, "
                f"so that its figures there would be too good: {_differences(folder, config)}; give the "
                "data and split options that it was fine-tuned with, or fine-tune its base teacher again with another "
                "--output"
            )


def _read_training_texts(path: Path) -> np.ndarray:
    seen = read_npy(path, "digests of the training texts")
    if seen.dtype != np.uint64 or seen.ndim != 1:
        raise InputError(f"{path}: expected uint64 [n], got {seen.dtype} {list(seen.shape)}; fine-tune again")
    return seen


def require_same_split(folder: Path, record: dict[str, Any], config: DataConfig, dataset: "Dataset") -> None:
    """Refuse to take a fine-tuned teacher for that of other rows, by the options that differ.

    Raises:
        InputError: it was fine-tuned on other data or another split.
    """
    if record.get("data") != dataset.fingerprint and (folder / TRAINING_SPLIT).is_file():
        raise InputError(
            f"fine-tuned teacher's folder {folder}: it was trained on other rows than this split's: "
            f"{_differences(folder, config)}; give the same data and split options, name another folder with "
            "--finetune-output, or delete this one"
        )


def _differences(folder: Path, config: DataConfig) -> str:
    """Return words for the options that differ."""
    path = folder / TRAINING_SPLIT
    old = read_json(path, "fine-tuned teacher's split") if path.is_file() else {}
    pairs = [
        f"--{name.replace('_', '-')} was {old[name]}, is {value}"
        for name, value in split_options(config).items()
        if name in old and old[name] != value
    ]
    return ", ".join(pairs) or "the files' content is another"
