"""``python -m distill_jax.train``: train one student from an export folder."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from distill_jax.config import (
    OptimizerName,
    Pooling,
    RecipeName,
    Schedule,
    SoftLoss,
    States,
    StudentConfig,
    StudentName,
    TrainConfig,
)
from distill_jax.console import run_command
from distill_jax.errors import InputError, require_range
from distill_jax.recipes import DEFAULT_RECIPE, RECIPES

_Flag = tyro.conf.FlagCreatePairsOff


@dataclasses.dataclass(frozen=True)
class ChoiceOptions:
    """What is trained; the defaults of all other options follow from these three."""

    student: StudentName = "cnn"
    """cnn: Kim 2014; fasttext: the linear model of Joulin et al. 2016; bilstm: Tang et al. 2019; ensemble: cnn and a
    bag of n-grams."""
    distil: Annotated[bool, _Flag] = False
    """Learn from the teacher's logits instead of the labels."""
    recipe: RecipeName = DEFAULT_RECIPE
    """best: the best found for each student (docs/results.md); notebook: what the PyTorch notebook does."""


@dataclasses.dataclass(frozen=True)
class StudentOptions:
    """The student's architecture."""

    embedding_dim: int = 50
    """Width of the token embeddings."""
    embeddings: str = "random"
    """Where they start: random, teacher (principal components of the teacher's own), or a word2vec text file's path."""
    filter_heights: tuple[int, ...] = (3, 4, 5)
    """Heights of the CNN's filters, in tokens."""
    filters: int = 100
    """The CNN's filters of each height."""
    dropout: float = 0.5
    """Share of the CNN's features dropped in training; fasttext has no dropout."""
    pooling: Pooling = "padded"
    """padded: padding counts as text, as in the notebook; masked: real tokens only, whatever the padding;
    mean-max-min (fasttext): of real tokens, beside the mean, the largest and smallest of each number."""
    ngrams: int = 1
    """The longest run of tokens that fasttext's bag, and the ensemble's, sees as one; 1: single tokens alone."""
    buckets: int = 0
    """Rows of the table that these runs are hashed into."""
    hidden: int = 150
    """The BiLSTM's units in each direction."""
    dense: int = 200
    """Units of the BiLSTM's ReLU layer."""
    states: States = "max"
    """What the BiLSTM's features are: max, its states' maximum over time; last, each direction's last state."""


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """How it learns."""

    alpha: float = 0.0
    """With --distil, the weight of the labels' cross-entropy, 0 to 1; the rest goes to the teacher's logits."""
    soft_loss: SoftLoss = "mse"
    """With --distil, how the logits are compared: mean squared error, or Kullback-Leibler at --temperature."""
    temperature: float = 1.0
    """With --soft-loss kl, what both sides' logits are divided by; the higher, the more small probabilities count."""
    standardised: bool = False
    """With --distil, give both sides' logits mean 0 and deviation 1 first."""
    transfer: bool = False
    """With --distil, learn from the export's transfer split too, where it has one."""
    transfer_share: float = 1.0
    """With --transfer, how much of that split: this share of its rows, drawn by --seed."""
    transfer_passes: int = 0
    """With --transfer, passes over that split in the whole training, an equal part each epoch; 0: one every epoch."""
    epochs: int = 5
    """Passes over the training split."""
    batch_size: int = 32
    """Rows a step."""
    optimizer: OptimizerName = "adam"
    """adam, or sgd without momentum, which for fasttext touches only the rows of the tokens at hand."""
    learning_rate: float = 1e-3
    """The first epoch's learning rate."""
    schedule: Schedule = "step"
    """step: --learning-rate-decay after every epoch; cosine: down to 0 along half a cosine over all epochs."""
    learning_rate_decay: float = 1.0
    """With --schedule step, the rate's factor after every epoch."""
    clip_norm: float = 0.0
    """Scale gradients of a larger global norm down to it (not for fasttext); 0 never does."""
    shuffle: bool = False
    """Take the rows in another order every epoch, with texts of like length in a batch."""
    patience: int = 0
    """Stop after so many epochs without a better validation score (loss with --distil, else macro F1); 0 never does.
    Needs a validation split."""
    seed: int = 0
    """Decides the initial parameters, the order and the dropout."""
    seeds: int = 1
    """Train so many students, of --seed and the following ones, and report their mean and spread."""


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """From where, to where."""

    export: Path = Path("exports/demo")
    """The export folder, as python scripts/export_logits.py writes it."""
    workdir: Annotated[
        Path | None,
        tyro.conf.arg(metavar="PATH", help_behavior_hint="(default: runs/<the export's name>/<student>[-distil])"),
    ] = None
    """The run folder."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with an unfinished run; where there is none, start one."""
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Delete the run that is there and train it again."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Everything the command line takes."""

    choice: ChoiceOptions = dataclasses.field(default_factory=ChoiceOptions)
    student: StudentOptions = dataclasses.field(default_factory=StudentOptions)
    train: TrainOptions = dataclasses.field(default_factory=TrainOptions)
    files: FileOptions = dataclasses.field(default_factory=FileOptions)


def recipe_defaults(words: Sequence[str]) -> Arguments:
    """Return the defaults of a command line: what its recipe says for its student.

    Only the three options that decide are looked at, and forgivingly: the real parser reports what is wrong.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--student", default="cnn")
    parser.add_argument("--recipe", default=DEFAULT_RECIPE)
    parser.add_argument("--distil", action="store_true")
    try:
        found, _ = parser.parse_known_args(list(words))
    except argparse.ArgumentError:
        return Arguments()
    recipe = RECIPES.get(found.recipe, {}).get(found.student)
    if recipe is None:
        return Arguments()
    values = {**recipe.student, **recipe.train, **(recipe.distilled if found.distil else {})}

    def options(kind: Any) -> Any:
        names = {field.name for field in dataclasses.fields(kind)}
        return kind(**{name: value for name, value in values.items() if name in names})

    choice = ChoiceOptions(found.student, recipe=found.recipe)
    return Arguments(choice, options(StudentOptions), options(TrainOptions))


def train_config(arguments: Arguments) -> TrainConfig:
    """Return the training that the arguments describe: the recipe's, with what was given in its place.

    Raises:
        InputError: a value is out of range, or options exclude each other.
    """
    options, choice = dataclasses.asdict(arguments.train), arguments.choice
    require_range("--seeds", options.pop("seeds"), 1, 1000)
    recipe = RECIPES[choice.recipe][choice.student]
    if not options["transfer"] and options["transfer_passes"] == recipe.distilled.get("transfer_passes"):
        options["transfer_passes"] = 0  # the recipe's, not the user's: --no-transfer alone is enough
    embeddings = arguments.student.embeddings
    return TrainConfig.of_recipe(choice.recipe, choice.student, distil=choice.distil, **options, embeddings=embeddings)


def student_options(options: StudentOptions) -> dict[str, Any]:
    """Return the fields of ``StudentConfig`` that the arguments give.

    Raises:
        InputError: n-grams without buckets, or the other way round.
    """
    if options.embedding_dim < 1:
        raise InputError(f"--embedding-dim: expected at least 1, got {options.embedding_dim}")
    if (options.ngrams > 1) != (options.buckets > 0):
        raise InputError(
            f"--ngrams and --buckets go together: expected --buckets with --ngrams 2 or more, and 0 without, got "
            f"--ngrams {options.ngrams} --buckets {options.buckets}"
        )
    fields = {field.name for field in dataclasses.fields(StudentConfig)}
    return {name: value for name, value in dataclasses.asdict(options).items() if name in fields}


def default_workdir(export: Path, config: TrainConfig) -> Path:
    """Return ``runs/<the export's name>/<student>[-distil]``."""
    return Path("runs") / export.absolute().name / (config.student + ("-distil" if config.distil else ""))


def parse(words: Sequence[str]) -> Arguments:
    """Return the arguments of a command line, with the defaults of its recipe.

    Raises:
        SystemExit: help was asked for, or the words are wrong; what there is to say has been printed.
    """
    return tyro.cli(
        Arguments,
        args=words,
        default=recipe_defaults(words),
        prog="python -m distill_jax.train",
        description=(
            "Train a student from an export folder, on its labels or, with --distil, on its teacher's logits. "
            "The defaults shown are those of the chosen --student, --recipe and --distil."
        ),
        config=(tyro.conf.OmitArgPrefixes,),
    )


def main() -> None:
    """Parse the command line and train."""
    arguments = parse(sys.argv[1:])
    config = train_config(arguments)
    student = student_options(arguments.student)
    from distill_jax.jax_setup import configure_jax

    configure_jax(fused_loops=config.takes_sparse_steps)
    from distill_jax.train_run import TrainRun
    from distill_jax.train_seeds import train_seeds

    files = arguments.files
    train_seeds(
        TrainRun(
            export=files.export,
            workdir=files.workdir or default_workdir(files.export, config),
            train=config,
            student=student,
            resume=files.resume,
            overwrite=files.overwrite,
        ),
        arguments.train.seeds,
    )


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
