"""What a student and its training can be told: frozen dataclasses, every default of the JAX half in this one place."""

import dataclasses
import math
from typing import Any, Literal

from distill_jax.errors import InputError, require_range
from distill_jax.recipes import RECIPES

StudentName = Literal["cnn", "fasttext", "bilstm", "ensemble"]
Pooling = Literal["padded", "masked", "mean-max-min"]
States = Literal["max", "last"]
OptimizerName = Literal["adam", "sgd"]
LossMean = Literal["batches", "examples"]
SoftLoss = Literal["mse", "kl"]
Schedule = Literal["step", "cosine"]
RecipeName = Literal["best", "notebook"]

MODEL_NAMES = {"cnn": "CNN", "fasttext": "Linear", "bilstm": "BiLSTM", "ensemble": "Ensemble"}
_LONGEST_NGRAM = 5


@dataclasses.dataclass(frozen=True)
class StudentConfig:
    """A student's architecture.

    Attributes:
        name: ``cnn`` (Kim 2014), ``fasttext`` (Joulin et al. 2016), ``bilstm`` (Tang et al. 2019), or ``ensemble``: the
            logits of the CNN and of a bag of n-grams, added up.
        vocab_size: rows of the embedding table.
        num_labels: classes.
        pad_id: the token id that fills short texts up.
        embedding_dim: width of the embedding.
        dropout: share of the CNN's pooled features, or of the BiLSTM's ReLU layer, set to zero in training; the linear
            student has none.
        pooling: ``padded`` treats padding as text, as the notebook does: the linear student divides by the padded
            length, the CNN's maximum runs over the padding too. ``masked`` sees real tokens alone: a text gets the
            same logits alone, padded further, or in any batch. ``mean-max-min`` gives the linear student the largest
            and the smallest of each of the embeddings' numbers too, of real tokens alone. The BiLSTM sees real tokens
            alone whatever this says.
        filter_heights: heights of the CNN's filters, in tokens.
        filters: filters of each height.
        ngrams: the longest run of tokens that the bag of the linear student and of the ensemble sees as one; 1 = single
            tokens alone.
        buckets: rows of the table that the longer runs are hashed into.
        hidden: the BiLSTM's units in each direction.
        dense: units of its ReLU layer.
        states: which of its states the features are: ``max``, their maximum over time, or ``last``, each direction's
            last one (Tang et al. 2019).
    """

    name: StudentName
    vocab_size: int
    num_labels: int
    pad_id: int = 0
    embedding_dim: int = 50
    dropout: float = 0.5
    pooling: Pooling = "padded"
    filter_heights: tuple[int, ...] = (3, 4, 5)
    filters: int = 100
    ngrams: int = 1
    buckets: int = 0
    hidden: int = 150
    dense: int = 200
    states: States = "max"

    def __post_init__(self) -> None:
        if self.name not in MODEL_NAMES:
            raise InputError(f"student: expected one of {', '.join(MODEL_NAMES)}, got {self.name!r}")
        if self.pooling not in ("padded", "masked", "mean-max-min"):
            raise InputError(f"pooling: expected padded, masked or mean-max-min, got {self.pooling!r}")
        require_range("vocab_size", self.vocab_size, 1, 2**31 - 1)
        require_range("num_labels", self.num_labels, 2, 2**31 - 1)
        require_range("pad_id", self.pad_id, 0, self.vocab_size - 1)
        require_range("embedding_dim", self.embedding_dim, 1, 65_536)
        require_range("filters", self.filters, 1, 65_536)
        require_range("hidden", self.hidden, 1, 65_536)
        require_range("dense", self.dense, 1, 65_536)
        if self.states not in ("max", "last"):
            raise InputError(f"states: expected max or last, got {self.states!r}")
        require_range("dropout", self.dropout, 0, 0.99)
        if not self.filter_heights or min(self.filter_heights) < 1:
            raise InputError(f"filter_heights: expected numbers of tokens from 1 on, got {self.filter_heights}")
        self._check_ngrams()

    def _check_ngrams(self) -> None:
        require_range("ngrams", self.ngrams, 1, _LONGEST_NGRAM)
        require_range("buckets", self.buckets, 0, 2**31 - 1 - self.vocab_size)
        if self.pooling == "mean-max-min" and self.name != "fasttext":
            raise InputError(f"pooling: mean-max-min is for fasttext alone, got it for {self.name}")
        if self.ngrams > 1 and self.name not in ("fasttext", "ensemble"):
            raise InputError(f"ngrams: {self.name} has no bag of n-grams, expected 1, got {self.ngrams}")
        if self.pooling == "padded" and (self.ngrams > 1 or self.name == "ensemble"):
            raise InputError("pooling: padded is the notebook's, without n-grams; expected masked")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How a student is trained.

    Attributes:
        student: which student; it decides the model's name in the history.
        distil: learn from the teacher's logits instead of the labels (cross-entropy).
        alpha: with ``distil``, the weight of the labels' cross-entropy (Tang et al. 2019: L = α·CE + (1−α)·soft).
        soft_loss: with ``distil``, ``mse`` on logits (Tang 2019) or ``kl`` at a temperature (Hinton 2015).
        temperature: of ``kl``.
        standardised: give both sides' logits mean 0 and deviation 1 first (Sun et al. 2024).
        transfer: with ``distil``, learn from the export's split ``transfer`` too, where it has one.
        transfer_share: with ``transfer``, the share of that split's rows that is learnt from, drawn by ``seed``.
        transfer_passes: with ``transfer``, how often that split is gone through in the whole training, an equal part in
            each epoch; 0 = once an epoch, like the training rows.
        recipe: the set of choices that this configuration came from.
        epochs: passes over the training split.
        batch_size: rows a step.
        optimizer: ``adam`` (betas 0.9 and 0.999, eps 1e-8) or ``sgd`` (no momentum).
        learning_rate: the first epoch's rate.
        schedule: ``step`` multiplies the rate by ``learning_rate_decay`` after every epoch; ``cosine`` lets it fall to
            0 along half a cosine over all epochs.
        learning_rate_decay: the rate's factor after every epoch, with ``step``.
        clip_norm: gradients of a larger global norm are scaled down to it; 0 = never.
        shuffle: take the rows in another order every epoch, with texts of like length in a batch.
        patience: stop after so many epochs without a better validation score; 0 = never. Needs a validation split.
        embeddings: where the token embeddings start: ``random``, ``teacher`` (principal components of the teacher's
            own table), or the path of a word2vec text file.
        loss_mean: ``batches`` averages an epoch's batch means, as the notebook does; ``examples`` counts each row once.
        seed: decides the initial parameters and the dropout.
    """

    student: StudentName
    distil: bool = False
    alpha: float = 0.0
    soft_loss: SoftLoss = "mse"
    temperature: float = 1.0
    standardised: bool = False
    transfer: bool = False
    transfer_share: float = 1.0
    transfer_passes: int = 0
    recipe: RecipeName = "notebook"
    epochs: int = 5
    batch_size: int = 32
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-3
    schedule: Schedule = "step"
    learning_rate_decay: float = 1.0
    clip_norm: float = 0.0
    shuffle: bool = False
    patience: int = 0
    embeddings: str = "random"
    loss_mean: LossMean = "batches"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.student not in MODEL_NAMES:
            raise InputError(f"--student: expected one of {', '.join(MODEL_NAMES)}, got {self.student!r}")
        require_range("--epochs", self.epochs, 1, 100_000)
        require_range("--batch-size", self.batch_size, 1, 65_536)
        require_range("--learning-rate", self.learning_rate, 0, 1e6, low_open=True)
        require_range("--learning-rate-decay", self.learning_rate_decay, 0, 1, low_open=True)
        require_range("--alpha", self.alpha, 0, 1)
        require_range("--temperature", self.temperature, 0, 1000, low_open=True)
        require_range("--transfer-share", self.transfer_share, 0, 1, low_open=True)
        require_range("--clip-norm", self.clip_norm, 0, float("inf"))
        require_range("--patience", self.patience, 0, 100_000)
        require_range("--seed", self.seed, 0, 2**31 - 1)
        if not self.distil and (self.soft_loss != "mse" or self.standardised or self.transfer):
            raise InputError(
                "--soft-loss, --standardised and --transfer go with --distil: labels alone have no soft loss"
            )
        require_range("--transfer-passes", self.transfer_passes, 0, 100_000)
        if self.transfer_share != 1 and not self.transfer:
            raise InputError(f"--transfer-share {self.transfer_share:g} goes with --distil --transfer")
        if self.transfer_passes and not self.transfer:
            raise InputError(f"--transfer-passes {self.transfer_passes} goes with --distil --transfer")
        if self.clip_norm and self.optimizer == "sgd":
            raise InputError(
                "--clip-norm does not go with --student fasttext: the linear student's sparse steps are not clipped"
            )
        if self.alpha and not self.distil:
            raise InputError(f"--alpha {self.alpha:g} goes with --distil: training on labels alone has no soft loss")
        for name, known in (
            ("optimizer", ("adam", "sgd")),
            ("soft_loss", ("mse", "kl")),
            ("schedule", ("step", "cosine")),
        ):
            if getattr(self, name) not in known:
                raise InputError(f"{name}: expected {' or '.join(known)}, got {getattr(self, name)!r}")

    @classmethod
    def of_recipe(
        cls, recipe: RecipeName, student: StudentName, *, distil: bool = False, **changes: Any
    ) -> "TrainConfig":
        """Return a recipe's configuration for a student; ``changes`` replace fields (``epochs=3``, …).

        Raises:
            InputError: no such recipe or student, or a value is out of range.
        """
        if recipe not in RECIPES:
            raise InputError(f"--recipe: expected one of {', '.join(RECIPES)}, got {recipe!r}")
        if student not in RECIPES[recipe]:
            raise InputError(f"student: expected one of {', '.join(RECIPES[recipe])}, got {student!r}")
        values = RECIPES[recipe][student]
        fields = {**values.train, **(values.distilled if distil else {}), **changes}
        return cls(**{**fields, "student": student, "distil": distil, "recipe": recipe})

    @classmethod
    def notebook(cls, student: StudentName, *, distil: bool = False, **changes: Any) -> "TrainConfig":
        """Return the notebook's configuration for a student; ``changes`` replace fields (``epochs=3``, …)."""
        return cls.of_recipe("notebook", student, distil=distil, **changes)

    @property
    def model_name(self) -> str:
        """The name in the history's ``model`` column: ``CNN``, ``Linear (distilled)``, …."""
        return MODEL_NAMES[self.student] + (" (distilled)" if self.distil else "")

    @property
    def takes_sparse_steps(self) -> bool:
        """Whether a step touches its tokens' rows alone, in a loop that is faster fused (``jax_setup``)."""
        return self.student == "fasttext" and self.optimizer == "sgd"

    def learning_rate_at(self, epoch: int, fraction: float = 0.0) -> float:
        """Return the learning rate after ``epoch`` epochs and a ``fraction`` of the next one.

        With ``step`` the rate is the same all through an epoch.
        """
        if self.schedule == "step":
            return self.learning_rate * self.learning_rate_decay**epoch
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch + fraction) / self.epochs))
