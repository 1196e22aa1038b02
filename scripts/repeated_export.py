"""``python -m scripts.repeated_export``: an export that is too large for a memory, made of one that is not.

Its transfer set is that of the other export many times over, each row as it is but for its id. A student learns from it
what it would have learnt in as many more passes, so that its accuracy says whether training beyond memory is right.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from distill_jax.console import parse_options, run_command, say
from distill_jax.errors import InputError, require_range
from distill_jax.export.format import HINT_DIRECTIONS, read_manifest
from distill_jax.export.reader import iterate_parts, read_token_embeddings
from distill_jax.export.writer import ExportWriter


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Which export, and how often."""

    export: Annotated[Path, tyro.conf.Positional]
    """The export to repeat; it has a transfer set."""
    output: Annotated[Path, tyro.conf.Positional]
    """The folder to write."""
    times: int = 10
    """How many times the transfer set stands there."""


def main(words: list[str] | None = None) -> None:
    """Write the export.

    Raises:
        InputError: there is no such export, or it has no transfer set.
    """
    options = parse_options(Arguments, words, prog="python -m scripts.repeated_export", description=str(__doc__))
    require_range("--times", options.times, 1, 10_000)
    say(f"{repeat(options.export, options.output, options.times):,} rows in {options.output}")


def repeat(export: Path, output: Path, times: int) -> int:
    """Write an export with its transfer set repeated; return the rows of that."""
    found = read_manifest(export)
    if "transfer" not in found.splits:
        raise InputError(f"export {export}: expected a transfer set, found {', '.join(found.splits)}; name another")
    header = dataclasses.replace(found, splits={}, config={**found.config, "transfer_times": times}, fingerprint="")
    writer = ExportWriter(output, header)
    writer.begin()
    writer.write_tokenizer((export / "tokenizer.json").read_text(encoding="utf-8"))
    if found.has_token_embeddings:
        writer.write_token_embeddings(read_token_embeddings(export, found))
    if found.hint_width:
        writer.write_hint_directions(np.load(export / HINT_DIRECTIONS))
    counts = {}
    for split in found.splits:
        index = 0
        for turn in range(times if split == "transfer" else 1):
            for part in iterate_parts(export, found, split, hints=True):
                ids = part.example_ids + turn * (1 << 40)
                writer.write(split, index, dataclasses.replace(part, example_ids=ids))
                index += 1
        counts[split] = index
    return writer.finish(counts, found.teacher).examples("transfer")


if __name__ == "__main__":
    run_command(main)
