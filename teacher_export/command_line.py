"""The command line of the export: arguments → ``ExportConfig`` → ``export.run``."""

from collections.abc import Sequence

from distill_jax.console import EXPORT_COMMAND, parse_options, run_command
from teacher_export.config import ExportConfig

DESCRIPTION = """Export a teacher's logits for a data set, as NumPy files that students are trained from.

With no argument: the demo's data and teacher. A teacher without a trained head for these classes is fine-tuned first.
Interrupted at any moment, the same command goes on; run again when all is done, it reuses everything.

Your own files: --dataset table --data reviews.csv --text-column text --label-column stars

Your own teacher: --teacher FOLDER_OR_HUB_NAME

A teacher that is a table, of an LLM's answers or of people's votes: --teacher-outputs COLUMN…"""


def parse_arguments(arguments: Sequence[str] | None = None) -> ExportConfig:
    """Return the configuration that the arguments name (default: the process's); exits for ``--help``.

    Raises:
        InputError: a value breaks a rule of the configuration.
        SystemExit: status 2 for an option or a value that does not exist, with a message on standard error.
    """
    return parse_options(ExportConfig, arguments, prog=EXPORT_COMMAND, description=DESCRIPTION)


def main() -> None:
    """Parse, check that what it needs is installed, export. The frameworks are imported only then."""

    def body() -> None:
        config = parse_arguments()
        from teacher_export.libraries import require_libraries, share_processors

        require_libraries(teacher_is_table=config.teacher_is_table)
        share_processors()
        from teacher_export.export import run

        run(config)

    run_command(body)
