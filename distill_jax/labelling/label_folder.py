"""A folder of tables, labelled table by table into another: what stands there is done.

A table is the unit of work, and is whole or not there. So several processes, machines or an engine's workers may do
tables in any order, be killed, and go on; ``_labelling.json`` beside the tables says what labels them, and
``_labelling/`` of which tables. Both folders may be addresses of objects.
"""

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from distill_jax.console import progress, say, warn
from distill_jax.errors import InputError, Interrupted
from distill_jax.extras import are_installed
from distill_jax.files import first_difference, json_bytes, parse_json, real_place
from distill_jax.labelling.label_table import digest_of, label_table, require_labellable, warn_of_missing, workers_for
from distill_jax.labelling.labeller import load_student
from distill_jax.labelling.options import TableOptions
from distill_jax.labelling.outputs import has_form
from distill_jax.labelling.part_folder import Done, delete_begun, is_begun, part_of, require_begun
from distill_jax.labelling.places import Place, place_of
from distill_jax.labelling.workers import in_order
from distill_jax.locks import exclusive, sole_writer
from distill_jax.storage.address import is_address, url_of
from distill_jax.storage.mirror import local_copy
from distill_jax.storage.objects import Stored
from distill_jax.tables.dialect_options import DialectConfig
from distill_jax.tables.formats import format_of, say_guesses

if TYPE_CHECKING:
    from distill_jax.inference.predictor import Predictor

RECORD = "_labelling.json"  # who reads folders of tables leaves out what begins with _
SOURCES = "_labelling"
_KIND = "distill-jax: a labelled folder"


@dataclasses.dataclass(frozen=True)
class FolderTask:
    """What is to be done with a folder; it can be pickled, and is the same on every machine that sees its paths.

    Attributes:
        folder: has the tables; a folder, or an address of objects.
        output: where each of them gets its answers, under its own name; likewise.
        student: in whatever form it lies there; likewise.
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
        folder, output = _whole(self.folder), _whole(self.output)
        if folder.is_relative_to(output) or output.is_relative_to(folder):
            raise InputError(f"--output {self.output}: expected a folder apart from {self.folder}; name another")

    @cached_property
    def tables(self) -> Place:
        """Where the tables lie."""
        return place_of(self.folder)

    @cached_property
    def sources(self) -> dict[str, Stored]:
        """All files of the folder, as they were when they were first asked for."""
        return self.tables.files()

    @cached_property
    def labelled(self) -> Place:
        """Where the labelled tables lie."""
        return place_of(self.output)

    @cached_property
    def student_here(self) -> Path:
        """The student's path on this machine."""
        return local_copy(self.student)

    @cached_property
    def student_digest(self) -> str:
        """What the student was when it was first asked for: the same for all processes that are given the task."""
        return digest_of(self.student_here)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is this machine's."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**fields, "student_digest": self.student_digest}

    def load_student(self) -> "Predictor":
        """Load the student.

        Raises:
            InputError: it cannot be loaded, or is another one than it was.
        """
        known = self.student_digest
        predictor = load_student(self.student_here)
        if digest_of(self.student_here) != known:  # looked at behind the reading
            raise InputError(f"student {self.student}: it was changed while it was in use; give the command again")
        return predictor

    def names(self) -> list[str]:
        """Return the tables' names, with the folders within which they lie, sorted.

        Raises:
            InputError: there is none.
        """
        found: list[str] = []
        others: list[str] = []
        for name in self.sources:
            (found if has_form(Path(name)) else others).append(name)
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
            InputError: a table is another one than what was labelled of it.
        """
        there = self.labelled.files()
        done = [name for name in names if name in there]
        records = self.labelled.read([_source_of(name) for name in done])
        for name in done:
            record = records.get(_source_of(name))
            known = None if record is None else parse_json(record, f"{self.output}/{_source_of(name)}")
            if name not in self.sources or known != dataclasses.asdict(self.sources[name]):
                raise InputError(
                    f"{self.output}/{name}: expected it to be labelled of the table that {self.folder}/{name} is now, "
                    "found it labelled of another one; delete it, and give the command again"
                )
        return [name for name in names if name not in there]

    def labeller(self, predictor: "Predictor | None" = None) -> Callable[[str], Done]:
        """Return what labels a table of a name, or goes on with it; of one that is done it returns no rows.

        Args:
            predictor: the student as it was loaded before; None = it is loaded now.
        """
        loaded = self.load_student() if predictor is None else predictor

        def label(name: str) -> Done:
            if self.labelled.find(name) is not None:
                return Done()
            source = self.tables.find(name)
            if source is None:
                raise InputError(f"{self.folder}/{name}: expected a table, found none any more; give the command again")
            path, record = self.tables.fetch(name, source), json_bytes(dataclasses.asdict(source))
            self.labelled.write(_source_of(name), record)  # before the table: what is there has one
            options = dataclasses.replace(
                self.options, output=self.labelled.target(name), workers=1, resume=True, overwrite=False, shard=""
            )
            done = label_table(path, self.student_here, options, self.dialect, loaded, is_quiet=True)
            if self.tables.find(name) != source:
                self.labelled.drop(name)
                raise InputError(
                    f"{self.folder}/{name}: it was replaced while it was being labelled; give the command again"
                )
            self.labelled.put(name)
            self.labelled.write(_source_of(name), record)  # a slower machine may have put its own in between
            self.labelled.drop(name)
            self.tables.drop(name)
            return done

        return label

    def begin(self, *, resume: bool, overwrite: bool) -> None:
        """Take the output's folder, or take it again.

        Args:
            resume: go on with what is there.
            overwrite: or begin anew.

        Raises:
            InputError: something else lies there, or what was labelled otherwise; or neither is asked for.
        """
        if not is_address(self.output):
            real_place(self.output, "--output")
        identity, found = self._identity(), self._record()
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
            self.labelled.write(RECORD, json_bytes({"kind": _KIND, "identity": identity}))

    def _clear(self) -> None:
        """Delete what was labelled of the folder; nothing is, and ``InputError`` is raised, where others' files lie."""
        names = self.names()
        sources = {name: _source_of(name) for name in names}
        known = self.labelled.read(list(sources.values())).keys()
        ours, begun = {name for name, source in sources.items() if source in known}, set(map(part_of, names))
        files = (name for name in self.labelled.files() if name not in ours)
        other = next((name for name in files if str(PurePosixPath(name).parent) not in begun), None)
        if other is not None:
            raise InputError(
                f"{self.output}/{other}: expected tables that were labelled of those in {self.folder}, found another "
                "file; delete it, or name another --output"
            )
        for target in map(self.labelled.target, names):  # before anything is deleted
            if is_begun(target):
                with exclusive(target, "output"):
                    require_begun(target)
        for name in names:
            target = self.labelled.target(name)
            if target.parent.is_dir():
                with sole_writer(target, "output"):
                    delete_begun(target)
                    self.labelled.delete(name)
            self.labelled.delete(sources[name])

    def _record(self) -> dict[str, Any] | None:
        """Return what the output's tables were labelled with; None where nothing is there.

        Raises:
            InputError: it is a file, or a folder of something else.
        """
        if self.output.is_file() or (is_address(self.output) and self.labelled.find("") is not None):
            raise InputError(
                f"--output {self.output}: expected a folder, as a folder of tables is read, found a file; name another"
            )
        content = self.labelled.read([RECORD]).get(RECORD)
        if content is None and self.labelled.is_free():
            return None
        found = {} if content is None else parse_json(content, f"{self.output}/{RECORD}")
        if found.get("kind") == _KIND and isinstance(found.get("identity"), dict):
            return dict(found["identity"])
        raise InputError(
            f"--output {self.output}: expected nothing of that name or a labelled folder, found something else; name "
            "another"
        )

    def _identity(self) -> dict[str, Any]:
        return {
            "student": self.student_digest,
            "text_column": list(self.options.text_column),
            "probabilities": self.options.probabilities,
            "prefix": self.options.prefix,
            "label_separator": self.options.label_separator,
            **dataclasses.asdict(self.dialect),
        }


def _whole(path: Path) -> Path | PurePosixPath:
    return PurePosixPath(url_of(path)) if is_address(path) else path.resolve()


def _source_of(name: str) -> str:
    """Return where it is written of which table a labelled one is."""
    return f"{SOURCES}/{name}.json"


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
    predictor = task.load_student()
    first = task.tables.fetch(names[0])
    require_labellable(first, student, options, dialect, predictor)  # before anything is written
    task.begin(resume=options.resume or bool(options.shard), overwrite=options.overwrite)
    mine = options.share_of(names)
    left = task.left(mine)
    if len(left) < len(mine):
        say(f"going on after {len(mine) - len(left):,} of {len(mine):,} tables")
    if left:
        say_guesses(first, dialect, format_of(first, dialect, options.text_column))
    task.tables.drop(names[0])
    size = sum(task.sources[name].size for name in left)
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
