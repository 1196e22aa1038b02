"""A transformer's classes in the data's order, and what decides a fine-tuned one's weights. No torch."""

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.files import read_json
from distill_jax.tasks import SINGLE_LABEL_NAME
from teacher_export.config import ExportConfig
from teacher_export.options.teacher import TeacherConfig
from teacher_export.teacher.finetune_plan import length_settings
from teacher_export.teacher.folder_files import CONFIG
from teacher_export.teacher.label_matching import IN_ORDER, Matching, are_generic, listed, match_labels
from teacher_export.teacher.source import TeacherSource, canonical_json

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset

_ENTAILMENT = "entail"


def named_classes(config: TeacherConfig, source: TeacherSource | None) -> tuple[str, ...]:
    """Return the classes that ``--label-map`` names, and those of a teacher's files where they are there already."""
    mapped = [entry[equals.end() :] for entry in config.label_map for equals in re.finditer("=", entry)]
    found = {} if source is None else read_json(source.folder / CONFIG, "teacher's configuration", foreign=True)
    own = found.get("id2label")
    return (*mapped, *(str(name) for name in own.values())) if isinstance(own, dict) else tuple(mapped)


def finetuning_settings(
    config: ExportConfig, dataset: "Dataset", source: TeacherSource, precision: str
) -> dict[str, Any]:
    """Return everything that decides a fine-tuned teacher's weights."""
    demo, task = config.is_demo_teacher, dataset.task.name
    return {
        "teacher": source.fingerprint,
        "data": dataset.fingerprint,
        "label_names": list(dataset.label_names),
        **({} if task == SINGLE_LABEL_NAME else {"task": task}),
        **length_settings(config, dataset),
        "learning_rate": config.finetune.learning_rate(demo=demo),
        "batch_size": config.teacher.batch_size,
        "max_length": config.teacher.max_length,
        "seed": config.data.seed,
        "precision": precision,
        **config.finetune.further(),
    }


def match_classes(
    config: ExportConfig, dataset: "Dataset", source: TeacherSource, classes: Sequence[str], *, has_trained_head: bool
) -> Matching:
    """Match the teacher's classes to the data's; those that the data lacks are the export's too.

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
        return Matching(names, list(range(len(names))))
    _require_no_pair(source, classes, config.data.text_column)
    if given := config.finetune.given():
        raise InputError(
            f"{given[0]} goes with a teacher without a trained head; {source.name} has one, for the classes "
            f"{list(classes)}"
        )
    if dataset.task.label_counts == (1, 1) and not label_map:  # one output, and one thing that it is of
        return Matching(names, [0])
    if not dataset.task.has_classes and len(classes) > len(names):
        raise InputError(
            f"the teacher has {len(classes)} labels and the data {len(names)}: the teacher's are {list(classes)}, the "
            f"data's {list(names)}; a label that no row has may be unknown and not absent, so it is not taken for "
            "absent: give every label a column of 0 and 1 (--label-columns), or take a teacher for these labels"
        )
    if takes_classes_in_order(source, classes) and not label_map and len(classes) == len(names):
        label_map = (IN_ORDER,)
    return match_labels(classes, names, label_map)


def with_classes(dataset: "Dataset", names: tuple[str, ...]) -> "Dataset":
    """Return a data set whose labels count among other classes, its own among them; its fingerprint stays its own."""
    if names == dataset.label_names:
        return dataset
    places = np.array([names.index(name) for name in dataset.label_names], np.int32)
    splits = {
        name: dataclasses.replace(split, labels=np.where(split.labels < 0, np.int32(-1), places[split.labels]))
        for name, split in dataset.splits.items()
    }
    return dataclasses.replace(dataset, label_names=names, splits=splits)


def lacking_sentence(matching: Matching) -> str:
    """Return how many of the teacher's classes the data lacks, and what comes of them."""
    lacking = matching.lacking
    are, them = ("class is", "it") if len(lacking) == 1 else ("classes are", "them")
    return (
        f"no row is of {len(lacking)} of the teacher's {len(matching.names)} classes ({listed(lacking)}); the {are} "
        f"the export's too, and students learn {them} from the teacher's logits, with --distil"
    )


def _require_no_pair(source: TeacherSource, classes: Sequence[str], text_columns: Sequence[str]) -> None:
    """Raise ``InputError`` where the two texts of an entailment teacher would be joined into one."""
    if len(text_columns) > 1 and any(_ENTAILMENT in name.casefold() for name in classes):
        raise InputError(
            f"teacher {source.name}: its classes {list(classes)} are those of a pair of texts, and the columns "
            f"{', '.join(text_columns)} would reach it joined into one; a pair is not read: give "
            "such a teacher's answers in a column of the table, --teacher-outputs"
        )


def takes_classes_in_order(source: TeacherSource, classes: Sequence[str]) -> bool:
    """Whether nothing names the teacher's classes: a state dict whose configuration has placeholders."""
    return source.is_state_dict and are_generic(classes)


def teacher_fingerprint(source: TeacherSource, columns: Sequence[int]) -> str:
    """Return the fingerprint of a teacher whose logits are put into the data's class order."""
    return hashlib.sha256(canonical_json([source.fingerprint, list(columns)]).encode()).hexdigest()
