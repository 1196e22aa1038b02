"""How a student is trained: a frozen dataclass whose fields are the command line's options."""

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from distill_jax.class_weights import named_weights
from distill_jax.errors import InputError
from distill_jax.options import Choice, Metavar, Range, check_fields
from distill_jax.recipes import DEFAULT_RECIPE, NOTEBOOK, RECIPE_NAMES
from distill_jax.students.config import StudentConfig
from distill_jax.students.registry import student_kind, student_names
from distill_jax.tasks import SoftLoss

if TYPE_CHECKING:
    import numpy as np

LossMean = Literal["batches", "examples"]
OptimizerName = Literal["adam", "sgd"]
Schedule = Literal["step", "cosine"]
_HINTED = 0.7  # of the training


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How a student is trained. The defaults of all options follow from --student, --recipe and --distil."""

    student: Annotated[str, Metavar("{" + ",".join(student_names()) + "}")]
    """cnn: Kim 2014; fasttext: the linear model of Joulin et al. 2016; dan: a bag of n-grams with
    a hidden layer, Ye et al. 2022; bilstm: Tang et al. 2019; ensemble: cnn and a bag of n-grams."""
    distil: bool = False
    """Learn from the teacher's logits instead of the labels."""
    recipe: Annotated[str, Choice((*RECIPE_NAMES, "")), Metavar("{" + ",".join(RECIPE_NAMES) + "}")] = ""
    """best: the best found for each student (docs/results.md); notebook: what the PyTorch notebook does."""
    alpha: Annotated[float, Range(0, 1)] = 0.0
    """With --distil, the weight of the labels' cross-entropy; the rest goes to the soft loss (Tang et al. 2019)."""
    soft_loss: SoftLoss = "mse"
    """With --distil, how the logits are compared: mean squared error (Tang et al. 2019), or Kullback-Leibler
    divergence at a temperature (Hinton et al. 2015)."""
    temperature: Annotated[float, Range(0, 1000, low_open=True)] = 1.0
    """Of --soft-loss kl; the higher, the more the small probabilities count."""
    standardised: bool = False
    """With --distil, give both sides' logits mean 0 and deviation 1 first (Sun et al. 2024)."""
    class_weights: Annotated[str, Metavar("{balanced,NAME=3,…}")] = ""
    """What a row's loss is multiplied by, for classes that are rarer than they matter: balanced, every class weighs the
    same in all; or a weight for some classes by their names (billing=3,legal=0.5), 1 for the others."""
    hint_weight: Annotated[float, Range(0, 1000)] = 0.0
    """With --distil, how much it counts at first, beside the logits, to say what a context adds to each token in the
    teacher (Romero et al. 2015); it falls to 0 along seven tenths of the training. For bilstm, and an export with
    --hint-width."""
    transfer: bool = False
    """With --distil, learn from the export's transfer split too, where it has one."""
    transfer_share: Annotated[float, Range(0, 1, low_open=True)] = 1.0
    """With --transfer, how much of that split: this share of its rows, drawn by --seed."""
    transfer_passes: Annotated[int, Range(0, 100_000)] = 0
    """With --transfer, passes over that split in the whole training, an equal part each epoch; 0: one every epoch. Of
    few rows the best recipe takes more."""
    epochs: Annotated[int, Range(1, 100_000)] = 5
    """Passes over the training split; of few rows the best recipe takes more, for enough steps."""
    batch_size: Annotated[int, Range(1, 65_536)] = 32
    """Rows a step."""
    optimizer: OptimizerName = "adam"
    """adam (betas 0.9 and 0.999, eps 1e-8), or sgd without momentum, whose steps touch only the rows of
    fasttext's or dan's table that the texts use."""
    learning_rate: Annotated[float, Range(0, 1e6, low_open=True)] = 1e-3
    """The first epoch's learning rate."""
    schedule: Schedule = "step"
    """step: --learning-rate-decay after every epoch; cosine: down to 0 along half a cosine over all epochs."""
    learning_rate_decay: Annotated[float, Range(0, 1, low_open=True)] = 1.0
    """With --schedule step, the rate's factor after every epoch."""
    clip_norm: Annotated[float, Range(0)] = 0.0
    """Scale gradients of a larger global norm down to it; 0 never does."""
    shuffle: bool = False
    """Take the rows in another order every epoch, with texts of like length in a batch."""
    patience: Annotated[int, Range(0, 100_000)] = 0
    """Stop after so many epochs without a better validation score (loss with --distil, else macro F1, or the
    task's own); 0 never does. Needs a validation split."""
    embeddings: str = "random"
    """Where the token embeddings start: random, teacher (principal components of what the export has of the
    teacher), or a word2vec text file's path."""
    huber: Annotated[float, Range(0, 1000)] = 0.0
    """Of scores, errors beyond so many of the training scores' deviations count linearly (Huber 1964); 0: none do."""
    memory: Annotated[str, Metavar("{2GB,…}")] = ""
    """The memory that the training may take, such as 2GB. Rows that do not fit are read from the export part by part,
    and shuffled among those that are in memory together; without it all rows are."""
    devices: Annotated[int, Range(1, 65_536)] = 1
    """How many devices share a batch's rows (data parallel), those of all processes together."""
    loss_mean: LossMean = "batches"
    """How an epoch's losses are averaged: batches, each batch's mean counts alike, as in the notebook; examples, each
    row does."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0
    """Decides the initial parameters, the order and the dropout."""

    def __post_init__(self) -> None:
        student_kind(self.student)
        check_fields(self)
        named_weights(self.class_weights)
        bytes_of(self.memory)
        self._check_distillation()
        if self.transfer_passes > self.epochs:
            raise InputError(
                f"--transfer-passes: expected at most one an epoch ({self.epochs}), got {self.transfer_passes}; give "
                "more --epochs"
            )
        if self.batch_size % self.devices:
            raise InputError(
                f"--devices {self.devices}: expected a number that divides --batch-size {self.batch_size}: each takes "
                "as many rows"
            )
        if self.learning_rate_decay != 1 and self.schedule != "step":
            raise InputError(
                f"--learning-rate-decay {self.learning_rate_decay:g} goes with --schedule step, got {self.schedule}"
            )

    def _check_distillation(self) -> None:
        needs_teacher = {
            "--alpha": self.alpha != 0,
            "--soft-loss": self.soft_loss != "mse",
            "--temperature": self.temperature != 1,
            "--standardised": self.standardised,
            "--hint-weight": self.hint_weight != 0,
            "--transfer": self.transfer,
        }
        given = [option for option, differs in needs_teacher.items() if differs]
        if given and not self.distil:
            raise InputError(f"{given[0]} goes with --distil: training on labels alone has no soft loss")
        if self.temperature != 1 and self.soft_loss != "kl":
            raise InputError(f"--temperature {self.temperature:g} goes with --soft-loss kl, got {self.soft_loss}")
        if self.alpha == 1 and (self.soft_loss != "mse" or self.standardised):
            raise InputError("--alpha 1 leaves the soft loss out: expected no --soft-loss kl and no --standardised")
        if not self.transfer and self.transfer_share != 1:
            raise InputError(f"--transfer-share {self.transfer_share:g} goes with --distil --transfer")
        if not self.transfer and self.transfer_passes:
            raise InputError(f"--transfer-passes {self.transfer_passes} goes with --distil --transfer")

    @classmethod
    def of_recipe(cls, recipe: str, student: str, *, distil: bool = False, **changes: Any) -> "TrainConfig":
        """Return a recipe's configuration for a student; ``changes`` replace fields (``epochs=3``, …).

        The recipe's passes over the transfer set go where there is none (``transfer=False``), and are never more than
        the epochs.

        Raises:
            InputError: no such recipe or student, or a value is out of range.
        """
        fields = {**student_kind(student).recipe(recipe).training(distil=distil), **changes}
        if "transfer_passes" not in changes:
            passes = fields.get("transfer_passes", 0) if fields.get("transfer", False) else 0
            fields["transfer_passes"] = min(passes, fields["epochs"])
        return cls(**{**fields, "student": student, "distil": distil, "recipe": recipe})

    @classmethod
    def notebook(cls, student: str, *, distil: bool = False, **changes: Any) -> "TrainConfig":
        """Return the notebook's configuration for a student; ``changes`` replace fields (``epochs=3``, …)."""
        return cls.of_recipe(NOTEBOOK, student, distil=distil, **changes)

    @property
    def model_name(self) -> str:
        """The name in the history's ``model`` column: ``CNN``, ``Linear (distilled)``, …."""
        return student_kind(self.student).title + (" (distilled)" if self.distil else "")

    @property
    def can_go_on(self) -> bool:
        """Whether further epochs go on with a finished run: nothing in it looked ahead to the last epoch."""
        return self.schedule == "step" and not self.transfer_passes and not self.hint_weight

    def learning_rate_at(self, epoch: int, fraction: float = 0.0) -> float:
        """Return the learning rate after ``epoch`` epochs and a ``fraction`` of the next one.

        With ``step`` the rate is the same all through an epoch.
        """
        if self.schedule == "step":
            return self.learning_rate * self.learning_rate_decay**epoch
        import numpy as np

        return float(self._cosine(np.float64(epoch + fraction)))

    def learning_rates(self, epoch: int, steps: int) -> "np.ndarray":
        """Return the learning rate of each step of an epoch, float64 [steps]."""
        import numpy as np

        if self.schedule == "step":
            return np.full(steps, self.learning_rate_at(epoch))
        return self._cosine(epoch + np.arange(steps) / steps)

    def hint_weights(self, epoch: int, steps: int) -> "np.ndarray":
        """Return the weight of hints in each step of an epoch, float64 [steps]: along a line down to 0."""
        import numpy as np

        done = (epoch + np.arange(steps) / steps) / self.epochs
        return self.hint_weight * np.maximum(0, 1 - done / _HINTED)

    def _cosine(self, done: "np.ndarray | np.float64") -> "np.ndarray":
        """Return the rates after ``done`` epochs, along half a cosine down to 0."""
        import numpy as np

        return np.asarray(self.learning_rate * 0.5 * (1 + np.cos(np.pi * done / self.epochs)))


def bytes_of(memory: str) -> int:
    """Return how many bytes a size is, such as ``2GB``; 0 for an empty word.

    Raises:
        InputError: it is no size.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s?([KMGT])i?B", memory)
    size = int(float(found[1]) * 1000 ** (1 + "KMGT".index(found[2]))) if found else 0
    if memory and not size:
        raise InputError(f"--memory {memory}: expected a number above 0 and MB, GB or TB, such as 2GB")
    return size


def train_config(student: str, *, distil: bool = False, recipe: str = DEFAULT_RECIPE, **changes: Any) -> TrainConfig:
    """Return what the command line trains with for these options: the recipe's choices with ``changes`` in place."""
    return TrainConfig.of_recipe(recipe, student, distil=distil, **changes)


def check_training(student: StudentConfig, train: TrainConfig) -> None:
    """Raise ``InputError`` where a student cannot be trained as a configuration says."""
    if train.student != student.name:
        raise InputError(f"config.student: expected {student.name!r}, the student's, got {train.student!r}")
    if train.devices > 1 and student.takes_sparse_steps(train.optimizer):
        raise InputError(
            f"--devices {train.devices} does not go with --student {student.name} --optimizer {train.optimizer}, whose "
            "steps follow one another on one processor; expected 1, or --optimizer adam"
        )
    if train.hint_weight and not student.token_state_width:
        raise InputError(
            f"--hint-weight {train.hint_weight:g} does not go with --student {student.name}, which has no state at "
            "each token; expected 0"
        )
    if train.clip_norm and student.takes_sparse_steps(train.optimizer):
        raise InputError(
            f"--clip-norm {train.clip_norm:g} does not go with the sparse steps of --student {student.name} "
            f"--optimizer {train.optimizer}; expected 0, or --optimizer adam"
        )
