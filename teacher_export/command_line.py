"""The command line of the export: arguments → ``ExportConfig`` → ``export.run``."""

import sys
from collections.abc import Sequence

from distill_jax.console import EXPORT_COMMAND, parse_options, run_command
from distill_jax.errors import InputError
from distill_jax.storage.address import is_address
from teacher_export.config import ExportConfig
from teacher_export.steps import STEPS

DESCRIPTION = """Export a teacher's logits for a data set, as NumPy files that students are trained from.

With no argument: the demo's data and teacher. A teacher without a trained head for these classes is fine-tuned first.
Interrupted at any moment, the same command goes on; run again when all is done, it reuses everything.

On many machines, step by step: python -m teacher_export plan, part and finish, each with --help.

Your own files: --dataset table --data reviews.csv --text-column text --label-column stars

Your own teacher: --teacher FOLDER_OR_HUB_NAME

A teacher that is a table, of an LLM's answers or of people's votes: --teacher-outputs COLUMN…

Several labels a text, or a score: --task multi-label, --task score. Two texts as a pair are not read."""
_PAIR_COLUMN = "--pair-column"


def parse_arguments(arguments: Sequence[str] | None = None) -> ExportConfig:
    """Return the configuration that the arguments name (default: the process's); exits for ``--help``.

    Raises:
        InputError: a value breaks a rule of the configuration, or a pair of texts is asked for.
        SystemExit: status 2 for an option or a value that does not exist, with a message on standard error.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if any(word.split("=", 1)[0] == _PAIR_COLUMN for word in words):
        raise InputError(
            f"{_PAIR_COLUMN}: two texts as a pair are not distilled, for a student reads one text, and its bags and "
            "filters do not set a word of one beside a word of the other; where the teacher takes the two joined, join "
            "them into one text (--text-column FIRST --text-column SECOND), else give its answers in a column of the "
            "table (--teacher-outputs)"
        )
    return parse_options(ExportConfig, arguments, prog=EXPORT_COMMAND, description=DESCRIPTION)


def main() -> None:
    """Parse, check that what it needs is installed, export. The frameworks are imported only then."""
    step = STEPS.get(sys.argv[1]) if len(sys.argv) > 1 else None

    def body() -> None:
        if step is not None:
            step(sys.argv[2:])
            return
        config = parse_arguments()
        from teacher_export.libraries import require_libraries, share_processors

        require_libraries(teacher_is_table=config.teacher_is_table)
        share_processors()
        if is_address(config.export_folder):
            from teacher_export.parts.stored import export_stored

            export_stored(config)
            return
        from teacher_export.export import run

        run(config)

    run_command(body)
