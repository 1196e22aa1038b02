"""The rows that a search trains and scores on: train, transfer and validation; the test split is never opened."""

import dataclasses
from pathlib import Path

from distill_jax.config import TrainConfig
from distill_jax.console import EXPORT_COMMAND, path_word, shell_line
from distill_jax.data.examples import Examples, drawn_rows, read_examples, with_transfer
from distill_jax.errors import InputError, MissingInputError
from distill_jax.export.format import Manifest, read_manifest


@dataclasses.dataclass(frozen=True)
class SearchData:
    """What every trial of a search shares.

    Attributes:
        export: the export folder.
        manifest: its manifest.
        train: the training rows.
        transfer: the transfer split's rows, None where there are none.
        validation: the rows that trials are scored on.
    """

    export: Path
    manifest: Manifest
    train: Examples
    transfer: Examples | None
    validation: Examples

    def training_rows(self, config: TrainConfig) -> Examples:
        """Return the rows that a training learns from, the same that ``python -m distill_jax.train`` takes."""
        transfer = self.transfer if config.transfer else None
        return with_transfer(self.train, transfer, config.transfer_share, config.seed)


def read_searched_manifest(export: Path) -> Manifest:
    """Read the manifest of an export whose validation split a search can score on.

    Raises:
        MissingInputError: no such folder.
        InputError: the manifest cannot be used, or there is no validation split.
    """
    if not export.is_dir():
        command = _export_command(path_word(export))
        raise MissingInputError(
            f"export folder {export}: there is no such folder; make it with {command}, or name another with --export"
        )
    manifest = read_manifest(export)
    if not manifest.examples("validation"):
        raise InputError(
            f"export folder {export}: it has no validation split, on which a search compares its trials; make one that "
            f"has with {_export_command('FOLDER')}"
        )
    return manifest


def _export_command(output: str) -> str:
    return f"{EXPORT_COMMAND} {shell_line(['--output', output, '--validation-fraction', '0.1'])}"


def read_data(export: Path, manifest: Manifest, rows: int, seed: int, *, hints: bool = False) -> SearchData:
    """Read train, transfer and validation split.

    Args:
        export: the export folder.
        manifest: its manifest.
        rows: at most so many rows of train and transfer split together, drawn from both alike, so that a search on few
            rows is a small picture of the training on all.
        seed: draws them.
        hints: whether trials learn from hints.

    Raises:
        InputError: a split is damaged, or no row of the validation split has a label.
    """
    validation = read_examples(export, manifest, "validation")
    if not manifest.labelling.is_labelled(validation.labels).any():
        raise InputError(f"export folder {export}: validation: expected labelled rows, all are unlabelled")
    train = read_examples(export, manifest, "train", hints=hints)
    transfer = read_examples(export, manifest, "transfer", hints=hints) if manifest.examples("transfer") else None
    everything = len(train) + (len(transfer) if transfer else 0)
    if rows < everything:
        chosen = drawn_rows(everything, rows, seed)
        of_train, of_transfer = chosen[chosen < len(train)], chosen[chosen >= len(train)] - len(train)
        if not len(of_train):
            raise InputError(f"--rows {rows}: too few, no training row is among them; give more")
        train = train.take(of_train)
        transfer = transfer.take(of_transfer) if transfer and len(of_transfer) else None
    return SearchData(export, manifest, train, transfer, validation)
