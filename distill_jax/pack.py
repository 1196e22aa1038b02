"""``python -m distill_jax.pack``: a trained student as one small file that answers without JAX."""

import dataclasses
import json
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from distill_jax.console import format_table, parse_options, path_word, run_command, say, shell_line, warn
from distill_jax.errors import InputError, MissingInputError
from distill_jax.extras import require_extra
from distill_jax.files import atomic_write, real_place
from distill_jax.locks import sole_writer
from distill_jax.options import Flag, Range, check_fields

if TYPE_CHECKING:
    from distill_jax.packing.loss import MetricLoss, SplitLoss
    from distill_jax.packing.pack import Packed

_SUFFIX = ".djx"


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to pack, and how small."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run folder, as python -m distill_jax.train writes it."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: RUN.djx)")] = None
    """The file to write; it ends in .djx. A packed file that lies there is replaced."""
    export: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the run's own, where it still lies)")
    ] = None
    """The export that the student was trained on: its texts say what may go, and its rows what that costs."""
    max_bytes: Annotated[
        int | None,
        Range(1, 2**40),
        tyro.conf.arg(metavar="N", help_behavior_hint="(default: the smallest within --max-loss)"),
    ] = None
    """The largest file."""
    max_loss: Annotated[float, Range(0, 100)] = 0.3
    """What may be lost of the first metric (accuracy), in points of a hundred."""
    licence: Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="(default: says nothing)")] = None
    """What the file says of how it may be used, such as Apache-2.0."""
    force: Annotated[bool, Flag()] = False
    """Write the file though the loss is clear and larger than asked, or cannot be measured."""

    def __post_init__(self) -> None:
        check_fields(self)


def main() -> None:
    """Parse the command line, pack, say what it costs, write."""
    arguments = parse_options(
        Arguments,
        None,
        prog="python -m distill_jax.pack",
        description=(
            "Make one small file of a trained student: it answers with NumPy and tokenizers alone (distill_jax.load, "
            "python -m distill_jax.predict --model). What that costs is measured and said before the file is written."
        ),
    )
    require_extra("train", "packing")
    output = _output(arguments)
    export = _export(arguments)
    from distill_jax.jax_setup import configure_jax
    from distill_jax.packing.pack import pack

    configure_jax()
    packed = pack(
        arguments.run,
        export,
        max_bytes=arguments.max_bytes,
        max_loss=arguments.max_loss,
        licence=arguments.licence,
        on_level=_say_level,
    )
    if packed.is_chosen_by_training_rows:
        warn(
            "the export has no validation split: training rows, which the student knows by heart, chose the size, and "
            "the file may lose another share on new texts (see the test rows) or be larger than it need be; "
            "--validation-fraction 0.1 of the export gives it one"
        )
    if unmet := packed.unmet(arguments.max_loss):
        warn(f"warning: {unmet}")
    for line in _said(packed):
        say(line)
    lossy = packed.too_lossy(arguments.max_loss)
    if lossy is not None and not arguments.force:
        raise InputError(
            f"{output}: not written: {lossy.clear_fall}, more than the {arguments.max_loss:g} of --max-loss; give a "
            "larger --max-bytes or --max-loss, or --force"
        )
    with sole_writer(output, "packed file"):
        _require_replaceable(output)
        with atomic_write(output) as stream:
            stream.write(packed.content)
    say(f"wrote {output} ({packed.bytes:,} bytes; the run's weights and tokenizer: {packed.run_bytes:,})")
    say("it answers with:")
    for line in _ways(output):
        say(f"  {line}")


def _ways(output: Path) -> list[str]:
    """Return three ways to use a packed file, to paste; ``pip install distill-jax`` is enough for the first two."""
    text, path = "What a lovely film.", path_word(output)
    predict, serve = (
        ["python", "-m", "distill_jax.predict", "--model", path],
        ["python", "-m", "distill_jax.serve", path],
    )
    code = f"import distill_jax; print(distill_jax.load({json.dumps(str(output))}).predict([{json.dumps(text)}]))"
    return [
        f"echo {shlex.quote(text)} | {shell_line(predict)}",
        shell_line(["python", "-c", code]),
        f"{shell_line(serve)}    # the extra serve",
    ]


def _output(arguments: Arguments) -> Path:
    run = arguments.run
    if not run.is_dir():
        raise MissingInputError(f"run folder {run}: there is no such folder; name one that distill_jax.train wrote")
    output = arguments.output or run.absolute().with_name(run.absolute().name + _SUFFIX)
    if output.suffix != _SUFFIX:
        raise InputError(f"--output {output}: expected a name that ends in {_SUFFIX}")
    output = real_place(output, "packed file")
    _require_replaceable(output)
    return output


def _require_replaceable(output: Path) -> None:
    """Refuse to replace what is no packed file."""
    from distill_jax.packed.container import is_container

    if output.exists() and not (output.is_file() and is_container(output)):  # a pipe would be waited for
        raise InputError(f"--output {output}: something lies there that is no packed file; name another")


def _export(arguments: Arguments) -> Path | None:
    """Return the export to measure by: the one that is named, or the run's own where it still lies."""
    if arguments.export is not None:
        return arguments.export
    from distill_jax.runs.folder import export_path, read_config

    path = export_path(arguments.run)
    if path is not None:
        return path
    if not arguments.force:
        named = read_config(arguments.run)["export"].get("path")
        raise InputError(
            f"{arguments.run}: the export that it was trained on ({named or 'unknown'}) is not there, so "
            "that nothing says what may go, nor what it costs; name it (--export), or pack it whole and unmeasured "
            "(--force)"
        )
    warn("there is no export: nothing is left out, and nothing is measured")
    return None


def _say_level(level: int, points: float) -> None:
    say(f"size {level + 1}: {points:+.2f} points lost".replace("-", "−"))


def _said(packed: "Packed") -> list[str]:
    lines = []
    for loss in packed.losses:
        lines += ["", *_split_lines(loss)]
    for split, (before, after) in packed.student.facts.get("calibration_errors", {}).items():
        temperature = packed.student.decision["temperature"]
        lines.append(
            f"calibration error on the {split} rows: {before:.3f}, at temperature {temperature:.2f} {after:.3f}"
        )
    return [*lines, ""] if lines else []


def _shown(score: float | None) -> str:
    return "–" if score is None or not math.isfinite(score) else f"{score:.4f}"


def _change(metric: "MetricLoss") -> str:
    found = metric.change.interval
    if not math.isfinite(found.value):
        return "–"
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})".replace("-", "−")


def _split_lines(loss: "SplitLoss") -> list[str]:
    lines = [f"{loss.split}: {loss.rows:,} rows; intervals are of 95 %, by bootstrap over the rows"]
    if loss.metrics:
        rows = [
            [metric.title, _shown(metric.before), _shown(metric.after), _change(metric), _shown(metric.teacher)]
            for metric in loss.metrics
        ]
        lines.append(format_table(("", "before", "packed", "change", "teacher"), rows))
    if loss.agreement is not None:
        lines.append(f"the same answer as before for {100 * loss.agreement:.1f} % of the rows")
    if loss.teacher_agreement is not None:
        before, after = (100 * share for share in loss.teacher_agreement)
        lines.append(f"the teacher's answer for {before:.1f} % before, {after:.1f} % packed")
    if loss.expected is not None:
        lost = f"{100 * loss.expected:+.2f}".replace("-", "−")
        lines.append(f"lost if the student’s own probabilities are the truth: {lost} points")
    return lines


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
