"""Which files of a teacher's folder are read, and what such a folder may not ask for: foreign code, foreign files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distill_jax.console import shell_line
from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import read_json

CONFIG = "config.json"
SAFETENSORS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
TORCH_WEIGHTS = ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json")
_ADAPTER = "adapter_config.json"
# In a configuration these may name a repository whose code transformers fetches and runs; its own are safe.
_NAMES_OF_CODE = ("attn_implementation", "experts_implementation", "kernel_config", "use_kernels")
_OWN_CODE = (None, False, "eager", "sdpa")


def require_config(folder: Path, what: str) -> None:
    """Raise where a folder has no configuration, or one that asks for code or files from elsewhere.

    Raises:
        MissingInputError: there is no ``config.json``.
        InputError: it is no JSON object, names a kernel to fetch, or the folder holds an adapter to another's weights.
    """
    path = folder / CONFIG
    if (folder / _ADAPTER).is_file():
        raise InputError(
            f"{what}: it holds a PEFT adapter ({_ADAPTER}), whose other weights lie elsewhere; merge them and save "
            f"a whole model: {_merge_command(folder)}"
        )
    if not path.is_file():
        raise MissingInputError(f"{what}: expected a {CONFIG} (made by save_pretrained), found none")
    for name, value in _fields(read_json(path, "teacher's configuration", foreign=True)):
        if name.strip("_").removesuffix("_internal") in _NAMES_OF_CODE and value not in _OWN_CODE:
            raise InputError(
                f"{path}: {name}: expected eager, sdpa or nothing, got {value!r}: a teacher's folder may not name code "
                "to fetch and run; delete the field"
            )


def _merge_command(folder: Path) -> str:
    """Return the command that makes a whole model of an adapter."""
    old, new = json.dumps(str(folder)), json.dumps(f"{folder}-merged")
    code = (
        "from peft import AutoPeftModelForSequenceClassification as Model; "
        "from transformers import AutoTokenizer as Tokenizer; "
        f"Model.from_pretrained({old}, num_labels=CLASSES).merge_and_unload().save_pretrained({new}); "
        f"Tokenizer.from_pretrained({old}).save_pretrained({new})"
    )
    return shell_line(["python", "-c", code])


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every field of a JSON value, those of nested objects too."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield from item.items()
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def find_weights(folder: Path) -> tuple[Path, ...]:
    """Return the weight files that transformers would load, in the order in which it looks for them.

    Raises:
        MissingInputError: there are none, or an index names one that is not there.
        InputError: an index names a file outside the folder.
    """
    strays = []
    for whole, parts, index in (SAFETENSORS, TORCH_WEIGHTS):
        if (folder / whole).is_file():
            return (folder / whole,)
        if (folder / index).is_file():
            return _of_index(folder, folder / index)
        strays += [(index, path.name) for path in sorted(folder.glob(parts))]
    if strays:
        raise MissingInputError(f"teacher folder {folder}: expected {strays[0][0]} beside {strays[0][1]}, found none")
    raise MissingInputError(
        f"teacher folder {folder}: expected weights (model.safetensors or pytorch_model.bin), found none"
    )


def _of_index(folder: Path, index: Path) -> tuple[Path, ...]:
    names = read_json(index, "index of the teacher's weights", foreign=True).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise InputError(f"{index}: weight_map: expected each weight's file name, got something else")
    found = []
    for name in sorted(set(names.values())):
        if Path(name).name != name:
            raise InputError(f"{index}: weight_map: expected names of files in its folder, got {name!r}")
        if not (folder / name).is_file():
            raise MissingInputError(f"{index}: it names {name!r}, but there is no such file beside it")
        found.append(folder / name)
    return tuple(found)
