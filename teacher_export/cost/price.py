"""What a job costs: hours and dollars by the number of machines, calculated, and simulated with machines that fail."""

import dataclasses
import math
from collections.abc import Sequence

from distill_jax.console import format_table, say
from distill_jax.machine import machine
from teacher_export.config import OutputConfig
from teacher_export.cost.probe import Rates, measure
from teacher_export.cost.simulation import Job, Outcome, mean_of
from teacher_export.options.cost import CostOptions

_HOUR = 3600.0
_SIMULATIONS = 5


@dataclasses.dataclass(frozen=True)
class Bill:
    """What so many machines take.

    Attributes:
        machines: how many.
        hours: from the first row to the last.
        dollars: all machines' hours at their price.
    """

    machines: int
    hours: float
    dollars: float

    @classmethod
    def of(cls, rows: float, rate: float, machines: int, price: float) -> "Bill":
        """Return the bill of rows at so many a second on each machine, without a failure."""
        hours = rows / (rate * machines) / _HOUR
        return cls(machines, hours, hours * machines * price)


def simulated(options: CostOptions, rates: Rates, machines: int) -> Outcome:
    """Return what becomes of the teacher's pass on machines that fail; means over some simulations."""
    assert rates.teacher is not None
    part_rows = OutputConfig().rows_of_part(round(options.rows))
    job = Job(
        parts=math.ceil(options.rows / part_rows),
        seconds=[part_rows / rates.teacher * ratio for ratio in rates.part_seconds],
        workers=machines,
        start=rates.loading,
        between_failures=options.failures * _HOUR if options.failures else math.inf,
        restart=options.restart,
        slow_share=options.slow_share,
        slow_times=options.slow_times,
    )
    return mean_of(job, range(options.seed, options.seed + _SIMULATIONS))


def say_price(options: CostOptions) -> None:
    """Measure, calculate, simulate, and say all of it.

    Raises:
        InputError: the teacher, the student or the texts cannot be used.
    """
    rates = measure(options)
    say(f"\n{machine()}")
    say(_rates_table(rates))
    if rates.part_bytes is not None and rates.plan_bytes is not None:
        parts, plan = (options.rows * size / 1e9 for size in (rates.part_bytes, rates.plan_bytes))
        say(
            f"\nStorage of {options.rows:,.0f} rows: {parts:,.1f} GB of parts; the plan's {plan:,.1f} GB are deleted "
            "at the end"
        )
    if rates.teacher is not None:
        bills = [Bill.of(options.rows, rates.teacher, count, options.teacher_price) for count in options.machines]
        say(f"\nThe teacher's pass over {options.rows:,.0f} rows, ${options.teacher_price:g} an hour of a machine:")
        say(_teacher_table(options, rates, bills))
        say(_assumptions(options))
        say(_not_counted(options))
    if rates.student is not None:
        bills = [Bill.of(options.rows, rates.student, count, options.student_price) for count in options.machines]
        say(f"\nThe student's labelling of them, ${options.student_price:g} an hour of a machine:")
        say(format_table(["machines", "hours", "dollars"], [_cells(bill) for bill in bills]))


def _rates_table(rates: Rates) -> str:
    rows = [
        [f"teacher, {rates.how}", rates.teacher],
        ["its tokenizer", rates.tokenizer],
        ["student", rates.student],
    ]
    cells = [[str(name), f"{rate:,.0f}"] for name, rate in rows if isinstance(rate, float)]
    tokens = "" if rates.tokens is None else f" of {rates.tokens:.0f} tokens"
    return format_table([f"documents{tokens}", "a second"], cells)


def _cells(bill: Bill) -> list[str]:
    return [f"{bill.machines:,}", f"{bill.hours:,.2f}", f"{bill.dollars:,.2f}"]


def _teacher_table(options: CostOptions, rates: Rates, bills: Sequence[Bill]) -> str:
    rows = []
    for bill in bills:
        found = simulated(options, rates, bill.machines)
        dollars = found.seconds / _HOUR * bill.machines * options.teacher_price
        rows.append(
            [
                *_cells(bill),
                *(f"{found.seconds / _HOUR:,.2f}", f"{dollars:,.2f}", f"{found.failures:,}", f"{found.lost:,}"),
            ]
        )
    return format_table(
        ["machines", "hours", "dollars", "with failures: hours", "dollars", "machines lost", "parts again"], rows
    )


def _not_counted(options: CostOptions) -> str:
    texts = options.teacher.embedding_texts
    states = f", nor the states of {texts:,} texts that plan reads once (--embedding-texts)" if texts else ""
    return f"Fine-tuning is not counted{states}"


def _assumptions(options: CostOptions) -> str:
    lost = f"each machine is lost after {options.failures:g} h in the mean and back after {options.restart:g} s"
    return (
        f"With failures: {lost if options.failures else 'no machine is lost'}; {options.slow_share:.0%} of them take "
        f"{options.slow_times:g} times as long; means of {_SIMULATIONS} simulations, seed {options.seed}"
    )
