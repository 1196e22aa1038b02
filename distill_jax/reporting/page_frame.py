"""What every page of a report stands in: its head, its style and its foot."""

import importlib.resources
import string

import distill_jax
from distill_jax.pages import style
from distill_jax.reporting.html_tables import escape


def framed(name: str, title: str, **parts: str) -> str:
    """Return a page that needs nothing else, as HTML.

    Args:
        name: the file of this package with the page's body, a ``string.Template``.
        title: the page's title, as text.
        parts: what the body takes beside it, as HTML.
    """
    named = escape(title)
    return _template("frame.html").substitute(
        program=escape(f"distill-jax {distill_jax.__version__}"),
        title=named,
        style=style(_resource("page.css")),
        body=filled(name, title=named, **parts).removesuffix("\n"),
    )


def filled(name: str, **parts: str) -> str:
    """Return a part of a page.

    Args:
        name: the file of this package with it, a ``string.Template``.
        parts: what it takes, as HTML.
    """
    return _template(name).substitute(parts)


def _template(name: str) -> string.Template:
    return string.Template(_resource(name))


def _resource(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
