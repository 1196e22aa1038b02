"""Which kind of teacher the options name; a further kind is a file of its own and a line here."""

from teacher_export.config import ExportConfig
from teacher_export.teacher.labeller import TeacherKind


def kind_of(config: ExportConfig) -> TeacherKind:
    """Return the teacher that the options name.

    Raises:
        InputError: a file or folder is not there, or cannot be used.
    """
    if config.teacher_is_table:
        from teacher_export.teacher.table import TableKind

        return TableKind(config)
    from teacher_export.teacher.transformer import TransformerKind

    return TransformerKind(config)
