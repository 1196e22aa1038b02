"""Which kind of teacher the options name; a further kind is a file of its own and a line here."""

from pathlib import Path
from typing import Any

from distill_jax.errors import InputError
from teacher_export.config import ExportConfig
from teacher_export.options.teacher import DeviceName
from teacher_export.teacher.labeller import RowLabeller, TeacherKind


def kind_of(config: ExportConfig, texts_folder: Path | None = None) -> TeacherKind:
    """Return the teacher that the options name; arguments as for ``TeacherKind``.

    Raises:
        InputError: a file or folder is not there, or cannot be used.
    """
    if config.teacher_is_table:
        from teacher_export.teacher.table import TableKind

        return TableKind(config, texts_folder)
    from teacher_export.teacher.transformer import TransformerKind

    return TransformerKind(config, texts_folder)


def row_labeller_of(handed_on: dict[str, Any], tokenizer_text: str, device: DeviceName | None = None) -> RowLabeller:
    """Return the teacher that another process has made ready, loaded here.

    Args:
        handed_on: what that process's ``Labeller.handed_on`` returned.
        tokenizer_text: the export's ``tokenizer.json``.
        device: where it runs, if not where that process was told.

    Raises:
        InputError: its files are not here, or are others.
    """
    if "options" not in handed_on:
        from tokenizers import Tokenizer

        from teacher_export.teacher.table import TableRows

        return TableRows(Tokenizer.from_str(tokenizer_text), handed_on["max_length"])
    from teacher_export.teacher.transformer_rows import TransformerHandedOn

    try:
        known = TransformerHandedOn(**handed_on)
    except TypeError as error:
        raise InputError(f"plan: teacher: expected what this version plans, got something else ({error})") from None
    return known.load(device)
