"""A planned export in object storage: planned and finished in the folder that stands for it."""

import dataclasses
from collections.abc import Collection, Iterator
from pathlib import Path

from distill_jax.console import warn
from distill_jax.errors import InputError, MissingInputError
from distill_jax.export.format import MANIFEST, PART_NAME, SPLIT_NAMES, Manifest, read_manifest
from distill_jax.export.writer import PARTIAL_MANIFEST, SHARED_ARRAYS, ExportWriter
from distill_jax.files import sha256_file
from distill_jax.locks import sole_writer
from distill_jax.storage.address import is_address
from distill_jax.storage.mirror import Mirror
from teacher_export.config import ExportConfig
from teacher_export.export import print_next_step
from teacher_export.parts.ending import finish_whole, missing_parts, require_all
from teacher_export.parts.places import BEGINNING, OUTPUT, names_of_part, open_parts
from teacher_export.parts.plan import PLAN_FILES, PLAN_FOLDER, Plan, plan_file, read_plan
from teacher_export.parts.planning import make_plan_in_held_folder
from teacher_export.parts.working import compute_parts
from teacher_export.summary import print_summary


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
    if mirror.objects.find() is not None:
        raise InputError(f"--output {mirror.folder}: expected an address of no object, found one; name another")
    if names and not is_finished and PARTIAL_MANIFEST not in names:
        raise InputError(f"--output {mirror.folder}: expected no objects there, or a planned export's, found others")
    if PLAN_FILES[-1] not in names and not is_finished:
        mirror.objects.require_writable()
    with sole_writer(mirror.folder, OUTPUT):
        mirror.prune(names)
        known = (*BEGINNING, *SHARED_ARRAYS)
        wanted = names if is_finished else {name: names[name] for name in known if name in names}
        mirror.fetch_all(wanted)  # of a finished export all, to see whether it is this one, and whole
        before = {name: _sha256_of(mirror.folder / name) for name in (PARTIAL_MANIFEST, *SHARED_ARRAYS)}
        here = dataclasses.replace(config.output, output=mirror.folder)
        plan = make_plan_in_held_folder(dataclasses.replace(config, output=here))
        if plan is not None and is_finished:
            mirror.prune(())
            raise InputError(
                f"--output {mirror.folder}: a finished export is there, and damaged; delete it, or name another"
            )
        if plan is None:
            return None
        if PLAN_FILES[-1] in names:
            changed = [name for name, digest in before.items() if digest != _sha256_of(mirror.folder / name)]
            if PARTIAL_MANIFEST in changed:
                raise InputError(
                    f"--output {mirror.folder}: what its parts share was lost, and comes out otherwise here; delete "
                    "what lies there, and plan again"
                )
            mirror.put(changed)
            return plan
        if not alone:
            _require_for_all(config, plan)
        written = sorted(_written(mirror.folder), key=lambda name: name != PARTIAL_MANIFEST)
        mirror.put(name for name in written if name not in PLAN_FILES)
        mirror.put(PLAN_FILES)
        mirror.drop(*(name for name in written if _is_plan_s_rows(name)))
    return plan


def _sha256_of(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None


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

    What is of no use beside a manifest is deleted when that is there. The copies stay, so that students can be trained
    here; they may be deleted.

    Raises:
        InputError: what ``finish_plan`` raises.
    """
    mirror = Mirror(output)
    if PLAN_FILES[-1] in mirror.objects.names():  # a look at names costs nothing, and fetching all parts may cost much
        parts = open_parts(output)
        require_all(parts.plan, sorted(parts.left(range(len(parts.plan)))))
    with sole_writer(mirror.folder, OUTPUT):
        names = mirror.objects.names()
        if not names:
            raise MissingInputError(f"--output {mirror.folder}: expected a planned export, found no objects")
        mirror.prune(names)
        mirror.fetch_all({name: names[name] for name in names if not _is_plan_s_rows(name)})
        manifest = (
            read_manifest(mirror.folder) if MANIFEST in names else _finish(mirror, read_plan(mirror.folder), names)
        )
        if mirror.objects.find(MANIFEST) is None:
            raise InputError(f"{OUTPUT} {mirror.folder}: {MANIFEST} is not there after it was put; finish again")
        for name in sorted(filter(_is_of_no_use, names), key=lambda name: name not in PLAN_FILES):
            mirror.objects.delete(name)
            mirror.drop(name)
    print_summary(manifest)
    print_next_step(mirror.folder)
    return manifest


def _finish(mirror: Mirror, plan: Plan, names: Collection[str]) -> Manifest:
    writer = ExportWriter(plan.folder, plan.header)
    missing, damaged = missing_parts(plan, writer)
    for number in damaged:  # so that it is computed again
        mirror.objects.delete(names_of_part(plan, number)[1])
    require_all(plan, missing)
    manifest = finish_whole(plan, writer)
    mirror.put(
        sorted((name for name in _written(mirror.folder) if name not in names), key=lambda name: name == MANIFEST)
    )
    return manifest


def _is_plan_s_rows(name: str) -> bool:
    return name.startswith(f"{PLAN_FOLDER}/") and _is_part_s(name.removeprefix(f"{PLAN_FOLDER}/"), ".npz")


def _is_of_no_use(name: str) -> bool:
    """Whether an object is of no use beside a manifest: the plan, or a part's record."""
    return name in (*PLAN_FILES, PARTIAL_MANIFEST) or _is_plan_s_rows(name) or _is_part_s(name, ".json")


def _is_part_s(name: str, ending: str) -> bool:
    split, _, file = name.partition("/")
    stem = file.removesuffix(ending)
    return split in SPLIT_NAMES and stem != file and PART_NAME.fullmatch(stem) is not None


def export_stored(config: ExportConfig) -> None:
    """Do all of an export at an address: plan it, compute its parts, finish it; the same command goes on.

    Raises:
        InputError: what the three raise.
    """
    if make_stored_plan(config, alone=True) is None:
        return
    compute_parts(config.export_folder, range)
    finish_stored_plan(config.export_folder)
