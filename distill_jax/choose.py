"""``python -m distill_jax.choose RUN…``: which student to ship, and why."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from distill_jax.console import parse_options, run_command, say, warn
from distill_jax.errors import InputError, MissingInputError
from distill_jax.extras import require_extra
from distill_jax.locks import sole_writer
from distill_jax.options import Range, check_fields

if TYPE_CHECKING:
    from distill_jax.data.exports import Export


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What there is to choose from, and what may be shipped."""

    students: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN…")]
    """Run folders, which are packed first, and packed files (.djx), which are taken as they are."""
    export: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the first run's own, where it still lies)"),
    ] = None
    """The export that they were trained on: its test texts are answered, and the baselines are trained on it."""
    teacher: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: left out)")] = None
    """The fine-tuned teacher's folder: it is measured with weights of eight bits, too, by ONNX Runtime (the extras
    teacher and bench)."""
    max_bytes: Annotated[int, Range(1, 2**40), tyro.conf.arg(metavar="N")] = 2_000_000
    """The largest file that may be shipped."""
    max_latency_ms: Annotated[float, Range(0, low_open=True), tyro.conf.arg(metavar="MS")] = 1.0
    """Within how many milliseconds half of the texts, one at a time, are to be answered."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: not written)")] = None
    """Write all the numbers there too."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: not written)")] = None
    """Write a page with a chart there (.html), and the numbers beside it (.json) unless --json names another place."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.output is not None and self.output.suffix != ".html":
            raise InputError(f"--output {self.output}: expected a name that ends in .html")

    @property
    def numbers(self) -> Path | None:
        """Where the numbers are written."""
        if self.json is None and self.output is not None:
            return self.output.with_suffix(".json")
        return self.json


def main() -> None:
    """Parse the command line, measure, say which."""
    arguments = parse_options(
        Arguments,
        None,
        prog="python -m distill_jax.choose",
        description=(
            "Measure students as packed files (score, bytes, time for one text and for many, memory) beside simple "
            "baselines and their teacher, and say which one to ship."
        ),
    )
    require_extra("train", "choosing")
    missing = next((path for path in arguments.students if not path.exists()), None)
    if missing is not None:
        raise MissingInputError(f"{missing}: there is no such run folder or packed file")
    from distill_jax.choosing.choice import CHOICES

    if arguments.teacher is not None and not (arguments.teacher / "config.json").is_file():
        raise InputError(
            f"--teacher {arguments.teacher}: expected a fine-tuned teacher's folder, found no config.json in it"
        )
    beside = [] if arguments.output is None else [arguments.output]
    if arguments.numbers is not None:
        CHOICES.require_replaceable("--json", arguments.numbers, *beside)
    from distill_jax.jax_setup import configure_jax

    configure_jax()
    from distill_jax.choosing.measuring import choose
    from distill_jax.choosing.page import choice_page
    from distill_jax.choosing.recommendation import Limits
    from distill_jax.choosing.table import choice_text
    from distill_jax.files import atomic_write

    limits = Limits(arguments.max_bytes, arguments.max_latency_ms)
    choice = choose(arguments.students, _export(arguments), limits, warn, teacher=arguments.teacher)
    for line in choice_text(choice):
        say(line)
    if arguments.numbers is not None:
        with sole_writer(arguments.numbers, "choice"):
            CHOICES.write(arguments.numbers, choice.to_json(), *beside)
            if arguments.output is not None:
                page = choice_page(choice).encode()
                with atomic_write(arguments.output) as stream:
                    stream.write(page)
        say(f"wrote {' and '.join(map(str, [*beside, arguments.numbers]))}")


def _export(arguments: Arguments) -> "Export":
    """Open the export that is named, or the first run's own."""
    from distill_jax.data.exports import Export
    from distill_jax.runs.folder import export_path

    if arguments.export is not None:
        return Export.open(arguments.export)
    run = next((path for path in arguments.students if path.is_dir()), None)
    path = None if run is None else export_path(run)
    if path is None:
        raise InputError("the export that the students were trained on is not there; name it (--export)")
    return Export.open(path)


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
