"""A student as one static page: its tokenizer, its numbers and its explanation, in plain JavaScript."""

from collections.abc import Mapping
from typing import ClassVar

from distill_jax.conversion.converter import Converter
from distill_jax.packed.student import PackedStudent


class Html(Converter):
    """``page.html``, which opens nothing but itself."""

    name: ClassVar[str] = "html"
    suffix: ClassVar[str] = ".html"
    most_bytes: ClassVar[int | None] = 1_000_000

    def files(self, student: PackedStudent) -> Mapping[str, bytes]:
        """Return the page."""
        del student
        return {"page.html": b""}
