"""A teacher that is a transformer: its classes, device and precision, its fine-tuning, its pass over the texts."""

import dataclasses
import itertools
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from distill_jax.console import say, warn
from distill_jax.export.format import Manifest
from distill_jax.export.writer import read_begun_export
from teacher_export.config import ExportConfig
from teacher_export.identity import describe_export
from teacher_export.libraries import silence_libraries
from teacher_export.summary import score
from teacher_export.teacher.classes import (
    finetuning_settings,
    lacking_sentence,
    match_classes,
    named_classes,
    takes_classes_in_order,
    teacher_fingerprint,
    with_classes,
)
from teacher_export.teacher.cross_fitting import CrossFitting, Pass, describe_cross_fitting, fingerprint_of_all
from teacher_export.teacher.finetune_plan import labelled
from teacher_export.teacher.finetune_state import RECORD
from teacher_export.teacher.finetuned import Finetuning, fold_folder
from teacher_export.teacher.folds import with_folds
from teacher_export.teacher.hardware import resolve_device, resolve_precision
from teacher_export.teacher.labeller import Expected, Labeller, RowsAsked, TeacherKind, TokenStates
from teacher_export.teacher.middle import require_hint_width
from teacher_export.teacher.source import TeacherSource, folder_source, is_local, resolve_teacher
from teacher_export.teacher.training_rows import require_unseen
from teacher_export.teacher.transformer_rows import TransformerHandedOn, TransformerRows
from teacher_export.transfer.augment import mask_token_of
from teacher_export.transfer.transfer_set import (
    PROTECTED_SPLITS,
    TRANSFER,
    TransferSet,
    build_transfer_set,
    describe_transfer,
)
from teacher_export.transfer.unlabelled import find_unlabelled

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from teacher_export.data.dataset import Dataset
    from teacher_export.teacher.loading import Teacher


class TransformerKind(TeacherKind):
    """A transformer's files, found by its options."""

    def __init__(self, config: ExportConfig, texts_folder: "Path | None" = None) -> None:
        super().__init__(config, texts_folder)
        # A wrong path is worth knowing before large files are read; a download is not worth waiting for before that.
        self._found = resolve_teacher(config.teacher) if is_local(config.teacher) else None
        find_unlabelled(config)

    @property
    def source(self) -> TeacherSource:
        """Its files; a hub's are fetched when they are first asked for."""
        if self._found is None:
            self._found = resolve_teacher(self.config.teacher)
        return self._found

    @cached_property
    def dataset(self) -> "Dataset":
        """The data, whose test texts it must not have been trained on."""
        from teacher_export.data.dataset import load_dataset

        named = named_classes(self.config.teacher, self._found)
        kept = (*self.config.data.keep_labels, *named)
        dataset = load_dataset(dataclasses.replace(self.config.data, keep_labels=kept), self._texts_folder)
        require_unseen(self.config.data, dataset, self.source)
        return dataset

    def expected(self, manifest: Manifest) -> Expected | None:
        """Return what a whole export says; ``--precision auto`` is content with what it was made in."""
        config, dataset, source, found = self.config, self.dataset, self.source, manifest.config
        classes, trained_with = found.get("teacher_classes"), found.get("finetuning")
        if not isinstance(classes, list) or found.get("base_teacher") != source.fingerprint:
            return None
        settings = None
        asked = config.teacher.precision
        if trained_with is not None:
            precision = trained_with.get("precision") if asked == "auto" else asked
            settings = finetuning_settings(config, dataset, source, precision)
        matching = match_classes(config, dataset, source, classes, has_trained_head=trained_with is None)
        transfer = None
        if config.transfer_set.wanted:  # its texts follow from the rest: they are not drawn again to be compared
            made = found.get("transfer") or {}
            transfer = describe_transfer(config, made.get("mask_token", ""), made.get("fingerprint", ""))
        folds = (found.get("cross_fitting") or {}).get("folds_sha256", "")
        described = _described(
            config,
            source,
            precision=found.get("precision", "") if asked == "auto" else asked,
            tokenizer_sha256=found.get("tokenizer_sha256", ""),
            finetuning=settings,
            classes=classes,
            columns=matching.columns,
            folds_sha256=folds,
            part_rows=config.output.part_rows or found.get("part_rows", 0),
        )
        described = describe_export(config, dataset, described, transfer)
        return Expected(matching.names, described, self._expected_fingerprint(manifest, matching.columns))

    def _expected_fingerprint(self, manifest: Manifest, columns: list[int]) -> str:
        if manifest.config["finetuning"] is None:
            return teacher_fingerprint(self.source, columns)
        folder, count = self.config.finetuned_folder, self.config.finetune.teacher_folds
        folders = [folder, *(fold_folder(folder, fold) for fold in range(count or 0))]
        if not all((each / RECORD).is_file() for each in folders):  # deleted; what they computed is here
            return str(manifest.teacher.get("fingerprint"))
        sources = [folder_source(each, self.source.name) for each in folders]
        fingerprint = teacher_fingerprint(sources[0], columns)
        return fingerprint if count is None else fingerprint_of_all(fingerprint, sources[1:])

    def load(self) -> Labeller:
        """Load the model and its tokenizer, match its classes, and draw the transfer set."""
        silence_libraries()
        return TransformerLabeller(self.config, self.dataset, self.source)


def _described(
    config: ExportConfig,
    source: TeacherSource,
    *,
    precision: str,
    tokenizer_sha256: str,
    finetuning: dict[str, Any] | None,
    classes: list[str],
    columns: list[int],
    folds_sha256: str,
    part_rows: int,
) -> dict[str, Any]:
    """Return what the manifest's ``config`` says of a transformer.

    Args:
        config: what the user asked for.
        source: the teacher before any fine-tuning.
        precision: what ``--precision auto`` came to.
        tokenizer_sha256: of the export's ``tokenizer.json``.
        finetuning: its settings, or None for a teacher with a trained head.
        classes: the teacher's class names, in the order of its logits.
        columns: the teacher's column for each class of the data.
        folds_sha256: of the training rows' folds, where teachers are cross-fitted.
        part_rows: the rows of a part.
    """
    described = {
        "base_teacher": source.fingerprint,
        "precision": precision,
        "batch_size": config.teacher.batch_size,
        "part_rows": part_rows,
        "tokenizer_sha256": tokenizer_sha256,
        "finetuning": finetuning,
        "teacher_classes": list(classes),
        "columns": list(columns),
    }
    # Only where they are used, so that every other export keeps its identity.
    if config.finetune.teacher_folds is not None:
        described["cross_fitting"] = describe_cross_fitting(config.finetune.teacher_folds, folds_sha256)
    if config.teacher.embedding_texts:
        described["embedding_texts"] = config.teacher.embedding_texts
    if config.teacher.hint_width:
        described["hint_width"] = config.teacher.hint_width
    if config.teacher.reads_otherwise:
        described["teacher_reads"] = {"max_length": config.teacher.max_length, "overlap": config.teacher.overlap}
    return described


class TransformerLabeller(TransformerRows, Labeller):
    """A transformer's model in memory, and the choices made for it."""

    def __init__(self, config: ExportConfig, dataset: "Dataset", source: TeacherSource) -> None:
        from teacher_export.teacher.loading import load_teacher

        self.config, self._source, self.name = config, source, source.name
        device = resolve_device(config.teacher.device)
        begun = (read_begun_export(config.export_folder) or {}).get("identity", {})
        precision = resolve_precision(config.teacher.precision, device, begun.get("config", {}).get("precision"))
        seed, task = config.data.seed, dataset.task.name
        teacher = load_teacher(source, dataset.label_names, config.teacher.max_length, seed, task)
        require_hint_width(config.teacher.hint_width, getattr(teacher.model.config, "hidden_size", None))
        self._classes, trained = list(teacher.class_names), teacher.has_trained_head
        self._matching = match_classes(config, dataset, source, self._classes, has_trained_head=trained)
        if config.finetune.teacher_folds is not None:
            dataset = with_folds(dataset, config.finetune.teacher_folds, seed)
        super().__init__(config.teacher, teacher, device=device, precision=precision, columns=self._matching.columns)
        self._data_names = dataset.label_names
        self.dataset = with_classes(dataset, self._matching.names)
        self._finetuning = None if trained else Finetuning(config, dataset, source, device)
        self._crossed: CrossFitting | None = None
        if config.finetune.teacher_folds is not None:
            self._crossed = CrossFitting(config, dataset, source, device)
        in_doubt = config.teacher.label_map or takes_classes_in_order(source, self._classes)
        self.order_is_known = not trained or not in_doubt
        self.transfer = self._transfer_set() if config.transfer_set.wanted else None
        self.fingerprint = teacher_fingerprint(source, self._columns)
        if self._finetuning is not None:  # what the weights will be is not known yet; the rest must agree now
            self.fingerprint = begun.get("teacher", {}).get("fingerprint") or self.fingerprint

    def _take(self, teacher: "Teacher") -> None:
        super()._take(teacher)
        self.pad_id, self.vocab_size = teacher.pad_id, teacher.vocab_size

    def _transfer_set(self) -> TransferSet:
        """Make the transfer split, before any long work."""
        named = self._teacher.saved_tokenizer
        mask_token = mask_token_of(self._teacher.tokenizer, named.mask_token, named.unk_token)
        return build_transfer_set(self.config, self.dataset, mask_token)

    def describe(self, tokenizer_sha256: str) -> dict[str, Any]:
        """Return the manifest's ``config``."""
        described = _described(
            self.config,
            self._source,
            precision=self._precision,
            tokenizer_sha256=tokenizer_sha256,
            finetuning=None if self._finetuning is None else self._finetuning.settings,
            classes=self._classes,
            columns=self._columns,
            part_rows=self.part_rows,
            folds_sha256="" if self._crossed is None else self._crossed.folds_sha256,
        )
        transfer = None if self.transfer is None else self.transfer.description
        return describe_export(self.config, self.dataset, described, transfer)

    def introduce(self) -> None:
        """Say which class is taken for which; warn where nothing names them."""
        if self._finetuning is not None:
            return
        names = self.dataset.label_names
        pairs = ", ".join(
            f"{self._classes[column]} → {name}" for column, name in zip(self._matching.columns, names, strict=True)
        )
        if takes_classes_in_order(self._source, self._classes) and not self.config.teacher.label_map:
            warn(
                "WARNING: nothing names this teacher's classes, so they are taken in order: "
                f"{pairs}; if that is wrong, say so with --label-map"
            )
        else:
            say(f"the teacher's classes: {pairs}")
        if self._matching.lacking:
            say(lacking_sentence(self._matching))

    def prepare(self) -> None:
        """Fine-tune it where it has no trained head, or take it as it was fine-tuned before."""
        if self._finetuning is not None:
            self._take(self._finetuning.teacher(self._teacher))
            self.fingerprint = teacher_fingerprint(self._finetuning.source, self._columns)
        if self._crossed is not None:
            self._crossed.prepare()
            self.fingerprint = self._crossed.fingerprint(self.fingerprint)
        self.place_model()

    def token_states(self) -> TokenStates:
        """Return each token's mean state in its middle, or its own table."""
        count = self.config.teacher.embedding_texts
        states = self.mean_token_states(self._drawn_texts(count)) if count else None
        return TokenStates(self._teacher.word_embeddings()) if states is None else states

    def _drawn_texts(self, count: int) -> list[str]:
        """Return so many texts that students learn from, or all, drawn by the seed."""
        import numpy as np

        splits = [self.splits[name] for name in ("train", TRANSFER) if name in self.splits]
        sizes = [len(split) for split in splits]
        drawn = np.sort(np.random.default_rng(self.config.data.seed).permutation(sum(sizes))[:count])
        starts = np.cumsum([0, *sizes])
        own = [drawn[(drawn >= start) & (drawn < stop)] - start for start, stop in itertools.pairwise(starts)]
        return [text for split, rows in zip(splits, own, strict=True) for text in split.take(rows).texts]

    def logits(self, asked: RowsAsked, advance: Callable[[int], object]) -> "np.ndarray":
        """Run the model over the rows' tokens, or over their windows; of rows with folds the cross-fitted models."""
        if self._crossed is None or asked.split.folds is None:
            return super().logits(asked, advance)
        folds = asked.split.folds[asked.rows]
        logits = self._crossed.logits(folds, self._passes(asked), self._teacher)
        advance(len(folds))
        return logits

    def _passes(self, asked: RowsAsked) -> Pass:
        """Return what asks a teacher for some of the rows that are asked for."""

        def label(teacher: "Teacher", rows: "np.ndarray") -> "np.ndarray":
            some = asked.split.take(rows + (asked.rows.start or 0))
            part = RowsAsked(some, slice(0, len(rows)), asked.tokens.take(rows), f"{asked.where}of a fold's rows ")
            return self.logits_of(teacher, part, lambda _: None)

        return label

    def handed_on(self) -> dict[str, Any]:
        """Return what another process loads the same teacher of."""
        tuned = self._finetuning
        return dataclasses.asdict(
            TransformerHandedOn.of(
                self.config.teacher,
                self._source if tuned is None else tuned.source,
                finetuned=tuned is not None,
                label_names=list(self._data_names),
                task=self.dataset.task.name,
                seed=self.config.data.seed,
                precision=self._precision,
                columns=self._columns,
            )
        )

    def figures(self) -> dict[str, Any]:
        """Return its size, and how good the mean of the cross-fitted teachers is where none of them was trained."""
        size = {"parameters": self._teacher.parameters, "bytes": 4 * self._teacher.parameters}
        return size if self._crossed is None else {**size, "cross_fitted": self._figures_of(self._crossed)}

    def _figures_of(self, crossed: CrossFitting) -> dict[str, Any]:
        """Return the scores of the mean of the teachers' logits on the test and validation rows."""
        task, scores = self.dataset.task, {}
        for name in PROTECTED_SPLITS:
            split = self.dataset.splits.get(name)
            if split is not None and len(split := labelled(split, task)):
                say(f"asking the {crossed.count} cross-fitted teachers for {len(split):,} rows of the {name} split")
                asked = RowsAsked(split, slice(0, len(split)), self.encode(split.texts), f"split {name}, ")
                logits = crossed.mean(len(split), self._passes(asked))
                scores[name] = score(split.labels, task.answers(logits) if task.has_classes else logits, task)
        return {"count": crossed.count, "splits": scores}
