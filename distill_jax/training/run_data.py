"""What trainings read of an export folder: each thing when it is first asked for, and once for all seeds.

What hangs on the seed is no part of it: it is drawn anew for every run.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

from distill_jax.config import TrainConfig
from distill_jax.console import say
from distill_jax.data.examples import Examples, concatenate, read_examples
from distill_jax.data.tokenizer import load_tokenizer
from distill_jax.errors import MissingInputError
from distill_jax.export.format import MANIFEST, TOKENIZER, read_manifest
from distill_jax.files import read_json
from distill_jax.inference.predictor import require_ids_below
from distill_jax.students.registry import student_config
from distill_jax.students.student import Student
from distill_jax.training.start_embeddings import StartTable, start_table


class TrainData:
    """An export folder as the trainings see it that differ in their seed alone.

    Attributes:
        export: the export folder.
        manifest: its manifest.
        tokenizer: its tokenizer's file.
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
        self.export, self.manifest, self.tokenizer = export, read_manifest(export), export / TOKENIZER
        self._config = config
        if not self.tokenizer.is_file():
            raise MissingInputError(f"export folder {export}: it has no {TOKENIZER}; export again")
        sizes = {name: getattr(self.manifest, name) for name in ("vocab_size", "num_labels", "pad_id")}
        self.student = Student(student_config(config.student, **sizes, **student))
        self._require_tokens_in_vocabulary()

    @cached_property
    def teacher_speed(self) -> dict[str, Any]:
        """What the export measured of its teacher: ``documents_per_second``, ``device``, ``machine``; {} if nothing.

        From raw text to written logits, once; on the test split where that is known, whose texts the students are timed
        on too: a changed copy in the transfer set may be half as long.
        """
        path = self.export / "timing.json"
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

    def train(self, seed: int) -> Examples:
        """Return the training rows, followed by what a seed draws of the transfer split where it is learnt from.

        Args:
            seed: the run's own; without ``--transfer-share`` every seed has the same rows.
        """
        if self._config.transfer_share == 1:
            return self._whole
        train, transfer = self._splits
        return _joined(train, None if transfer is None else transfer.share(self._config.transfer_share, seed))

    @cached_property
    def _whole(self) -> Examples:
        return _joined(*self._read_splits())

    @cached_property
    def _splits(self) -> tuple[Examples, Examples | None]:
        return self._read_splits()

    def _read_splits(self) -> tuple[Examples, Examples | None]:
        """Return the train split, and the transfer split where the training learns from it."""
        manifest = self.manifest
        rows = f"{manifest.examples('train'):,} training and {manifest.examples('test'):,} test rows"
        say(f"reading {self.export}: {rows}")
        train = read_examples(self.export, manifest, "train")
        if not (self._config.distil and self._config.transfer and "transfer" in manifest.splits):
            return train, None
        return train, read_examples(self.export, manifest, "transfer")

    @cached_property
    def test(self) -> Examples:
        """The test rows."""
        return read_examples(self.export, self.manifest, "test")

    @cached_property
    def validation(self) -> Examples | None:
        """The validation rows, None where the export has none."""
        if "validation" not in self.manifest.splits:
            return None
        return read_examples(self.export, self.manifest, "validation")

    @cached_property
    def start_table(self) -> StartTable | None:
        """What the student's embeddings start from."""
        return start_table(self._config.embeddings, self.student.config.embedding_dim, self.export, self.manifest)

    def _require_tokens_in_vocabulary(self) -> None:
        tokenizer = load_tokenizer(self.tokenizer, 1 << 20)
        require_ids_below(self.manifest.vocab_size, tokenizer, self.tokenizer, MANIFEST)


def _joined(train: Examples, transfer: Examples | None) -> Examples:
    if transfer is None:
        return train
    say(f"and {len(transfer):,} rows that the teacher alone has labelled")
    return concatenate(train, transfer)
