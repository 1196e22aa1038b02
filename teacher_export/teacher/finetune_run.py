"""The moving parts of a fine-tuning: AdamW, linear warm-up and decay, batches of like length."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from distill_jax.console import progress, say, warn
from distill_jax.errors import InputError
from teacher_export.teacher.families import batch_inputs, require_pad_token, trainable_rows
from teacher_export.teacher.finetune_batches import length_batches
from teacher_export.teacher.finetune_optimizer import freeze, make_optimizer, rate_factor, set_training
from teacher_export.teacher.finetune_plan import loss_weights
from teacher_export.teacher.finetune_selection import Judgement, Selection
from teacher_export.teacher.finetune_tasks import Outcome, finetune_task
from teacher_export.teacher.logits import predict_logits
from teacher_export.teacher.tokens import encode

if TYPE_CHECKING:
    from teacher_export.data.dataset import Split
    from teacher_export.teacher.loading import Teacher


CLIP_NORM = 1.0
# Losses are looked at once in so many steps: at each look a GPU's queue runs empty.
STEPS_PER_LOOK = 32


class FinetuneRun:
    """A teacher in training; ``epoch`` counts the finished epochs, ``saved_epoch`` those saved."""

    def __init__(
        self,
        teacher: "Teacher",
        train: "Split",
        judging: "Split | None",
        settings: dict[str, Any],
        device: torch.device,
    ) -> None:
        """Tokenize the rows, and set up what trains.

        Args:
            teacher: its head is new.
            train: the rows to train on, all labelled.
            judging: those that choose the epoch; None = the last epoch is kept.
            settings: as for ``finetune``.
            device: where to train.
        """
        texts = [*train.texts, *(judging.texts if judging is not None else ())]
        with progress(len(texts), "tokenizing") as bar:
            tokens = encode(teacher.tokenizer, texts, bar.update)
        torch.manual_seed(settings["seed"])
        self.teacher, self.settings, self.device = teacher, settings, device
        self.model = teacher.model.to(device)
        freeze(self.model, settings.get("freeze"))
        require_pad_token(teacher)
        self.tokens = trainable_rows(self.model, tokens.take(np.arange(len(train))))
        self.padding = (teacher.fill_id, teacher.segments, teacher.saved_tokenizer.padding_side)
        self.objective = finetune_task(settings).fitted(train.labels, self.model)
        self.labels, self.targets = train.labels, self.objective.targets(train.labels)
        self.weights = loss_weights(train, settings.get("class_weights", ""), self.objective, teacher.class_names)
        self.judging = None if judging is None else (tokens.take(np.arange(len(train), len(texts))), judging.labels)
        self.selection = Selection(self.objective.task, train.labels if judging is None else judging.labels)
        # What each row was taken for when it was last trained on; on the device, which is not waited for.
        unknown = self.objective.task.unlabelled(len(train), len(teacher.class_names))
        self.answers = torch.from_numpy(unknown).to(device)
        self.epoch = self.saved_epoch = 0
        self.optimizer = make_optimizer(self.model, settings["learning_rate"], settings.get("layer_decay", 1))
        self._steps = -(-len(train) // settings["batch_size"])
        steps = settings["epochs"] * self._steps
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: rate_factor(step, steps))

    @property
    def has_ended(self) -> bool:
        """Whether the last epoch is done, or further ones do not pay."""
        return self.epoch >= self.settings["epochs"] or (self.epoch > 0 and self.selection.should_end)

    def train_epoch(self, bar: Any) -> None:
        """Pass once over the rows, and judge the outcome; raises ``InputError`` for a loss that is not finite."""
        set_training(self.model)
        batches = length_batches(self.tokens.lengths, self.settings["batch_size"], [self.settings["seed"], self.epoch])
        losses: list[torch.Tensor] = []
        for step, rows in enumerate(batches, 1):
            losses.append(self.train_step(rows))
            if step % STEPS_PER_LOOK == 0 or step == self._steps:
                bar.set_postfix(loss=f"{self._mean(losses, step - len(losses)):.3f}", refresh=False)
                losses.clear()
            bar.update(len(rows))
        self.epoch += 1
        if self.judging is not None:
            judgement = self._judge()
            self.selection.add(judgement, self.model.state_dict())
            bar.clear()
            say(f"epoch {self.epoch} of at most {self.settings['epochs']}: {judgement.words}")

    def train_step(self, rows: np.ndarray) -> torch.Tensor:
        """Make one step on the named rows; return the loss, which is on the device."""
        arrays = batch_inputs(self.tokens.take(rows), *self.padding)
        inputs = {name: self._on_device(array) for name, array in arrays.items()}
        targets = self._on_device(self.targets[rows])
        weights = None if self.weights is None else self._on_device(self.weights[rows])
        lowered = self.settings["precision"] == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=lowered):
            logits = self.model(**inputs).logits
        loss = self.objective.loss(logits.float(), targets, weights)
        self.answers[self._on_device(rows)] = self.objective.answers(logits.detach()).to(self.answers.dtype)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def _on_device(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        # Pinned memory lets a copy run beside the last step's arithmetic.
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor

    def _mean(self, losses: list[torch.Tensor], first: int) -> float:
        """Return the mean of the losses of an epoch's steps from ``first`` on, all of them finite."""
        values = torch.stack(losses).cpu().numpy()
        for step in np.flatnonzero(~np.isfinite(values))[:1]:
            at = self.epoch * self._steps + first + step
            rate = self.settings["learning_rate"] * rate_factor(at, self.settings["epochs"] * self._steps)
            raise InputError(
                f"fine-tuning: the loss is {values[step]} at epoch {self.epoch}, step {first + step}, learning rate "
                f"{rate:.3g}; lower --finetune-learning-rate (now {self.settings['learning_rate']:g}) or take "
                "--precision float32"
            )
        return float(values.mean())

    def _judge(self) -> Judgement:
        assert self.judging is not None
        tokens, labels = self.judging
        logits = predict_logits(
            self.model.eval(),
            tokens,
            pad_id=self.teacher.fill_id,
            segments=self.teacher.segments,
            precision=self.settings["precision"],
            batch_size=self.settings["batch_size"],
            max_length=self.settings["max_length"],
            where="fine-tuning: validation ",
        )
        return Judgement.of(self.epoch, self.objective, logits, labels, len(self.teacher.class_names))

    def finish(self) -> None:
        """Give the model the weights that are kept, and its logits their unit; warn where it has not learnt."""
        task, best = self.objective.task, self.selection.best
        if best is not None:
            self.model.load_state_dict(self.selection.weights)
            title = task.history_titles[task.history_scores.index(task.selected_by)]
            say(f"epoch {best.epoch} is kept: by its {title} and, where chance may part two epochs, by its loss")
        if fault := self._fault():
            warn(fault)
        self.objective.finish(self.model)

    def _fault(self) -> str | None:
        names, best = self.teacher.class_names, self.selection.best
        if self.judging is not None and best is not None:
            by = self.settings["chosen_by"]
            return self.objective.fault(Outcome(self.judging[1], best.answers, names, self.labels, by))
        answers = self.answers.cpu().numpy()
        known = self.objective.task.is_labelled(answers)  # a training that went on has not seen all rows again
        return self.objective.fault(Outcome(self.labels[known], answers[known], names, self.labels))

    def state(self) -> dict[str, Any]:
        """Return everything that going on needs; what draws the order of rows is the seed and the epoch."""
        chosen = {} if self.judging is None else {"selection": self.selection.state()}
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            **chosen,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state`` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda" and state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        if "selection" in state:
            self.selection.restore(state["selection"])
        self.epoch = self.saved_epoch = int(state["epoch"])
