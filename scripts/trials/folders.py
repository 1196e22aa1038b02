"""What a folder holds, without times: two runs of one command are equal where this is."""

import contextlib
import csv
import functools
import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.checksums import CHECKSUMS, read_checksums
from distill_jax.files import sha256_file
from distill_jax.runs.folder import CHECKPOINTS, CONFIG, METRICS
from teacher_export.timing import TIMING

_FOLDER = "a folder"
# Of metrics.json: how long it took, on this machine, at this moment.
_TIMES = ("train_seconds", "train_examples_per_second", "raw_text_documents_per_second")
_RESULT_TIMES = ("train_seconds", "documents_per_second")  # of results.csv


def describe(folder: Path, searched: int | None = None) -> dict[str, str]:
    """Return a word for the content of every file and folder below ``folder``: equal where the content is, times aside.

    Args:
        folder: the folder.
        searched: so many trials of a study count, the first that ended by themselves; None = all. A search that goes
            on makes as many as it is asked for, beside those that are there.

    Checkpoints are compared by their arrays, for the storage library names and fills its files anew each time; to be
    called in a process that may use JAX.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not _is_of_checkpoint(path.relative_to(folder)):
            found[name] = _FOLDER if path.is_dir() else _content(path, searched)
        elif path.parent.name == CHECKPOINTS:
            found[name] = _checkpoint(path)
    return found


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return a line for each file that is missing, over, or another."""
    lines = [f"{name}: missing" for name in expected.keys() - found.keys()]
    lines += [f"{name}: over" for name in found.keys() - expected.keys()]
    lines += [
        f"{name}: {found[name]} instead of {expected[name]}"
        for name in expected.keys() & found.keys()
        if expected[name] != found[name]
    ]
    return sorted(lines)


def _is_of_checkpoint(path: Path) -> bool:
    return CHECKPOINTS in path.parts[:-1]


def _content(path: Path, searched: int | None = None) -> str:
    readers: dict[str, Callable[[Path], str]] = {
        METRICS: _metrics,
        CONFIG: _config,
        CHECKSUMS: _checksums,
        TIMING: _timing,
        "results.csv": _results,
    }
    reader = readers.get(path.name)
    if path.suffix == ".db":
        reader = functools.partial(_study, searched=searched)
    if reader is None:
        return _short(sha256_file(path))
    try:
        return reader(path)
    except Exception as error:  # noqa: BLE001 - what a kill has left may be anything
        return f"unreadable ({type(error).__name__}: {error})"


def _short(digest: str) -> str:
    return digest[:16]


def _of_json(value: Any) -> str:
    return _short(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest())


def _metrics(path: Path) -> str:
    metrics = json.loads(path.read_bytes())
    return _of_json({name: None if name in _TIMES else value for name, value in metrics.items()})


def _config(path: Path) -> str:
    """Return a configuration without what the export measured of its teacher's speed."""
    config = json.loads(path.read_bytes())
    teacher = config.get("export", {}).get("teacher", {})
    teacher.pop("documents_per_second", None)
    return _of_json(config)


def _results(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return _of_json([{**row, **dict.fromkeys(_RESULT_TIMES)} for row in rows])


def _timing(path: Path) -> str:
    return _of_json(sorted(json.loads(path.read_bytes())))


def _checksums(path: Path) -> str:
    """Return the record without the line of what holds times, once each line is true."""
    recorded = read_checksums(path.parent)
    wrong = [name for name, digest in recorded.items() if sha256_file(path.parent / name) != digest]
    if wrong:
        return f"wrong about {', '.join(wrong)}"
    return _of_json({name: _content(path.parent / name) for name in recorded})


def _study(path: Path, searched: int | None) -> str:
    """Return a study's trials that ended by themselves: their settings and scores, in their order."""
    wanted = {
        "trial_params": "SELECT param_name, param_value FROM trial_params WHERE trial_id = ? ORDER BY param_name",
        "trial_values": "SELECT objective, value FROM trial_values WHERE trial_id = ? ORDER BY objective",
    }
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        ended = "SELECT trial_id, state FROM trials WHERE state IN ('COMPLETE', 'PRUNED') ORDER BY number LIMIT ?"
        trials = [
            [state, *(database.execute(query, (trial,)).fetchall() for query in wanted.values())]
            for trial, state in database.execute(ended, (-1 if searched is None else searched,)).fetchall()
        ]
    return f"{len(trials)} trials {_of_json(trials)}"


def _checkpoint(path: Path) -> str:
    from orbax.checkpoint import v1 as ocp

    digest = hashlib.sha256()
    try:
        for item in ("params", "state"):
            tree = ocp.load_checkpointables(path.absolute(), {item: None})[item]
            for name, array in sorted(_leaves(tree, item).items()):
                if name != "state/seconds":
                    digest.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
        recorded = ocp.checkpointables_metadata(path.absolute()).custom_metadata["digests"]
        digest.update(recorded["params"].encode())  # that of the state covers the seconds
    except Exception as error:  # noqa: BLE001 - the storage library raises what its parts raise
        return f"unreadable ({type(error).__name__})"
    return _short(digest.hexdigest())


def _leaves(tree: Any, name: str) -> dict[str, np.ndarray]:
    if isinstance(tree, Mapping):
        return {key: array for part in tree for key, array in _leaves(tree[part], f"{name}/{part}").items()}
    return {name: np.asarray(tree)}
