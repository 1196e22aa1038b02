"""What is compared on the same folds: ways to export and to train, each under a name."""

import dataclasses
import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError, MissingInputError
from distill_jax.options import given_option, option_of
from distill_jax.train import parse
from scripts.crossvalidate.rows import DatasetName
from teacher_export.command_line import parse_arguments
from teacher_export.options.teacher import TeacherConfig
from teacher_export.options.transfer_set import TransferSetConfig

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KEYS = {"export", "train", "direct", "students"}
# What the study sets itself, or would not be the same study without.
_OF_EXPORT = {"--dataset", "--data", "--unlabelled", "--text-column", "--label-column", "--split-column"}
_OF_EXPORT |= {"--unlabelled-rows", "--output", "--finetune-output"}
_OF_TRAINING = {"--student", "--distil", "--recipe", "--export", "--workdir", "--seed", "--seeds", "--resume"}
_OF_TRAINING |= {"--overwrite"}
# As in make best: the demo's teacher has two epochs there, and other data sets' validation rows choose.
_OF_DATASETS: dict[DatasetName, dict[str, str]] = {"demo": {"--finetune-epochs": "2"}}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to export and to train.

    Attributes:
        name: what tables call it.
        export: further words of the export's command line.
        train: further words of each distilled training.
        direct: further words of each training on labels.
        students: further words of a student's distilled training, by its name.
    """

    name: str
    export: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    students: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def of_student(self, student: str, recipe: str, *, distil: bool) -> list[str]:
        """Return the words of a student's training, but for its export, seed and folder."""
        own = [*self.train, *self.students.get(student, ())] if distil else list(self.direct)
        return ["--student", student, *(["--distil"] if distil else []), "--recipe", recipe, *own]

    def check(self, students: Sequence[str], recipe: str) -> None:
        """Refuse words that a command would refuse.

        Raises:
            InputError: one is wrong.
        """
        for student in students:
            for distil in (False, True):
                _parsed(self.name, parse, self.of_student(student, recipe, distil=distil))
        unknown = sorted(set(self.students) - set(students))
        if unknown:
            raise InputError(f"variant {self.name}: it has words for {unknown[0]!r}, which is none of --students")


def read_variants(path: Path) -> list[Variant]:
    """Read a TOML file with a table a variant: lists of words ``export``, ``train``, ``direct``, and ``students.NAME``.

    Raises:
        InputError: it is no such file.
    """
    if not path.is_file():
        raise MissingInputError(f"--variants {path}: there is no such file")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--variants {path}: expected TOML, got {error}") from None
    if not found:
        raise InputError(f"--variants {path}: expected a table for each variant, found none")
    return [_variant(name, value, f"--variants {path}: {name}") for name, value in found.items()]


def _variant(name: str, value: Any, where: str) -> Variant:
    if not _NAME.fullmatch(name):
        raise InputError(f"{where}: expected a name of letters, digits, dots and dashes")
    if not isinstance(value, dict) or (unknown := sorted(set(value) - _KEYS)):
        got = "no table" if not isinstance(value, dict) else repr(unknown[0])
        raise InputError(f"{where}: expected a table with {', '.join(sorted(_KEYS))}, got {got}")
    students = value.get("students", {})
    if not isinstance(students, dict):
        raise InputError(f"{where}: students: expected a list of words for each, got {students!r}")
    taken = {"export": _OF_EXPORT, "train": _OF_TRAINING, "direct": _OF_TRAINING}
    lists = {key: _words(value.get(key, []), f"{where}: {key}", taken[key]) for key in taken}
    own = {student: _words(words, f"{where}: students.{student}", _OF_TRAINING) for student, words in students.items()}
    return Variant(name, students=own, **lists)


def _words(value: Any, where: str, taken: Set[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InputError(f"{where}: expected a list of words in quotation marks, got {value!r}")
    word = next((word for word in value if given_option(word) in taken), None)
    if word is not None:
        raise InputError(f"{where}: expected words that the study does not set itself, got {word!r}")
    return tuple(value)


@dataclasses.dataclass(frozen=True)
class ExportWords:
    """An export's command line, but for its folders.

    Attributes:
        words: all of it.
        key: what the export is called on the disk.
        teacher_key: what its teacher is: exports that differ in their transfer sets, states and hints alone have one.
        augment: its copies of each training text.
    """

    words: tuple[str, ...]
    key: str
    teacher_key: str
    augment: int

    @classmethod
    def of(cls, variant: Variant, dataset: DatasetName, table: list[str], numbers: Mapping[str, int]) -> "ExportWords":
        """Return a variant's export.

        Args:
            variant: whose words come last, and take the place of the study's.
            dataset: the study's.
            table: the words that name the data.
            numbers: of the study's own options, by their fields' names; 0 = it is not given.

        Raises:
            InputError: a word is wrong.
        """
        numbered = {option_of(name): str(number) for name, number in numbers.items() if number}
        defaults = {**_OF_DATASETS.get(dataset, {}), **numbered}
        given = {word.partition("=")[0] for word in variant.export}
        own = [each for name, value in defaults.items() if name not in given for each in (name, value)]
        words = (*table, *own, *variant.export)
        config = _parsed(variant.name, parse_arguments, list(words))
        # What says nothing of its weights: which texts it labels, and what else it says of them.
        teacher = dataclasses.replace(config.teacher, embedding_texts=TeacherConfig.embedding_texts, hint_width=0)
        alone = dataclasses.replace(config, transfer_set=TransferSetConfig(), teacher=teacher)
        return cls(words, _digest(words), _digest(_given(alone)), config.transfer_set.augment)


def _parsed(name: str, parser: Any, words: list[str]) -> Any:
    try:
        return parser(words)
    except InputError as error:
        raise InputError(f"variant {name}: {error}") from None
    except SystemExit:  # tyro has said which word it does not know
        raise InputError(f"variant {name}: a command does not take its words: {' '.join(words)}") from None


def _given(config: Any) -> dict[str, Any]:
    """Return the options that differ from their defaults: what later versions add does not change them."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found |= _given(value)
        elif value != field.default:
            found[field.name] = value
    return found


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:10]
