"""Options by students: those that a student does not have are left out."""

from distill_jax.students.config import own_options
from distill_jax.students.registry import student_kind


def own(name, **options):
    """Return those of ``options`` that a student has."""
    known = own_options(student_kind(name))
    return {option: value for option, value in options.items() if option in known}


def padding(name, pooling):
    """Return a student's options for what it makes of padding: ``padded``, ``masked`` or ``mean-max-min``."""
    kept = {"pooling": "mean-max-min"} if pooling == "mean-max-min" else {}
    return own(name, mask_padding=pooling != "padded", **kept)
