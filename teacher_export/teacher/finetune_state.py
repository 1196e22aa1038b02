"""A fine-tuned teacher's folder: what it was made from, and the state from which a stopped fine-tuning goes on."""

import errno
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError, refusing
from distill_jax.files import (
    atomic_write,
    first_difference,
    read_json,
    remove_temporaries,
    sha256_file,
    sync_folder,
    temporary_beside,
    write_json,
)
from teacher_export.teacher.weights_file import load_tensors

RECORD = "finetuning.json"
_FILES = "files"
_DIGEST = "sha256"
STATE = "the state of a begun fine-tuning (delete it to begin anew)"
_OPTIONS = {
    "task": "--task",
    "epochs": "--finetune-epochs",
    "learning_rate": "--finetune-learning-rate",
    "batch_size": "--batch-size",
    "max_length": "--max-length",
    "seed": "--seed",
    "precision": "--precision",
    "chosen_by": "choice of the epoch (without --finetune-epochs)",
    "kept": "rule for the epoch that is kept (None: an older version's, the highest score)",
    "class_weights": "--class-weights",
    "layer_decay": "--finetune-layer-decay",
    "freeze": "--finetune-freeze",
    "folds": "--teacher-folds",
    "teacher": "base teacher (fingerprint)",
    "data": "training data (fingerprint)",
}


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the settings of the fine-tuning in ``folder``, or None where there is nothing.

    Raises:
        InputError: the folder holds something else.
    """
    if (folder / RECORD).is_file():
        found = read_json(folder / RECORD, "fine-tuned teacher's record")
        return {name: value for name, value in found.items() if name != _FILES}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"fine-tuned teacher's folder {folder}: expected it empty or with a {RECORD}, found other files; "
            "name another with --finetune-output"
        )
    return None


def require_written(folder: Path) -> None:
    """Refuse a fine-tuned teacher of other files than were written; one of an older version does not say which.

    Raises:
        InputError: a file is missing, was changed or came since.
    """
    files = read_json(folder / RECORD, "fine-tuned teacher's record").get(_FILES, {})
    if not isinstance(files, dict) or any(Path(name).name != name for name in files):
        raise InputError(
            f"{folder / RECORD}: {_FILES}: expected a digest for each file of the folder, got another thing"
        )
    there = {path.name: path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
    added = there.keys() - files.keys() - {RECORD} if files else set()
    changed = (name for name, written in files.items() if name not in there or sha256_file(there[name]) != written)
    name = next(itertools.chain(sorted(added), changed), None)
    if name is not None:
        found = "another file" if name in there else "none"
        raise InputError(
            f"{folder / name}: expected what the fine-tuning wrote, found {found}; delete the folder to fine-tune "
            "again, or take it as it is with --teacher"
        )


def require_same_settings(where: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise ``InputError`` naming the first setting in which two fine-tunings differ."""
    difference = first_difference(found, wanted)
    if difference:
        name, old, new = difference
        raise InputError(
            f"{where}: it holds another fine-tuning: its {_OPTIONS.get(name, name)} is {old!r}, this one's is {new!r}; "
            "name another folder with --finetune-output, or delete this one"
        )


def state_file(folder: Path) -> Path:
    """Return where a fine-tuning that is under way keeps its state: beside its folder."""
    return folder.with_name(f"{folder.name}.resume.pt")


def read_state(folder: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return the state after the last whole epoch, or None where no fine-tuning has begun.

    Raises:
        InputError: it is another fine-tuning's, or damaged.
    """
    path = state_file(folder)
    if not path.is_file():
        return None
    state = load_tensors(path, STATE)
    with refusing(lambda reason: f"{path}: expected {STATE}, got other tensors ({reason})"):
        written = state.pop(_DIGEST)
        found = dict(json.loads(state["settings"]))
    if written != _digest(state):  # torch looks at no checksum of what it reads
        raise InputError(f"{path}: expected {STATE}, got one that is not as it was written")
    require_same_settings(str(path), found, settings)
    return dict(state)


def write_state(folder: Path, settings: dict[str, Any], state: dict[str, Any]) -> None:
    """Write the state after an epoch, atomically."""
    import torch

    with atomic_write(state_file(folder)) as stream:
        content = {"settings": json.dumps(settings), **state}
        torch.save({**content, _DIGEST: _digest(content)}, stream)


def _digest(value: Any) -> str:
    """Return the SHA-256 of numbers, texts and tensors in dictionaries and lists, as ``torch.load`` gives them back."""
    digest = hashlib.sha256()
    for leaf in _leaves(value):
        digest.update(leaf)
    return digest.hexdigest()


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the bytes of everything in a value, each after what it is."""
    import torch

    if isinstance(value, torch.Tensor):
        yield f"{value.dtype}{tuple(value.shape)}".encode()
        yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    elif isinstance(value, Mapping):
        yield f"mapping of {len(value)}".encode()
        for name, item in value.items():
            yield repr(name).encode()
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        yield f"list of {len(value)}".encode()
        for item in value:
            yield from _leaves(item)
    else:
        yield repr(value).encode()


def save_finetuned(
    folder: Path, model: Any, tokenizer: Any, settings: dict[str, Any], write_rows: Callable[[Path], None]
) -> None:
    """Save a fine-tuned teacher so that the folder is there whole or not at all; delete the resume state.

    Args:
        folder: where.
        model: the teacher.
        tokenizer: its own.
        settings: everything that decided its weights.
        write_rows: writes into a folder what it was trained on.

    Raises:
        OSError: the disk is full; nothing is left behind.
    """
    from safetensors import SafetensorError

    temporary = temporary_beside(folder)
    try:
        temporary.mkdir(parents=True)
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        write_rows(temporary)
        files = {path.name: sha256_file(path) for path in sorted(temporary.iterdir()) if path.is_file()}
        write_json(temporary / RECORD, {**settings, _FILES: files})
        for path in temporary.iterdir():
            shutil.copymode(temporary / RECORD, path)  # safetensors makes its file readable by its owner alone
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        if folder.exists():
            folder.rmdir()  # it is empty: read_record saw to that
        temporary.rename(folder)
        sync_folder(folder.parent)
    except SafetensorError as error:
        if "No space left" in str(error) or "code: 28" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    state_file(folder).unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed ``save_finetuned`` or ``write_state`` left beside ``folder``."""
    remove_temporaries(folder.parent, folder.name, state_file(folder).name)
