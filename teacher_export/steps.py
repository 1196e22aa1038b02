"""The steps of an export as commands of their own: ``plan``, ``part``, ``finish``; and ``cost``, before them."""

import functools
from collections.abc import Callable, Sequence

from distill_jax.console import EXPORT_COMMAND, parse_options
from distill_jax.storage.address import is_address
from teacher_export.config import ExportConfig
from teacher_export.options.parts import FinishOptions, PartOptions

_PLAN = """Plan an export, so that many processes on many machines can compute its parts: read the data, draw and split
its rows, make the teacher ready, and write each part's rows into the export folder. The options are the export's."""


def _plan(words: Sequence[str]) -> None:
    config = parse_options(ExportConfig, words, prog=f"{EXPORT_COMMAND} plan", description=_PLAN)
    _prepare(teacher_is_table=config.teacher_is_table)
    if is_address(config.export_folder):
        from teacher_export.parts.stored import make_stored_plan

        make_stored_plan(config)
        return
    from teacher_export.parts.planning import make_plan

    make_plan(config)


def _part(words: Sequence[str]) -> None:
    options = parse_options(PartOptions, words, prog=f"{EXPORT_COMMAND} part")
    _prepare(teacher_is_table=True)  # the plan knows whether torch is needed
    from teacher_export.parts.numbers import chosen_parts

    choose = functools.partial(chosen_parts, options.parts, options.shard)
    if options.engine == "ray":
        from teacher_export.parts.ray_engine import compute_parts_with_ray

        compute_parts_with_ray(options, choose)
        return
    from teacher_export.parts.working import compute_parts

    compute_parts(options.output, choose, options.device)


def _finish(words: Sequence[str]) -> None:
    options = parse_options(FinishOptions, words, prog=f"{EXPORT_COMMAND} finish")
    _prepare(teacher_is_table=True)
    if is_address(options.output):
        from teacher_export.parts.stored import finish_stored_plan

        finish_stored_plan(options.output)
        return
    from teacher_export.parts.ending import finish_plan

    finish_plan(options.output)


def _cost(words: Sequence[str]) -> None:
    from teacher_export.options.cost import CostOptions

    options = parse_options(CostOptions, words, prog=f"{EXPORT_COMMAND} cost")
    _prepare(teacher_is_table=(options.teacher_rate or options.timing) is not None)
    from teacher_export.cost.price import say_price

    say_price(options)


def _prepare(*, teacher_is_table: bool) -> None:
    """Check that what a step needs is installed, before anything of it is imported."""
    from teacher_export.libraries import require_libraries, share_processors

    require_libraries(teacher_is_table=teacher_is_table)
    share_processors()


STEPS: dict[str, Callable[[Sequence[str]], None]] = {"plan": _plan, "part": _part, "finish": _finish, "cost": _cost}
