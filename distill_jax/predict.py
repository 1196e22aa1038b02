"""``python -m distill_jax.predict``: classes and probabilities of raw texts, from a run folder alone."""

import dataclasses
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import tyro

from distill_jax.console import parse_options, run_command, warn
from distill_jax.errors import InputError, MissingInputError
from distill_jax.extras import are_installed

if TYPE_CHECKING:
    from distill_jax.inference.predictor import Predictor

_LINES_AT_ONCE = 16_384
_BYTES_AT_ONCE = 1 << 25
_CHARACTERS_WRITTEN = 1 << 24  # of output, at a time
_LONGEST_LINE = 1 << 26
_TABLES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".arrow", ".feather", ".xls", ".xlsx"})
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
# What such files begin with, whatever they are called.
_BEGINNINGS = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\0": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"PK\x03\x04": "a zip file",
}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to predict, and with which student."""

    run: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The run folder, as python -m distill_jax.train writes it."""
    file: Annotated[
        Path | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[FILE]", help_behavior_hint="(default: standard input)"),
    ] = None
    """A UTF-8 file with a text on each line."""


def main() -> None:
    """Parse the command line, read lines, write a JSON line for each."""
    arguments = parse_options(
        Arguments,
        None,
        prog="python -m distill_jax.predict",
        description=(
            "Read a text a line, write a JSON line for each: its class and the probability of each; of a multi-label "
            "student its labels, and of a student of scores its score. An empty line is a text too; two texts as a "
            "pair are not read."
        ),
    )
    _require_input(arguments)
    if are_installed("jax", "flax", "platformdirs"):  # a linear student needs none of them
        from distill_jax.jax_setup import configure_jax

        configure_jax()
    from distill_jax.formats.registry import load

    predictor = load(arguments.run)
    if arguments.file is None:
        if sys.stdin.isatty():
            warn("reading texts from the keyboard, one a line; Ctrl-D ends")
        _predict_lines(predictor, sys.stdin.buffer, "standard input", 1 if sys.stdin.isatty() else _LINES_AT_ONCE)
        return
    with arguments.file.open("rb") as stream:
        _predict_lines(predictor, stream, str(arguments.file), _LINES_AT_ONCE)


def _require_input(arguments: Arguments) -> None:
    """Refuse what can be refused before anything heavy is imported."""
    if not arguments.run.exists():
        raise MissingInputError(
            f"--run {arguments.run}: there is no such folder; train a student with python -m distill_jax.train"
        )
    if arguments.file is not None and not arguments.file.exists():
        raise MissingInputError(f"{arguments.file}: expected a file of texts, found no such file")
    if arguments.file is not None and arguments.file.is_dir():
        raise InputError(f"{arguments.file}: expected a file of texts, found a folder")
    if arguments.file is not None:
        _require_plain_name(arguments.file)


def _require_plain_name(file: Path) -> None:
    """Refuse a table: its header and its other columns would be classified as if they were texts."""
    suffix = file.suffix.lower()
    if suffix in _PACKED:
        raise InputError(f"{file}: expected a plain file of texts, found a packed one ({suffix}); unpack it first")
    if suffix in _TABLES:
        raise InputError(
            f"{file}: expected a text on each line and nothing else, found a table ({suffix}); write its column of "
            "texts to a file, or give it to Predictor.predict from Python. If there is a text on each line after all, "
            "give the file on standard input"
        )


def _predict_lines(predictor: "Predictor", stream: IO[bytes], where: str, at_once: int) -> None:
    # JSON's escapes serve where the terminal's encoding cannot show a label's name.
    escape = (sys.stdout.encoding or "ascii").lower().replace("-", "") != "utf8"
    lines = predictor.task.json_lines(predictor.label_names, ensure_ascii=escape)
    for texts in _blocks(stream, where, at_once):
        logits = predictor.logits(texts)
        # A thousand classes of long names are lines of a mebibyte: so many of them as memory has room for.
        rows = max(1, _CHARACTERS_WRITTEN // len(lines.format(logits[:1])))
        for start in range(0, len(logits), rows):
            sys.stdout.write(lines.format(logits[start : start + rows]))
        sys.stdout.flush()


def _blocks(stream: IO[bytes], where: str, at_once: int) -> Iterator[list[str]]:
    """Yield lists of texts; only a line feed (after an optional carriage return) ends a text."""
    block: list[str] = []
    size = 0
    for number, line in enumerate(iter(partial(stream.readline, _LONGEST_LINE + 1), b""), start=1):
        if len(line) > _LONGEST_LINE:
            raise InputError(
                f"{where}, line {number}: expected a text of at most {_LONGEST_LINE >> 20} MiB, got a longer line; "
                "cut it, the student sees its beginning alone"
            )
        if number == 1:
            _require_plain_beginning(line, where)
        text = _decoded(line, f"{where}, line {number}")
        block.append(text.removeprefix("\ufeff") if number == 1 else text)
        size += len(line)
        if len(block) == at_once or size >= _BYTES_AT_ONCE:
            yield block
            block, size = [], 0
    if block:
        yield block


def _decoded(line: bytes, where: str) -> str:
    """Return a line's text without its end; NUL is no letter of a text, and every second byte of one in UTF-16."""
    if b"\0" in line:
        raise InputError(
            f"{where}: expected text in UTF-8, got a NUL byte, which UTF-16 is full of; convert to UTF-8, or take the "
            "NUL bytes out"
        )
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: expected text in UTF-8, got other bytes ({error}); convert to UTF-8") from None


def _require_plain_beginning(line: bytes, where: str) -> None:
    found = next((kind for beginning, kind in _BEGINNINGS.items() if line.startswith(beginning)), None)
    if found is not None:
        raise InputError(f"{where}: expected a text on each line, got {found}")


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
