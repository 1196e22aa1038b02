"""Texts, one a line, labelled as they come: a JSON line for each."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from typing import IO, TYPE_CHECKING

from distill_jax.errors import InputError, printable_json

if TYPE_CHECKING:
    from distill_jax.inference.predictor import Predictor

_LINES_AT_ONCE = 16_384
_BYTES_AT_ONCE = 1 << 25
_CHARACTERS_WRITTEN = 1 << 24  # of output, at a time
_LONGEST_LINE = 1 << 26
# What such files begin with, whatever they are called.
_BEGINNINGS = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\0": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"PK\x03\x04": "a zip file",
}


def label_lines(
    predictor: "Predictor", stream: IO[bytes], where: str, *, as_they_come: bool = False, explain: bool = False
) -> None:
    """Write a JSON line for each line of a stream.

    Args:
        predictor: the student.
        stream: texts, one a line.
        where: what messages call it.
        as_they_come: answer each line before the next is read.
        explain: write of each text's words how much they speak for its answer, too.

    Raises:
        InputError: a line is too long, or no UTF-8; or the stream is no text.
    """
    # JSON's escapes serve where the terminal's encoding cannot show a label's name.
    escape = (sys.stdout.encoding or "ascii").lower().replace("-", "") != "utf8"
    shown = printable_json if sys.stdout.isatty() else str
    lines = predictor.task.json_lines(predictor.label_names, ensure_ascii=escape)
    for texts in _blocks(stream, where, 1 if as_they_come else _LINES_AT_ONCE):
        logits = predictor.logits(texts)
        # A thousand classes of long names are lines of a mebibyte: so many of them as memory has room for.
        rows = max(1, _CHARACTERS_WRITTEN // len(lines.format(logits[:1])))
        for start in range(0, len(logits), rows):
            answers = lines.format(logits[start : start + rows])
            written = (
                _with_reasons(predictor, texts[start : start + rows], answers, escape=escape) if explain else [answers]
            )
            sys.stdout.writelines(map(shown, written))
        sys.stdout.flush()


def _with_reasons(predictor: "Predictor", texts: list[str], answers: str, *, escape: bool) -> Iterator[str]:
    """Yield the texts' lines with ``why`` at their ends."""
    for line, explanation in zip(answers.split("\n")[:-1], predictor.explainer.explain(texts), strict=True):
        yield f'{line[:-1]}, "why": {json.dumps(explanation.why_json(), ensure_ascii=escape)}}}\n'


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
