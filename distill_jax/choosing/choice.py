"""What there is to choose from, and what is recommended: its numbers, in memory and as JSON."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from distill_jax.choosing.candidate import Candidate
from distill_jax.choosing.recommendation import Limits, Recommendation
from distill_jax.errors import InputError, MissingInputError, refusing
from distill_jax.files import read_json
from distill_jax.repeats import first_repeated
from distill_jax.results_file import ResultsFile

CHOICES = ResultsFile("distill_jax.choose", frozenset({"candidates", "recommended"}))


@dataclasses.dataclass(frozen=True)
class Choice:
    """What there is to choose from.

    Attributes:
        metric: what ``score`` is, as people read it.
        rows: the test rows that it is of.
        data: the fingerprint of the texts and labels; None = the export does not say.
        limits: what may be shipped.
        candidates: students first, in the order that they were given, then baselines, then the teacher.
        front: those that none surpasses in score and bytes, the smallest first.
        recommendation: what to ship.
    """

    metric: str
    rows: int
    data: str | None
    limits: Limits
    candidates: tuple[Candidate, ...]
    front: tuple[Candidate, ...]
    recommendation: Recommendation

    def surpassed_by(self, candidate: Candidate) -> Candidate | None:
        """Return the best of what is no larger and no worse; None where nothing is, or its size is unknown."""
        size = candidate.cost.bytes
        if size is None or candidate in self.front:
            return None
        return [each for each in self.front if each.cost.bytes is not None and each.cost.bytes <= size][-1]

    def to_json(self) -> dict[str, Any]:
        """Return its numbers as JSON values."""
        chosen = self.recommendation.candidate
        return {
            "metric": self.metric,
            "test_rows": self.rows,
            "data_fingerprint": self.data,
            "limits": dataclasses.asdict(self.limits),
            "candidates": [each.to_json() for each in self.candidates],
            "pareto_front": [each.name for each in self.front],
            "recommended": None if chosen is None else chosen.name,
            "reason": self.recommendation.reason,
        }


def read_choice(path: Path) -> Choice:
    """Read what ``python -m distill_jax.choose --json`` wrote; candidates have no draws.

    Raises:
        MissingInputError: there is no such file.
        InputError: it is something else.
    """
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such file; python -m distill_jax.choose --json {path} writes it")
    expected = "expected the numbers of python -m distill_jax.choose --json"
    if not CHOICES.wrote(path):
        raise InputError(f"{path}: {expected}, found something else")
    found = read_json(path, "choice")
    with refusing(lambda reason: f"{path}: {expected} of this version, found others ({reason}); choose again"):
        again = first_repeated(each["name"] for each in found["candidates"])
        if again is not None:
            raise ValueError(f"two candidates are called {again!r}")
        by_name = {each["name"]: Candidate.from_json(each) for each in found["candidates"]}
        recommended = found["recommended"]
        choice = Choice(
            metric=str(found["metric"]),
            rows=int(found["test_rows"]),
            data=found["data_fingerprint"],
            limits=Limits(int(found["limits"]["bytes"]), float(found["limits"]["latency_ms"])),
            candidates=tuple(by_name.values()),
            front=tuple(by_name[name] for name in found["pareto_front"]),
            recommendation=Recommendation(None if recommended is None else by_name[recommended], str(found["reason"])),
        )
        json.dumps(choice.to_json(), allow_nan=False)
    return choice
