"""One environment after the other: installed, travelled through, and what became of each step."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from distill_jax.students.registry import student_names
from scripts.versions.bounds import lower_bounds, requirements
from scripts.versions.environment import Environment, FailedError, brings_cuda
from scripts.versions.interpreters import Interpreter
from scripts.versions.wheel import ROOT

End = Literal["oldest", "newest"]
PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"
TEACHER, TRAIN = "teacher", "train"
RUNTIME = "runtime"  # the step in an environment of its own, with the wheel alone
_LINEAR = Path("runs/tiny/fasttext")
_JOURNEY = Path(__file__).with_name("journey.py")
_HELPERS = [ROOT / "tests" / "helpers" / name for name in ("tiny_teacher.py", "tiny_export.py")]
_TEXTS = "good film\nthe phone was broken and i want a refund\n\nokay\nsuperb, i love this book\n"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a step: ``passed``, ``FAILED`` or ``skipped``, and what there is to say about that."""

    word: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Case:
    """An environment that is asked for.

    Attributes:
        python: its interpreter.
        end: which end of the ranges.
        torch: the version of torch; no index has builds for the CPU alone of every version and every Python.
    """

    python: Interpreter
    end: End
    torch: str

    @property
    def title(self) -> str:
        """Its name in the table."""
        return f"Python {self.python.version}, {self.end}"

    def constraints(self) -> dict[str, str]:
        """Return the versions that pip is held to."""
        wanted = requirements((ROOT / "pyproject.toml").read_text(encoding="utf-8"), TEACHER)
        bounds = lower_bounds(wanted, self.python.version) if self.end == "oldest" else {}
        return {**bounds, "torch": self.torch}


def steps() -> dict[str, tuple[str, ...]]:
    """Return the words of ``journey.py`` for each step after ``install`` and ``export``."""
    return {**{name: ("student", name) for name in student_names()}, "library": ("library",), "report": ("report",)}


def study(case: Case, wheel: Path, folder: Path, advance: Callable[[str], object]) -> dict[str, Outcome]:
    """Install the wheel in a new environment, and travel; then predict in another, in which it is installed alone.

    Args:
        case: the environment.
        wheel: what is installed.
        folder: an empty folder for it.
        advance: is called with each step's name before it.

    Returns:
        The outcome of each step that was reached; the note of ``install`` has the versions.
    """
    return dict(_outcomes(case, wheel, folder, advance))


def _outcomes(case: Case, wheel: Path, folder: Path, advance: Callable[[str], object]) -> Iterator[tuple[str, Outcome]]:
    environment = Environment(folder)
    advance("install")
    try:
        environment.create(case.python.path)
        versions = _install(case, wheel, environment)
        pack(environment.work)
        environment.run("python", "journey.py", "installed")
    except FailedError as error:
        yield "install", Outcome(FAILED, str(error))
        return
    yield "install", Outcome(PASSED, _named(case, versions))
    advance("export")
    exported = _export(case, environment, versions)
    yield "export", exported
    if exported.word == FAILED:
        return
    for name, words in steps().items():
        advance(name)
        yield name, _outcome(environment, *words)
    advance(RUNTIME)
    yield RUNTIME, _runtime(case, wheel, Environment(folder / RUNTIME), environment.work / _LINEAR)


def _runtime(case: Case, wheel: Path, environment: Environment, run: Path) -> Outcome:
    """Install the wheel without extras, and predict with a run folder of the other environment."""
    if not run.is_dir():
        return Outcome(SKIPPED, "no linear student was trained")
    try:
        environment.create(case.python.path)
        environment.install(wheel, environment.resolve(str(wheel), case.constraints()))
    except FailedError as error:
        return Outcome(FAILED, str(error))
    pack(environment.work)
    shutil.copytree(run, environment.work / _LINEAR)
    return _outcome(environment, RUNTIME)


def _install(case: Case, wheel: Path, environment: Environment) -> dict[str, str]:
    """Install the wheel, with its teacher's half unless that would bring gigabytes for a GPU; return the versions."""
    versions = environment.resolve(f"{wheel}[{TEACHER}]", case.constraints())
    if brings_cuda(versions):
        versions = environment.resolve(f"{wheel}[{TRAIN}]", case.constraints())
    environment.install(wheel, versions)
    return versions


def pack(folder: Path) -> None:
    """Put into a folder what the journey needs."""
    for source in (_JOURNEY, *_HELPERS):
        shutil.copy(source, folder)
    (folder / "texts.txt").write_text(_TEXTS, encoding="utf-8")


def _export(case: Case, environment: Environment, versions: dict[str, str]) -> Outcome:
    if "torch" in versions:
        return _outcome(environment, "export")
    written = _outcome(environment, "write_export")
    why = f"torch {case.torch} brings CUDA with Python {case.python.version}; the students learn from one made without"
    return Outcome(SKIPPED, why) if written.word == PASSED else written


def _outcome(environment: Environment, *words: str) -> Outcome:
    try:
        environment.run("python", "journey.py", *words)
    except FailedError as error:
        return Outcome(FAILED, str(error))
    return Outcome(PASSED)


def _named(case: Case, versions: dict[str, str]) -> str:
    """Return the versions of what ``pyproject.toml`` itself requires."""
    wanted = requirements((ROOT / "pyproject.toml").read_text(encoding="utf-8"), TEACHER)
    names = lower_bounds(wanted, case.python.version)
    return ", ".join(f"{name} {versions[name]}" for name in sorted(names) if name in versions)
