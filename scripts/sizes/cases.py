"""Smaller and other data, made of an export: some of its rows, its classes joined, one of them rare.

The teacher's logits stay: so a case costs no pass of the teacher.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.data.examples import Examples
from distill_jax.data.exports import Export
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.export.format import HINT_DIRECTIONS, MANIFEST, Part
from distill_jax.export.reader import read_token_embeddings
from distill_jax.export.writer import ExportWriter

RARE = 20
"""How many rows of the common class stand beside one of the rare one."""
_OWN = 2 / 3  # of a transfer text's pairs of tokens, those that stand in the rows


@dataclasses.dataclass(frozen=True)
class Case:
    """Rows to train on.

    Attributes:
        export: the export that they are of.
        rows: how many; 0 = all.
        halves: join the lower half of the classes, and the upper half.
        rare: leave of the second half so few rows that there are twenty times as many of the first.
    """

    export: Path
    rows: int = 0
    halves: bool = False
    rare: bool = False

    @property
    def key(self) -> str:
        """The folder's name."""
        how = "-halves" * self.halves + "-rare" * self.rare
        return f"{self.export.absolute().name}-{self.rows or 'all'}{how}"


def make(case: Case, folder: Path) -> Export:
    """Write a case's export, unless it is there, and open it.

    Its test rows are the export's, in the case's classes; validation rows get fewer with the training rows.

    Raises:
        InputError: the export cannot be used, or the folder holds another one.
    """
    whole = Export.open(case.export)
    if not (folder / MANIFEST).is_file():
        _write(case, whole, folder)
    made = Export.open(folder)
    if made.manifest.config.get("case") != _described(case, whole):
        raise InputError(
            f"{folder}: it was made of another export than {case.export} is now; name another --output, or delete it"
        )
    return made


def _write(case: Case, export: Export, folder: Path) -> None:
    manifest = export.manifest
    if not manifest.labelling.has_classes:
        raise InputError(f"--export {case.export}: expected one class a row, got the task {manifest.task}")
    rng = np.random.default_rng(0)
    classes, joined = len(export.label_names), case.halves or case.rare
    names = ("lower half", "upper half") if joined else export.label_names
    splits = {name: export.split(name) for name in manifest.splits}
    if joined:
        splits = {name: joined_halves(rows, classes) for name, rows in splits.items()}
    if case.rare:
        splits |= {name: thinned(splits[name], rng) for name in ("train", "validation", "test") if name in splits}
    whole = len(splits["train"])
    if case.rows and case.rows < whole:
        splits["train"] = drawn(splits["train"], case.rows, rng)
        if "validation" in splits:
            share = case.rows / whole
            splits["validation"] = drawn(splits["validation"], round(share * len(splits["validation"])), rng)
    if "transfer" in splits and len(splits["train"]) < len(export.train):
        splits["transfer"] = splits["transfer"].take(own(splits["transfer"].tokens, splits["train"].tokens))
    header = dataclasses.replace(
        manifest, label_names=tuple(names), splits={}, config={**manifest.config, "case": _described(case, export)}
    )
    writer = ExportWriter(folder, header)
    for name, rows in splits.items():
        assert rows.example_ids is not None
        assert rows.teacher_logits is not None
        hints = None if rows.hints is None else rows.hints.ids
        part = Part(rows.example_ids, rows.tokens, rows.labels, rows.teacher_logits, rows.weights, hints)
        writer.write(name, 0, part)
    writer.write_tokenizer(export.tokenizer.decode())
    if manifest.has_token_embeddings:
        writer.write_token_embeddings(read_token_embeddings(export.folder, manifest))
    if manifest.hint_width:
        writer.write_hint_directions(np.load(export.folder / HINT_DIRECTIONS))
    writer.finish(dict.fromkeys(splits, 1), manifest.teacher)


def _described(case: Case, export: Export) -> dict[str, Any]:
    how = {"rows": case.rows, "halves": case.halves, "rare": case.rare}
    return {**how, "of": export.manifest.fingerprint}


def drawn(rows: Examples, count: int, rng: np.random.Generator) -> Examples:
    """Return so many of the rows, at least one."""
    return rows.take(rng.permutation(len(rows))[: max(1, count)])


def joined_halves(rows: Examples, classes: int) -> Examples:
    """Return rows of two classes: the lower and the upper half of those there were, the middle one in the upper.

    A half's logit is the logarithm of the sum of its classes' exponentials, so that its probability is their sum.
    """
    middle, logits = classes // 2, rows.teacher_logits
    assert logits is not None
    sums = [np.logaddexp.reduce(half, axis=1) for half in (logits[:, :middle], logits[:, middle:])]
    labels = np.where(rows.labels < 0, rows.labels, rows.labels >= middle).astype(rows.labels.dtype)
    return dataclasses.replace(rows, labels=labels, teacher_logits=np.stack(sums, axis=1))


def thinned(rows: Examples, rng: np.random.Generator) -> Examples:
    """Return the rows with so few of the second class that there are twenty times as many of the first."""
    common, rare = np.flatnonzero(rows.labels == 0), np.flatnonzero(rows.labels == 1)
    kept = rng.permutation(rare)[: max(1, len(common) // RARE)]
    return rows.take(np.sort(np.concatenate([common, kept])))


def own(transfer: Ragged, rows: Ragged) -> np.ndarray:
    """Return which transfer texts are changed copies of the rows, bool: two thirds of their pairs of tokens are theirs.

    An export does not say which text a copy is of.
    """
    known = np.unique(_pairs(rows)[0])
    pairs, owners = _pairs(transfer)
    found = np.bincount(owners, np.isin(pairs, known), len(transfer))
    return found >= _OWN * np.maximum(np.bincount(owners, minlength=len(transfer)), 1)


def _pairs(tokens: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Return each pair of neighbours as one number, and whose row it is of."""
    owners = np.repeat(np.arange(len(tokens)), tokens.lengths)
    ids = tokens.ids.astype(np.int64)
    inside = owners[1:] == owners[:-1]
    return (ids[:-1] << 32 | ids[1:])[inside], owners[1:][inside]


def cases_of(exports: Sequence[Path], rows: Sequence[int]) -> list[Case]:
    """Return exports' cases: some rows, all of them, and, where there are more than two classes, halves of them."""
    found = []
    for export in exports:
        manifest = Export.open(export).manifest
        found += [Case(export, count) for count in sorted(set(rows)) if count < manifest.examples("train")]
        found.append(Case(export))
        if manifest.num_labels > 2:
            found += [Case(export, halves=True), Case(export, rare=True)]
    return found
