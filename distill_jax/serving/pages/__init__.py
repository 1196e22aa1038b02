"""The service's pages: one to try it, one that lists its paths; they load nothing from anywhere else."""

import importlib.resources
import json
import string
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from distill_jax.errors import InputError
from distill_jax.pages import style
from distill_jax.serving.models import Model

HTML = "text/html; charset=utf-8"
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def own_page(models: Sequence[Model]) -> str:
    """Return the page of the first student, which computes in the browser; ``ask_page`` where a page cannot."""
    from distill_jax.conversion.html import page

    try:
        return page(models[0].packed)
    except InputError:
        return ask_page([model.name for model in models])


def ask_page(models: Sequence[str]) -> str:
    """Return the page on which a person types a text and sees what the students of this server say."""
    options = "".join(f"<option>{escape(name)}</option>" for name in models)
    return _template("ask.html").substitute(style=_style(), models=options, hidden="hidden" if len(models) == 1 else "")


def paths_page(document: Mapping[str, Any]) -> str:
    """Return an OpenAPI document as a page."""
    rows = []
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            rows.append(_path(path, method, about))
    about = document["info"]["description"]
    return _template("paths.html").substitute(style=_style(), about=escape(about), paths="".join(rows))


def _path(path: str, method: str, about: Mapping[str, Any]) -> str:
    bodies = "".join(_body(kind, content) for kind, content in about.get("requestBody", {}).get("content", {}).items())
    statuses = "".join(
        f"<dt>{escape(status)}</dt><dd>{escape(response['description'])}</dd>"
        for status, response in about["responses"].items()
    )
    return (
        f"<section><h2><span>{method.upper()}</span> {escape(path)}</h2><p>{escape(about['summary'])}</p>{bodies}"
        f"<details><summary>Answers</summary><dl>{statuses}</dl></details></section>"
    )


def _body(kind: str, content: Mapping[str, Any]) -> str:
    example = content.get("example", json.dumps({"texts": ["A charming little film."]}))
    return f'<p class="kind">{escape(kind)}</p><pre>{escape(example)}</pre>'


def _template(name: str) -> string.Template:
    return string.Template(_file(name))


def _style() -> str:
    return style(_file("pages.css"))


def _file(name: str) -> str:
    return importlib.resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
