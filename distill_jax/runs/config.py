"""``config.json`` of a run folder: what it says of student and training, also in the form that version 0.1 wrote."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from distill_jax.config import TrainConfig
from distill_jax.errors import InputError
from distill_jax.students.config import StudentConfig, own_options
from distill_jax.students.registry import student_from_json, student_kind

FORMAT_VERSION = 3
_OLDEST = 1
_WITHOUT_CHECKSUMS = 2


def upgraded(config: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a run's configuration in today's form.

    Raises:
        InputError: it is of a format that this program does not know.
    """
    version = config.get("format_version")
    if version in (FORMAT_VERSION, _WITHOUT_CHECKSUMS):
        return {**config, "format_version": FORMAT_VERSION}
    if version != _OLDEST or isinstance(version, bool):
        raise InputError(
            f"{where}: format_version is {version}, this program reads versions {_OLDEST} to {FORMAT_VERSION}; "
            "use the distill-jax that wrote the folder, or train again"
        )
    new = {**config, "format_version": FORMAT_VERSION}
    if isinstance(config.get("student"), dict):
        new["student"] = _student_of_version_1(config["student"])
    if isinstance(config.get("train"), dict):
        new["train"] = _training_of_version_1(config["train"])
    return new


def has_checksums(config: dict[str, Any]) -> bool:
    """Whether a run of this configuration, as it stands in the file, has a record of its files' checksums."""
    return config.get("format_version") not in range(_OLDEST, FORMAT_VERSION)


def _student_of_version_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the other students' options, which stood there too; padding was one of the poolings."""
    kind = student_kind(str(values.get("name")))
    pooling = values.get("pooling", "padded")
    named = {
        **values,
        "mask_padding": pooling != "padded",
        "pooling": pooling if pooling == "mean-max-min" else "mean",
    }
    kept = {"name", "vocab_size", "num_labels", "pad_id", *own_options(kind)}
    return {name: value for name, value in named.items() if name in kept}


def _training_of_version_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give options that did nothing the value that says so."""
    new = dict(values)
    if new.get("schedule") == "cosine":
        new["learning_rate_decay"] = 1.0
    if new.get("soft_loss", "mse") != "kl":
        new["temperature"] = 1.0
    if "epochs" in new and "transfer_passes" in new:
        new["transfer_passes"] = min(new["transfer_passes"], new["epochs"])
    return new


def student_of(config: Mapping[str, Any], where: str, module: Callable[..., Any] | None = None) -> StudentConfig:
    """Return the student of a configuration in today's form.

    Args:
        config: the configuration.
        where: what an error calls it.
        module: of a module of one's own, the function that builds it.

    Raises:
        InputError: a field is missing, unknown, or out of range.
    """
    values = config.get("student")
    if not isinstance(values, dict):
        raise InputError(f"{where}: student: expected a JSON object, got {values!r}")
    try:
        return student_from_json(values, module)
    except InputError as error:
        raise InputError(f"{where}: student: {error}") from None


def training_of(config: Mapping[str, Any], where: str) -> TrainConfig:
    """Return the training of a configuration in today's form; raises what ``student_of`` does."""
    values = config.get("train")
    if not isinstance(values, dict):
        raise InputError(f"{where}: train: expected a JSON object, got {values!r}")
    unknown = [name for name in values if name not in {field.name for field in dataclasses.fields(TrainConfig)}]
    if unknown or "student" not in values:
        fault = f"unknown field {unknown[0]!r}" if unknown else "missing field 'student'"
        raise InputError(f"{where}: train: {fault}")
    try:
        return TrainConfig(**values)
    except InputError as error:
        raise InputError(f"{where}: train: {error}") from None
