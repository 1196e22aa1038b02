"""The end of a planned export: every part looked at, the manifest written, what is of no use deleted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill_jax.console import path_word, progress, shell_line
from distill_jax.errors import InputError
from distill_jax.export.format import MANIFEST, Manifest, read_manifest
from distill_jax.export.writer import ExportWriter, read_record, record_of
from distill_jax.files import write_json
from distill_jax.locks import sole_writer
from teacher_export.export import print_next_step
from teacher_export.parts.finishing import finish_export
from teacher_export.parts.numbers import as_ranges
from teacher_export.parts.places import OUTPUT
from teacher_export.parts.plan import Plan, delete_plan, plan_file, read_plan
from teacher_export.summary import print_summary
from teacher_export.timing import TIMING, timing_of


def finish_plan(folder: Path) -> Manifest:
    """Check the hash of every part of a planned export and write its manifest; the plan is then deleted.

    Raises:
        InputError: there is no plan, a part is missing or is not what was written, or another process is at the
            folder; the message says what to do.
    """
    if not folder.is_dir():
        raise InputError(f"--output: {folder}: expected the folder of a planned export, found none")
    with sole_writer(folder, OUTPUT):
        manifest = _clear(folder) if _is_finished(folder) else _finish(read_plan(folder))
    print_summary(manifest)
    print_next_step(folder)
    return manifest


def _is_finished(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() and not plan_file(folder).is_file()


def _clear(folder: Path) -> Manifest:
    """Delete what an earlier end was interrupted in deleting."""
    manifest = read_manifest(folder)
    ExportWriter(folder, manifest).clear()
    delete_plan(folder)
    return manifest


def _finish(plan: Plan) -> Manifest:
    writer = ExportWriter(plan.folder, plan.header)
    missing, _ = missing_parts(plan, writer)
    require_all(plan, missing)
    manifest = finish_whole(plan, writer)
    delete_plan(plan.folder)
    return manifest


def missing_parts(plan: Plan, writer: ExportWriter) -> tuple[list[int], list[int]]:
    """Return the parts that are missing or damaged, and those that are damaged, whose records are deleted."""
    missing, damaged = [], []
    with progress(len(plan), "looking at parts", "parts") as bar:
        for number in range(len(plan)):
            if not writer.is_done(*plan.place(number)):
                missing.append(number)
                if plan.part_path(number).is_file():
                    damaged.append(number)
                record_of(plan.part_path(number)).unlink(missing_ok=True)
            bar.update(1)
    return missing, damaged


def finish_whole(plan: Plan, writer: ExportWriter) -> Manifest:
    """Write the timing and the manifest of an export all of whose parts are there."""
    _write_timing(plan)
    return finish_export(writer, plan.counts, figures=plan.figures, order_is_known=plan.order_is_known)


def require_all(plan: Plan, missing: Sequence[int]) -> None:
    """Raise ``InputError`` where parts are missing or damaged."""
    if missing:
        command = shell_line(["python", "-m", "teacher_export", "part", "--output", path_word(plan.folder)])
        raise InputError(
            f"{OUTPUT} {plan.folder}: {len(missing):,} of {len(plan):,} parts are missing or damaged "
            f"({as_ranges(missing)}); compute them ({command}), and finish again"
        )


def _write_timing(plan: Plan) -> None:
    """Write how fast the teacher was: documents and seconds are sums over all processes that computed parts."""
    records = [record_of(plan.part_path(number)) for number in range(len(plan))]
    found = [read_record(path) for path in records if path.is_file()]
    known = [(info, notes) for info, notes in found if "place" in notes and "seconds" in notes]
    if not known:
        return
    splits: dict[str, dict[str, Any]] = {}
    for info, notes in known:
        spent = splits.setdefault(info.file.partition("/")[0], {"documents": 0, "seconds": 0.0})
        spent["documents"] += info.examples
        spent["seconds"] += notes["seconds"]
    timing = {
        **timing_of(splits, known[0][1]["place"]),
        "workers": len({notes.get("worker") for _, notes in known}),
        "part_seconds": [round(notes["seconds"], 6) for _, notes in known],
    }
    write_json(plan.folder / TIMING, timing)
