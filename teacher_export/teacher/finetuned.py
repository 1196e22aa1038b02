"""A fine-tuned teacher's folder: made once, and taken again by every export that asks for the same one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.console import say
from distill_jax.files import real_place, require_utf8
from distill_jax.locks import clear_leftovers, exclusive
from teacher_export.config import ExportConfig
from teacher_export.teacher.classes import finetuning_settings
from teacher_export.teacher.finetune_plan import described_length
from teacher_export.teacher.finetune_state import (
    read_record,
    require_same_settings,
    require_written,
    state_file,
)
from teacher_export.teacher.hardware import resolve_precision
from teacher_export.teacher.source import TeacherSource, folder_source
from teacher_export.teacher.training_rows import require_same_split, split_options

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset
    from teacher_export.teacher.loading import Teacher

_WHAT = "fine-tuned teacher's folder"


def fold_folder(folder: Path, fold: int) -> Path:
    """Return where the teacher that has not seen a fold lies, within that of the teacher of all training rows."""
    return folder / f"fold-{fold}"


class Finetuning:
    """A fine-tuning that an export asks for.

    Attributes:
        settings: everything that decides the fine-tuned weights.
    """

    def __init__(
        self,
        config: ExportConfig,
        dataset: "Dataset",
        source: TeacherSource,
        device: Any,
        fold: Mapping[str, Any] | None = None,
    ) -> None:
        """Look at the folder.

        Args:
            config: what the user asked for.
            dataset: its training split is trained on.
            source: the teacher before.
            device: where to train.
            fold: of a cross-fitted teacher, what its record says of the fold left out: ``fold``, its number, … .

        Raises:
            InputError: it holds another fine-tuning, or its name is not UTF-8.
        """
        self._config, self._dataset, self._name, self._device = config, dataset, source.name, device
        folder = config.finetuned_folder if fold is None else fold_folder(config.finetuned_folder, fold["fold"])
        self.folder = real_place(folder, _WHAT)
        require_utf8(self.folder, _WHAT)  # transformers writes in no other
        found = read_record(self.folder)
        begun = found.get("precision") if found else None
        precision = resolve_precision(config.teacher.precision, device, begun)
        # Training in float16 needs its loss scaled; a GPU too old for bfloat16 trains in float32.
        precision = "float32" if precision == "float16" else precision
        self.settings = finetuning_settings(config, dataset, source, precision) | dict(fold or {})
        if found is not None:
            require_same_split(self.folder, found, config.data, dataset)
            self._require_same(found)

    def _require_same(self, found: dict[str, Any]) -> None:
        require_same_settings(f"{_WHAT} {self.folder}", found, self.settings)

    @property
    def source(self) -> TeacherSource:
        """The fine-tuned teacher's files, once they are there."""
        return folder_source(self.folder, self._name)

    @property
    def is_done(self) -> bool:
        """Whether the folder holds the fine-tuned teacher."""
        return read_record(self.folder) is not None

    def untrained(self, source: TeacherSource) -> "Teacher":
        """Return the teacher before any fine-tuning, from its files."""
        return self._load(source)

    def load(self) -> "Teacher":
        """Return the fine-tuned teacher, which is there; raises ``InputError`` where its files were changed since."""
        require_written(self.folder)
        return self._load(self.source)

    def teacher(self, untrained: "Teacher") -> "Teacher":
        """Return the fine-tuned teacher, trained now where the folder does not hold it."""
        if read_record(self.folder) is None:
            with exclusive(self.folder, _WHAT):
                self._train(untrained)
        else:
            clear_leftovers(self.folder, _WHAT, state_file(self.folder))
            say(f"\nthe fine-tuned teacher in {self.folder} is reused")
        return self.load()

    def _load(self, source: TeacherSource) -> "Teacher":
        from teacher_export.teacher.loading import load_teacher

        names, settings, task = self._dataset.label_names, self.settings, self._dataset.task.name
        return load_teacher(source, names, settings["max_length"], settings["seed"], task)

    def _left_out(self) -> str:
        """Return words for the fold that a cross-fitted teacher does not see."""
        return f" without fold {self.settings['fold']} of {self.settings['folds']}" if "fold" in self.settings else ""

    def _train(self, untrained: "Teacher") -> None:
        from teacher_export.teacher.finetune import finetune

        found, settings = read_record(self.folder), self.settings
        if found is not None:  # another process has ended it since we looked
            self._require_same(found)
            return
        say(
            f"\nfine-tuning the teacher {self._name}{self._left_out()}: {described_length(settings)}, learning rate "
            f"{settings['learning_rate']:g}, {settings['precision']} on {self._device.type}"
        )
        options, splits = split_options(self._config.data), self._dataset.splits
        finetune(untrained, splits["train"], settings, self.folder, self._device, options, splits.get("validation"))
        say(f"the fine-tuned teacher is in {self.folder}")
