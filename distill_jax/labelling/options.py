"""What ``predict`` can be told of a table; no framework is imported."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.errors import InputError, require_range
from distill_jax.options import Flag, option_of
from distill_jax.shards import shard_of

_MOST_WORKERS = 512


@dataclasses.dataclass(frozen=True)
class TableOptions:
    """Tables (CSV, TSV, JSON lines, Parquet): every column is kept, and the answers are columns after them."""

    text_column: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """The column of the text; given several times, the columns are joined as an export joins them. Within objects and
    structs a path of names, such as review.body."""
    output: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: JSON lines to standard output)")
    ] = None
    """What to write; its name ends in .csv, .tsv, .jsonl (and may end in .gz after that) or .parquet. Of a folder of
    tables a folder, where each table has its own name."""
    probabilities: Annotated[bool, Flag()] = False
    """Write a column probability:NAME for each label too."""
    prefix: Annotated[str, tyro.conf.arg(metavar="WORD")] = ""
    """What the names of the answers' columns begin with, such as predicted_, where the table has such names already."""
    label_separator: Annotated[str, tyro.conf.arg(metavar="TEXT")] = ";"
    """What stands between several labels of a row in CSV and TSV."""
    workers: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Processes that label, blocks of a table or tables of a folder; 0 = as many as there are processors, fewer for a
    small table, and one where JAX computes, which uses all processors itself."""
    shard: Annotated[str, tyro.conf.arg(metavar="I/N", help_behavior_hint="(default: all tables)")] = ""
    """Of a folder's tables, sorted by name, label every N-th from the I-th on, I from 0 to N-1: N machines that see the
    folders give each its own I."""
    resume: Annotated[bool, Flag()] = False
    """Go on with an interrupted output; where there is none, start one."""
    overwrite: Annotated[bool, Flag()] = False
    """Replace an output that is there, and start an interrupted one anew."""

    def __post_init__(self) -> None:
        require_range("--workers", self.workers, 0, _MOST_WORKERS)
        if not self.label_separator:
            raise InputError("--label-separator: expected what stands between two labels, got nothing")
        if self.shard and shard_of(self.shard) is None:
            raise InputError(f"--shard {self.shard}: expected I/N with I from 0 to N-1, such as 0/4")
        if self.shard and self.overwrite:
            raise InputError("--overwrite goes without --shard: it would delete the others' tables; delete the folder")
        if self.output is None:
            for name in ("resume", "overwrite", "shard"):
                if getattr(self, name):
                    raise InputError(f"{option_of(name)} goes with --output, got none")

    def given(self) -> list[str]:
        """Return the options whose values are not the defaults."""
        return [
            option_of(field.name) for field in dataclasses.fields(self) if getattr(self, field.name) != field.default
        ]

    def share_of(self, names: Sequence[str]) -> list[str]:
        """Return those of a folder's tables that ``shard`` names."""
        return list(names[shard_of(self.shard) or slice(None)])
