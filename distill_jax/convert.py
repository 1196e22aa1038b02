"""``python -m distill_jax.convert``: a packed student in another form, such as a page that answers by itself."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, run_command, say
from distill_jax.errors import InputError
from distill_jax.packed.student import read_packed


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to convert, and into what."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The packed student, as python -m distill_jax.pack writes it."""
    to: Annotated[str, tyro.conf.arg(metavar="FORM")]
    """The form: html, one static page; onnx or stablehlo, a folder with a model of token ids and its tokenizer; card, a
    folder for a model hub."""
    output: Annotated[
        Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="(default: FILE with the form's suffix)")
    ] = None
    """The file or folder to write; nothing may lie there."""
    force: bool = False
    """Write it though it is larger than is of use."""


def main() -> None:
    """Parse the command line, read the packed student, write it in the other form."""
    arguments = parse_options(
        Arguments,
        None,
        prog="python -m distill_jax.convert",
        description="Write a packed student in another form.",
    )
    from distill_jax.conversion.registry import converter_named

    converter = converter_named(arguments.to)
    output = arguments.output or arguments.file.with_name(
        arguments.file.stem + (converter.suffix or f"-{converter.name}")
    )
    if not output.name.endswith(converter.suffix):
        raise InputError(f"--output {output}: expected a name that ends in {converter.suffix}")
    size = converter.write(read_packed(arguments.file), output, of_any_size=arguments.force)
    say(f"wrote {output} ({size:,} bytes)")


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
