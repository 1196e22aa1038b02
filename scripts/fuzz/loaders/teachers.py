"""Loaders of teachers, of fine-tuned ones, and of a notebook's checkpoint."""

import functools
import random
from pathlib import Path
from typing import Any

import numpy as np

from scripts.fuzz import corpus
from scripts.fuzz.loaders.loader import TEXTS, Loader, require
from scripts.fuzz.loaders.runs import check_model
from scripts.trials.inputs import TEACHER

_CLASSES = 5


def _teacher(folder: Path, _: random.Random) -> None:
    from teacher_export.teacher.loading import load_teacher
    from teacher_export.teacher.logits import predict_logits
    from teacher_export.teacher.source import folder_source
    from teacher_export.teacher.tokens import encode

    names = tuple(f"class {number}" for number in range(_CLASSES))
    teacher = load_teacher(folder_source(folder, "teacher"), names, corpus.LENGTH, 0)
    tokens = encode(teacher.tokenizer, TEXTS)
    sizes: dict[str, Any] = {"batch_size": 8, "max_length": corpus.LENGTH}
    logits = predict_logits(teacher.model, tokens, pad_id=teacher.fill_id, precision="float32", **sizes)
    require(bool(np.isfinite(logits).all()), "logits that are not finite")


def _finetuned(folder: Path, _: random.Random) -> None:
    from teacher_export.data.dataset import load_dataset
    from teacher_export.options.data import DataConfig
    from teacher_export.teacher.finetune_state import read_record, read_state, require_written
    from teacher_export.teacher.source import folder_source
    from teacher_export.teacher.training_rows import require_unseen

    options: dict[str, Any] = {"dataset": "table", "text_column": ("text",), "label_column": "label"}
    config = DataConfig(data=(folder.parent / "reviews.csv",), **options)
    record = read_record(folder)
    read_state(folder, record or {})
    require_unseen(config, load_dataset(config), folder_source(folder, "teacher"))
    if record is not None:  # last, for it refuses whatever was changed
        require_written(folder)


@functools.cache
def _begun_run(inputs: Path) -> Any:
    from scripts.fuzz.begun import begin

    return begin(inputs)


def _begun(path: Path, _: random.Random) -> None:
    from scripts.fuzz.begun import SETTINGS
    from teacher_export.teacher.finetune import take_up

    run = _begun_run(path.parent.resolve())
    take_up(run, path.with_name(path.name.removesuffix(".resume.pt")), SETTINGS)
    require(run.epoch in range(SETTINGS["epochs"] + 1), "an epoch that there is not")
    weights = [*run.model.state_dict().values(), *run.selection.weights.values()]
    require(all(bool(weight.isfinite().all()) for weight in weights), "weights that are not finite")


def _notebook(path: Path, _: random.Random) -> None:
    from scripts.convert.torch_checkpoint import Surroundings, TorchCheckpoint

    names = [f"class {number}" for number in range(_CLASSES)]
    about = {"name": "x", "label_names": names, "pad_id": 0, "max_length": corpus.LENGTH, "teacher": {}}
    check_model(TorchCheckpoint(Surroundings(path.parent / "wordpiece.json", about)).read(path))


LOADERS = (
    Loader("teacher", TEACHER, _teacher),
    Loader("finetuned", corpus.FINETUNED, _finetuned, ("finetuning.json", "training*", "config.json", "*.npy")),
    Loader("begun", corpus.BEGUN, _begun),
    Loader("notebook", corpus.CHECKPOINT, _notebook),
)
