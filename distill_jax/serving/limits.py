"""What the service takes from a client, and the one sentence by which it refuses the rest."""

import dataclasses
from collections.abc import Mapping

from distill_jax.errors import one_line

RETRY_AFTER = 1  # seconds


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much one client may ask for.

    Attributes:
        body_bytes: of a request's body; of a stream, of each of its lines.
        texts: in a request; a stream has any number of them.
        characters: of a text.
        under_way: requests that a worker answers at once.
        seconds: for a client to send the next part of a body.
    """

    body_bytes: int = 4 << 20
    texts: int = 1_024
    characters: int = 100_000
    under_way: int = 64
    seconds: float = 30.0


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
    return Refused(413, f"{what}: expected at most {limits.body_bytes:,} bytes, got more; send fewer texts at a time")


def too_slow(limits: Limits) -> Refused:
    """Return the refusal of a client that began a body and does not go on."""
    return Refused(408, f"body: expected its next part within {limits.seconds:g} seconds, got nothing; send it again")


def too_busy(limits: Limits) -> Refused:
    """Return the refusal of a request while many others are answered."""
    return Refused(
        429,
        f"server: {limits.under_way} requests are under way, and it answers no more at once; ask again in a second",
        {"Retry-After": str(RETRY_AFTER)},
    )
