"""Addresses of objects, such as ``s3://bucket/crawl``, and the folders that stand for them. Standard library only.

Options are paths, and a path has one slash where an address has two: ``Path("s3://bucket/crawl")`` is
``s3:/bucket/crawl``. Both are understood wherever an address is.
"""

import contextlib
import re
from pathlib import Path

from distill_jax.cache import cache_folder
from distill_jax.errors import InputError

_SCHEME = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]+):/{1,2}(?P<rest>[^/].*)", re.DOTALL)  # C:/ is a disk
_ONE_SLASH = re.compile(r"\b(s3a?|gs|gcs|hf|az|abfs|memory):/(?=[^/\s])", re.IGNORECASE)
_LOCAL = "file"
_SAME = {"s3a": "s3", "gcs": "gs"}  # two names of one store's objects


def is_address(path: str | Path) -> bool:
    """Whether a path is an address of objects."""
    return _SCHEME.fullmatch(str(path)) is not None


def url_of(address: str | Path) -> str:
    """Return an address as it is written, with two slashes and none at its end.

    Raises:
        InputError: it is none, or one of a local file; or it leads out of itself.
    """
    found = _SCHEME.fullmatch(str(address))
    if found is None:
        raise InputError(f"{address}: expected an address such as s3://bucket/folder")
    scheme, rest = found["scheme"].lower(), found["rest"].rstrip("/")
    if scheme == _LOCAL:
        raise InputError(f"{address}: expected a path, got an address of a local file; give its path alone")
    if not is_plain(rest):
        raise InputError(f"{address}: expected an address such as s3://bucket/folder, got empty names, . or .. in it")
    return f"{_SAME.get(scheme, scheme)}://{rest}"


def is_plain(name: str) -> bool:
    """Whether an object's name can be a file's below a folder: it leads nowhere else, and has no empty part."""
    return all(part not in ("", ".", "..") and "\\" not in part and "\0" not in part for part in name.split("/"))


def mirror_of(address: str | Path) -> Path:
    """Return the local folder, or file, that stands for an address: in the user's cache, under the same names."""
    scheme, _, rest = url_of(address).partition("://")
    return mirrors_folder() / scheme / rest


def shown(text: str) -> str:
    """Return a message with addresses as they are written, in the place of paths and of files that stand for them."""
    if "/objects/" in text:
        with contextlib.suppress(ImportError):  # platformdirs: nothing was ever fetched without it
            text = re.sub(re.escape(f"{mirrors_folder()}/") + r"([a-z][a-z0-9+.-]+)/(?=[^/\s])", r"\1://", text)
    return _ONE_SLASH.sub(r"\1://", text)


def mirrors_folder() -> Path:
    """Return where all copies of objects lie."""
    return cache_folder() / "objects"
