"""What makes two exports the same one, and recognising one that is already whole, without torch."""

import dataclasses
from typing import TYPE_CHECKING, Any

from distill_jax.export.format import HINT_DIRECTIONS, MANIFEST, TOKEN_EMBEDDINGS, TOKENIZER, Manifest, read_manifest
from distill_jax.export.writer import PARTIAL_MANIFEST, SHARED_ARRAYS
from distill_jax.files import first_difference, sha256_file, utf8
from distill_jax.tasks import SINGLE_LABEL_NAME
from teacher_export.config import ExportConfig

if TYPE_CHECKING:
    from pathlib import Path

    from teacher_export.data.dataset import Dataset
    from teacher_export.teacher.labeller import TeacherKind


def describe_export(
    config: ExportConfig, dataset: "Dataset", teacher: dict[str, Any], transfer: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the manifest's ``config``: everything that decides an export's bytes, and no folder's name.

    Args:
        config: what the user asked for.
        dataset: the data.
        teacher: what its kind says of the teacher, of the tokenizer and of the parts.
        transfer: what ``describe_transfer`` says of the transfer set, or None.
    """
    data = config.data
    described = {
        "dataset": data.dataset,
        "files": [utf8(path.name) for path in data.data],
        "data_fingerprint": dataset.fingerprint,
        "text_columns": list(data.text_column),
        "label_column": data.label_column,
        "train_fraction": data.train_fraction,
        "seed": data.seed,
        "max_rows": data.most_rows,
        "balance": data.is_balanced,
        **teacher,
    }
    # Only where they are used, so that every other export keeps its identity.
    if data.validation_fraction:
        described["validation_fraction"] = data.validation_fraction
    if data.dialect.given():
        described["dialect"] = dataclasses.asdict(data.dialect)
    for name in ("test_data", "validation_data"):
        if getattr(data, name):
            described[name] = [utf8(path.name) for path in getattr(data, name)]
    options = ("keep_labels", "class_names", "split_column", "group_column", "weight_column", "stratify")
    for name in (*options, "drop_duplicates"):
        if getattr(data, name):
            described[name] = getattr(data, name)
    if data.skips_bad_rows:
        described["bad_rows"] = dataset.bad_rows
    if data.task != SINGLE_LABEL_NAME:
        described |= {
            "task": data.task,
            "label_columns": list(data.label_columns),
            "label_separator": data.label_separator,
        }
    if transfer is not None:
        described["transfer"] = transfer
    return described


def find_whole_export(config: ExportConfig, teacher: "TeacherKind") -> Manifest | None:
    """Return the manifest of the export in the output folder where it is whole and the very one asked for.

    Every part's bytes are checked against their hash. ``--precision auto`` is content with the precision the export
    was made in. None means that there is work to do, or an error for that work to find.
    """
    folder = config.export_folder
    if not (folder / MANIFEST).is_file() or (folder / PARTIAL_MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    expected = teacher.expected(manifest)
    if expected is None or first_difference(manifest.config, expected.config):
        return None
    same_labels = manifest.label_names == expected.label_names and manifest.max_length == config.teacher.students_length
    same_teacher = manifest.teacher.get("fingerprint") == expected.fingerprint
    return manifest if same_labels and same_teacher and _is_intact(folder, manifest) else None


def _is_intact(folder: "Path", manifest: Manifest) -> bool:
    expected = {part.file: part.sha256 for parts in manifest.splits.values() for part in parts}
    expected[TOKENIZER] = manifest.config["tokenizer_sha256"]
    if manifest.has_token_embeddings:
        expected[TOKEN_EMBEDDINGS] = manifest.teacher.get(SHARED_ARRAYS[TOKEN_EMBEDDINGS], "")
    if manifest.hint_width:
        expected[HINT_DIRECTIONS] = manifest.teacher.get(SHARED_ARRAYS[HINT_DIRECTIONS], "")
    return all((folder / name).is_file() and sha256_file(folder / name) == sha for name, sha in expected.items())
