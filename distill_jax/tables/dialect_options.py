"""How files of separated fields are written: what their name and their header do not tell."""

import codecs
import dataclasses
from typing import Annotated, Literal

from distill_jax.errors import InputError
from distill_jax.options import Flag

Quoting = Literal["standard", "multi-line", "none"]
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclasses.dataclass(frozen=True)
class DialectConfig:
    """How CSV and TSV files are written (--data, --test-data, --validation-data and --unlabelled alike)."""

    separator: str | None = None
    """What stands between fields: a character, or the word tab (default: by the name, or what the header shows)."""
    quoting: Quoting = "standard"
    """standard: a field may stand in quotation marks, and hold line feeds, but no lines that look like rows, as a stray
    mark makes them; multi-line: such lines are meant; none: quotation marks are letters."""
    encoding: str = "utf-8"
    """The files' encoding, such as latin-1 or cp1252. UTF-16 is known by its mark."""
    no_header: Annotated[bool, Flag()] = False
    """The first line is a row already: the columns are then called 1, 2, 3 …"""
    escaped_line_feeds: Annotated[bool, Flag()] = False
    """A backslash and an n in a field are a line feed, as in the review files of Zhang et al. 2015."""

    def __post_init__(self) -> None:
        if self.separator is not None and len(self.character or "") != 1:
            raise InputError(f"--separator: expected one character or the word tab, got {self.separator!r}")
        if self.character in {'"', "\n", "\r"}:
            raise InputError(f"--separator: expected a character that separates fields, got {self.separator!r}")
        try:
            "".encode(self.encoding)  # a codec of other things than text raises LookupError too
        except (LookupError, ValueError):
            raise InputError(
                f"--encoding: expected an encoding of text, such as latin-1 or cp1252, got {self.encoding!r}"
            ) from None

    @property
    def character(self) -> str | None:
        """The separator as a character; None where it is not given."""
        return None if self.separator is None else _NAMED.get(self.separator.lower(), self.separator)

    @property
    def codec(self) -> str:
        """The encoding by Python's name of it."""
        return codecs.lookup(self.encoding).name

    def given(self) -> list[str]:
        """Return the options whose values are not the defaults."""
        return [
            "--" + field.name.replace("_", "-")
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
