"""What a campaign has found, as a table and as JSON."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from distill_jax.console import format_table
from scripts.benchmark.machine import describe_machine
from scripts.kill.campaign import Campaign, Outcome
from scripts.kill.trials import DIFFERENT, EQUAL, STUCK, Result

_HEADER = ["scenario", "operations", "trials", "kills", "equal", "different", "stuck"]


def table(outcome: Outcome) -> str:
    """Return a row for each scenario, and their sum."""
    rows = [[name, str(count), *_counts(_of(outcome, name))] for name, count in outcome.operations.items()]
    total = str(sum(outcome.operations.values()))
    return format_table(_HEADER, [*rows, ["all", total, *_counts(outcome.results)]])


def _of(outcome: Outcome, name: str) -> list[Result]:
    return [result for result in outcome.results if result.scenario == name]


def _counts(results: Sequence[Result]) -> list[str]:
    verdicts = [result.verdict for result in results]
    kills = sum(result.kills for result in results)
    return [str(number) for number in (len(results), kills, *map(verdicts.count, (EQUAL, DIFFERENT, STUCK)))]


def wrong(outcome: Outcome) -> list[Result]:
    """Return the trials that went wrong."""
    return [result for result in outcome.results if result.verdict != EQUAL]


def repeat_command(result: Result, seed: int) -> str:
    """Return the command that repeats a trial."""
    return f"python -m scripts.kill --only {result.scenario} --trial {result.number} --seed {seed}"


def as_json(campaign: Campaign, outcome: Outcome) -> dict[str, Any]:
    """Return everything that a campaign has found."""
    return {
        "machine": describe_machine(),
        "seed": campaign.seed,
        "minutes": campaign.seconds / 60,
        "operations": outcome.operations,
        "trials": len(outcome.results),
        "kills": sum(result.kills for result in outcome.results),
        "equal": len(outcome.results) - len(wrong(outcome)),
        "wrong": [dataclasses.asdict(result) for result in wrong(outcome)],
    }
