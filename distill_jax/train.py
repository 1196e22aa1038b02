"""``python -m distill_jax.train``: train one student from an export folder."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import tyro

from distill_jax.config import (
    NOTEBOOK_EPOCHS,
    Pooling,
    RecipeName,
    Schedule,
    SoftLoss,
    States,
    StudentName,
    TrainConfig,
    notebook_defaults,
)
from distill_jax.console import run_command
from distill_jax.errors import InputError


def _by_student(field: str, metavar: str) -> Any:
    """Return an option's settings for a value that the recipe gives for each student, said in the help."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {notebook_defaults(field)})")


@dataclasses.dataclass(frozen=True)
class StudentOptions:
    """Which student, and its architecture."""

    student: StudentName = "cnn"
    """cnn: Kim 2014; fasttext: the linear model of Joulin et al. 2016; bilstm: Tang et al. 2019."""
    embedding_dim: int = 50
    """Width of the token embeddings."""
    embeddings: str = "random"
    """Where they start: random, teacher (principal components of the teacher's own), or a word2vec text file's path."""
    filters: int = 100
    """The CNN's filters of each height (3, 4 and 5 tokens)."""
    hidden: int = 150
    """The BiLSTM's units in each direction."""
    dense: int = 200
    """Units of the BiLSTM's ReLU layer."""
    states: States = "max"
    """The BiLSTM's features: max, the maximum of its states over time; last, each direction's last state."""
    dropout: float = 0.5
    """Share of the CNN's or BiLSTM's features dropped in training; the linear student has no dropout."""
    pooling: Pooling = "padded"
    """padded: padding counts as text, as in the notebook; masked: real tokens only, as bilstm always does."""


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """How it learns."""

    distil: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Learn from the teacher's logits instead of the labels."""
    alpha: float = 0.0
    """With --distil, the weight of the labels' cross-entropy, 0 to 1; the rest goes to the teacher's logits."""
    soft_loss: SoftLoss = "mse"
    """With --distil, how the logits are compared: mean squared error, or Kullback-Leibler at --temperature."""
    temperature: float = 1.0
    """With --soft-loss kl, what both sides' logits are divided by; the higher, the more small probabilities count."""
    standardised: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """With --distil, give both sides' logits mean 0 and deviation 1 first."""
    transfer: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """With --distil, learn from the export's transfer split too, where it has one."""
    recipe: RecipeName = "notebook"
    """Where the defaults below come from."""
    epochs: int = NOTEBOOK_EPOCHS
    """Passes over the training split."""
    batch_size: Annotated[int | None, _by_student("batch_size", "INT")] = None
    """Rows a step."""
    learning_rate: Annotated[float | None, _by_student("learning_rate", "FLOAT")] = None
    """The first epoch's learning rate; cnn trains by Adam, fasttext by SGD."""
    schedule: Schedule = "step"
    """step: --learning-rate-decay after every epoch; cosine: down to 0 along half a cosine over all epochs."""
    learning_rate_decay: Annotated[float | None, _by_student("learning_rate_decay", "FLOAT")] = None
    """With --schedule step, the rate's factor after every epoch."""
    clip_norm: float = 0.0
    """Scale gradients of a larger global norm down to it (cnn); 0 never does."""
    shuffle: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Take the rows in another order every epoch, with texts of like length in a batch."""
    patience: int = 0
    """Stop after so many epochs without a better validation macro F1; 0 never does. Needs a validation split."""
    seed: int = 0
    """Decides the initial parameters and the dropout."""


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

    student: StudentOptions = dataclasses.field(default_factory=StudentOptions)
    train: TrainOptions = dataclasses.field(default_factory=TrainOptions)
    files: FileOptions = dataclasses.field(default_factory=FileOptions)


def train_config(arguments: Arguments) -> TrainConfig:
    """Return the training that the arguments describe: the recipe's, with what was given in its place.

    Raises:
        InputError: a value is out of range, or options exclude each other.
    """
    options = arguments.train
    given: dict[str, Any] = {
        name: value
        for name in ("batch_size", "learning_rate", "learning_rate_decay")
        if (value := getattr(options, name)) is not None
    }
    as_they_are = ("alpha", "soft_loss", "temperature", "standardised", "transfer", "epochs", "schedule", "clip_norm")
    given |= {name: getattr(options, name) for name in (*as_they_are, "shuffle", "patience", "seed")}
    return TrainConfig.notebook(
        arguments.student.student,
        distil=options.distil,
        embeddings=arguments.student.embeddings,
        **given,
    )


def default_workdir(export: Path, config: TrainConfig) -> Path:
    """Return ``runs/<the export's name>/<student>[-distil]``."""
    return Path("runs") / export.absolute().name / (config.student + ("-distil" if config.distil else ""))


def main() -> None:
    """Parse the command line and train."""
    arguments = tyro.cli(
        Arguments,
        prog="python -m distill_jax.train",
        description="Train a student from an export folder, on its labels or, with --distil, on its teacher's logits.",
        config=(tyro.conf.OmitArgPrefixes,),
    )
    config = train_config(arguments)
    options = arguments.student
    if options.embedding_dim < 1:
        raise InputError(f"--embedding-dim: expected at least 1, got {options.embedding_dim}")
    from distill_jax.jax_setup import configure_jax

    configure_jax()
    from distill_jax.train_run import TrainRun, train_run

    files = arguments.files
    train_run(
        TrainRun(
            export=files.export,
            workdir=files.workdir or default_workdir(files.export, config),
            train=config,
            student={
                "embedding_dim": options.embedding_dim,
                "filters": options.filters,
                "hidden": options.hidden,
                "dense": options.dense,
                "states": options.states,
                "dropout": options.dropout,
                "pooling": options.pooling,
            },
            resume=files.resume,
            overwrite=files.overwrite,
        )
    )


if __name__ == "__main__":
    run_command(main)
