"""A whole export: data → a teacher that is ready → logits, written part by part; resumable at any moment."""

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.console import path_word, progress, say, shell_line, warn
from distill_jax.errors import Interrupted
from distill_jax.export.format import TOKEN_EMBEDDINGS, Manifest, Part
from distill_jax.export.writer import ExportWriter
from distill_jax.files import require_folder, sha256_file, write_json
from distill_jax.locks import clear_leftovers, exclusive
from distill_jax.machine import machine
from teacher_export.config import ExportConfig
from teacher_export.data.class_names import with_class_names
from teacher_export.data.folders import with_files_of_folders
from teacher_export.data.presets import spelt_out
from teacher_export.identity import find_whole_export
from teacher_export.summary import class_findings, print_summary, read_answers, score
from teacher_export.teacher.kinds import kind_of
from teacher_export.teacher.labeller import RowsAsked
from teacher_export.teacher.unknown_tokens import unknown_sentence
from teacher_export.transfer.transfer_set import TRANSFER

if TYPE_CHECKING:
    from teacher_export.data.dataset import Split
    from teacher_export.teacher.labeller import Labeller

TIMING = "timing.json"
_DEFAULT_EXPORT = Path("exports/demo")


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
    require_folder("--output", config.export_folder)
    config = spelt_out(dataclasses.replace(config, data=with_files_of_folders(config.data)))
    config = dataclasses.replace(config, data=with_class_names(config.data))
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
    _print_next_step(config.export_folder)
    return config.export_folder


def _print_next_step(folder: Path) -> None:
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
        further = {} if teacher.transfer is None else {TRANSFER: teacher.transfer.split}
        self.splits = {**teacher.dataset.splits, **further}
        ExportWriter(self.folder, self._header())
        teacher.introduce()
        if unknown := unknown_sentence(teacher.tokenizer, self.dataset.splits["train"].texts):
            warn(unknown)

    def run(self) -> Manifest:
        """Make the teacher ready, compute the parts that are not there, write the manifest."""
        self.teacher.prepare()
        writer = ExportWriter(self.folder, self._header())
        writer.begin()
        writer.write_tokenizer(self.tokenizer_text)
        table = self.teacher.token_embeddings()
        if table is not None:
            writer.write_token_embeddings(table)
        try:
            parts = self._write_parts(writer)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted while exporting: the whole parts are kept in {self.folder}; the same command goes on "
                "from there"
            ) from None
        return self._finish(writer, parts)

    def _header(self) -> Manifest:
        return Manifest(
            label_names=self.dataset.label_names,
            vocab_size=self.teacher.vocab_size,
            pad_id=self.teacher.pad_id,
            max_length=self.config.teacher.students_length,
            teacher={"name": self.teacher.name, "fingerprint": self.teacher.fingerprint},
            task=self.dataset.task.name,
            standardisation=self._standardisation(),
            config=self.teacher.describe(hashlib.sha256(self.tokenizer_text.encode()).hexdigest()),
            splits={},
        )

    def _standardisation(self) -> tuple[float, float]:
        train = self.dataset.splits["train"]
        return self.dataset.task.standardisation(train.labels, train.teacher_logits)

    def _write_parts(self, writer: ExportWriter) -> dict[str, int]:
        rows = self.config.output.part_rows
        splits = self.splits
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
                part = self._compute_part(splits[name], f"split {name}, part {index}, ", index * rows, bar)
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

    def _compute_part(self, split: "Split", where: str, first: int, bar: Any) -> Part:
        rows = slice(first, first + self.config.output.part_rows)
        tokens = self.teacher.encode(split.texts[rows])
        logits = self.teacher.logits(RowsAsked(split, rows, tokens, where), bar.update)
        weights = None if split.weights is None else split.weights[rows]
        return Part(split.example_ids[rows], tokens, split.labels[rows], logits, weights)

    def _write_timing(self, splits: dict[str, dict[str, Any]]) -> tuple[int, float]:
        """Write, and return, the documents that this run has labelled and the seconds that it took.

        The seconds are those from raw texts to written parts: tokenizing, the teacher's pass, writing; loading is not
        in them. Nothing is written of a teacher whose speed means nothing.
        """
        documents, seconds = (sum(spent[what] for spent in splits.values()) for what in ("documents", "seconds"))
        place = self.teacher.place()
        if place is not None:
            timing = {
                "teacher_documents_per_second": documents / seconds,
                "documents": documents,
                "seconds": seconds,
                "splits": splits,
                **place,
                "machine": machine(),
            }
            write_json(self.folder / TIMING, timing)
        return documents, seconds

    def _finish(self, writer: ExportWriter, parts: dict[str, int]) -> Manifest:
        """Score the teacher from the parts on the disk, so that a resumed export scores all of them."""
        task = self.dataset.task
        answers = {split: read_answers(self.folder, writer.parts(split, count), task) for split, count in parts.items()}
        answers = {split: answer for split, answer in answers.items() if len(answer[0])}
        scores = {split: score(*answer, task) for split, answer in answers.items()}
        table, order_is_known = self.folder / TOKEN_EMBEDDINGS, self.teacher.order_is_known
        teacher = {
            "name": self.teacher.name,
            "fingerprint": self.teacher.fingerprint,
            "test_accuracy": scores.get("test", {}).get("accuracy"),
            "splits": scores,
            **self.teacher.figures(),
            "token_embeddings_sha256": sha256_file(table) if table.is_file() else None,
            "warnings": [],
        }
        if task.has_classes:
            train = self.dataset.splits["train"].labels
            teacher |= class_findings(train, answers, self.dataset.label_names, order_is_known=order_is_known)
        return writer.finish(parts, teacher)
