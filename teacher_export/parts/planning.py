"""The plan of an export, made: the data read, drawn and split, the teacher made ready, each part's rows written."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from distill_jax.console import path_word, progress, say, shell_line
from distill_jax.errors import InputError
from distill_jax.export.format import MANIFEST
from distill_jax.export.writer import ExportWriter, identity_of
from distill_jax.files import temporary_beside
from distill_jax.locks import sole_writer
from teacher_export.config import ExportConfig
from teacher_export.export import prepared
from teacher_export.identity import find_whole_export
from teacher_export.parts.compute import header_of, write_shared_files
from teacher_export.parts.plan import Plan, delete_plan, plan_file, read_plan, write_rows
from teacher_export.teacher.kinds import kind_of

if TYPE_CHECKING:
    from teacher_export.teacher.labeller import Labeller


def make_plan(config: ExportConfig) -> Plan | None:
    """Plan an export, so that its parts can be computed in any order, by any process that sees its folder.

    The texts are not held in memory: they are put into their order on the disk, beside the export folder. The same
    options and files give the same plan; where it is there already it is left as it is, with the parts computed so far.

    Returns:
        The plan; None where the export is finished already.

    Raises:
        InputError: an option, a file or a folder cannot be used; the message says why.
        OSError: the disk is full, ….
    """
    with sole_writer(config.export_folder, "output folder"):
        return make_plan_in_held_folder(config)


def make_plan_in_held_folder(config: ExportConfig) -> Plan | None:
    """Do what ``make_plan`` does; the caller holds the lock."""
    if config.finetune.teacher_folds is not None:
        raise InputError(
            f"--teacher-folds {config.finetune.teacher_folds}: expected an export by one process, got a plan, whose "
            "parts are labelled by one teacher. Leave --teacher-folds out, or export without plan"
        )
    config = prepared(config)
    folder = config.export_folder
    with _texts_beside(folder) as texts:
        kind = kind_of(config, texts)
        kind.read_data()
        if find_whole_export(config, kind) is not None:
            say(f"\nThe export in {folder} is finished already, and made from the same data and teacher.")
            return None
        plan = _plan(config, kind.load())
    say(f"\nThe plan in {folder}: {sum(plan.rows.values()):,} rows in {len(plan):,} parts. Next, on each machine:")
    words = ["python", "-m", "teacher_export"]
    say(f"  {shell_line([*words, 'part', '--output', path_word(folder)])}")
    say("and, when every part is there:")
    say(f"  {shell_line([*words, 'finish', '--output', path_word(folder)])}")
    return plan


@contextlib.contextmanager
def _texts_beside(folder: Path) -> Iterator[Path]:
    """Yield where the texts may lie while the plan is made."""
    texts = temporary_beside(folder)
    try:
        yield texts
    finally:
        shutil.rmtree(texts, ignore_errors=True)


def _plan(config: ExportConfig, teacher: "Labeller") -> Plan:
    folder, tokenizer_text = config.export_folder, teacher.tokenizer.to_str()
    ExportWriter(folder, header_of(teacher, tokenizer_text))  # another export's folder is refused before the work
    teacher.introduce()
    teacher.prepare()
    header = header_of(teacher, tokenizer_text)
    writer = ExportWriter(folder, header)
    writer.begin()
    (folder / MANIFEST).unlink(missing_ok=True)  # of an export that was damaged since
    write_shared_files(writer, teacher, tokenizer_text)
    if plan_file(folder).is_file() and identity_of((old := read_plan(folder)).header) == writer.identity:
        say(f"\nThe plan in {folder} was made from the same data and teacher: it is reused.")
        return old
    delete_plan(folder)
    plan = Plan(
        folder=folder,
        header=header,
        rows={name: len(split) for name, split in teacher.splits.items()},
        part_rows=teacher.part_rows,
        inputs=_write_inputs(folder, teacher),
        teacher=teacher.handed_on(),
        figures=teacher.figures(),
        order_is_known=teacher.order_is_known,
    )
    plan.write()
    return plan


def _write_inputs(folder: Path, teacher: "Labeller") -> list[str]:
    """Write the rows of every part; return the hashes of their files."""
    size, splits, found = teacher.part_rows, teacher.splits, []
    with progress(sum(map(len, splits.values())), "writing the parts' rows") as bar:
        for name, split in splits.items():
            for index, start in enumerate(range(0, len(split), size)):
                rows = split.slice(slice(start, start + size))
                found.append(write_rows(folder, name, index, rows))
                bar.update(len(rows))
    return found
