"""Fine-tune a teacher: AdamW, linear warm-up and decay, batches of like length, resumable after every epoch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from distill_jax.console import progress, say, warn
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError, Interrupted
from teacher_export.teacher.families import batch_inputs, require_pad_token, trainable_rows
from teacher_export.teacher.finetune_state import read_state, remove_leftovers, save_finetuned, state_file, write_state
from teacher_export.teacher.tokens import encode
from teacher_export.teacher.training_rows import write_training_rows

if TYPE_CHECKING:
    from teacher_export.data.dataset import Split
    from teacher_export.teacher.loading import Teacher


WEIGHT_DECAY = 0.01
WARM_UP = 0.1
CLIP_NORM = 1.0
_NAMED = 8  # classes that a warning names
_LABELS = "labels"
_SORTED_BATCHES = (
    50  # batches whose rows are sorted by length together: enough to pad little, few enough to stay random
)


def finetune(
    teacher: "Teacher",
    split: "Split",
    settings: dict[str, Any],
    folder: Path,
    device: torch.device,
    split_options: Mapping[str, Any] | None = None,
) -> None:
    """Train a teacher on the labelled rows of a split and save it, with its record, to ``folder``.

    Args:
        teacher: its head is new; it is trained in place.
        split: the training split.
        settings: everything that decides the result: ``epochs``, ``learning_rate``, ``batch_size``, ``max_length``,
            ``seed``, ``precision``, and the fingerprints of the teacher and the data.
        folder: where ``save_pretrained`` puts it; nothing is there before it is whole.
        device: where to train.
        split_options: the options that drew the split, to be noted beside its texts' digests.

    Raises:
        InputError: the loss is not finite (epoch, step and rate are named), or another fine-tuning has begun here.
        Interrupted: Ctrl-C; the finished epochs are kept.
    """
    remove_leftovers(folder)
    labelled = np.flatnonzero(split.labels >= 0)
    if not len(labelled):
        raise InputError("fine-tuning: expected labelled rows in the training split, got none")
    texts = [split.texts[row] for row in labelled]
    with progress(len(labelled), "tokenizing") as bar:
        tokens = encode(teacher.tokenizer, texts, bar.update)
    run = FinetuneRun(teacher, tokens, split.labels[labelled].astype(np.int64), settings, device)
    state = read_state(folder, settings)
    if state is not None:
        run.restore(state)
        say(f"fine-tuning goes on after epoch {run.epoch} of {settings['epochs']}")
    total = settings["epochs"] * len(labelled)
    try:
        with progress(total, "fine-tuning", initial=run.epoch * len(labelled)) as bar:
            while run.epoch < settings["epochs"]:
                run.train_epoch(bar)
                if run.epoch < settings["epochs"]:
                    write_state(folder, settings, run.state())
                    run.saved_epoch = run.epoch
        if fault := unlearnt(run.labels, run.answers, teacher.class_names):
            warn(fault)
        save_finetuned(
            folder,
            teacher.model.to("cpu").eval(),
            teacher.saved_tokenizer,
            settings,
            lambda whole: write_training_rows(whole, texts, dict(split_options or {})),
        )
    except KeyboardInterrupt:
        kept = "nothing is kept yet; the same command starts again"
        if run.saved_epoch:
            kept = f"epoch {run.saved_epoch} is kept in {state_file(folder)}; the same command goes on from there"
        raise Interrupted(f"interrupted while fine-tuning: {kept}") from None


class FinetuneRun:
    """The moving parts of a fine-tuning; ``epoch`` counts the finished ones, ``saved_epoch`` those saved."""

    def __init__(
        self,
        teacher: "Teacher",
        tokens: Ragged,
        labels: np.ndarray,
        settings: dict[str, Any],
        device: torch.device,
    ) -> None:
        torch.manual_seed(settings["seed"])
        self.model = teacher.model.to(device).train()
        require_pad_token(teacher)
        self.tokens, self.labels = trainable_rows(self.model, tokens), labels
        self.padding = (teacher.fill_id, teacher.segments, teacher.saved_tokenizer.padding_side)
        self.answers = np.full(len(labels), -1)  # what each row was taken for when it was last trained on
        self.settings, self.device = settings, device
        self.epoch = self.saved_epoch = 0
        self.optimizer = make_optimizer(self.model, settings["learning_rate"])
        steps = settings["epochs"] * -(-len(labels) // settings["batch_size"])
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: rate_factor(step, steps))

    def train_epoch(self, bar: Any) -> None:
        """Pass once over the rows; raises ``InputError`` at the first loss that is not finite."""
        batches = length_batches(self.tokens.lengths, self.settings["batch_size"], [self.settings["seed"], self.epoch])
        for step, rows in enumerate(batches):
            loss = self.train_step(rows)
            if not np.isfinite(loss):
                raise InputError(
                    f"fine-tuning: the loss is {loss} at epoch {self.epoch}, step {step}, learning rate "
                    f"{self.schedule.get_last_lr()[0]:.3g}; lower --finetune-learning-rate (now "
                    f"{self.settings['learning_rate']:g}) or take --precision float32"
                )
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(len(rows))
        self.epoch += 1

    def train_step(self, rows: np.ndarray) -> float:
        """Make one step on the named rows, unless the loss is not finite; return the loss."""
        arrays = {**batch_inputs(self.tokens.take(rows), *self.padding), _LABELS: self.labels[rows]}
        inputs = {name: torch.from_numpy(array).to(self.device) for name, array in arrays.items()}
        labels = inputs.pop(_LABELS)
        lowered = self.settings["precision"] == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=lowered):
            logits = self.model(**inputs).logits
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        value = loss.item()
        self.answers[rows] = logits.detach().argmax(dim=1).cpu().numpy()
        if np.isfinite(value):
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad(set_to_none=True)
        return value

    def state(self) -> dict[str, Any]:
        """Return everything that going on needs; what draws the order of rows is the seed and the epoch."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state`` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda" and state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        self.epoch = self.saved_epoch = state["epoch"]


def unlearnt(labels: np.ndarray, answers: np.ndarray, label_names: Sequence[str]) -> str | None:
    """Return a warning where the last epoch's answers say that a fine-tuning has not learnt; None where they do not.

    Args:
        labels: int [n], the classes of the rows trained on.
        answers: int [n], what each was taken for in the last epoch; -1 = not known.
        label_names: the classes.
    """
    known = answers >= 0
    counts = np.bincount(labels[known], minlength=len(label_names))
    predicted = np.bincount(answers[known], minlength=len(label_names))
    never = [name for name, rows, times in zip(label_names, counts, predicted, strict=True) if rows and not times]
    right, most = float((labels == answers)[known].mean()), float(counts.max() / counts.sum())
    if not never and right > most:
        return None
    shown = ", ".join(map(repr, never[:_NAMED])) + (", …" if len(never) > _NAMED else "")
    what = f"never named {len(never)} of {len(label_names)} classes ({shown})" if never else "learnt nothing"
    return (
        f"warning: fine-tuning: the last epoch {what}: accuracy {right:.3f} on its rows, of which the most frequent "
        f"class has a share of {most:.3f}; give more --finetune-epochs or more rows"
    )


def make_optimizer(model: Any, learning_rate: float) -> torch.optim.AdamW:
    """Return AdamW that decays matrices and leaves biases and LayerNorm weights alone."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate)


def rate_factor(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: up in a line over the first tenth, then down to 0."""
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return max(0.0, (steps - step) / max(1, steps - warm_up))


def length_batches(lengths: np.ndarray, batch_size: int, seed: list[int]) -> Iterator[np.ndarray]:
    """Yield the rows of each batch: all rows once, of like length within a batch, in an order drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))
    batches: list[np.ndarray] = []
    window = _SORTED_BATCHES * batch_size
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches.extend(rows[first : first + batch_size] for first in range(0, len(rows), batch_size))
    for index in rng.permutation(len(batches)):
        yield batches[index]
