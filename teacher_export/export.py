"""The whole PyTorch half: data → (fine-tuned) teacher → logits, written part by part; resumable at any moment."""

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.console import path_word, progress, say, shell_line, warn
from distill_jax.errors import Interrupted
from distill_jax.export.format import TOKEN_EMBEDDINGS, Manifest, Part
from distill_jax.export.writer import ExportWriter, read_begun_export
from distill_jax.files import real_place, require_utf8, sha256_file, write_json
from distill_jax.locks import clear_leftovers, exclusive
from distill_jax.machine import machine
from teacher_export.config import ExportConfig
from teacher_export.identity import (
    describe_export,
    find_whole_export,
    finetuning_settings,
    match_classes,
    takes_classes_in_order,
    teacher_fingerprint,
)
from teacher_export.libraries import silence_libraries
from teacher_export.summary import print_summary, read_predictions, score, teacher_warnings
from teacher_export.teacher.finetune_state import read_record, require_same_settings, state_file
from teacher_export.teacher.hardware import resolve_device, resolve_precision
from teacher_export.teacher.source import TeacherSource, folder_source, is_local, resolve_teacher
from teacher_export.teacher.training_rows import require_same_split, require_unseen, split_options
from teacher_export.transfer.augment import mask_token_of
from teacher_export.transfer.transfer_set import TRANSFER, TransferSet, build_transfer_set
from teacher_export.transfer.unlabelled import find_unlabelled

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset, Split
    from teacher_export.teacher.loading import Teacher

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
    from teacher_export.data.dataset import load_dataset

    # A wrong path is worth knowing before large files are read; a download is not worth waiting for before they are.
    source = resolve_teacher(config.teacher) if is_local(config.teacher) else None
    find_unlabelled(config)
    dataset = load_dataset(config.data)
    source = source or resolve_teacher(config.teacher)
    require_unseen(config.data, dataset, source)
    manifest = find_whole_export(config, dataset, source)
    if manifest is not None:
        clear_leftovers(config.export_folder, "output folder")
        say(f"\nThe export in {config.export_folder} is whole and made from the same data and teacher: it is reused.")
    else:
        silence_libraries()
        with exclusive(config.export_folder, "output folder"):
            manifest = _Export(config, dataset, source).run()
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
    """One export that has work to do: the choices made for it, and the steps in their order."""

    def __init__(self, config: ExportConfig, dataset: "Dataset", source: TeacherSource) -> None:
        from teacher_export.teacher.loading import load_teacher

        self.config, self.dataset, self.source = config, dataset, source
        self.folder = config.export_folder
        self.device = resolve_device(config.teacher.device)
        begun = (read_begun_export(self.folder) or {}).get("identity", {})
        self.precision = resolve_precision(
            config.teacher.precision, self.device, begun.get("config", {}).get("precision")
        )
        self.teacher = load_teacher(source, dataset.label_names, config.teacher.max_length, config.data.seed)
        trained = self.teacher.has_trained_head
        classes = self.teacher.class_names
        self.columns = match_classes(config, dataset, source, classes, has_trained_head=trained)
        self.settings = None if trained else self._finetuning_settings()
        self.tokenizer_text = self.teacher.tokenizer.to_str()
        self.transfer = self._transfer_set() if config.transfer_set.wanted else None
        self.splits = dataset.splits if self.transfer is None else {**dataset.splits, TRANSFER: self.transfer.split}
        self.fingerprint = teacher_fingerprint(source, self.columns)
        if self.settings is not None:  # what the weights will be is not known yet; the rest must agree now
            self.fingerprint = begun.get("teacher", {}).get("fingerprint") or self.fingerprint
        ExportWriter(self.folder, self._header())
        self._report_classes()

    def _transfer_set(self) -> TransferSet:
        """Make the transfer split, before any long work."""
        named = self.teacher.saved_tokenizer
        mask_token = mask_token_of(self.teacher.tokenizer, named.mask_token, named.unk_token)
        return build_transfer_set(self.config, self.dataset, mask_token)

    def run(self) -> Manifest:
        """Fine-tune if needed, compute the parts that are not there, write the manifest."""
        if self.settings is not None:
            self.teacher = self._finetuned_teacher(self.settings)
        writer = ExportWriter(self.folder, self._header())
        writer.begin()
        writer.write_tokenizer(self.tokenizer_text)
        writer.write_token_embeddings(self.teacher.token_embeddings())
        teacher_figures = {"parameters": self.teacher.parameters, "bytes": 4 * self.teacher.parameters}
        try:
            parts = self._write_parts(writer)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted while exporting: the whole parts are kept in {self.folder}; the same command goes on "
                "from there"
            ) from None
        return self._finish(writer, parts, teacher_figures)

    def _header(self) -> Manifest:
        return Manifest(
            label_names=self.dataset.label_names,
            vocab_size=self.teacher.vocab_size,
            pad_id=self.teacher.pad_id,
            max_length=self.config.teacher.max_length,
            teacher={"name": self.source.name, "fingerprint": self.fingerprint},
            config=describe_export(
                self.config,
                self.dataset,
                self.source,
                precision=self.precision,
                tokenizer_sha256=hashlib.sha256(self.tokenizer_text.encode()).hexdigest(),
                finetuning=self.settings,
                teacher_classes=self.teacher.class_names,
                columns=self.columns,
                transfer=None if self.transfer is None else self.transfer.description,
            ),
            splits={},
        )

    def _report_classes(self) -> None:
        names = self.dataset.label_names
        if self.settings is not None:
            return
        pairs = ", ".join(
            f"{self.teacher.class_names[column]} → {name}" for column, name in zip(self.columns, names, strict=True)
        )
        if takes_classes_in_order(self.source, self.teacher.class_names) and not self.config.teacher.label_map:
            warn(
                "WARNING: nothing names this teacher's classes, so they are taken in order: "
                f"{pairs}; if that is wrong, say so with --label-map"
            )
        else:
            say(f"the teacher's classes: {pairs}")

    def _finetuning_settings(self) -> dict[str, Any]:
        folder = real_place(self.config.finetuned_folder, "fine-tuned teacher's folder")
        require_utf8(folder, "fine-tuned teacher's folder")  # transformers writes in no other
        found = read_record(folder)
        begun = found.get("precision") if found else None
        precision = resolve_precision(self.config.teacher.precision, self.device, begun)
        # Training in float16 needs its loss scaled; a GPU too old for bfloat16 trains in float32.
        precision = "float32" if precision == "float16" else precision
        settings = finetuning_settings(self.config, self.dataset, self.source, precision)
        if found is not None:
            require_same_split(folder, found, self.config.data, self.dataset)
            require_same_settings(f"fine-tuned teacher's folder {folder}", found, settings)
        return settings

    def _finetuned_teacher(self, settings: dict[str, Any]) -> "Teacher":
        from teacher_export.teacher.loading import load_teacher

        folder = real_place(self.config.finetuned_folder, "fine-tuned teacher's folder")
        if read_record(folder) is None:
            with exclusive(folder, "fine-tuned teacher's folder"):
                self._finetune(settings, folder)
        else:
            clear_leftovers(folder, "fine-tuned teacher's folder", state_file(folder))
            say(f"\nthe fine-tuned teacher in {folder} is reused")
        source = folder_source(folder, self.source.name)
        self.fingerprint = teacher_fingerprint(source, self.columns)
        return load_teacher(source, self.dataset.label_names, settings["max_length"], settings["seed"])

    def _finetune(self, settings: dict[str, Any], folder: Path) -> None:
        from teacher_export.teacher.finetune import finetune

        found = read_record(folder)
        if found is not None:  # another process has ended it since we looked
            require_same_settings(f"fine-tuned teacher's folder {folder}", found, settings)
            return
        say(
            f"\nfine-tuning the teacher {self.source.name}: {settings['epochs']} epochs, learning rate "
            f"{settings['learning_rate']:g}, {settings['precision']} on {self.device.type}"
        )
        options = split_options(self.config.data)
        finetune(self.teacher, self.dataset.splits["train"], settings, folder, self.device, options)
        say(f"the fine-tuned teacher is in {folder}")

    def _write_parts(self, writer: ExportWriter) -> dict[str, int]:
        rows = self.config.output.part_rows
        splits = self.splits
        counts = {name: -(-len(split.texts) // rows) for name, split in splits.items()}
        todo = [(name, index) for name in splits for index in range(counts[name]) if not writer.is_done(name, index)]
        total = sum(len(split.texts) for split in splits.values())
        size = sum(len(splits[name].texts[index * rows : (index + 1) * rows]) for name, index in todo)
        if not todo:
            return counts
        say(f"\nexporting {size:,} of {total:,} documents in {self.precision} on {self.device.type}")
        model = self.teacher.model.to(self.device).eval()
        timing: dict[str, dict[str, Any]] = {}
        with progress(total, "exporting", initial=total - size) as bar:
            for name, index in todo:
                start = time.perf_counter()
                part = self._compute_part(model, splits[name], f"split {name}, part {index}, ", index * rows, bar)
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

    def _compute_part(self, model: Any, split: "Split", where: str, first: int, bar: Any) -> Part:
        from teacher_export.teacher.logits import predict_logits
        from teacher_export.teacher.tokens import encode

        rows = slice(first, first + self.config.output.part_rows)
        tokens = encode(self.teacher.tokenizer, split.texts[rows])
        logits = predict_logits(
            model,
            tokens,
            pad_id=self.teacher.pad_id,
            precision=self.precision,
            batch_size=self.config.teacher.batch_size,
            max_length=self.config.teacher.max_length,
            where=where,
            advance=bar.update,
        )
        return Part(split.example_ids[rows], tokens, split.labels[rows], logits[:, self.columns])

    def _write_timing(self, splits: dict[str, dict[str, Any]]) -> tuple[int, float]:
        """Write, and return, the documents that this run has labelled and the seconds that it took.

        The seconds are those from raw texts to written parts: tokenizing, the teacher's pass, writing; loading is not
        in them.
        """
        import torch

        documents, seconds = (sum(spent[what] for spent in splits.values()) for what in ("documents", "seconds"))
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        timing = {
            "teacher_documents_per_second": documents / seconds,
            "documents": documents,
            "seconds": seconds,
            "splits": splits,
            "device": name,
            "threads": torch.get_num_threads(),
            "machine": machine(),
        }
        write_json(self.folder / TIMING, timing)
        return documents, seconds

    def _finish(self, writer: ExportWriter, parts: dict[str, int], figures: dict[str, Any]) -> Manifest:
        """Score the teacher from the parts on the disk, so that a resumed export scores all of them."""
        names = self.dataset.label_names
        answers = {split: read_predictions(self.folder, writer.parts(split, count)) for split, count in parts.items()}
        answers = {split: answer for split, answer in answers.items() if len(answer[0])}
        scores = {split: score(*answer) for split, answer in answers.items()}
        in_doubt = self.config.teacher.label_map or takes_classes_in_order(self.source, self.teacher.class_names)
        order_is_known = self.settings is not None or not in_doubt
        teacher = {
            "name": self.source.name,
            "fingerprint": self.fingerprint,
            "test_accuracy": scores["test"]["accuracy"] if "test" in scores else None,
            "splits": scores,
            **figures,
            "token_embeddings_sha256": sha256_file(self.folder / TOKEN_EMBEDDINGS),
            "warnings": teacher_warnings(answers, names, order_is_known=order_is_known),
        }
        return writer.finish(parts, teacher)
