"""The answers of an export's baselines, kept in a file: a report trains them once.

How long that took is not kept: a report of the same runs has the same bytes.
"""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.baselines.of_export import MOST_ROWS, Answered, answered_baselines
from distill_jax.data.exports import Export
from distill_jax.errors import InputError
from distill_jax.npz import read_npz

MARK = "distill_jax_baselines"  # the name of the file's first array, by which it is known
_VERSION = 1  # raise it whenever the same export comes to other answers
_ARRAYS = (MARK, "example_ids", "logits", "names", "about")


@dataclasses.dataclass(frozen=True)
class KeptBaselines:
    """Baselines' answers to the test rows of runs.

    Attributes:
        baselines: in the order of the runs' test rows.
        why_none: a sentence, where there are none.
        content: the file that keeps them; None where there is nothing to keep.
    """

    baselines: tuple[Answered, ...] = ()
    why_none: str = ""
    content: bytes | None = None


def kept_baselines(
    path: Path, export: Path | None, described: dict[str, Any], example_ids: np.ndarray, on_training: Callable[[], None]
) -> KeptBaselines:
    """Return the baselines of the export that runs learned from, from the file where it has them.

    Args:
        path: the file; it is read, and not written.
        export: the export's folder; None where it is no more.
        described: what the runs say of it (``config.json``).
        example_ids: int64 [n], the runs' test rows.
        on_training: is called before the baselines are trained, which takes seconds to minutes.

    Raises:
        InputError: a part of the export is damaged.
    """
    key = f"{_VERSION} {MOST_ROWS} {described.get('fingerprint')}"
    found = _read(path, key, example_ids, len(described["label_names"]))
    if found is not None:
        return KeptBaselines(found, content=path.read_bytes())
    if export is None:
        return KeptBaselines(why_none=f"the export that they would learn from, {described.get('path')}, is not there")
    opened = Export.open(export)
    if opened.manifest.fingerprint != described.get("fingerprint"):
        return KeptBaselines(why_none=f"the export {export} is another than the one that the runs learned from")
    on_training()
    ids, answered = answered_baselines(opened)
    if not np.array_equal(ids, example_ids):
        return KeptBaselines(why_none=f"the test rows of the export {export} are not those of the runs")
    if not answered:
        return KeptBaselines(why_none="no word occurs twice in the training texts")
    return KeptBaselines(tuple(answered), content=_file(key, ids, answered))


def _file(key: str, example_ids: np.ndarray, answered: list[Answered]) -> bytes:
    arrays: dict[str, Any] = {
        MARK: np.frombuffer(key.encode(), np.uint8),
        "example_ids": example_ids,
        "logits": np.stack([each.logits for each in answered]),
        "names": np.frombuffer("\n".join(each.name for each in answered).encode(), np.uint8),
        "about": np.array([[each.rows, each.numbers, each.bytes] for each in answered], np.int64),
    }
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _read(path: Path, key: str, example_ids: np.ndarray, labels: int) -> tuple[Answered, ...] | None:
    """Return what a file keeps; None where there is none, or it is of other baselines, rows or labels."""
    if not path.is_file():
        return None
    try:
        arrays = read_npz(path, "baselines", _ARRAYS)
    except InputError:
        return None  # whether it may be replaced, the report asks
    if arrays[MARK].tobytes() != key.encode() or not np.array_equal(arrays["example_ids"], example_ids):
        return None
    names = arrays["names"].tobytes().decode(errors="replace").split("\n")
    logits, about = arrays["logits"], arrays["about"]
    if logits.shape != (len(names), len(example_ids), labels) or about.shape != (len(names), 3):
        return None
    if logits.dtype != np.float32 or about.dtype != np.int64 or not np.isfinite(logits).all():
        return None
    return tuple(
        Answered(name, of_one, int(rows), int(numbers), int(size))
        for name, of_one, (rows, numbers, size) in zip(names, logits, about, strict=True)
    )
