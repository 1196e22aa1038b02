"""``python -m scripts.deployment``: a packed student's size, start, latency and speed beside its run's."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from distill_jax.console import format_table, parse_options, say
from distill_jax.errors import InputError
from distill_jax.files import atomic_write
from distill_jax.options import Range, check_fields
from scripts.deployment.measures import measured

_TEXTS = 20_000


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to measure."""

    packed: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE…")]
    """Packed files of python -m distill_jax.pack."""
    runs: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN…")]
    """The run that each of them comes from, in their order."""
    export: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The export whose texts are labelled: test rows first, then training rows, as its tokenizer spells them."""
    turns: Annotated[int, Range(1, 1000)] = 5
    """Turns of each measurement."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: not written)")] = None
    """Write all the numbers there too."""

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.packed) != len(self.runs):
            raise InputError(f"--runs: expected {len(self.packed)}, one for each packed file, got {len(self.runs)}")


def main() -> None:
    """Parse the command line, measure, print a table."""
    arguments = parse_options(Arguments, None, prog="python -m scripts.deployment", description=__doc__)
    from distill_jax.data.exports import Export
    from distill_jax.formats.registry import load
    from distill_jax.jax_setup import configure_jax
    from scripts.benchmark.machine import describe_machine

    configure_jax()
    export = Export.open(arguments.export)
    found: dict[str, Any] = {"machine": describe_machine(), "students": {}}
    for packed, run in zip(arguments.packed, arguments.runs, strict=True):
        model, whole = load(packed), load(run)
        tokens = [export.test.tokens, export.train.tokens]
        texts = [
            text
            for rows in tokens
            for text in whole.tokenizer.decode(rows.take(np.arange(min(len(rows), _TEXTS))), whole.config.pad_id)
        ]
        found["students"][packed.stem] = measured(packed, run, model, whole, texts, arguments.turns)
    for line in _lines(found):
        say(line)
    if arguments.json is not None:
        with atomic_write(arguments.json) as stream:
            stream.write(json.dumps(found, indent=2).encode())


def _lines(found: dict[str, Any]) -> Sequence[str]:
    rows = []
    for name, each in found["students"].items():
        one, cold, batches = each["one_text"]["packed"], each["cold"], each["seconds_a_text_by_batch"]
        rows.append(
            [
                name,
                f"{each['bytes']:,}",
                f"{1e3 * cold['packed']['seconds']:.0f} ({1e3 * cold['run']['seconds']:.0f})",
                f"{cold['packed']['resident_bytes'] / 1e6:.0f} ({cold['run']['resident_bytes'] / 1e6:.0f})",
                f"{1e6 * one['p50']:.0f} / {1e6 * one['p99']:.0f}",
                " ".join(f"{1e6 * seconds:.0f}" for seconds in batches.values()),
                f"{each['texts_per_second']['packed']:,.0f}",
                f"{each['ratio']['median']:.2f} ({each['ratio']['least']:.2f}–{each['ratio']['most']:.2f})",
            ]
        )
    header = ("", "bytes", "first answer, ms (run)", "memory, MB (run)", "one text p50 / p99, µs")
    return [
        str(found["machine"]),
        format_table((*header, "µs a text among 1, 2, 4 … 256", "texts/s", "times the run's"), rows),
    ]
