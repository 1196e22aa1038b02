"""The command line of the conversion."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, path_word, say, shell_line, warn
from distill_jax.data.exports import Export
from distill_jax.errors import InputError, MissingInputError, require_range
from distill_jax.export.format import TOKENIZER
from distill_jax.extras import require_packages
from distill_jax.files import real_place, require_free
from distill_jax.locks import sole_writer
from distill_jax.options import Flag
from distill_jax.students.bilstm import States
from scripts.convert.torch_checkpoint import Surroundings, TorchCheckpoint

DESCRIPTION = """Make a run folder from a notebook's checkpoint, or a notebook's checkpoint from a run folder.

A checkpoint is a file of torch.save(model.state_dict(), FILE), of the CNN, the linear model or the BiLSTM; which one it
is shows in its names. The run folder holds all that python -m distill_jax.predict --run needs, and predicts what the
model did.

From an export folder: SOURCE --export exports/NAME --output runs/NAME/cnn

Without one: SOURCE --tokenizer tokenizer.json --label-names "1 star" "2 stars" … --max-length 128 --pad-id 0 --output …

Back: runs/NAME/cnn --to-torch --output cnn.bin"""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What is converted, to where."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """The checkpoint's file; with --to-torch, the run folder."""
    output: Path
    """The run folder to make; with --to-torch, the file to write."""
    to_torch: Annotated[bool, Flag()] = False
    """Convert a run folder to a checkpoint for the notebook."""
    distil: Annotated[bool, Flag()] = False
    """The checkpoint was distilled from a teacher (it is noted in the run folder and changes nothing else)."""
    export: Path | None = None
    """An export folder of the same teacher and labels: it has the tokenizer, the names and the numbers below."""
    tokenizer: Path | None = None
    """The teacher's tokenizer.json."""
    label_names: tuple[str, ...] = ()
    """The classes, in class order."""
    max_length: int | None = None
    """Tokens that texts were cut and padded to (the notebook: 128)."""
    pad_id: int | None = None
    """The token id of the padding (the notebook: 0)."""
    states: States = "max"
    """The features of a BiLSTM, which its checkpoint does not show: max, its states' maximum over time; last."""


def main() -> None:
    """Parse the command line and convert."""
    arguments = parse_options(Arguments, None, prog="python -m scripts.convert", description=DESCRIPTION)
    _require_usable(arguments)
    require_packages("torch", what="converting checkpoints")
    from distill_jax.jax_setup import configure_jax

    configure_jax()
    from distill_jax.formats.registry import load, save, write_new

    if arguments.to_torch:
        write_new(TorchCheckpoint(), load(arguments.source), arguments.output)
        say(f"written to {arguments.output}")
        return
    student = TorchCheckpoint(surroundings(arguments)).read(arguments.source)
    save(student, arguments.output)
    config = student.config
    say(
        f"{arguments.source}: a {config.name} of {config.vocab_size:,} tokens and {config.num_labels} classes; written "
        f"to {arguments.output}"
    )
    if getattr(config, "mask_padding", None) is False:
        warn(
            f"note: {arguments.output}: a checkpoint does not say whether its student was made with --mask-padding; "
            "this one is taken to count padding as text, as the notebook's do; if it did not, it will predict otherwise"
        )
    say(
        f"predict with: echo 'a text' | python -m distill_jax.predict --run {shell_line([path_word(arguments.output)])}"
    )


def _require_usable(arguments: Arguments) -> None:
    """Refuse what can be refused before anything heavy is imported."""
    _require_fitting(arguments)
    place = real_place(arguments.output, "--output")
    with sole_writer(place, "--output"):
        require_free(place, "--output")


def _require_fitting(arguments: Arguments) -> None:
    given = [arguments.tokenizer, arguments.label_names, arguments.max_length, arguments.pad_id]
    if arguments.to_torch:
        if arguments.export or arguments.distil or any(value not in (None, ()) for value in given):
            raise InputError("--to-torch takes a run folder and --output alone: leave the other options out")
        return
    if not arguments.source.is_file():
        raise MissingInputError(f"checkpoint {arguments.source}: there is no such file")
    if arguments.export and any(value not in (None, ()) for value in given):
        raise InputError("--export brings tokenizer, label names, length and pad id: give it or the others, not both")
    if not arguments.export and any(value in (None, ()) for value in given):
        raise InputError(
            "expected --export FOLDER, or all of --tokenizer FILE, --label-names NAME…, --max-length N and --pad-id N"
        )


def surroundings(arguments: Arguments) -> Surroundings:
    """Return tokenizer, label names and lengths, from the export folder or the options.

    Raises:
        InputError: the export folder or an option is not usable.
    """
    if arguments.export:
        opened = Export.open(arguments.export)
        opened.load_tokenizer()  # a damaged one is refused, and one of another export
        manifest = opened.manifest
        described = {"label_names": list(manifest.label_names), "vocab_size": manifest.vocab_size}
        lengths = {"pad_id": manifest.pad_id, "max_length": manifest.max_length, "teacher": manifest.teacher}
        name, tokenizer = arguments.export.absolute().name, arguments.export / TOKENIZER
        export = {"name": name, "path": str(arguments.export), **described, **lengths}
        return Surroundings(tokenizer, export, distil=arguments.distil, states=arguments.states)
    names = list(arguments.label_names)
    if len(names) < 2 or len(set(names)) != len(names):
        raise InputError(f"--label-names: expected at least two different names, got {names}")
    assert arguments.tokenizer is not None
    assert arguments.max_length is not None
    require_range("--max-length", arguments.max_length, 1, 100_000)
    lengths = {"pad_id": arguments.pad_id, "max_length": arguments.max_length, "teacher": {}}
    export = {"name": arguments.source.stem, "label_names": names, **lengths}
    return Surroundings(arguments.tokenizer, export, distil=arguments.distil, states=arguments.states)
