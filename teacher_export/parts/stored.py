"""A planned export in object storage: planned and finished in the folder that stands for it."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from distill_jax.console import warn
from distill_jax.errors import InputError, MissingInputError
from distill_jax.export.format import MANIFEST, SPLIT_NAMES, Manifest
from distill_jax.export.writer import PARTIAL_MANIFEST
from distill_jax.locks import sole_writer
from distill_jax.storage.address import is_address
from distill_jax.storage.mirror import Mirror
from teacher_export.config import ExportConfig
from teacher_export.parts.ending import finish_plan, require_all
from teacher_export.parts.places import BEGINNING, open_parts
from teacher_export.parts.plan import PLAN, PLAN_FILES, PLAN_FOLDER, Plan, plan_file
from teacher_export.parts.planning import make_plan
from teacher_export.parts.working import OUTPUT, compute_parts

_RECORD = ".json"


def make_stored_plan(config: ExportConfig, *, alone: bool = False) -> Plan | None:
    """Do what ``make_plan`` does for an export at an address: here, and then put it there, the plan itself last.

    Args:
        config: the options; the output is an address.
        alone: whether this machine computes all the parts.

    Returns:
        The plan; None where the export is finished already.

    Raises:
        InputError: other objects lie there, another export, or other machines could not have the teacher.
    """
    mirror = Mirror(config.export_folder)
    names = mirror.objects.names()
    is_finished = MANIFEST in names
    if names and not is_finished and PARTIAL_MANIFEST not in names:
        raise InputError(f"--output {mirror.folder}: expected no objects there, or a planned export's, found others")
    with sole_writer(mirror.folder, OUTPUT):
        mirror.prune(names)
        wanted = names if is_finished else {name: names[name] for name in BEGINNING if name in names}
        if wanted:  # of a finished export all, to see whether it is this one, and whole
            mirror.fetch_all(wanted)
    plan = make_plan(dataclasses.replace(config, output=dataclasses.replace(config.output, output=mirror.folder)))
    if plan is not None and is_finished:
        mirror.prune(())
        raise InputError(
            f"--output {mirror.folder}: a finished export is there, and damaged; delete it, or name another"
        )
    if plan is None or PLAN_FILES[-1] in names:
        return plan
    if not alone:
        _require_for_all(config, plan)
    begun = sorted(_written(mirror.folder), key=lambda name: (name != PARTIAL_MANIFEST, name in PLAN_FILES))
    mirror.put(name for name in begun if name not in PLAN_FILES)
    mirror.put(PLAN_FILES)
    mirror.drop(*(name for name in begun if name.startswith(f"{PLAN_FOLDER}/") and name not in PLAN_FILES))
    return plan


def _require_for_all(config: ExportConfig, plan: Plan) -> None:
    tuned = plan.teacher.get("finetuned")
    if tuned is not None:
        plan_file(plan.folder).unlink()
        raise InputError(
            f"--output {plan.folder}: the teacher was fine-tuned now, and lies on this machine alone ({tuned}); put "
            "that folder beside the data, and give its address as --teacher"
        )
    name = config.teacher.teacher
    if Path(name).exists() and not is_address(name):
        warn(f"warning: --teacher {name} is a path of this machine; machines that compute parts must have it there too")


def _written(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix()


def finish_stored_plan(output: Path) -> Manifest:
    """Do what ``finish_plan`` does for an export at an address: its parts are fetched, the manifest is put last.

    The copies stay, so that students can be trained here; they may be deleted.

    Raises:
        InputError: what ``finish_plan`` raises.
    """
    mirror = Mirror(output)
    names = mirror.objects.names()
    if not names:
        raise MissingInputError(f"--output {mirror.folder}: expected a planned export, found no objects")
    if PLAN_FILES[-1] in names:  # a look at the names costs nothing, and fetching all parts may cost much
        parts = open_parts(output)
        require_all(parts.plan, sorted(parts.left(range(len(parts.plan)))))
    with sole_writer(mirror.folder, OUTPUT):
        mirror.prune(names)
        mirror.fetch_all({name: names[name] for name in names if not _is_plans_rows(name)})
    try:
        manifest = finish_plan(mirror.folder)
    finally:
        with contextlib.suppress(FileNotFoundError):  # a damaged part's record is deleted: it is computed again
            for name in names:
                if _is_record(name) and not (mirror.folder / name).exists() and not (mirror.folder / MANIFEST).exists():
                    mirror.objects.delete(name)
    new = [name for name in _written(mirror.folder) if name not in names]
    mirror.put(sorted(new, key=lambda name: name == MANIFEST))
    mirror.objects.delete(f"{PLAN_FOLDER}/{PLAN}")
    for name in names:
        if name.startswith(f"{PLAN_FOLDER}/") or _is_record(name) or name == PARTIAL_MANIFEST:
            mirror.objects.delete(name)
    return manifest


def _is_plans_rows(name: str) -> bool:
    return name.startswith(f"{PLAN_FOLDER}/") and name not in PLAN_FILES


def _is_record(name: str) -> bool:
    """Whether an object is the record of a part."""
    split, _, file = name.partition("/")
    return split in SPLIT_NAMES and file.endswith(_RECORD)


def export_stored(config: ExportConfig) -> None:
    """Do all of an export at an address: plan it, compute its parts, finish it; the same command goes on.

    Raises:
        InputError: what the three raise.
    """
    if make_stored_plan(config, alone=True) is None:
        return
    compute_parts(config.export_folder, range)
    finish_stored_plan(config.export_folder)
