"""The variants of a recipe's training: which options each changes. What a change does not change is not repeated."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from distill_jax.train import defaults

GroupName = Literal["take-away", "alone", "curve", "loss", "steps"]

GROUP_TITLES: dict[GroupName, str] = {
    "take-away": "One part taken away",
    "alone": "One part added to a plain baseline",
    "curve": "Texts in the transfer set",
    "loss": "Losses",
    "steps": "Texts or steps",
}
WHOLE = "whole recipe"
_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
# What each part is without it; a part that a recipe lacks has these values already.
_NO_TRANSFER = {"transfer": False, "transfer_share": 1.0, "transfer_passes": 0}
_RANDOM = {"embeddings": "random"}
_MSE = {"soft_loss": "mse", "alpha": 0.0, "standardised": False}
_NO_HINTS = {"hint_weight": 0.0}
_NO_NGRAMS = {"ngrams": 1, "buckets": 0}
_CONSTANT = {"schedule": "step", "learning_rate_decay": 1.0}
_PLAIN = {"shuffle": True, "mask_padding": True}


@dataclasses.dataclass(frozen=True)
class Variant:
    """One training, but for its seed.

    Attributes:
        group: the table it stands in.
        title: its row's name there.
        changes: options whose values differ from the recipe's, by their names on the command line.
        texts: in the learning curve, rows of the transfer set that it learns from.
    """

    group: GroupName
    title: str
    changes: Mapping[str, Any]
    texts: int | None = None

    @property
    def key(self) -> str:
        """The folder's name: what is changed, so that the same training in two tables is one folder."""
        words = [f"{name}-{_word(value)}" for name, value in sorted(self.changes.items())]
        return "_".join(words).replace("/", "-") or "whole"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What variants start from.

    Attributes:
        student: the student.
        values: every option's value in its distilled recipe, by name.
        train_rows: rows of the export's training split.
        transfer_rows: rows of its transfer split.
        quick: learn for one epoch from a fiftieth of the transfer set, only to see that it runs.
    """

    student: str
    values: Mapping[str, Any]
    train_rows: int
    transfer_rows: int
    quick: bool = False

    @classmethod
    def of(
        cls, student: str, train_rows: int, transfer_rows: int, *, hints: bool = False, quick: bool = False
    ) -> "Recipe":
        """Return the recipe that the training's command line takes for a student and an export, with hints or not."""
        arguments = defaults(["--student", student, "--distil"])
        values = {**arguments.student.options(), **dataclasses.asdict(arguments.train), **({} if hints else _NO_HINTS)}
        return cls(student, values, train_rows, transfer_rows, quick)

    def variant(self, group: GroupName, title: str, changes: Mapping[str, Any], texts: int | None = None) -> Variant:
        """Return a variant with those of ``changes`` that are changes."""
        wanted = dict(changes)
        if self.quick:
            wanted["epochs"] = 1
            if wanted.get("distil", True) and wanted.get("transfer", self.values["transfer"]):
                wanted["transfer_share"] = wanted.get("transfer_share", self.values["transfer_share"]) / 50
        return Variant(
            group,
            title,
            {name: value for name, value in wanted.items() if name in self.values and value != self.values[name]},
            texts,
        )

    def has(self, part: Mapping[str, Any]) -> bool:
        """Return whether the recipe differs from what is without the part."""
        return any(name in self.values and self.values[name] != value for name, value in part.items())

    def parts(self) -> dict[str, Mapping[str, Any]]:
        """Return the recipe's parts: name → the options that say that it is not there."""
        loss = loss_name(self.values)
        known: dict[str, Mapping[str, Any]] = {
            "transfer set": _NO_TRANSFER,
            "teacher's embeddings": _RANDOM,
            loss: _MSE,
            "hints": _NO_HINTS,
            "n-grams": _NO_NGRAMS,
            "cosine schedule": _CONSTANT,
        }
        return {name: without for name, without in known.items() if self.has(without)}


def loss_name(values: Mapping[str, Any]) -> str:
    """Return a soft loss in words: ``KL, T = 2``, ``KL, T = 1, alpha = 0.2``, ``MSE on logits``."""
    name = "MSE on logits" if values["soft_loss"] == "mse" else f"KL, T = {values['temperature']:g}"
    name += f", alpha = {values['alpha']:g}" if values["alpha"] else ""
    return name + (", standardised logits" if values["standardised"] else "")


def whole(recipe: Recipe, group: GroupName = "take-away") -> Variant:
    """Return the recipe itself, as a row of a group."""
    return recipe.variant(group, WHOLE, {})


def group_variants(recipe: Recipe, group: GroupName) -> list[Variant]:
    """Return a group's rows; parts that the student's recipe does not have are left out."""
    makers = {"take-away": _take_away, "alone": _alone, "curve": _curve, "loss": _losses, "steps": _steps}
    return makers[group](recipe)


def _take_away(recipe: Recipe) -> list[Variant]:
    replaced: dict[str, Mapping[str, Any]] = {
        "no transfer set": _NO_TRANSFER,
        "random embeddings": _RANDOM,
        f"MSE on logits, not {loss_name(recipe.values)}": _MSE,
        "no hints": _NO_HINTS,
        "labels only": {"distil": False},
        "no n-grams": _NO_NGRAMS,
        "constant learning rate": _CONSTANT,
        "no shuffling": {"shuffle": False},
    }
    rows = [recipe.variant("take-away", title, changes) for title, changes in replaced.items() if recipe.has(changes)]
    return [whole(recipe), *rows]


def _alone(recipe: Recipe) -> list[Variant]:
    parts = recipe.parts()
    nothing = {name: value for without in parts.values() for name, value in without.items()} | _PLAIN
    rows = [recipe.variant("alone", "plain baseline", nothing)]
    for part, without in parts.items():
        changes = {name: value for name, value in nothing.items() if name not in without}
        rows.append(recipe.variant("alone", f"+ {part}", changes))
    return [*rows, whole(recipe, "alone")]


def _curve(recipe: Recipe) -> list[Variant]:
    rows = [recipe.variant("curve", "none", _NO_TRANSFER, texts=0)]
    for share in _SHARES:
        changes = {"transfer": True, "transfer_share": share}
        # Examples.share draws so many; the row says how many texts there really were.
        taken = max(1, round((share / 50 if recipe.quick else share) * recipe.transfer_rows))
        name = "all" if share == 1 else f"1/{1 / share:.0f}"
        rows.append(recipe.variant("curve", f"{taken:,} ({name})", changes, texts=taken))
    return rows


def _losses(recipe: Recipe) -> list[Variant]:
    kl: dict[str, Any] = {"soft_loss": "kl", "alpha": 0.0, "standardised": False, "temperature": 1.0}
    losses: list[dict[str, Any]] = [
        {**recipe.values, **_MSE},
        *({**kl, "temperature": temperature} for temperature in (1.0, 2.0, 4.0, 8.0)),
        *({**kl, "alpha": alpha} for alpha in (0.2, 0.5)),
        {**kl, "standardised": True},
    ]
    rows = [recipe.variant("loss", loss_name(changes), changes) for changes in losses]
    own = recipe.variant("loss", loss_name(recipe.values), {})
    return rows if own.key in {row.key for row in rows} else [own, *rows]


def _steps(recipe: Recipe) -> list[Variant]:
    """Return the recipe and, beside it, the training texts alone, read over and over for as many steps."""
    epochs = recipe.values["epochs"]
    passes = min(recipe.values["transfer_passes"] or epochs, epochs)
    further = passes * recipe.values["transfer_share"] * recipe.transfer_rows / recipe.train_rows
    changes = {**_NO_TRANSFER, "epochs": epochs + round(further)}
    return [
        whole(recipe, "steps"),
        recipe.variant("steps", "no transfer set, as many epochs", _NO_TRANSFER),
        recipe.variant("steps", "no transfer set, as many steps", changes),
    ]


def words(recipe: Recipe, variant: Variant) -> list[str]:
    """Return a variant's words on the training's command line, without the export, seed and run folder."""
    options = [] if variant.changes.get("distil") is False else ["--distil"]
    for name, value in variant.changes.items():
        option = name.replace("_", "-")
        if name == "distil":
            continue
        if isinstance(value, bool):
            options.append(f"--{option}" if value else f"--no-{option}")
        else:
            options += [f"--{option}", _word(value)]
    return ["--student", recipe.student, *options]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
