"""A table whose labelling has begun: what begins it, and goes on with it."""

import shutil
from pathlib import Path

TABLE, OUTPUT = "in.csv", "out.csv"
PART = f"{OUTPUT}.part"
_BLOCKS = 2  # that are labelled, of six


def label(folder: Path, student: Path) -> None:
    """Label the table, or go on with it."""
    from distill_jax.labelling.label_table import label_table
    from distill_jax.labelling.options import TableOptions
    from distill_jax.tables.dialect_options import DialectConfig

    options = TableOptions(("text",), folder / OUTPUT, prefix="its_", workers=1, resume=True)
    label_table(folder / TABLE, student, options, DialectConfig())


def write_under_way(folder: Path, table: Path, student: Path) -> None:
    """Write a table, and what is labelled of it where it is interrupted; to be called in a process of its own."""
    from distill_jax.errors import Interrupted
    from distill_jax.labelling.labeller import Labeller

    folder.mkdir()
    shutil.copyfile(table, folder / TABLE)
    once, left = Labeller.label, [_BLOCKS]

    def interrupted(self: Labeller, block: object) -> object:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return once(self, block)  # type: ignore[arg-type]

    Labeller.label = interrupted  # type: ignore[assignment, method-assign]
    try:
        label(folder, student)
    except Interrupted:
        return
    raise RuntimeError(f"{folder}: it was labelled to its end")
