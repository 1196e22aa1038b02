"""Fine-tune a teacher and save it: resumable after every epoch; the last epoch is kept, or the best one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from distill_jax.console import progress, say
from distill_jax.errors import Interrupted, refusing
from teacher_export.teacher.finetune_plan import labelled, training_and_judging
from teacher_export.teacher.finetune_run import FinetuneRun
from teacher_export.teacher.finetune_state import (
    STATE,
    read_state,
    remove_leftovers,
    save_finetuned,
    state_file,
    write_state,
)
from teacher_export.teacher.training_rows import write_training_rows

if TYPE_CHECKING:
    from teacher_export.data.dataset import Split
    from teacher_export.teacher.loading import Teacher


def finetune(
    teacher: "Teacher",
    split: "Split",
    settings: dict[str, Any],
    folder: Path,
    device: torch.device,
    split_options: Mapping[str, Any] | None = None,
    validation: "Split | None" = None,
) -> None:
    """Train a teacher on the labelled rows of a split and save it, with its record, to ``folder``.

    Args:
        teacher: its head is new; it is trained in place.
        split: the training split.
        settings: everything that decides the result: ``epochs``, ``learning_rate``, ``batch_size``, ``max_length``,
            ``seed``, ``precision``, and the fingerprints of the teacher and the data; where they are used, also
            ``task`` (else one class a row), ``chosen_by``, ``class_weights``, ``layer_decay`` and ``freeze``.
        folder: where ``save_pretrained`` puts it; nothing is there before it is whole.
        device: where to train.
        split_options: the options that drew the split, to be noted beside its texts' digests.
        validation: the validation split, where the settings say that it chooses the epoch.

    Raises:
        InputError: the loss is not finite (epoch, step and rate are named), or another fine-tuning has begun here.
        Interrupted: Ctrl-C; the finished epochs are kept.
    """
    remove_leftovers(folder)
    train, judging = training_and_judging(split, validation, settings)
    run = FinetuneRun(teacher, train, judging, settings, device)
    take_up(run, folder, settings)
    try:
        with progress(settings["epochs"] * len(train), "fine-tuning", initial=run.epoch * len(train)) as bar:
            while not run.has_ended:
                run.train_epoch(bar)
                if not run.has_ended:
                    write_state(folder, settings, run.state())
                    run.saved_epoch = run.epoch
        run.finish()
        save_finetuned(
            folder,
            teacher.model.to("cpu").eval(),
            teacher.saved_tokenizer,
            settings,
            lambda whole: write_training_rows(
                whole, labelled(split, run.objective.task).texts, dict(split_options or {})
            ),
        )
    except KeyboardInterrupt:
        kept = "nothing is kept yet; the same command starts again"
        if run.saved_epoch:
            kept = f"epoch {run.saved_epoch} is kept in {state_file(folder)}; the same command goes on from there"
        raise Interrupted(f"interrupted while fine-tuning: {kept}") from None


def take_up(run: FinetuneRun, folder: Path, settings: dict[str, Any]) -> None:
    """Go on from the state that a stopped fine-tuning has left beside ``folder``, where there is one.

    Raises:
        InputError: it is another fine-tuning's, damaged, or what another version wrote.
    """
    state = read_state(folder, settings)
    if state is None:
        return
    path = state_file(folder)
    with refusing(lambda reason: f"{path}: expected {STATE}, got another version's or a damaged one ({reason})"):
        run.restore(state)
    say(f"fine-tuning goes on after epoch {run.epoch} of {settings['epochs']}")
