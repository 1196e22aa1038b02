"""What the tests of the export share: configurations, the contents of a folder, tiny teachers."""

import dataclasses
from pathlib import Path

import numpy as np

from distill_jax.export.format import read_manifest
from distill_jax.export.reader import iterate_parts
from teacher_export.config import ExportConfig, OutputConfig
from teacher_export.data import dataset as datasets
from teacher_export.options.data import DataConfig
from teacher_export.options.teacher import FinetuneConfig, TeacherConfig
from teacher_export.options.transfer_set import TransferSetConfig
from tiny_teacher import LABEL_NAMES, make_dataset, make_teacher

ROWS = 200
# What a forked process of the tests needs, imported once.
HEAVY = [
    "teacher_export.export",
    "teacher_export.parts.working",
    "teacher_export.teacher.finetune",
    "teacher_export.teacher.logits",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.distilbert.modeling_distilbert",
    "transformers.tokenization_utils_tokenizers",
    "sklearn.metrics",
    "safetensors.torch",
]


def use_small_data(monkeypatch):
    """Make every export read 200 small reviews, drawn from the seed."""
    monkeypatch.setattr(datasets, "load_dataset", lambda config, folder=None: make_dataset(ROWS, config.seed))


def make_reversed_teacher(tmp_path_factory):
    """Return the folder of a teacher with a trained head whose classes stand in the reverse order."""
    folder = tmp_path_factory.mktemp("teachers") / "headed"
    make_teacher(folder, label_names=LABEL_NAMES[::-1])
    return folder


def make_bare_teacher(tmp_path_factory):
    """Return the folder of a teacher that must be fine-tuned."""
    folder = tmp_path_factory.mktemp("teachers") / "bare"
    make_teacher(folder, head=False)
    return folder


def configure(teacher, output, **options):
    """Return a configuration; ``options`` go to whichever group has a field of that name."""
    groups = {
        "data": DataConfig(dataset="table", data=(Path("r.csv"),), text_column=("text",), label_column="l"),
        "teacher": TeacherConfig(teacher=str(teacher), max_length=32, batch_size=8, precision="float32"),
        "finetune": FinetuneConfig(),
        "transfer_set": TransferSetConfig(),
        "output": OutputConfig(output=Path(output), part_rows=32),
    }
    changes: dict[str, dict[str, object]] = {}
    for name, value in options.items():
        group = next(key for key, config in groups.items() if name in {f.name for f in dataclasses.fields(config)})
        changes.setdefault(group, {})[name] = value
    for group, fields in changes.items():
        groups[group] = dataclasses.replace(groups[group], **fields)
    return ExportConfig(**groups)


def configure_finetuned(teacher, output, **options):
    tuned = Path(output).parent / f"{Path(output).name}-teacher"
    return configure(teacher, output, finetune_output=tuned, **{"finetune_epochs": 2, **options})


def contents(folder):
    """Return every file of an export but the timing, which may differ from run to run."""
    files = {str(path.relative_to(folder)): path for path in Path(folder).rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != "timing.json"}


def all_logits(folder, split):
    return np.concatenate([part.teacher_logits for part in iterate_parts(folder, read_manifest(folder), split)])


def count_predictions(monkeypatch):
    from teacher_export.teacher import logits as predict

    calls = []
    plain = predict.predict_logits

    def counted(*arguments, **options):
        calls.append(options["where"])
        return plain(*arguments, **options)

    monkeypatch.setattr(predict, "predict_logits", counted)
    return calls
