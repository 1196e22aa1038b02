"""Which students there are, by name."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from distill_jax.errors import InputError
from distill_jax.recipes import DEFAULT_RECIPE
from distill_jax.students.bilstm import BiLstmConfig
from distill_jax.students.cnn import CnnConfig
from distill_jax.students.config import StudentConfig, require_own
from distill_jax.students.dan import DanConfig
from distill_jax.students.ensemble import EnsembleConfig
from distill_jax.students.fasttext import FastTextConfig
from distill_jax.students.own_module import OwnModuleConfig
from distill_jax.tasks import AS_THEY_ARE, SINGLE_LABEL_NAME

_Kind = TypeVar("_Kind", bound=type[StudentConfig])

_KINDS: dict[str, type[StudentConfig]] = {
    kind.name: kind for kind in (CnnConfig, FastTextConfig, DanConfig, BiLstmConfig, EnsembleConfig, OwnModuleConfig)
}


def register(kind: _Kind) -> _Kind:
    """Make a further student known by its name; a decorator.

    Raises:
        InputError: another student has that name.
    """
    other = _KINDS.get(kind.name, kind)
    if (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        raise InputError(f"student: the name {kind.name!r} is {other.__module__}.{other.__qualname__}'s already")
    _KINDS[kind.name] = kind
    return kind


def student_names() -> tuple[str, ...]:
    """Return the names that a user can give; a module of one's own is given itself."""
    return tuple(name for name in _KINDS if name != OwnModuleConfig.name)


def student_kind(name: str) -> type[StudentConfig]:
    """Return the student of a name.

    Raises:
        InputError: there is none.
    """
    if not isinstance(name, str) or name not in _KINDS:  # a file may name anything
        raise InputError(f"--student: expected one of {', '.join(student_names())}, got {name!r}")
    return _KINDS[name]


def student_config(
    name: str,
    *,
    vocab_size: int,
    num_labels: int,
    pad_id: int = 0,
    task: str = SINGLE_LABEL_NAME,
    standardisation: tuple[float, ...] = AS_THEY_ARE,
    **options: Any,
) -> StudentConfig:
    """Return a student's configuration; ``options`` are its own fields (``embedding_dim``, ``dropout``, …).

    Raises:
        InputError: there is no such student or option, or a value is out of range.
    """
    kind = student_kind(name)
    require_own(kind, options)
    sizes = {"vocab_size": vocab_size, "num_labels": num_labels, "pad_id": pad_id}
    config = kind(**sizes, task=task, standardisation=standardisation, **options)
    config.check_options()
    return config


def recipe_student(name: str, recipe: str = DEFAULT_RECIPE) -> StudentConfig:
    """Return a recipe's student, over as few tokens and classes as there can be: for those who ask what it is like."""
    kind = student_kind(name)
    return kind(vocab_size=2, num_labels=2, **kind.recipe(recipe).student)


def student_to_json(config: StudentConfig) -> dict[str, Any]:
    """Return what ``config.json`` says of a student."""
    sizes = {
        "task": config.task,
        **({} if config.standardisation == AS_THEY_ARE else {"standardisation": list(config.standardisation)}),
        "vocab_size": config.vocab_size,
        "num_labels": config.num_labels,
        "pad_id": config.pad_id,
    }
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in config.options().items()}
    return {"name": config.name, **sizes, **options}


def student_from_json(values: Mapping[str, Any], module: Callable[..., Any] | None = None) -> StudentConfig:
    """Return the student that ``student_to_json`` described.

    Args:
        values: the description.
        module: of a module of one's own, the function that builds it; the description only names it.

    Raises:
        InputError: a field is missing, unknown or out of range.
    """
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    missing = [name for name in ("name", "vocab_size", "num_labels", "pad_id") if name not in fields]
    if missing:
        raise InputError(f"missing field {missing[0]!r}")
    if fields["name"] == OwnModuleConfig.name:
        if module is None:
            raise InputError(
                f"it was built by {fields.get('build')}, a function of your own: give it, as load(folder, module=…) "
                "does"
            )
        fields["build"] = module
    return student_config(**fields)
