"""Where a teacher's files are, and their fingerprint. No torch, so that finished work is recognised at once."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from distill_jax.console import say
from distill_jax.errors import InputError, MissingInputError, reason_of
from distill_jax.files import read_json, require_utf8, sha256_file, utf8
from distill_jax.storage.address import is_address
from distill_jax.storage.mirror import local_copy
from teacher_export.options.teacher import DEMO_TEACHER, LARGE_DEMO_TEACHER, TeacherConfig
from teacher_export.teacher.folder_files import CONFIG, SAFETENSORS, TORCH_WEIGHTS, find_weights, require_config

_PATH_STARTS = (".", "~", "/")
VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
_CONFIG_FILES = ("*.json", "vocab.txt", "merges.txt", "*.model")
_TOKENIZER_FILES = (
    *VOCABULARY_FILES,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
)
# Where a folder lies and which library wrote it does not change what the teacher computes.
_IMMATERIAL = frozenset({"_name_or_path", "name_or_path", "transformers_version", "is_local", "local_files_only"})


@dataclasses.dataclass(frozen=True)
class TeacherSource:
    """A teacher's files.

    Attributes:
        name: what to call it: the word for a packaged one, the folder's name, the hub's name, or the state dict's file
            name.
        folder: the folder with its configuration and tokenizer.
        weights: the files that hold its weights.
        fingerprint: SHA-256 over the content of all of them, whatever their paths.
        is_demo: it is the packaged BERT, to be turned into a DistilBERT.
        is_state_dict: ``weights`` is one file for ``torch.load``.
    """

    name: str
    folder: Path
    weights: tuple[Path, ...]
    fingerprint: str
    is_demo: bool = False
    is_state_dict: bool = False


def resolve_teacher(config: TeacherConfig) -> TeacherSource:
    """Find the teacher that the options name; the demo's and a hub's files are fetched.

    Raises:
        MissingInputError: a file or folder is not there, or the name is neither a folder nor on the hub.
        InputError: the folder holds no teacher.
    """
    config = _at_hand(config)
    if config.state_dict is not None:
        if not config.state_dict.is_file():
            raise MissingInputError(f"--state-dict: expected a file {config.state_dict}, found none")
        folder = _find_folder("--teacher-config", str(config.teacher_config), (*_CONFIG_FILES,))
        weights: tuple[Path, ...] = (config.state_dict,)
        return TeacherSource(
            utf8(config.state_dict.name),
            folder,
            weights,
            _fingerprint("state dict", folder, weights),
            is_state_dict=True,
        )
    if config.teacher == DEMO_TEACHER:
        from teacher_export.downloads import fetch_demo_teacher

        folder = fetch_demo_teacher()
        weights = find_weights(folder)
        return TeacherSource(DEMO_TEACHER, folder, weights, _fingerprint("demo", folder, weights), is_demo=True)
    if config.teacher == LARGE_DEMO_TEACHER:
        from teacher_export.downloads import fetch_large_demo_teacher

        return folder_source(fetch_large_demo_teacher(), LARGE_DEMO_TEACHER)
    folder = _find_folder("--teacher", config.teacher, (*_CONFIG_FILES, *SAFETENSORS))
    if not Path(config.teacher).is_dir() and not any(folder.glob("*.safetensors")):
        folder = _download("--teacher", config.teacher, (*_CONFIG_FILES, *TORCH_WEIGHTS))
    name = utf8(folder.resolve().name) if Path(config.teacher).is_dir() else config.teacher
    return folder_source(folder, name)


def _at_hand(config: TeacherConfig) -> TeacherConfig:
    """Return the options with copies of the objects at addresses in their place."""

    def here(name: str) -> str:
        return str(local_copy(Path(name))) if is_address(name) else name

    return dataclasses.replace(
        config,
        teacher=here(config.teacher),
        teacher_config=None if config.teacher_config is None else here(config.teacher_config),
        state_dict=None if config.state_dict is None else local_copy(config.state_dict),
    )


def is_local(config: TeacherConfig) -> bool:
    """Whether the teacher is named by a path, so that nothing large needs fetching."""
    return config.state_dict is not None or config.teacher.startswith(_PATH_STARTS) or Path(config.teacher).exists()


def looks_like_path(name: str) -> bool:
    """Whether what is no file or folder here can be no hub's name either."""
    return Path(name).is_absolute() or name.startswith(_PATH_STARTS) or name.count("/") > 1


def folder_source(folder: Path, name: str) -> TeacherSource:
    """Return the teacher saved in a folder by ``save_pretrained``.

    Raises:
        InputError: there is no configuration or there are no weights in it.
    """
    require_config(folder, f"teacher folder {folder}")
    weights = find_weights(folder)
    return TeacherSource(name, folder, weights, _fingerprint("folder", folder, weights))


def _find_folder(option: str, name: str, patterns: tuple[str, ...]) -> Path:
    path = Path(name).expanduser()
    require_utf8(path, option)  # transformers opens no other
    if path.is_dir():
        require_config(path, f"{option} {name}")
        return path
    if path.exists():
        raise InputError(f"{option} {name}: expected a folder or a hub name, got a file; weights go to --state-dict")
    if path.is_absolute() or looks_like_path(name):
        raise MissingInputError(f"{option} {name}: there is no such folder")
    return _download(option, name, patterns)


def _download(option: str, name: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    say(f"looking for the teacher {name} on the Hugging Face hub")
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except Exception as error:  # noqa: BLE001 - the hub's client lets its HTTP library's errors through
        raise MissingInputError(
            f"{option} {name}: it is no folder here, and the hub did not give it ({reason_of(error)}); check "
            "the name and the network, or name a local folder"
        ) from None


def _fingerprint(kind: str, folder: Path, weights: tuple[Path, ...]) -> str:
    digest = hashlib.sha256(f"{kind}\n".encode())
    for path in weights:
        digest.update(f"weights {sha256_file(path)}\n".encode())
    for name in sorted((CONFIG, *_TOKENIZER_FILES)):
        path = folder / name
        if path.is_file():
            digest.update(f"{name} {_content(path)}\n".encode())
    return digest.hexdigest()


def _content(path: Path) -> str:
    if path.name not in (CONFIG, "tokenizer_config.json"):
        return sha256_file(path)
    value = read_json(path, "teacher's configuration", foreign=True)
    return canonical_json({key: value[key] for key in value if key not in _IMMATERIAL})


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
