"""Float32 products are float32's wherever a student computes: by default a GPU would round their operands."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distill_jax.config import TrainConfig
from distill_jax.data.examples import Examples
from distill_jax.inference.logits import eval_logits
from distill_jax.losses import objective_of
from distill_jax.students.registry import student_names
from distill_jax.students.student import build_student
from distill_jax.training.steps import batch_gradients
from distill_jax.training.token_arrays import token_arrays

LENGTH, CLASSES = 9, 3
ROWS = 129  # so many that the CNN's backward pass multiplies too
_PRODUCTS = re.compile(r"stablehlo\.(?:dot_general|convolution)\b.*")


def _precisions(lowered):
    """Return what each product of a program says of its precision."""
    products = _PRODUCTS.findall(lowered.as_text())
    assert products
    return ["HIGHEST" in product and "DEFAULT" not in product for product in products]


def _evaluation(student, _name="cnn"):
    rows = np.ones((8, LENGTH), np.int32)
    return eval_logits.lower(student.init(0), rows, student=student, padded_length=LENGTH)


def _step(student, name):
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 30, (ROWS, LENGTH)).astype(np.int32)
    examples = Examples.from_padded(rows, np.arange(ROWS, dtype=np.int32) % CLASSES)
    data = {
        **token_arrays(student.config.inputs(examples.tokens)),
        "labels": jnp.asarray(examples.labels),
        "teacher_logits": jnp.zeros((ROWS, CLASSES)),
        "rows": jnp.int32(ROWS),
        "dropout_key": jax.random.key(0),
    }
    objective = objective_of(TrainConfig.notebook(name), student.config.labelling)
    cursor = {"step": jnp.int32(0), "global_step": jnp.int32(0)}
    options = {"batch_size": ROWS, "length": LENGTH, "cut": LENGTH}
    return batch_gradients.lower(student.init(0), cursor, data, student=student, objective=objective, **options)


@pytest.mark.parametrize("name", student_names())
@pytest.mark.parametrize("program", [_evaluation, _step])
def test_no_product_is_rounded_before_it_is_taken(program, name):
    student = build_student(name, vocab_size=30, num_labels=CLASSES, embedding_dim=8)
    assert all(_precisions(program(student, name)))


def test_a_precision_that_the_user_has_set_goes_first():
    student = build_student("cnn", vocab_size=30, num_labels=CLASSES, embedding_dim=8)
    with jax.default_matmul_precision("default"):
        assert not any(_precisions(_evaluation(student)))
