"""What tests see of rows of tokens as padded arrays, which the torch references take."""

import dataclasses

from distill_jax.data.ragged import Ragged
from distill_jax.inference.logits import predict_logits


def padded(examples, pad_id=0):
    """Return the examples' tokens as the reference takes them, int32 [n, length]."""
    return examples.tokens.padded(examples.length, pad_id)


def with_ids(examples, input_ids, pad_id=0):
    """Return the examples with other tokens, [n, length]."""
    return dataclasses.replace(examples, tokens=Ragged.from_padded(input_ids, pad_id), length=input_ids.shape[1])


def padded_inputs(config, input_ids):
    """Return what a student's network is fed for padded rows [n, length]."""
    return config.inputs(Ragged.from_padded(input_ids, config.pad_id)).padded(input_ids.shape[1], config.pad_id)


def padded_logits(student, params, input_ids, *arguments, **options):
    """Return ``predict_logits`` of padded rows [n, length]."""
    tokens = Ragged.from_padded(input_ids, student.config.pad_id)
    return predict_logits(student, params, tokens, input_ids.shape[1], *arguments, **options)
