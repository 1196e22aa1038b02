"""What a campaign has found, as a table and as JSON."""

import collections
import dataclasses
from typing import Any

from distill_jax.console import format_table
from scripts.benchmark.machine import describe_machine
from scripts.fuzz.campaign import Campaign, Outcome
from scripts.fuzz.trials import ACCEPTED, FAULT, REFUSED, Result

_VERDICTS = (ACCEPTED, REFUSED, FAULT)


def table(outcome: Outcome) -> str:
    """Return a row for each loader, and their sum."""
    total = sum(outcome.verdicts.values(), collections.Counter())
    rows = [
        [name, *(f"{number:,}" for number in (counts.total(), *(counts[verdict] for verdict in _VERDICTS)))]
        for name, counts in (*outcome.verdicts.items(), ("all", total))
    ]
    return format_table(["loader", "inputs", "accepted", "refused", "faults"], rows)


def causes(outcome: Outcome) -> list[tuple[Result, int]]:
    """Return the first fault of each loader's every cause, and how many there were, most first."""
    counts = collections.Counter((fault.loader, fault.cause) for fault in outcome.faults)
    first = {(fault.loader, fault.cause): fault for fault in reversed(outcome.faults)}
    return [(first[key], count) for key, count in counts.most_common()]


def repeat_command(result: Result, seed: int) -> str:
    """Return the command that repeats an input."""
    return f"python -m scripts.fuzz --only {result.loader} --input {result.number} --seed {seed}"


def as_json(campaign: Campaign, outcome: Outcome) -> dict[str, Any]:
    """Return everything that a campaign has found."""
    return {
        "machine": describe_machine(),
        "seed": campaign.seed,
        "inputs": outcome.inputs,
        "loaders": {name: dict(counts) for name, counts in outcome.verdicts.items()},
        "faults": [{**dataclasses.asdict(fault), "times": count} for fault, count in causes(outcome)],
    }
