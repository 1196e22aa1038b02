"""``python -m distill_jax.predict``: answers to raw texts, lines or a table's, from a run folder alone."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, run_command, warn
from distill_jax.errors import InputError, MissingInputError
from distill_jax.labelling.options import TableOptions
from distill_jax.options import Flag
from distill_jax.storage.address import is_address
from distill_jax.tables.dialect_options import DialectConfig

_TABLES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".arrow", ".feather", ".xls", ".xlsx"})
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to predict, and with which student."""

    run: Annotated[Path, tyro.conf.arg(metavar="PATH", aliases=["--model"])]
    """The student: the run folder of python -m distill_jax.train, or the packed file of python -m distill_jax.pack."""
    file: Annotated[
        Path | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[FILE]", help_behavior_hint="(default: standard input)"),
    ] = None
    """A UTF-8 file with a text on each line; with --text-column a table, or a folder of tables."""
    explain: Annotated[bool, Flag()] = False
    """Say of each word of a text how much it speaks for the answer ("why", the highest first)."""
    table: TableOptions = dataclasses.field(default_factory=TableOptions)
    dialect: DialectConfig = dataclasses.field(default_factory=DialectConfig)

    def __post_init__(self) -> None:
        given = [*self.table.given(), *self.dialect.given()]
        if given and not self.table.text_column:
            raise InputError(f"{given[0]} goes with a table; name its column of texts with --text-column")
        if self.table.text_column and self.file is None:
            raise InputError("--text-column goes with the file of a table, got standard input; name the file")


def main() -> None:
    """Parse the command line; write what the student answers."""
    arguments = parse_options(
        Arguments,
        None,
        prog="python -m distill_jax.predict",
        description=(
            "Read a text a line, write a JSON line for each: its class and the probability of each; of a multi-label "
            "student its labels, and of a student of scores its score. An empty line is a text too; two texts as a "
            "pair are not read. "
            "With --text-column read a table, and write it with the answers as further columns."
        ),
    )
    from distill_jax.storage.mirror import local_copy

    arguments = dataclasses.replace(arguments, run=local_copy(arguments.run))
    is_folder = arguments.file is not None and _is_folder(arguments.file)
    named = arguments.file
    if arguments.file is not None and not (is_folder and arguments.table.text_column):
        arguments = dataclasses.replace(arguments, file=local_copy(arguments.file))
    _require_input(arguments, is_folder=is_folder)
    if arguments.table.text_column and arguments.file is not None:
        if is_folder:
            from distill_jax.labelling.label_folder import label_folder

            label_folder(arguments.file, arguments.run, arguments.table, arguments.dialect)
            return
        from distill_jax.labelling.places import put_at_end

        with put_at_end(arguments.table, named) as options:
            from distill_jax.labelling.label_table import label_table

            label_table(arguments.file, arguments.run, options, arguments.dialect, explain=arguments.explain)
        return
    from distill_jax.labelling.labeller import load_student
    from distill_jax.labelling.lines import label_lines

    predictor = load_student(arguments.run)
    if arguments.file is None:
        is_keyboard = sys.stdin.isatty()
        if is_keyboard:
            warn("reading texts from the keyboard, one a line; Ctrl-D ends")
        label_lines(predictor, sys.stdin.buffer, "standard input", as_they_come=is_keyboard, explain=arguments.explain)
        return
    with arguments.file.open("rb") as stream:
        label_lines(predictor, stream, str(arguments.file), explain=arguments.explain)


def _is_folder(file: Path) -> bool:
    """Whether a path is a folder, or an address that is no object's own."""
    if not is_address(file):
        return file.is_dir()
    from distill_jax.storage.objects import Objects

    objects = Objects(file)
    return objects.find() is None and bool(objects.names())


def _require_input(arguments: Arguments, *, is_folder: bool) -> None:
    """Refuse what can be refused before anything heavy is imported."""
    if not arguments.run.exists():
        raise MissingInputError(
            f"--model {arguments.run}: there is no such run folder or packed file; train a student with python -m "
            "distill_jax.train"
        )
    if arguments.file is not None and not is_folder and not arguments.file.exists():
        raise MissingInputError(f"{arguments.file}: expected a file of texts, found no such file")
    if is_folder and not arguments.table.text_column:
        raise InputError(
            f"{arguments.file}: expected a file of texts, found a folder; of a folder of tables name the column of "
            "texts with --text-column"
        )
    if is_folder and arguments.explain:
        raise InputError(f"--explain goes with lines or one table, got the folder {arguments.file}")
    if arguments.table.shard and not is_folder:
        raise InputError(f"--shard goes with a folder of tables, got {arguments.file or 'standard input'}")
    if arguments.file is not None and not arguments.table.text_column:
        _require_plain_name(arguments.file)


def _require_plain_name(file: Path) -> None:
    """Refuse a table: its header and its other columns would be classified as if they were texts."""
    suffix = file.suffix.lower()
    if suffix in _PACKED:
        raise InputError(f"{file}: expected a plain file of texts, found a packed one ({suffix}); unpack it first")
    if suffix in _TABLES:
        raise InputError(
            f"{file}: expected a text on each line and nothing else, found a table ({suffix}); name its column of "
            "texts with --text-column. If there is a text on each line after all, give the file on standard input"
        )


def __getattr__(name: str) -> object:
    """Give ``distill_jax.predict.Predictor`` on first use: it imports JAX, which ``--help`` does not need."""
    if name == "Predictor":
        from distill_jax.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
