"""``python -m distill_jax.serve``: packed students that answer over HTTP."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, run_command
from distill_jax.errors import InputError, require_range
from distill_jax.extras import require_extra
from distill_jax.options import Flag
from distill_jax.processors import usable_processors
from distill_jax.serving.limits import Ending, Limits

# A worker is one processor's: threads of a matrix product would stand in the other workers' way.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to serve, where, and how much one client may ask for."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE…", help_behavior_hint="")] = ()
    """Packed students, as python -m distill_jax.pack writes them. The first one answers at /predict, each one at
    /models/NAME/predict; its name is its file's, without the suffix."""
    host: str = "127.0.0.1"
    """Where to listen; 0.0.0.0 = at every address of this machine."""
    port: int = 8_000
    """The port; 0 = any that is free, which the log names."""
    workers: int = 0
    """Processes that answer; 0 = one for each processor."""
    limits: Limits = dataclasses.field(default_factory=Limits)
    ending: Ending = dataclasses.field(default_factory=Ending)
    log_requests: Annotated[bool, Flag()] = False
    """Write a line of JSON on standard error for each request too; texts never stand in it."""

    def __post_init__(self) -> None:
        require_range("--port", self.port, 0, 65_535)
        require_range("--workers", self.workers, 0, 1_024)
        if not self.files:
            raise InputError("FILE: expected at least one packed student; python -m distill_jax.pack RUN makes one")


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
    require_extra("serve", "serving")
    for variable in _ONE_THREAD:
        os.environ.setdefault(variable, "1")  # read when NumPy is imported
    _serve(arguments)


def _serve(arguments: Arguments) -> None:
    from distill_jax.serving.app import App
    from distill_jax.serving.logs import log
    from distill_jax.serving.metrics import Metrics
    from distill_jax.serving.models import read_models
    from distill_jax.serving.workers import listening_socket, serve

    workers = arguments.workers or usable_processors()
    models = read_models(arguments.files)
    app = App(models, arguments.limits, Metrics(models, workers), log_requests=arguments.log_requests)
    listening = listening_socket(arguments.host, arguments.port)
    host, port = listening.getsockname()[:2]
    log("listening", host=host, port=port, workers=workers, models=[model.name for model in models])
    serve(app, listening, workers, arguments.ending)


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
