"""The command line of the export: arguments → ``ExportConfig`` → ``export.run``."""

import contextlib
import io
import sys
from collections.abc import Sequence

import tyro

from distill_jax.console import run_command
from distill_jax.errors import InputError
from teacher_export.config import ExportConfig

PROGRAM = "python scripts/export_logits.py"
DESCRIPTION = """Export a teacher's logits for a data set, as NumPy files that students are trained from.

With no argument: the demo's data and teacher. A teacher without a trained head for these classes is fine-tuned first.
Interrupted at any moment, the same command goes on; run again when all is done, it reuses everything.

Your own files: --dataset table --data reviews.csv --text-column text --label-column stars
Your own teacher: --teacher FOLDER_OR_HUB_NAME"""


def parse_arguments(arguments: Sequence[str] | None = None) -> ExportConfig:
    """Return the configuration that the arguments name (default: the process's); exits for ``--help``.

    Raises:
        InputError: a value breaks a rule of the configuration.
        SystemExit: status 2 for an option or a value that does not exist, with a message on standard error.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                ExportConfig,
                prog=PROGRAM,
                description=DESCRIPTION,
                args=arguments,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
            )
    except SystemExit as exit_:
        cause: BaseException | None = exit_
        while cause is not None:  # tyro frames what a check raised; the sentence alone is what we print
            if isinstance(cause, InputError):
                raise cause from None
            cause = cause.__context__
        sys.stderr.write(complaint.getvalue())
        raise


def main() -> None:
    """Parse, check that the extra is installed, export. The frameworks are imported only then."""

    def body() -> None:
        config = parse_arguments()
        from teacher_export.libraries import require_teacher_extra

        require_teacher_extra()
        from teacher_export.export import run

        run(config)

    run_command(body)
