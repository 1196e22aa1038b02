"""Change a file at random: its bytes, or the values in it, in the form that its name says."""

from functools import partial
from pathlib import Path

from scripts.fuzz.mutations.arrays import change_npy, change_npz
from scripts.fuzz.mutations.json_values import change_json, change_json_line
from scripts.fuzz.mutations.packed import PACKINGS, Change, change_packed
from scripts.fuzz.mutations.parquet import change_parquet
from scripts.fuzz.mutations.raw import change_bytes
from scripts.fuzz.mutations.safetensors import change_safetensors
from scripts.fuzz.mutations.text import change_cells, change_words
from scripts.fuzz.mutations.values import Draw

_KINDS: dict[str, Change] = {
    ".json": change_json,
    ".npz": change_npz,
    ".npy": change_npy,
    ".csv": change_cells,
    ".tsv": change_cells,
    ".jsonl": change_json_line,
    ".parquet": change_parquet,
    **dict.fromkeys((".safetensors", ".djx"), change_safetensors),
    **dict.fromkeys((".txt", ".train", ".vec", ".md"), change_words),
}


def mutate(path: Path, draw: Draw, others: list[Path]) -> str:
    """Change a file in place, once or several times; return in words what was done.

    Args:
        path: the file.
        draw: decides.
        others: files to take pieces of.
    """
    done = []
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        change = _structured(path) if draw.random() < 0.6 else None
        name = None if change is None else _attempt(change, path, draw)
        done.append(name or change_bytes(path, draw, others))
    return ", ".join(done)


def _structured(path: Path) -> Change | None:
    if path.suffix in PACKINGS:  # a zip's own name may say nothing of what is in it
        return partial(change_packed, change=_KINDS[Path(path.stem).suffix or ".csv"])
    return _KINDS.get(path.suffix)


def _attempt(change: Change, path: Path, draw: Draw) -> str | None:
    """Make a structured change, where the file is still of its form after what was done to it before."""
    before = path.read_bytes()
    try:
        return change(path, draw)
    except Exception:  # noqa: BLE001 - libraries raise what they like about a file that is damaged already
        path.write_bytes(before)
        return None
