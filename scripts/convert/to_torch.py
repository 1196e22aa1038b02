"""From a run folder to a checkpoint for the notebook."""

from pathlib import Path

from distill_jax.console import say, warn
from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import atomic_write
from distill_jax.runs.config import student_of
from distill_jax.runs.folder import CONFIG, read_config
from distill_jax.runs.weights import read_weights


def run_to_checkpoint(run: Path, output: Path) -> None:
    """Write a run folder's latest checkpoint as a file that the notebook's ``load_state_dict`` takes.

    Raises:
        InputError: the folder holds no run, or a damaged one.
    """
    import torch

    from distill_jax.students.torch_state import params_to_torch

    if not (run / CONFIG).is_file():
        raise MissingInputError(f"run folder {run}: it has no {CONFIG}, so it holds no run")
    student = student_of(read_config(run), f"run configuration {run / CONFIG}")
    if student.ids > student.vocab_size:
        raise InputError(
            f"run folder {run}: it was trained with n-grams, which the notebook's model cannot count; train with "
            "--ngrams 1 --buckets 0"
        )
    state = params_to_torch(student.name, read_weights(run))
    with atomic_write(output) as stream:
        torch.save({key: torch.from_numpy(array) for key, array in state.items()}, stream)
    if getattr(student, "mask_padding", False):
        warn(
            f"note: {run} was trained with --mask-padding; the notebook's model counts padding as text, so "
            "it will predict otherwise"
        )
    say(f"written to {output}: {', '.join(state)}")
