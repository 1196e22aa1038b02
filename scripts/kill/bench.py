"""The folders that trials begin with, and what the commands make of them where nothing kills them."""

import dataclasses
import functools
import json
import os
import shutil
from pathlib import Path

from distill_jax.files import write_json
from scripts.kill.commands import Ended, run
from scripts.kill.operations import Operation
from scripts.kill.scenarios import SEARCHED, Scenario, Stage
from scripts.trials.folders import describe, differences
from scripts.trials.processes import Command, answer_of


class NotReadyError(Exception):
    """A command failed, or its results differ from run to run, without any kill; the message has its output."""


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a scenario's command does where nothing kills it.

    Attributes:
        operations: on the files, in their order.
        content: what it leaves, as ``describe`` says it.
    """

    operations: tuple[Operation, ...]
    content: dict[str, str]


class Bench:
    """The folders of a campaign, below one root that several processes may share.

    Args:
        root: where everything lies.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def stage(self, stage: Stage) -> Path:
        """Return the folder of a stage, made where it is not there; it is not to be changed."""
        place = self.root / "stages" / stage.name
        if place.is_dir():
            return place
        making = self.root / f"making-{stage.name}-{os.getpid()}"
        if stage.base is None:
            making.mkdir(parents=True)
        else:
            copy_folder(self.stage(stage.base), making)
        if stage.write is not None:
            answer_of(functools.partial(stage.write, making))  # frameworks must not compute in this process
        for command in stage.commands:
            self._run(command, making)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            making.rename(place)
        except OSError:  # another process has made it meanwhile: a folder replaces none that has files
            if not place.is_dir():
                raise
        return place

    def expected(self, scenario: Scenario) -> Expected:
        """Return what a scenario's command does uninterrupted: it is run twice, and must do the same.

        Raises:
            NotReadyError: it fails, or does not do the same.
        """
        record = self.root / "expected" / f"{scenario.name}.json"
        if not record.is_file():
            first, again = (self._uninterrupted(scenario, number) for number in (1, 2))
            if found := differences(first.content, again.content):
                raise NotReadyError(f"{scenario.name}: two uninterrupted runs differ: {'; '.join(found)}")
            write_json(record, dataclasses.asdict(first))
        found_ = json.loads(record.read_text(encoding="utf-8"))
        operations = tuple(Operation(**each) for each in found_["operations"])
        return Expected(operations, found_["content"])

    def content(self, folder: Path) -> dict[str, str]:
        """Return what a folder holds, as ``describe`` says it, looked at from a process of its own."""
        return dict(answer_of(lambda: describe(folder, SEARCHED)))

    def _uninterrupted(self, scenario: Scenario, number: int) -> Expected:
        folder = self.root / f"uninterrupted-{number}" / scenario.name
        copy_folder(self.stage(scenario.stage), folder)
        ended = self._run(scenario.command, folder, scenario.output)
        return Expected(ended.operations, self.content(folder))

    @staticmethod
    def _run(command: Command, folder: Path, output: str | None = None) -> Ended:
        ended = run(command, folder, output=output)
        if ended.status != 0:
            raise NotReadyError(f"{command}: exit status {ended.status}, without any kill\n{ended.words}")
        return ended


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder to a place where nothing is yet; links stay links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target, symlinks=True)
