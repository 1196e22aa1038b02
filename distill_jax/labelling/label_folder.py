"""A folder of tables, labelled table by table into another: what stands there is done.

A table is the unit of work, and is whole or not there. So several processes, machines or an engine's workers may do
tables in any order, be killed, and go on; ``_labelling.json`` beside the tables says what labels them.
"""

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.console import progress, say, warn
from distill_jax.errors import InputError, Interrupted
from distill_jax.extras import are_installed
from distill_jax.files import first_difference, is_temporary, read_json, real_place, require_within, write_json
from distill_jax.labelling.label_table import digest_of, label_table, warn_of_missing, workers_for
from distill_jax.labelling.labeller import load_student
from distill_jax.labelling.options import TableOptions
from distill_jax.labelling.outputs import has_form
from distill_jax.labelling.part_folder import Done, delete_begun
from distill_jax.labelling.workers import in_order
from distill_jax.locks import sole_writer
from distill_jax.tables.dialect_options import DialectConfig
from distill_jax.tables.formats import format_of, say_guesses

if TYPE_CHECKING:
    from distill_jax.inference.predictor import Predictor

RECORD = "_labelling.json"  # who reads folders of tables leaves out what begins with _
_KIND = "distill-jax: a labelled folder"
_NO_LINKS = "give that place by itself if it is meant, or delete the link"


@dataclasses.dataclass(frozen=True)
class FolderTask:
    """What is to be done with a folder; it can be pickled, and is the same on every machine that sees its paths.

    Attributes:
        folder: has the tables.
        output: where each of them gets its answers, under its own name.
        student: in whatever form it lies there.
        options: what is written; of ``resume``, ``overwrite``, ``workers`` and ``shard`` none is looked at.
        dialect: how files of separated fields are written.
    """

    folder: Path
    output: Path
    student: Path
    options: TableOptions
    dialect: DialectConfig = dataclasses.field(default_factory=DialectConfig)

    def __post_init__(self) -> None:
        """Refuse paths that are each other's.

        Raises:
            InputError: the one folder lies in the other.
        """
        folder, output = self.folder.resolve(), self.output.resolve()
        if folder.is_relative_to(output) or output.is_relative_to(folder):
            raise InputError(f"--output {self.output}: expected a folder apart from {self.folder}; name another")

    def names(self) -> list[str]:
        """Return the tables' names, with the folders within which they lie, sorted.

        Raises:
            InputError: there is none.
        """
        found: list[str] = []
        others: list[str] = []
        for path in _files_in(self.folder):
            (found if has_form(path) else others).append(path.relative_to(self.folder).as_posix())
        if not found:
            seen = f"; there are other files, such as {others[0]}" if others else ""
            raise InputError(
                f"{self.folder}: expected a folder of tables (.parquet, .csv, .tsv, .jsonl), found none{seen}"
            )
        if others:
            warn(f"{self.folder}: {len(others):,} files are no tables that can be written, and left out: {others[0]} …")
        return sorted(found)

    def left(self, names: list[str]) -> list[str]:
        """Return those of the tables that are still to be labelled.

        Raises:
            InputError: a table is younger than what was labelled of it.
        """
        left = []
        for name in names:
            done = self.output / name
            if not done.exists():
                left.append(name)
            elif done.stat().st_mtime_ns < (self.folder / name).stat().st_mtime_ns:
                raise InputError(
                    f"{done}: it is older than the table that it was labelled of; delete it, and give the command again"
                )
        return left

    def labeller(self, predictor: "Predictor | None" = None) -> Callable[[str], Done]:
        """Return what labels a table of a name, or goes on with it; of one that is done it returns no rows.

        Args:
            predictor: the student as it was loaded before; None = it is loaded now.
        """
        loaded = load_student(self.student) if predictor is None else predictor

        def label(name: str) -> Done:
            target = self.output / name
            if target.exists():
                return Done()
            options = dataclasses.replace(
                self.options, output=target, workers=1, resume=True, overwrite=False, shard=""
            )
            return label_table(self.folder / name, self.student, options, self.dialect, loaded, is_quiet=True)

        return label

    def begin(self, *, resume: bool, overwrite: bool) -> None:
        """Take the output's folder, or take it again.

        Args:
            resume: go on with what is there.
            overwrite: or begin anew.

        Raises:
            InputError: something else lies there, or what was labelled otherwise; or neither is asked for.
        """
        real_place(self.output, "--output")
        identity, found = self._identity(), _record(self.output)
        if found is not None and not resume and not overwrite:
            raise InputError(
                f"{self.output}: it has labelled tables already; go on with --resume, or start anew with --overwrite"
            )
        difference = None if found is None or overwrite else first_difference(found, identity)
        if difference is not None:
            raise InputError(
                f"{self.output}: it was begun with {difference[0]} {difference[1]!r}, and now that is "
                f"{difference[2]!r}; give the same student and options, or start anew with --overwrite"
            )
        if overwrite:
            self._clear()  # the old record stays until nothing of it is left
        if found is None or overwrite:
            self.output.mkdir(parents=True, exist_ok=True)
            write_json(self.output / RECORD, {"kind": _KIND, "identity": identity})

    def _clear(self) -> None:
        """Delete what was labelled of the folder's tables; ``InputError`` where others lie there."""
        for target in (self.output / name for name in self.names()):
            if target.parent.is_dir():
                with sole_writer(target, "output"):
                    delete_begun(target)
                    target.unlink(missing_ok=True)
        other = next(_files_in(self.output), None) if self.output.is_dir() else None
        if other is not None:
            raise InputError(f"{other}: it is of no table in {self.folder}; delete it, or name another --output")

    def _identity(self) -> dict[str, Any]:
        return {
            "student": digest_of(self.student),
            "text_column": list(self.options.text_column),
            "probabilities": self.options.probabilities,
            "prefix": self.options.prefix,
            "label_separator": self.options.label_separator,
            **dataclasses.asdict(self.dialect),
        }


def label_folder(folder: Path, student: Path, options: TableOptions, dialect: DialectConfig) -> None:
    """Write each table of a folder with a student's answers into ``options.output``.

    Args:
        folder: has the tables; those in folders within it too.
        student: in whatever form it lies there.
        options: what is written, and how.
        dialect: how files of separated fields are written.

    Raises:
        InputError: a table cannot be read, or the output not be written; the message says why.
        Interrupted: the user's Ctrl-C; what is done is kept.
    """
    if options.output is None:
        raise InputError(f"{folder}: a folder of tables goes with --output, the folder of what is written; name it")
    task = FolderTask(folder, options.output, student, options, dialect)
    names = task.names()
    predictor = load_student(student)
    task.begin(resume=options.resume or bool(options.shard), overwrite=options.overwrite)
    mine = options.share_of(names)
    left = task.left(mine)
    if len(left) < len(mine):
        say(f"going on after {len(mine) - len(left):,} of {len(mine):,} tables")
    if left:
        first = folder / left[0]
        say_guesses(first, dialect, format_of(first, dialect, options.text_column))
    size = sum((folder / name).stat().st_size for name in left)
    workers = max(1, min(workers_for(options.workers, size, predictor), len(left)))
    started = time.monotonic()
    each: list[Done] = []
    make = partial(task.labeller, predictor) if workers == 1 else task.labeller
    try:
        each.extend(_shown(in_order(left, make, workers), len(left)))
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted(
            f"interrupted after {len(each):,} of {len(left):,} tables, which are kept; the same command with --resume "
            "goes on"
        ) from None
    rows, seconds = sum(done.rows for done in each), max(time.monotonic() - started, 1e-9)
    warn_of_missing(sum(done.missing for done in each), rows)
    say(f"{rows:,} rows in {len(each):,} tables labelled ({rows / seconds:,.0f} a second)")


def _shown(results: Iterator[Done], tables: int) -> Iterator[Done]:
    """Yield the results; on a terminal under a bar of the tables."""
    if not (sys.stderr.isatty() and are_installed("tqdm")):
        yield from results
        return
    started, rows = time.monotonic(), 0
    with progress(tables, "labelling", "tables") as bar:
        for done in results:
            yield done
            rows += done.rows
            bar.update()
            bar.set_postfix_str(f"{rows / (time.monotonic() - started):,.0f} rows/s", refresh=False)


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield a folder's files but for those whose name, or whose folder's, begins with a dot or an underscore.

    Raises:
        InputError: a link leads out of it, or to a folder, which may be one that it lies in.
    """
    for place, *names in os.walk(folder, onerror=_raise):
        folders, files = (sorted(name for name in each if not name.startswith((".", "_"))) for each in names)
        names[0][:] = folders
        for path in (Path(place) / name for name in (*folders, *files)):
            if path.is_symlink():
                require_within(folder, path, "folder", _NO_LINKS)
                if path.is_dir():
                    raise InputError(
                        f"folder {folder}: expected files, found {path.name}, a link to a folder; {_NO_LINKS}"
                    )
        yield from (Path(place) / name for name in files)


def _raise(error: OSError) -> None:
    raise error


def _record(output: Path) -> dict[str, Any] | None:
    """Return what a folder's tables were labelled with; None where nothing is there.

    Raises:
        InputError: it is a file, or a folder of something else.
    """
    if not output.exists():
        return None
    if not output.is_dir():
        raise InputError(
            f"--output {output}: expected a folder, as a folder of tables is read, found a file; name another"
        )
    if (output / RECORD).exists():
        found = read_json(output / RECORD, "record of a labelled folder")
        if isinstance(found, dict) and found.get("kind") == _KIND and isinstance(found.get("identity"), dict):
            return dict(found["identity"])
    elif all(map(is_temporary, output.iterdir())):
        return None
    raise InputError(
        f"--output {output}: expected nothing of that name or a labelled folder, found something else; name another"
    )
