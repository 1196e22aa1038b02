"""What makes two exports the same one, and recognising one that is already whole, without torch."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.errors import InputError
from distill_jax.export.format import MANIFEST, TOKEN_EMBEDDINGS, TOKENIZER, Manifest, read_manifest
from distill_jax.export.writer import PARTIAL_MANIFEST
from distill_jax.files import first_difference, sha256_file, utf8
from teacher_export.config import ExportConfig
from teacher_export.teacher.finetune_state import RECORD
from teacher_export.teacher.label_matching import IN_ORDER, are_generic, match_labels
from teacher_export.teacher.source import TeacherSource, canonical_json, folder_source
from teacher_export.transfer.transfer_set import describe_transfer

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset


def describe_export(
    config: ExportConfig,
    dataset: "Dataset",
    source: TeacherSource,
    *,
    precision: str,
    tokenizer_sha256: str,
    finetuning: dict[str, Any] | None,
    teacher_classes: Sequence[str],
    columns: Sequence[int],
    transfer: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the manifest's ``config``: everything that decides an export's bytes, and no folder's name.

    Args:
        config: what the user asked for.
        dataset: the data.
        source: the teacher before any fine-tuning.
        precision: what ``--precision auto`` came to.
        tokenizer_sha256: of the export's ``tokenizer.json``.
        finetuning: its settings, or None for a teacher with a trained head.
        teacher_classes: the teacher's class names, in the order of its logits.
        columns: the teacher's column for each class of the data.
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
        "max_rows": data.max_rows,
        "balance": data.balance,
        "base_teacher": source.fingerprint,
        "precision": precision,
        "batch_size": config.teacher.batch_size,
        "part_rows": config.output.part_rows,
        "tokenizer_sha256": tokenizer_sha256,
        "finetuning": finetuning,
        "teacher_classes": list(teacher_classes),
        "columns": list(columns),
    }
    # Only where they are used, so that every other export keeps its identity.
    if data.validation_fraction:
        described["validation_fraction"] = data.validation_fraction
    if transfer is not None:
        described["transfer"] = transfer
    return described


def finetuning_settings(
    config: ExportConfig, dataset: "Dataset", source: TeacherSource, precision: str
) -> dict[str, Any]:
    """Return everything that decides a fine-tuned teacher's weights."""
    demo = config.is_demo_teacher
    return {
        "teacher": source.fingerprint,
        "data": dataset.fingerprint,
        "label_names": list(dataset.label_names),
        "epochs": config.finetune.epochs(demo=demo),
        "learning_rate": config.finetune.learning_rate(demo=demo),
        "batch_size": config.teacher.batch_size,
        "max_length": config.teacher.max_length,
        "seed": config.data.seed,
        "precision": precision,
    }


def match_classes(
    config: ExportConfig, dataset: "Dataset", source: TeacherSource, classes: Sequence[str], *, has_trained_head: bool
) -> list[int]:
    """Return the teacher's column for each class of the data.

    A new head has the data's classes. A state dict whose configuration does not name them is taken in order.

    Raises:
        InputError: the classes do not match, or an option does not go with this teacher.
    """
    names, label_map = dataset.label_names, config.teacher.label_map
    if not has_trained_head:
        if label_map:
            raise InputError(
                f"--label-map goes with a teacher that has a trained head; {source.name} has none and is fine-tuned on "
                "the data's own classes"
            )
        return list(range(len(names)))
    if config.finetune.finetune_epochs is not None or config.finetune.finetune_learning_rate is not None:
        raise InputError(
            f"--finetune-epochs and --finetune-learning-rate go with a teacher without a trained head; {source.name} "
            f"has one, for the classes {list(classes)}"
        )
    if takes_classes_in_order(source, classes) and not label_map:
        label_map = (IN_ORDER,)
    return match_labels(classes, names, label_map)


def takes_classes_in_order(source: TeacherSource, classes: Sequence[str]) -> bool:
    """Whether nothing names the teacher's classes: a state dict whose configuration has placeholders."""
    return source.is_state_dict and are_generic(classes)


def teacher_fingerprint(source: TeacherSource, columns: Sequence[int]) -> str:
    """Return the fingerprint of a teacher whose logits are put into the data's class order."""
    return hashlib.sha256(canonical_json([source.fingerprint, list(columns)]).encode()).hexdigest()


def find_whole_export(config: ExportConfig, dataset: "Dataset", source: TeacherSource) -> Manifest | None:
    """Return the manifest of the export in the output folder where it is whole and the very one asked for.

    Every part's bytes are checked against their hash. ``--precision auto`` is content with the precision the export
    was made in. None means that there is work to do, or an error for that work to find.
    """
    folder = config.export_folder
    if not (folder / MANIFEST).is_file() or (folder / PARTIAL_MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    wanted = _wanted_config(config, dataset, source, manifest)
    if wanted is None or first_difference(manifest.config, wanted):
        return None
    same_labels = manifest.label_names == dataset.label_names and manifest.max_length == config.teacher.max_length
    same_teacher = _teacher_is_the_same(config, source, manifest)
    return manifest if same_labels and same_teacher and _is_intact(folder, manifest) else None


def _wanted_config(
    config: ExportConfig, dataset: "Dataset", source: TeacherSource, manifest: Manifest
) -> dict[str, Any] | None:
    found = manifest.config
    classes, trained_with = found.get("teacher_classes"), found.get("finetuning")
    if not isinstance(classes, list) or found.get("base_teacher") != source.fingerprint:
        return None
    settings = None
    asked = config.teacher.precision
    if trained_with is not None:
        precision = trained_with.get("precision") if asked == "auto" else asked
        settings = finetuning_settings(config, dataset, source, precision)
    columns = match_classes(config, dataset, source, classes, has_trained_head=trained_with is None)
    transfer = None
    if config.transfer_set.wanted:  # its texts follow from the rest: they are not drawn again to be compared
        made = found.get("transfer") or {}
        transfer = describe_transfer(config, made.get("mask_token", ""), made.get("fingerprint", ""))
    return describe_export(
        config,
        dataset,
        source,
        precision=found.get("precision", "") if asked == "auto" else asked,
        tokenizer_sha256=found.get("tokenizer_sha256", ""),
        finetuning=settings,
        teacher_classes=classes,
        columns=columns,
        transfer=transfer,
    )


def _teacher_is_the_same(config: ExportConfig, source: TeacherSource, manifest: Manifest) -> bool:
    fingerprint, columns = manifest.teacher.get("fingerprint"), manifest.config["columns"]
    if manifest.config["finetuning"] is None:
        return fingerprint == teacher_fingerprint(source, columns)
    folder = config.finetuned_folder
    if not (folder / RECORD).is_file():  # it was deleted; what it computed is here
        return True
    return fingerprint == teacher_fingerprint(folder_source(folder, source.name), columns)


def _is_intact(folder: Path, manifest: Manifest) -> bool:
    expected = {part.file: part.sha256 for parts in manifest.splits.values() for part in parts}
    expected[TOKENIZER] = manifest.config["tokenizer_sha256"]
    expected[TOKEN_EMBEDDINGS] = manifest.teacher.get("token_embeddings_sha256", "")
    return all((folder / name).is_file() and sha256_file(folder / name) == sha for name, sha in expected.items())
