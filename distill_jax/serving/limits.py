"""What the service takes from a client, the one sentence by which it refuses the rest, and how it ends."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated

from distill_jax.errors import one_line
from distill_jax.options import Range, check_fields

RETRY_AFTER = 1  # seconds
SLOWEST = 16 << 10  # bytes of a body a second, after the first ``Limits.read_seconds``


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much one client may ask for.

    Raises:
        InputError: a value is out of its range.
    """

    max_body_bytes: Annotated[int, Range(1, 2**31)] = 4 << 20
    """The largest body of a request, and the longest line of a stream."""
    max_texts: Annotated[int, Range(1, 2**20)] = 1_024
    """The texts of a request; a stream has any number."""
    max_explained: Annotated[int, Range(1, 2**20)] = 32
    """The texts of a request to /explain, each of which may take as long as a hundred."""
    max_characters: Annotated[int, Range(1, 2**31)] = 100_000
    """The characters of a text."""
    max_under_way: Annotated[int, Range(1, 2**20)] = 64
    """Requests that a worker answers at once, of which at most half are streams; others get status 429."""
    read_seconds: Annotated[float, Range(0, 86_400, low_open=True)] = 30.0
    """How long a request's headers may take, and the next part of its body; a whole body has a second more for each 16
    KiB."""
    write_seconds: Annotated[float, Range(0, 86_400, low_open=True)] = 120.0
    """How long a client may take nothing of an answer that waits for it."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def max_streams(self) -> int:
        """Streams that a worker answers at once: they may last for ever, and leave room for others."""
        return max(1, self.max_under_way // 2)


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a worker ends.

    Raises:
        InputError: a value is out of its range.
    """

    drain_seconds: Annotated[float, Range(0, 86_400)] = 0.0
    """How long new clients are still answered after SIGTERM, while /ready says 503, so that a load balancer notices."""
    finish_seconds: Annotated[float, Range(1, 86_400)] = 30.0
    """How long requests under way may take after that."""

    def __post_init__(self) -> None:
        check_fields(self)


class Refused(Exception):  # noqa: N818 - it is an answer
    """A request that is not answered as it was asked: a status of HTTP and one sentence.

    Attributes:
        status: 400 to 599.
        headers: further ones, by name.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, dict(headers or {})

    def __str__(self) -> str:
        """Return the sentence, on one line of bounded length, whatever is quoted in it."""
        return one_line(str(self.args[0]))


class ClientGone(Exception):  # noqa: N818 - it is no fault
    """The client went away before it had sent its request."""


def too_large(limits: Limits, what: str = "body") -> Refused:
    """Return the refusal of a body, or of a line of a stream, that is too long."""
    return Refused(
        413, f"{what}: expected at most {limits.max_body_bytes:,} bytes, got more; send fewer texts at a time"
    )


def too_slow(limits: Limits) -> Refused:
    """Return the refusal of a client that began a body and does not go on."""
    return Refused(
        408,
        f"body: expected its next part within {limits.read_seconds:g} seconds, and {SLOWEST >> 10} KiB a second after "
        "that, got less; send it again",
    )


def too_busy(under_way: str) -> Refused:
    """Return the refusal of a request while many others, ``64 requests``, are answered."""
    return Refused(
        429,
        f"server: {under_way} are under way, and it answers no more at once; ask again in a second",
        {"Retry-After": str(RETRY_AFTER)},
    )
