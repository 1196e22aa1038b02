"""What a data set's README.md says of its files: the YAML between its first two lines of dashes, as a hub writes it."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from distill_jax.console import warn
from distill_jax.errors import InputError, MissingExtraError, refusing
from distill_jax.extras import naming_the_extra

CARD = "README.md"
DEFAULT = "default"
_MOST_BYTES = 1 << 18
_DEEPEST = 50
_NAMED = 10
_YAML = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Subset:
    """One of the data sets of a repository.

    Attributes:
        name: what the card calls it.
        folder: where its files are within the repository; "" = anywhere.
        files: for each split that the card names, the patterns of its files; () = their names say the splits.
    """

    name: str
    folder: str = ""
    files: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def patterns(self) -> list[str]:
        """The patterns of all its files."""
        return [pattern for _, patterns in self.files for pattern in patterns]


def read_card(folder: Path, *, warns: bool = False) -> dict[str, Any]:
    """Return what the card in a folder says; {} where there is none, or none that can be read, of which it may warn."""
    path = folder / CARD
    if not path.is_file():
        return {}
    with path.open("rb") as stream:
        found = _YAML.match(stream.read(_MOST_BYTES).decode(errors="replace"))
    if found is None:
        return {}
    try:
        with refusing(lambda reason: f"warning: {path}: its YAML cannot be read ({reason}), so it says nothing"):
            value = _parsed(found[1])
            repr(value)  # a number too long to be shown, as one in base 60 can be, is refused here
    except MissingExtraError:
        raise
    except InputError as error:
        if warns:
            warn(str(error))
        return {}
    return value if isinstance(value, dict) else {}


def _parsed(text: str) -> Any:
    with naming_the_extra(f"reading a {CARD}"):
        import yaml
    # A card repeats nothing by reference; a few lines of references within references could fill the memory. Nor is it
    # nested deeply: the library looks at every open bracket at each further one, and ten thousand take minutes.
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has aliases")  # noqa: TRY004 - of a text, not of a value
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
    return yaml.safe_load(text)


def subset_of(card: dict[str, Any], name: str, where: str, remedy: str) -> Subset | None:
    """Return the subset of a name, or the one that is meant without one; None where the card describes none.

    Args:
        card: the card.
        name: the subset's; "" = none was given.
        where: names the data set in messages.
        remedy: how to name a subset, for messages.

    Raises:
        InputError: there is no such subset, or there are several.
    """
    found = {subset.name: subset for subset in map(_subset, _objects(card.get("configs")))}
    if not found or name in found:
        return found.get(name)
    defaults = [str(each.get("config_name")) for each in _objects(card.get("configs")) if each.get("default") is True]
    names = [*found] if len(found) == 1 else [each for each in (*defaults, DEFAULT) if each in found]
    if names and not name:
        return found[names[0]]
    listed = ", ".join([*found][:_NAMED]) + (", …" if len(found) > _NAMED else "")
    fault = f"it has no subset {name!r}, only {listed}" if name else f"it has {len(found)} subsets, {listed}"
    raise InputError(f"{where}: {fault}; {remedy}")


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _subset(config: dict[str, Any]) -> Subset:
    folder = config.get("data_dir")
    folder = folder.strip("/") if isinstance(folder, str) else ""
    prefix = f"{folder}/" if folder else ""
    files = tuple((split, tuple(prefix + path for path in paths)) for split, paths in _files(config.get("data_files")))
    return Subset(str(config.get("config_name", DEFAULT)), folder, files)


def _files(value: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield splits and their patterns: files of no split train."""
    if isinstance(value, dict):
        value = [{"split": split, "path": paths} for split, paths in value.items()]
    objects = _objects(value)
    for each in objects:
        yield str(each.get("split", "train")), _texts(each.get("path"))
    if not objects and _texts(value):
        yield "train", _texts(value)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def class_names_in(card: dict[str, Any], column: str) -> dict[str, tuple[str, ...]]:
    """Return, by subset, the names of the classes that a column numbers from 0."""
    infos = card.get("dataset_info")
    found = {}
    for info in [infos] if isinstance(infos, dict) else _objects(infos):
        for feature in _objects(info.get("features")):
            kinds = [feature.get(key) for key in ("dtype", "sequence", "list")]
            for kind in (each for each in kinds if isinstance(each, dict)):
                label = kind.get("class_label")
                names = named(label.get("names")) if isinstance(label, dict) else ()
                if feature.get("name") == column and names:
                    found[str(info.get("config_name", DEFAULT))] = names
    return found


def named(value: Any) -> tuple[str, ...]:
    """Return classes' names from a list, or from an object of number → name; () where it is neither, or not whole."""
    if isinstance(value, dict):
        numbered = {str(number): name for number, name in value.items()}
        value = [numbered.get(str(number)) for number in range(len(numbered))]
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(each, str) for each in value):
        return ()
    names = tuple(each.strip() for each in value)
    return names if len(names) > 1 and all(names) and len(set(names)) == len(names) else ()
