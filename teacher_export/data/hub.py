"""Data sets on the Hugging Face hub, by name: their tables are downloaded, and nothing in them is ever run."""

import re
from pathlib import Path

from distill_jax.console import say
from distill_jax.errors import InputError, refusing
from distill_jax.extras import naming_the_extra
from distill_jax.tables.reading import FORMATS
from teacher_export.data.cards import CARD, read_card, subset_of

_SCHEME = "hf:"  # a path has one slash after it, however many were given
_NAME = re.compile(r"[\w][\w.-]*")
_DATASETS = "datasets"  # as other programs write it: hf://datasets/OWNER/NAME


def is_on_hub(path: Path) -> bool:
    """Whether a path is no file's but a data set's on the hub."""
    return path.parts[:1] == (_SCHEME,)


def fetched(path: Path) -> tuple[Path, str]:
    """Return the folder of a data set's files, downloaded where they are not there yet, and the subset that is named.

    Args:
        path: ``hf://OWNER/NAME`` or ``hf://OWNER/NAME/SUBSET``.

    Raises:
        InputError: the name is none, the hub does not give it, or it has several subsets and none is named.
    """
    parts = path.parts[2:] if path.parts[1:2] == (_DATASETS,) and len(path.parts) > 3 else path.parts[1:]
    if len(parts) < 2 or not all(map(_NAME.fullmatch, parts)):
        raise InputError(f"--data {path}: expected hf://OWNER/NAME or hf://OWNER/NAME/SUBSET")
    repository, subset = "/".join(parts[:2]), "/".join(parts[2:])
    name = f"--data hf://{repository}"
    with naming_the_extra(name):
        from huggingface_hub import snapshot_download
    say(f"looking for the data set {repository} on the Hugging Face hub")

    def download(patterns: list[str], revision: str | None) -> Path:
        with refusing(
            lambda reason: (
                f"{name}: the hub did not give it ({reason}); check the name and the network, or download it elsewhere "
                f"(hf download --repo-type dataset {repository} --local-dir FOLDER) and give --data FOLDER"
            )
        ):
            return Path(snapshot_download(repository, repo_type="dataset", revision=revision, allow_patterns=patterns))

    folder = download([CARD], None)
    found = subset_of(read_card(folder), subset, name, f"name one: hf://{repository}/SUBSET")
    within = subset if found is None else found.folder
    patterns = found.patterns if found is not None and found.files else _tables(within)
    return download([CARD, *patterns], folder.name), subset  # of the revision whose card was read


def _tables(folder: str) -> list[str]:
    return [f"{folder}/*{ending}*" if folder else f"*{ending}*" for ending in FORMATS]
