"""Losses: one number per example. Averaging over a batch is the step's business."""

import dataclasses

import jax.numpy as jnp
import optax
from jax import Array


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Return −log softmax(logits)[label], [batch], from logits [batch, classes] and labels int [batch]."""
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)


def logit_mse(logits: Array, teacher_logits: Array) -> Array:
    """Return the squared error of the logits, averaged over classes, [batch].

    Args:
        logits: [batch, classes].
        teacher_logits: [batch, classes], raw.

    References:
        Ba and Caruana 2014; Tang et al. 2019, equation 3.
    """
    return jnp.square(logits - teacher_logits).mean(axis=-1)


@dataclasses.dataclass(frozen=True)
class Objective:
    """What training minimises: ``alpha · cross_entropy + (1 − alpha) · logit_mse`` (Tang et al. 2019, equation 4).

    Attributes:
        alpha: 1 = labels alone (direct training), 0 = the teacher's logits alone. An unlabelled row (label −1) takes
            part in the second term alone.
    """

    alpha: float

    @property
    def uses_teacher(self) -> bool:
        """Whether the teacher's logits are needed."""
        return self.alpha < 1

    def __call__(self, logits: Array, labels: Array, teacher_logits: Array) -> Array:
        """Return the loss of each example, [batch].

        Args:
            logits: the student's, [batch, classes].
            labels: int [batch], −1 = unlabelled.
            teacher_logits: [batch, classes]; not looked at where ``alpha`` is 1.
        """
        if self.alpha == 0:
            return logit_mse(logits, teacher_logits)
        hard = jnp.where(labels >= 0, cross_entropy(logits, jnp.maximum(labels, 0)), 0)
        if self.alpha == 1:
            return hard
        return self.alpha * hard + (1 - self.alpha) * logit_mse(logits, teacher_logits)
