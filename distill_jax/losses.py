"""Losses: one number per example. Averaging over a batch is the step's business."""

import dataclasses

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Shaped

from distill_jax.arrays import AnyArray
from distill_jax.config import TrainConfig
from distill_jax.tasks import SoftLoss
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task


def cross_entropy(logits: Float[AnyArray, "batch classes"], labels: Int[AnyArray, " batch"]) -> Float[Array, " batch"]:
    """Return −log softmax(logits)[label]."""
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)


def logit_mse(
    logits: Float[AnyArray, "batch classes"], teacher_logits: Float[AnyArray, "batch classes"]
) -> Float[Array, " batch"]:
    """Return the squared error of the raw logits, averaged over classes.

    References:
        Ba and Caruana 2014; Tang et al. 2019, equation 3.
    """
    return jnp.square(logits - teacher_logits).mean(axis=-1)


def kl_at_temperature(
    logits: Float[AnyArray, "batch classes"], teacher_logits: Float[AnyArray, "batch classes"], temperature: float
) -> Float[Array, " batch"]:
    """Return T² · KL(softmax(teacher_logits / T) ‖ softmax(logits / T)).

    The factor T² keeps the gradient's size when the temperature T changes.

    Args:
        logits: the student's.
        teacher_logits: raw.
        temperature: T, more than 0; the higher, the more the small probabilities count.

    References:
        Hinton, Vinyals and Dean 2015, section 2.
    """
    teacher = jax.nn.log_softmax(teacher_logits / temperature)
    student = jax.nn.log_softmax(logits / temperature)
    return temperature**2 * (jnp.exp(teacher) * (teacher - student)).sum(axis=-1)


def bernoulli_kl_at_temperature(
    logits: Float[AnyArray, "batch labels"], teacher_logits: Float[AnyArray, "batch labels"], temperature: float
) -> Float[Array, " batch"]:
    """Return T² · Σ KL(sigmoid(teacher_logits / T) ‖ sigmoid(logits / T)), the sum over the independent labels.

    Args:
        logits: the student's.
        teacher_logits: raw.
        temperature: T, more than 0.
    """
    teacher, student = jnp.asarray(teacher_logits) / temperature, jnp.asarray(logits) / temperature
    each = jax.nn.sigmoid(teacher) * (teacher - student) - jax.nn.softplus(teacher) + jax.nn.softplus(student)
    return temperature**2 * each.sum(axis=-1)


def standardise(logits: Float[AnyArray, "batch classes"]) -> Float[Array, "batch classes"]:
    """Return each row of logits with mean 0 and standard deviation 1 over the classes.

    The student then learns the teacher's ranking and its relative distances, not the size of its logits.

    References:
        Sun et al. 2024, "Logit standardization in knowledge distillation", equation 9.
    """
    centred = jnp.asarray(logits) - logits.mean(axis=-1, keepdims=True)
    return centred / jnp.sqrt(jnp.square(centred).mean(axis=-1, keepdims=True) + 1e-12)


def distillation(
    logits: Float[AnyArray, "batch classes"],
    labels: Shaped[AnyArray, " batch *labels"],
    teacher_logits: Float[AnyArray, "batch classes"],
    *,
    alpha: float = 0.0,
    soft: SoftLoss = "kl",
    temperature: float = 1.0,
    standardised: bool = False,
    task: Task = SINGLE_LABEL,
) -> Float[Array, " batch"]:
    """Return each example's loss: ``alpha · cross_entropy + (1 − alpha) · soft`` (``Objective``).

    Args:
        logits: the student's.
        labels: the task's; of classes −1 = unlabelled.
        teacher_logits: raw.
        alpha: the weight of the labels.
        soft: ``kl`` at a temperature, or ``mse`` on logits.
        temperature: of ``kl``.
        standardised: give both sides' logits mean 0 and deviation 1 before the soft term.
        task: of scores or several labels, the export's: ``export.manifest.labelling``.

    Raises:
        InputError: the soft loss means nothing for the task (a score has ``mse`` alone).

    Example:
        >>> import distill_jax as dj
        >>> import jax.numpy as jnp
        >>> logits = jnp.array([[1.0, 2.0]])
        >>> float(dj.losses.distillation(logits, jnp.array([1]), logits)[0])
        0.0
    """
    task.check_soft_loss(soft, standardised=standardised)
    return Objective(alpha, soft, temperature, standardised, task)(logits, labels, teacher_logits)


@dataclasses.dataclass(frozen=True)
class Objective:
    """What training minimises: ``alpha · cross_entropy + (1 − alpha) · soft`` (Tang et al. 2019, equation 4).

    Attributes:
        alpha: 1 = labels alone (direct training), 0 = the teacher's logits alone. An unlabelled row takes
            part in the second term alone.
        soft: the second term: ``mse`` on logits, or ``kl`` at a temperature.
        temperature: of ``kl``.
        standardised: give both sides' logits mean 0 and deviation 1 before the soft term.
        task: what both terms are for a row.
    """

    alpha: float
    soft: SoftLoss = "mse"
    temperature: float = 1.0
    standardised: bool = False
    task: Task = SINGLE_LABEL

    def __call__(
        self,
        logits: Float[AnyArray, "batch classes"],
        labels: Shaped[AnyArray, " batch *labels"],
        teacher_logits: Float[AnyArray, "batch classes"],
    ) -> Float[Array, " batch"]:
        """Return the loss of each example.

        Args:
            logits: the student's.
            labels: the task's.
            teacher_logits: raw; not looked at where ``alpha`` is 1.
        """
        if self.alpha == 0:
            return self._soft_loss(logits, teacher_logits)
        hard = self.task.label_loss(logits, labels)
        if self.alpha == 1:
            return hard
        return self.alpha * hard + (1 - self.alpha) * self._soft_loss(logits, teacher_logits)

    def _soft_loss(
        self, logits: Float[AnyArray, "batch classes"], teacher_logits: Float[AnyArray, "batch classes"]
    ) -> Float[Array, " batch"]:
        return self.task.soft_loss(logits, teacher_logits, self.soft, self.temperature, standardised=self.standardised)


def objective_of(config: TrainConfig, task: Task) -> Objective:
    """Return what a configuration minimises on rows of a task.

    Raises:
        InputError: an option of it means nothing for the task.
    """
    task.check_soft_loss(config.soft_loss, standardised=config.standardised)
    task = task.robust(config.huber)
    if not config.distil:
        return Objective(alpha=1.0, task=task)
    return Objective(config.alpha, config.soft_loss, config.temperature, config.standardised, task)
