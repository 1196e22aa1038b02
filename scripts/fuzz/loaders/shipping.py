"""Loaders of what is shipped: a packed student in its other forms, and the choice among students."""

import functools
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from scripts.fuzz import corpus
from scripts.fuzz.loaders.loader import Loader, require
from scripts.trials.inputs import EXPORT

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMS = ("html", "html", "card", "card", "onnx", "stablehlo")
_SCRIPT = b"<script"


def _files(path: Path, form: str) -> "Mapping[str, bytes]":
    from distill_jax.conversion.registry import converter_named
    from distill_jax.packed.student import read_packed

    return converter_named(form).files(read_packed(path))


@functools.cache
def _scripts(path: Path) -> int:
    return sum(content.count(_SCRIPT) for content in _files(path, "html").values())


def _convert(path: Path, draw: random.Random) -> None:
    form = draw.choice(_FORMS)
    files = _files(path, form)
    require(bool(files) and all(files.values()), "an empty file")
    if form == "html":
        (page,) = files.values()
        page.decode()
        whole = _scripts(path.parent / corpus.PACKED_TOO)
        require(page.count(_SCRIPT) == whole, "a script that is not the page's")
    if form == "card":
        import yaml

        card = files["README.md"].decode()
        require(isinstance(yaml.safe_load(card.split("\n---")[0]), dict), "a front matter that is none")


def _choose(folder: Path, _: random.Random) -> None:
    """Choose among a packed student and the baselines of an export whose notes are damaged."""
    from distill_jax.choosing import measuring
    from distill_jax.choosing.page import choice_page
    from distill_jax.choosing.recommendation import Limits
    from distill_jax.choosing.table import choice_text
    from distill_jax.data.exports import Export

    costs = {"p50_ms": 0.1, "p99_ms": 0.2, "texts_per_second": 1e4, "memory_bytes": 1e8}
    with mock.patch.object(measuring, "in_own_process", return_value=costs):
        found = measuring.choose([folder.parent / corpus.PACKED], Export.open(folder), Limits(2_000_000, 1.0))
    json.dumps(found.to_json(), allow_nan=False)
    "\n".join(choice_text(found)).encode()
    choice_page(found).encode()


LOADERS = (
    Loader("convert-signed", corpus.PACKED, _convert, sign=corpus.sign_packed, beside=(corpus.PACKED_TOO,)),
    Loader(
        "choose-signed",
        EXPORT,
        _choose,
        ("manifest.json", "timing.json", "test/*", "train/*"),
        sign=corpus.sign_export,
        beside=(corpus.PACKED,),
    ),
)
