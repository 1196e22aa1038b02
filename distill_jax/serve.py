"""``python -m distill_jax.serve``: packed students that answer over HTTP."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, run_command
from distill_jax.errors import InputError
from distill_jax.extras import require_extra
from distill_jax.options import Flag, Range
from distill_jax.processors import usable_processors

# A worker is one processor's: threads of a matrix product would stand in the other workers' way.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to serve, where, and how much one client may ask for."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE…")]
    """Packed students, as python -m distill_jax.pack writes them. The first one answers at /predict, each one at
    /models/NAME/predict; its name is its file's, without the suffix."""
    host: str = "127.0.0.1"
    """Where to listen; 0.0.0.0 = at every address of this machine."""
    port: Annotated[int, Range(0, 65_535)] = 8_000
    """The port; 0 = any that is free, which the log names."""
    workers: Annotated[
        int | None,
        Range(1, 1_024),
        tyro.conf.arg(metavar="N", help_behavior_hint="(default: one for each processor)"),
    ] = None
    """Processes that answer."""
    max_body_bytes: Annotated[int, Range(1, 2**31)] = 4 << 20
    """The largest body of a request, and the longest line of a stream."""
    max_texts: Annotated[int, Range(1, 2**20)] = 1_024
    """The texts of a request; a stream has any number."""
    max_characters: Annotated[int, Range(1, 2**31)] = 100_000
    """The characters of a text."""
    max_under_way: Annotated[int, Range(1, 2**20)] = 64
    """Requests that a worker answers at once; others get status 429."""
    read_seconds: Annotated[float, Range(0, 86_400, low_open=True)] = 30.0
    """How long the next part of a request's body may take."""
    drain_seconds: Annotated[float, Range(0, 86_400)] = 0.0
    """How long new clients are still answered after SIGTERM, while /ready says 503, so that a load balancer notices."""
    finish_seconds: Annotated[float, Range(1, 86_400)] = 30.0
    """How long requests under way may take after that."""
    log_requests: Annotated[bool, Flag()] = False
    """Write a line of JSON on standard error for each request too; texts never stand in it."""


def main() -> None:
    """Parse the command line, load, answer until a signal comes."""
    arguments = parse_options(
        Arguments,
        None,
        prog="python -m distill_jax.serve",
        description=(
            "Answer over HTTP with packed students: POST /predict, /explain; GET /health, /ready, /info, /metrics, "
            "/docs; a page to try it at /. SIGTERM ends it when the requests under way are answered."
        ),
    )
    _check(arguments)
    require_extra("serve", "serving")
    for variable in _ONE_THREAD:
        os.environ.setdefault(variable, "1")  # read when NumPy is imported
    _serve(arguments)


def _check(arguments: Arguments) -> None:
    if not arguments.files:
        raise InputError("FILE: expected at least one packed student; python -m distill_jax.pack RUN makes one")


def _serve(arguments: Arguments) -> None:
    from distill_jax.serving.app import App
    from distill_jax.serving.limits import Limits
    from distill_jax.serving.logs import log
    from distill_jax.serving.metrics import Metrics
    from distill_jax.serving.models import read_models
    from distill_jax.serving.workers import Ending, listening_socket, serve

    workers = arguments.workers or usable_processors()
    limits = Limits(
        body_bytes=arguments.max_body_bytes,
        texts=arguments.max_texts,
        characters=arguments.max_characters,
        under_way=arguments.max_under_way,
        seconds=arguments.read_seconds,
    )
    models = read_models(arguments.files)
    app = App(models, limits, Metrics(models, workers), log_requests=arguments.log_requests)
    listening = listening_socket(arguments.host, arguments.port)
    host, port = listening.getsockname()[:2]
    log("listening", host=host, port=port, workers=workers, models=[model.name for model in models])
    serve(app, listening, workers, Ending(arguments.drain_seconds, arguments.finish_seconds))


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
