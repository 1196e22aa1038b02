"""All matches, and which of them are wanted."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from distill_jax.console import EXPORT_COMMAND
from distill_jax.errors import InputError
from scripts.benchmark.gpu import gpu_matches
from scripts.benchmark.machine import gpus
from scripts.benchmark.prediction import raw_text_match, token_ids_match
from scripts.benchmark.rows import Match, Row
from scripts.benchmark.sizes import Sizes
from scripts.benchmark.startup import startup_match
from scripts.benchmark.teacher import teacher_match
from scripts.benchmark.training import cnn_match, cnn_small_match, linear_match

_MAKE_THEM = f"make them with {EXPORT_COMMAND}"


def all_matches(sizes: Sizes, folder: Path, export: Path, teacher: Path) -> list[Match]:
    """Return the matches that this machine can be asked for, in the order in which they are played.

    Args:
        sizes: how much work a turn is.
        folder: takes the files that measuring needs.
        export: the demo's export folder; rows that need it are skipped where it is not there.
        teacher: the demo's fine-tuned teacher; the same.
    """
    missing = next((path for path in (teacher / "config.json", export / "manifest.json") if not path.is_file()), None)
    skip = f"there is no {missing}; {_MAKE_THEM}" if missing else None
    # The sides run elsewhere: a path must not depend on where they were started.
    place, export_, teacher_ = (str(path.absolute()) for path in (folder, export, teacher))
    return [
        startup_match(sizes, place),
        linear_match(sizes, place),
        cnn_match(sizes),
        cnn_small_match(sizes),
        token_ids_match(sizes),
        raw_text_match(sizes, place, export_, teacher_, skip),
        teacher_match(sizes, place, teacher_, skip),
        *(gpu_matches(sizes, teacher_, skip) if gpus() else []),
    ]


def choose(matches: Sequence[Match], only: Sequence[str]) -> list[tuple[Match, list[Row]]]:
    """Return matches with the rows of them that are wanted: those named, or all of them.

    Raises:
        InputError: a name is no row's.
    """
    known = [row.name for match in matches for row in match.rows]
    unknown = [name for name in only if name not in known]
    if unknown:
        raise InputError(f"--only: expected rows among {', '.join(known)}, got {unknown[0]!r}")
    chosen = [(match, [row for row in match.rows if not only or row.name in only]) for match in matches]
    return [(match, rows) for match, rows in chosen if rows]


def packages_of(chosen: Iterable[tuple[Match, Sequence[Row]]]) -> list[str]:
    """Return what must be installed for some rows of matches; nothing for matches that are skipped."""
    sides = [side for match, rows in chosen if match.skip is None for side in match.sides_of(rows).values()]
    return sorted({package for side in sides for package in side.packages})
