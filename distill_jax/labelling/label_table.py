"""A table labelled by a student, from the file to the file."""

import contextlib
import dataclasses
import hashlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.console import progress, say, warn
from distill_jax.errors import InputError, Interrupted, printable_json
from distill_jax.extras import are_installed
from distill_jax.files import first_difference, real_place, sha256_file
from distill_jax.labelling import inputs
from distill_jax.labelling.inputs import Block, InputTable, open_table
from distill_jax.labelling.labeller import Labelled, Labeller, Recipe, answer_columns, appended_columns, load_student
from distill_jax.labelling.options import TableOptions
from distill_jax.labelling.outputs import CsvForm, JsonForm, OutputForm, form_of
from distill_jax.labelling.part_folder import Done, PartFolder, clear_finished, opened
from distill_jax.labelling.workers import in_order
from distill_jax.locks import sole_writer
from distill_jax.processors import usable_processors
from distill_jax.tables.dialect_options import DialectConfig
from distill_jax.tables.formats import format_of, say_guesses
from distill_jax.tables.parquet import BATCH_ROWS
from distill_jax.tables.sources import require_data_file

if TYPE_CHECKING:
    from distill_jax.inference.predictor import Predictor

_BYTES_A_WORKER = 1 << 22  # what a further worker must have to do, to be worth its start


@dataclasses.dataclass(frozen=True)
class _Work:
    """What is to be done: a table, and who labels it how."""

    path: Path
    table: InputTable
    recipe: Recipe
    labeller: Labeller
    workers: int
    is_quiet: bool

    def labelled(self, done: Done) -> Iterator[Labelled]:
        """Yield the blocks after those that are done; on a terminal under a bar of the bytes read."""
        if self.is_quiet or not (sys.stderr.isatty() and are_installed("tqdm")):
            yield from self._labelled(self.table.blocks(), done)
            return
        started, rows = time.monotonic(), 0
        with progress(self.path.stat().st_size, "labelling", "B", scale=True) as bar:
            for each in self._labelled(self.table.blocks(bar.update), done):
                yield each
                rows += each.rows
                bar.set_postfix_str(f"{rows / (time.monotonic() - started):,.0f} rows/s", refresh=False)

    def _labelled(self, blocks: Iterator[Block], done: Done) -> Iterator[Labelled]:
        make = self._its_own if self.workers == 1 else self.recipe.label
        return in_order(itertools.islice(blocks, done.blocks, None), make, self.workers)

    def _its_own(self) -> Callable[[Block], Labelled]:
        return self.labeller.label

    def first(self) -> Labelled:
        """Return the first block's rows."""
        return self.labeller.label(next(self.table.blocks()))


def label_table(
    path: Path,
    student: Path,
    options: TableOptions,
    dialect: DialectConfig,
    predictor: "Predictor | None" = None,
    *,
    explain: bool = False,
    is_quiet: bool = False,
) -> Done:
    """Write a table's rows and what a student answers to each; return how many there were.

    Args:
        path: the table.
        student: the student, in whatever form it lies there.
        options: what is written, and how.
        dialect: how a file of separated fields is written.
        explain: write of each text's words how much they speak for its answer, too.
        predictor: the student as it was loaded before; None = it is loaded.
        is_quiet: whether nothing is said of it.

    Raises:
        InputError: the table cannot be read, or the output not be written; the message says why.
        Interrupted: the user's Ctrl-C; what is done is kept.
    """
    require_data_file(path, "the file's name")
    output = None if options.output is None else _place_of(options.output, path, overwrite=options.overwrite)
    file_format = format_of(path, dialect, options.text_column)
    predictor = load_student(student) if predictor is None else predictor
    work = _work(path, predictor, student, options, file_format, explain=explain, is_quiet=is_quiet)
    head = work.recipe.form.head(work.table.none())
    if not is_quiet:
        with contextlib.redirect_stdout(sys.stderr if output is None else sys.stdout):
            say_guesses(path, dialect, file_format)
    if output is None:
        return _to_standard_output(work)
    with sole_writer(output, "output"):
        _require_free(output, overwrite=options.overwrite)  # another process may have put one there
        identity = _identity(path, student, options, dialect, explain=explain)
        with opened(output, identity, head, resume=options.resume, overwrite=options.overwrite) as part:
            _to_part(work, part, head)
            changed = first_difference(identity, _identity(path, student, options, dialect, explain=explain))
            if changed is not None:
                what = f"student {student}" if changed[0] == "student" else f"data file {path}"
                part.discard()  # workers may have read the one and the other
                raise InputError(f"{what}: it was changed while it was being read; give the command again")
            part.finish(work.recipe.form, output)
    return part.done


def require_labellable(
    path: Path, student: Path, options: TableOptions, dialect: DialectConfig, predictor: "Predictor"
) -> None:
    """Refuse a table that ``label_table`` would refuse; nothing is written, and no row but the first ones is read.

    Raises:
        InputError: it has no such column, one of a name that comes to it, …; or the output's form does not go with it.
    """
    require_data_file(path, "the file's name")
    output = None if options.output is None else options.output / path.name
    named = dataclasses.replace(options, output=output)
    file_format = format_of(path, dialect, options.text_column)
    _work(path, predictor, student, named, file_format, explain=False, is_quiet=True)


def _work(
    path: Path,
    predictor: "Predictor",
    student: Path,
    options: TableOptions,
    file_format: Any,
    *,
    explain: bool,
    is_quiet: bool,
) -> _Work:
    columns = answer_columns(predictor, probabilities=options.probabilities)
    appended = appended_columns(columns, options.prefix, explain=explain)
    form = _form(options, appended, predictor.label_names)
    names = [column.name for column in appended]
    table = open_table(path, file_format, options.text_column, names, needs_columns=form.needs_columns)
    recipe = Recipe(student, options.probabilities, form, explain)
    labeller = Labeller(predictor, columns, form, explain)
    return _Work(path, table, recipe, labeller, workers_for(options.workers, path.stat().st_size, predictor), is_quiet)


def _form(options: TableOptions, appended: tuple[Any, ...], label_names: tuple[str, ...]) -> OutputForm:
    if options.output is None:
        return JsonForm(appended, options.label_separator)
    form = form_of(options.output, appended, options.label_separator)
    if isinstance(form, CsvForm) and any(column.kind == "texts" for column in appended):
        clash = next((name for name in label_names if options.label_separator in name), None)
        if clash is not None:
            raise InputError(
                f"--label-separator {options.label_separator}: the label {clash!r} has it in it; give another, or "
                "write .jsonl or .parquet, which have lists"
            )
    return form


def workers_for(asked: int, size: int, predictor: "Predictor") -> int:
    """Return how many processes label so many bytes; ``asked`` 0 = as many as are worth their start."""
    if asked == 0 and predictor.network.uses_all_processors:
        return 1
    return asked or min(usable_processors(), 1 + size // _BYTES_A_WORKER)


def _place_of(output: Path, path: Path, *, overwrite: bool) -> Path:
    output = real_place(output, "--output")
    if output.is_dir():
        raise InputError(f"--output {output}: expected the name of a file, found a folder")
    if output.exists():
        if output.samefile(path):
            raise InputError(f"--output {output}: it is the table that is read; name another file")
        if not overwrite:
            with contextlib.suppress(InputError), sole_writer(output, "output"):
                clear_finished(output)
        _require_free(output, overwrite=overwrite)
    return output


def _require_free(output: Path, *, overwrite: bool) -> None:
    if output.exists() and not overwrite:
        raise InputError(f"--output {output}: it is there already; name another, or replace it with --overwrite")


def _identity(
    path: Path, student: Path, options: TableOptions, dialect: DialectConfig, *, explain: bool
) -> dict[str, Any]:
    """Return what must be the same for a table under way to be gone on with."""
    found = path.stat()
    return {
        "student": digest_of(student),
        "table": {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns},
        "text_column": list(options.text_column),
        "probabilities": options.probabilities,
        "prefix": options.prefix,
        "explain": explain,
        "label_separator": options.label_separator,
        **dataclasses.asdict(dialect),
        "block": [inputs.BLOCK_ROWS, inputs.BLOCK_CHARACTERS, BATCH_ROWS],
    }


def digest_of(student: Path) -> str:
    """Return a digest of a student's file, or of those files of its run folder that its answers hang on."""
    names = ("config.json", "decision.json", "tokenizer.json", "weights.npz")
    files = [student / name for name in names] if student.is_dir() else [student]
    found = [sha256_file(path) if path.is_file() else "" for path in files]
    return hashlib.sha256(" ".join(found).encode()).hexdigest()


def _to_part(work: _Work, part: PartFolder, head: bytes) -> None:
    before, started = part.done.rows, time.monotonic()
    if part.done.blocks:
        part.require_begun_by(work.first(), head)
        if not work.is_quiet:
            say(f"going on after {before:,} rows")
    try:
        for each in work.labelled(part.done):
            part.write(each)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted after {part.done.rows:,} rows, which are kept; the same command with --resume goes on"
        ) from None
    if not work.is_quiet:
        warn_of_missing(part.done.missing, part.done.rows)
        say(_summary(part.done, before, started))


def _to_standard_output(work: _Work) -> Done:
    done, started = Done(), time.monotonic()
    try:
        for each in work.labelled(Done()):
            is_shown = sys.stdout.isatty()
            sys.stdout.buffer.write(printable_json(each.content.decode()).encode() if is_shown else each.content)
            sys.stdout.buffer.flush()
            done = done.and_also(each)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted after {done.rows:,} rows") from None
    warn_of_missing(done.missing, done.rows)
    warn(_summary(done, 0, started))
    return done


def warn_of_missing(missing: int, rows: int) -> None:
    """Say how many of the rows have no answer, if any."""
    if missing:
        warn(f"warning: {missing:,} of {rows:,} rows have no text, and so no answer")


def _summary(done: Done, before: int, started: float) -> str:
    seconds = time.monotonic() - started
    return f"{done.rows:,} rows labelled ({(done.rows - before) / max(seconds, 1e-9):,.0f} a second)"
