"""What trainings read of an export folder: each thing when it is first asked for, and once for all seeds.

What hangs on the seed is no part of it: it is drawn anew for every run.
"""

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from distill_jax.config import TrainConfig, bytes_of
from distill_jax.console import say, warn
from distill_jax.data.examples import Examples, with_transfer
from distill_jax.data.exports import Export
from distill_jax.data.stored_examples import StoredExamples, store_examples
from distill_jax.files import read_json
from distill_jax.rare_classes import too_few_rows
from distill_jax.students.registry import student_config
from distill_jax.students.student import Student
from distill_jax.training.placement import Placement
from distill_jax.training.row_weights import weighted
from distill_jax.training.start_embeddings import StartTable, start_table
from distill_jax.training.stretches import Stretches, memory_beside_rows, row_costs

_Rows = TypeVar("_Rows", Examples, StoredExamples)


class TrainData:
    """An export folder as the trainings see it that differ in their seed alone.

    Attributes:
        export: the export.
        student: the student over its vocabulary and classes.
    """

    def __init__(self, export: Path, config: TrainConfig, student: dict[str, Any]) -> None:
        """Read the manifest and the tokenizer, and nothing large yet.

        Args:
            export: the export folder.
            config: how the students are trained; its seed is not looked at.
            student: the student's own options that differ from their defaults.

        Raises:
            InputError: the export folder or the student is not usable.
        """
        self.export, self._config = Export.open(export), config
        Placement(config)  # too few devices are refused before anything is read
        self.student = Student(student_config(config.student, **self.export.manifest.sizes, **student))
        self.export.load_tokenizer()  # one of another export is refused before the first hour is spent

    @cached_property
    def teacher_speed(self) -> dict[str, Any]:
        """What the export measured of its teacher: ``documents_per_second``, ``device``, ``machine``; {} if nothing.

        From raw text to written logits, once; on the test split where that is known, whose texts the students are timed
        on too: a changed copy in the transfer set may be half as long.
        """
        path = self.export.folder / "timing.json"
        if not path.is_file():
            return {}
        timing = read_json(path, "timing")
        speed = timing.get("teacher_documents_per_second")
        match timing.get("splits"):
            case {"test": {"documents": int(documents), "seconds": float(seconds)}} if seconds > 0:
                speed = documents / seconds
        if not isinstance(speed, int | float):
            return {}
        places = {name: timing[name] for name in ("device", "machine") if isinstance(timing.get(name), str)}
        return {"documents_per_second": float(speed), **places}

    def train(self, seed: int) -> Examples | StoredExamples:
        """Return the training rows, followed by what a seed draws of the transfer split where it is learnt from.

        Where the memory that the training may take is not enough for them, they stay on the disk.

        Args:
            seed: the run's own; without ``--transfer-share`` every seed has the same rows.
        """
        if self._stored is not None:
            return self._weighted(self._stored.share_of_transfer(self._config.transfer_share, seed))
        if self._config.transfer_share == 1:
            return self._whole
        return self._joined(*self._in_memory, seed)

    @cached_property
    def _whole(self) -> Examples:
        return self._joined(*self._read_splits(), self._config.seed)

    @cached_property
    def _in_memory(self) -> tuple[Examples, Examples | None]:
        return self._read_splits()

    @cached_property
    def _stored(self) -> StoredExamples | None:
        """The training rows on the disk; None where they are to be in memory, all of them."""
        memory = bytes_of(self._config.memory)
        if not memory:
            return None
        export, splits = self.export, ["train", *(["transfer"] if self._learns_from_transfer else [])]
        rows = sum(export.manifest.examples(split) for split in splits)
        say(f"looking at {rows:,} rows of {export.folder} for --memory {self._config.memory}")
        hints = self._config.hint_weight > 0
        stored = store_examples(export.folder, export.manifest, splits, self.student.config, hints=hints)
        evaluated = [split for split in (export.test, export.validation) if split is not None]
        stored = dataclasses.replace(stored, room=memory - memory_beside_rows(self.student.config, stored, evaluated))
        needed = int(row_costs(stored).sum())
        if needed <= stored.room:
            return None
        Stretches(stored, self._config)  # too little room is refused before anything is written
        self._warn_of_few(stored.labels[: export.manifest.examples("train")])
        say(f"they take {needed:,} bytes, and there is room for {stored.room:,}: they are read again in every epoch")
        return stored

    @property
    def _learns_from_transfer(self) -> bool:
        return self._config.distil and self._config.transfer and "transfer" in self.export.manifest.splits

    def _read_splits(self) -> tuple[Examples, Examples | None]:
        """Return the train split, and the transfer split where the training learns from it.

        They are read anew, for ``export`` would keep them beside what they are joined to.
        """
        manifest = self.export.manifest
        rows = f"{manifest.examples('train'):,} training and {manifest.examples('test'):,} test rows"
        say(f"reading {self.export.folder}: {rows}")
        train = self._split("train")
        self._warn_of_few(train.labels)
        return train, self._split("transfer") if self._learns_from_transfer else None

    def _split(self, name: str) -> Examples:
        return self.export.split(name, hints=self._config.hint_weight > 0)

    def _warn_of_few(self, labels: np.ndarray) -> None:
        manifest = self.export.manifest
        if manifest.labelling.has_classes and (fault := too_few_rows(labels, manifest.label_names)):
            warn(fault)

    def _joined(self, train: Examples, transfer: Examples | None, seed: int) -> Examples:
        return self._weighted(with_transfer(train, transfer, self._config.transfer_share, seed))

    def _weighted(self, rows: _Rows) -> _Rows:
        if rows.transfer_rows:
            say(f"and {rows.transfer_rows:,} rows that the teacher alone has labelled")
        if rows.weights is not None:
            say("rows count by the export's weights in training; scores count every row alike")
        return weighted(rows, self._config.class_weights, self.export.label_names)

    @cached_property
    def start_table(self) -> StartTable | None:
        """What the student's embeddings start from."""
        export, width = self.export, self.student.config.embedding_dim
        return start_table(self._config.embeddings, width, export.folder, export.manifest)
