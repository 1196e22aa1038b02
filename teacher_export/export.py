"""A whole export: data → a teacher that is ready → logits, written part by part; resumable at any moment."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.console import path_word, progress, say, shell_line, warn
from distill_jax.errors import Interrupted
from distill_jax.export.format import LEARNT_SPLITS, Manifest
from distill_jax.export.writer import ExportWriter
from distill_jax.files import require_folder, write_json
from distill_jax.locks import clear_leftovers, exclusive
from teacher_export.config import ExportConfig
from teacher_export.data.class_names import with_class_names
from teacher_export.data.folders import with_files_of_folders
from teacher_export.data.presets import spelt_out
from teacher_export.identity import find_whole_export
from teacher_export.parts.compute import compute_part, give_shared_arrays, header_of, part_words, write_shared_files
from teacher_export.parts.finishing import finish_export
from teacher_export.parts.plan import delete_plan, require_own_plan
from teacher_export.summary import print_summary
from teacher_export.teacher.kinds import kind_of
from teacher_export.teacher.unknown_tokens import unknown_sentence
from teacher_export.timing import TIMING, place_of, timing_of, totals

if TYPE_CHECKING:
    from teacher_export.teacher.labeller import Labeller

_DEFAULT_EXPORT = Path("exports/demo")


def prepared(config: ExportConfig) -> ExportConfig:
    """Return the options with all that follows from them and from the data's folders spelt out.

    Raises:
        InputError: the output folder can be none, a link lies in the place of its plan, or the data's files say
            something that cannot be used.
    """
    require_folder("--output", config.export_folder)
    require_own_plan(config.export_folder)
    config = spelt_out(dataclasses.replace(config, data=with_files_of_folders(config.data)))
    return dataclasses.replace(config, data=with_class_names(config.data))


def run(config: ExportConfig) -> Path:
    """Export a teacher's logits for a data set, fine-tuning the teacher first where it has no trained head.

    Interrupted and called again it goes on from the last whole part (or epoch) and ends with the same bytes; called
    when everything is done it recomputes nothing.

    Returns:
        The export folder.

    Raises:
        InputError: an option, a file or a folder cannot be used; the message says why.
        Interrupted: Ctrl-C; the message says what is kept.
        OSError: the disk is full, …; what is whole is kept.
    """
    config = prepared(config)
    teacher = kind_of(config)
    teacher.read_data()
    manifest = find_whole_export(config, teacher)
    if manifest is not None:
        clear_leftovers(config.export_folder, "output folder")
        say(f"\nThe export in {config.export_folder} is whole and made from the same data and teacher: it is reused.")
    else:
        with exclusive(config.export_folder, "output folder"):
            manifest = _Export(config, teacher.load()).run()
    print_summary(manifest)
    print_next_step(config.export_folder)
    return config.export_folder


def print_next_step(folder: Path) -> None:
    """Say where the export is, and the command that trains a student from it."""
    words = ["python", "-m", "distill_jax.train", "--student", "cnn", "--distil"]
    if folder != _DEFAULT_EXPORT:
        words += ["--export", path_word(folder)]
    say(f"\nThe export is in {folder}. Next, train a student:")
    say(f"  {shell_line(words)}")


class _Export:
    """One export that has work to do: the steps in their order."""

    def __init__(self, config: ExportConfig, teacher: "Labeller") -> None:
        self.config, self.dataset, self.teacher = config, teacher.dataset, teacher
        self.folder = config.export_folder
        self.tokenizer_text = teacher.tokenizer.to_str()
        ExportWriter(self.folder, header_of(teacher, self.tokenizer_text))
        teacher.introduce()
        if unknown := unknown_sentence(teacher.tokenizer, self.dataset.splits["train"].texts):
            warn(unknown)

    def run(self) -> Manifest:
        """Make the teacher ready, compute the parts that are not there, write the manifest."""
        self.teacher.prepare()
        writer = ExportWriter(self.folder, header_of(self.teacher, self.tokenizer_text))
        writer.begin()
        try:
            write_shared_files(writer, self.teacher, self.tokenizer_text)
            give_shared_arrays(writer, self.teacher)
            parts = self._write_parts(writer)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted while exporting: the whole parts are kept in {self.folder}; the same command goes on "
                "from there"
            ) from None
        figures, known = self.teacher.figures(), self.teacher.order_is_known
        manifest = finish_export(writer, parts, figures=figures, order_is_known=known)
        delete_plan(self.folder)
        return manifest

    def _write_parts(self, writer: ExportWriter) -> dict[str, int]:
        rows, splits = self.teacher.part_rows, self.teacher.splits
        counts = {name: -(-len(split.texts) // rows) for name, split in splits.items()}
        todo = [(name, index) for name in splits for index in range(counts[name]) if not writer.is_done(name, index)]
        total = sum(len(split.texts) for split in splits.values())
        size = sum(len(splits[name].texts[index * rows : (index + 1) * rows]) for name, index in todo)
        if not todo:
            return counts
        say(f"\nexporting {size:,} of {total:,} documents {self.teacher.how}")
        timing: dict[str, dict[str, Any]] = {}
        with progress(total, "exporting", initial=total - size) as bar:
            for name, index in todo:
                start = time.perf_counter()
                asked = slice(index * rows, (index + 1) * rows)
                where, learnt = part_words(name, index), name in LEARNT_SPLITS
                part = compute_part(self.teacher, splits[name], asked, where, bar.update, are_learnt=learnt)
                spent = timing.setdefault(name, {"documents": 0, "seconds": 0.0})
                spent["documents"] += len(part.labels)
                spent["seconds"] += time.perf_counter() - start
                self._write_timing(timing)  # before the part: killed then, there is one of each part that is done
                start = time.perf_counter()
                writer.write(name, index, part)
                spent["seconds"] += time.perf_counter() - start
        documents, seconds = self._write_timing(timing)
        say(f"{documents:,} documents in {seconds:.1f} s: {documents / seconds:,.0f} documents/s")
        return counts

    def _write_timing(self, splits: dict[str, dict[str, Any]]) -> tuple[int, float]:
        """Write, and return, the documents that this run has labelled and the seconds that it took.

        The seconds are those from raw texts to written parts: tokenizing, the teacher's pass, writing; loading is not
        in them. Nothing is written of a teacher whose speed means nothing.
        """
        place = place_of(self.teacher)
        if place is not None:
            write_json(self.folder / TIMING, timing_of(splits, place))
        return totals(splits)
