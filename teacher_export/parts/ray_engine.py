"""Parts of a planned export, computed by actors of a Ray cluster, each with a teacher that it loads once."""

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.console import progress, say
from distill_jax.errors import InputError, Interrupted, reason_of
from distill_jax.extras import require_extra
from distill_jax.locks import shared
from distill_jax.storage.address import is_address
from teacher_export.options.parts import PartOptions
from teacher_export.options.teacher import DeviceName
from teacher_export.parts.places import OUTPUT, is_finished, open_parts
from teacher_export.parts.plan import Plan
from teacher_export.parts.working import PartWorker, say_what_is_left

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 10.0  # seconds
_PAUSE = 0.5  # seconds between two looks at what processes outside of the cluster hold


class PartActor:
    """A process of the cluster. Ray makes it anew, where it dies, and gives it the part that it was at again.

    Args:
        folder: the export folder, by a path that every machine of the cluster knows, or its address.
        device: where the teacher runs, if not where the plan was told.
    """

    def __init__(self, folder: Path, device: DeviceName | None) -> None:
        self._folder, self._device = folder, device
        self._worker: PartWorker | None = None
        self._held = contextlib.ExitStack()

    def do(self, number: int) -> tuple[int, bool]:
        """Compute a part; return its number, and False where another process is at it."""
        if self._worker is None:  # not when it is made, so that what is wrong is an answer and not a death
            parts = open_parts(self._folder)
            self._held.enter_context(shared(parts.plan.folder, OUTPUT))
            self._worker = PartWorker(parts, self._device)
        return number, self._worker.do(number)


def compute_parts_with_ray(options: PartOptions, choose: Callable[[int], Sequence[int]]) -> None:
    """Do what ``compute_parts`` does by actors of a Ray cluster, whose machines all see the export folder.

    Raises:
        InputError: ``compute_parts`` would raise it, here or in the cluster; or there is no such cluster.
        Interrupted: Ctrl-C; the message says what is kept.
    """
    require_extra("ray", "--engine ray")
    folder = options.output if is_address(options.output) else options.output.absolute()
    if is_finished(folder):
        return
    parts = open_parts(folder)
    plan = parts.plan
    todo = say_what_is_left(parts, choose(len(plan)))
    if not todo:
        return
    start = time.perf_counter()
    with _cluster(options) as ray:
        actors = _actors(ray, options, folder, len(todo))
        say(f"labelling by {len(actors)} actors")
        try:
            _work_through(ray, actors, plan, todo)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted: the whole parts are kept in {options.output}; the same command goes on from there"
            ) from None
    rows, seconds = sum(plan.examples(number) for number in todo), time.perf_counter() - start
    say(f"{rows:,} rows in {len(todo):,} parts, in {seconds:.1f} s: {rows / seconds:,.0f} rows/s")


@contextlib.contextmanager
def _cluster(options: PartOptions) -> "Iterator[Any]":
    """Connect to the cluster, or start one of this machine; leave it at the end."""
    import ray

    try:
        _require_answer(options.address)
        ray.init(
            address=options.address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if options.address is None else None,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"--address {options.address}: no Ray cluster answers there ({reason_of(error)})") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_answer(address: str | None) -> None:
    """Raise ``OSError`` where nothing listens at ``HOST:PORT``: Ray would try for a minute, and end the process."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), _PATIENCE).close()


def _actors(ray: Any, options: PartOptions, folder: Path, parts: int) -> list[Any]:
    found = ray.cluster_resources()
    most = found.get("GPU", 0) / options.gpus if options.gpus else found.get("CPU", 1)
    if most < 1:
        raise InputError(f"--gpus {options.gpus:g}: the Ray cluster has {found.get('GPU', 0):g} GPUs; ask for fewer")
    count = min(options.workers or int(most), parts)
    kind = ray.remote(num_cpus=1, num_gpus=options.gpus, max_restarts=-1, max_task_retries=-1)(PartActor)
    return [kind.remote(folder, options.device) for _ in range(count)]


def _work_through(ray: Any, actors: Sequence[Any], plan: Plan, todo: Sequence[int]) -> None:
    """Let the actors compute parts until all are there."""
    from ray.util import ActorPool

    left = list(todo)
    with progress(sum(plan.examples(number) for number in todo), "labelling") as bar:
        while left:
            held = []
            try:
                for number, done in ActorPool(actors).map_unordered(lambda actor, part: actor.do.remote(part), left):
                    if done:
                        bar.update(plan.examples(number))
                    else:
                        held.append(number)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, InputError):
                    raise InputError(f"in the Ray cluster: {error.cause}") from None
                raise
            left = held
            if left:
                time.sleep(_PAUSE)
