"""A student as one static page: its tokenizer, its numbers and its explanation, in plain JavaScript.

The page holds the packed file's own streams, deflated, for a browser inflates that by itself. Names of classes and
pieces of words are in there too, so that nothing of the student's is ever read as HTML but the page's title.
"""

import base64
import hashlib
import html
import importlib.resources
import json
import string
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import distill_jax
from distill_jax.conversion.converter import Converter
from distill_jax.conversion.page_tokenizer import page_tokenizer
from distill_jax.data.tokenizer import tokenizer_of
from distill_jax.errors import InputError, printable
from distill_jax.packed.coding import plain
from distill_jax.packed.student import PackedStudent
from distill_jax.pages import style as common_style
from distill_jax.students.registry import student_to_json

_SCRIPTS = ("packed.js", "ngrams.js", "student.js", "tasks.js", "tokenizer.js")


class Html(Converter):
    """``page.html``, which opens nothing but itself."""

    name: ClassVar[str] = "html"
    suffix: ClassVar[str] = ".html"
    most_bytes: ClassVar[int | None] = 1_000_000

    def files(self, student: PackedStudent) -> Mapping[str, bytes]:
        """Return the page."""
        return {"page.html": page(student).encode()}


def page(student: PackedStudent) -> str:
    """Return the page of a student, as HTML.

    Raises:
        InputError: no page knows such a student, or such a tokenizer.
    """
    script = "\n".join(map(_resource, (*_SCRIPTS, _network(student), "page.js")))
    script = f'"use strict";\n{script}'
    style = common_style(_resource("page.css"))
    return string.Template(_resource("page.html")).substitute(
        title=html.escape(f"{student.config.title} student"),
        program=html.escape(f"distill-jax {distill_jax.__version__}"),
        policy=f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}",
        style=style,
        script=script,
        student=base64.b64encode(_deflated(_content(student))).decode(),
    )


def _network(student: PackedStudent) -> str:
    """Return the script of a student's architecture."""
    name = f"students/{student.config.name}.js"
    if not _folder().joinpath(name).is_file():
        raise InputError(f"student {student.config.name}: a page has no code for it")
    return name


def _content(student: PackedStudent) -> bytes:
    """Return the manifest's length in 4 bytes, the manifest as JSON, and the streams that it names with their sizes."""
    tokenizer = tokenizer_of(student.tokenizer.encode(), Path("packed student"), student.max_length)
    settings, vocabulary = page_tokenizer(tokenizer, student.max_length)
    streams, arrays = {"vocabulary": vocabulary}, {}
    for name, array in student.arrays.items():
        arrays[name], found = plain(f"weights/{name}", array)
        streams |= found
    manifest: dict[str, Any] = {
        "label_names": list(map(printable, student.label_names)),  # as they are shown
        "student": student_to_json(student.config),
        "max_length": student.max_length,
        "decision": dict(student.decision),
        "arrays": arrays,
        "tokenizer": settings,
        "streams": [[name, len(content)] for name, content in streams.items()],
    }
    about = json.dumps(manifest, separators=(",", ":")).encode()
    return b"".join([len(about).to_bytes(4, "little"), about, *streams.values()])


def _deflated(content: bytes) -> bytes:
    deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    return deflating.compress(content) + deflating.flush()


def _source(text: str) -> str:
    """Return what a content security policy calls a script or a style that stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _folder() -> Any:
    return importlib.resources.files(__package__).joinpath("page")


def _resource(name: str) -> str:
    return str(_folder().joinpath(name).read_text(encoding="utf-8"))
