"""The process that forks the commands: ``python -m scripts.kill.worker ROOT KEEP SEED``.

It imports the frameworks once, answers a line when it has, and then each line that comes in, a scenario's name and a
trial's number: without a number it makes ready and answers how many operations there are, or else how the trial ended.
"""

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from scripts.kill.bench import Bench, NotReadyError
from scripts.kill.scenarios import all_scenarios
from scripts.kill.trials import Trial
from scripts.trials.processes import load


def main(root: Path, keep: Path, seed: int) -> None:
    """Serve trials until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no answer
    load(root / "cache")
    bench, scenarios = Bench(root), {scenario.name: scenario for scenario in all_scenarios()}
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        name, number = json.loads(line)
        try:
            expected = bench.expected(scenarios[name])
            if number is None:
                _answer(answers, {"operations": len(expected.operations)})
            else:
                _answer(answers, dataclasses.asdict(Trial(bench, scenarios[name], expected, number, seed).run(keep)))
        except NotReadyError as error:
            _answer(answers, {"failed": str(error)})


def _answer(answers: IO[str], value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
