"""Where the parts of a planned export lie: in its folder, or in object storage, with the folder as a desk."""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from distill_jax.console import say
from distill_jax.export.format import MANIFEST, TOKENIZER, part_file
from distill_jax.export.writer import PARTIAL_MANIFEST, SHARED_ARRAYS, record_of
from distill_jax.locks import shared
from distill_jax.storage.address import is_address
from distill_jax.storage.mirror import Mirror
from distill_jax.storage.objects import Objects
from teacher_export.parts.plan import PLAN_FILES, PLAN_FOLDER, Plan, read_plan

OUTPUT = "output folder"
BEGINNING = (PARTIAL_MANIFEST, TOKENIZER, *PLAN_FILES)  # what computing parts needs, besides their rows


class Parts(Protocol):
    """A planned export's parts."""

    plan: Plan

    def is_done(self, number: int) -> bool:
        """Whether a part and its record are there now; ``finish`` looks at its bytes."""

    def left(self, numbers: Iterable[int]) -> list[int]:
        """Return those of some parts that are not there, in the order in which this process is to try them."""

    def bring(self, number: int) -> None:
        """Make a part's rows ready to be read in the plan's folder."""

    def hand_over(self, number: int) -> None:
        """Take over a part that was written in the plan's folder, with its record."""


def open_parts(output: Path) -> Parts:
    """Return the parts of the planned export at a path or an address.

    Raises:
        MissingInputError: there is no plan.
        InputError: it is damaged, or the store does not answer.
    """
    return StoredParts(Mirror(output)) if is_address(output) else PartsHere(read_plan(output))


def is_finished(output: Path) -> bool:
    """Whether an export has its manifest already; if so, it is said."""
    found = Objects(output).find(MANIFEST) if is_address(output) else (output / MANIFEST).is_file()
    if found:
        say(f"The export in {output} is finished already.")
    return bool(found)


def names_of_part(plan: Plan, number: int) -> tuple[str, str]:
    """Return the names of a part and of its record below the export's address."""
    path = Path(part_file(*plan.place(number)))
    return path.as_posix(), record_of(path).as_posix()


class PartsHere:
    """Parts in a folder that all processes see.

    Args:
        plan: the plan.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def is_done(self, number: int) -> bool:
        """Whether the files are there."""
        path = self.plan.part_path(number)
        return record_of(path).is_file() and path.is_file()

    def left(self, numbers: Iterable[int]) -> list[int]:
        """Return those whose files are not there, in their order."""
        return [number for number in numbers if not self.is_done(number)]

    def bring(self, number: int) -> None:
        """Do nothing: the rows are there."""

    def hand_over(self, number: int) -> None:
        """Do nothing: the part is there."""


class StoredParts:
    """Parts in object storage. Processes of one machine claim them; other machines may compute the same, to no harm.

    Args:
        mirror: stands for the export.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        with shared(mirror.folder, OUTPUT):  # one who plans or finishes is not disturbed
            names = mirror.objects.names()
            known = (*BEGINNING, *SHARED_ARRAYS)
            mirror.drop(*(name for name in (MANIFEST, *known) if name not in names))  # of what lay there before
            mirror.fetch_all({name: names[name] for name in BEGINNING if name in names})
            self.plan = read_plan(mirror.folder)
            if self.plan.header.hint_width:
                mirror.fetch_all({name: names[name] for name in SHARED_ARRAYS if name in names})
        self._there = {number for number in range(len(self.plan)) if names.keys() >= set(self._files(number))}

    def is_done(self, number: int) -> bool:
        """Whether the part's record, which is put last, is there now."""
        if number not in self._there and self._mirror.objects.find(self._files(number)[1]) is not None:
            self._there.add(number)
        return number in self._there

    def left(self, numbers: Iterable[int]) -> list[int]:
        """Return those that were not there at the first look, in an order by chance: machines seldom try the same."""
        found = [number for number in numbers if number not in self._there]
        random.shuffle(found)
        return found

    def bring(self, number: int) -> None:
        """Fetch the part's rows."""
        self._mirror.fetch(self._rows(number))

    def hand_over(self, number: int) -> None:
        """Put the part, and then its record; nothing of them stays here."""
        files = self._files(number)
        self._mirror.put(files)
        self._there.add(number)
        self._mirror.drop(*files, self._rows(number))

    def _files(self, number: int) -> tuple[str, str]:
        return names_of_part(self.plan, number)

    def _rows(self, number: int) -> str:
        return f"{PLAN_FOLDER}/{part_file(*self.plan.place(number))}"
