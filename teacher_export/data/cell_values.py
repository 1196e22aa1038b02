"""Objects and lists that stand in a cell as text: as JSON, or as Python writes them."""

import ast
import json
from typing import Any

from distill_jax.tables.rows import NameTwiceError, names_once

_LONGEST_LITERAL = 1 << 16  # characters of a Python literal, whose reader has a shallow stack and takes much memory


def parsed_cell(text: str) -> Any:
    """Return what a text writes.

    Raises:
        NameTwiceError: an object has a name twice.
        ValueError: it writes nothing, or it is longer or deeper than its reader goes.
    """
    for read in (_json, _literal):
        try:
            return read(text.strip())
        except NameTwiceError:
            raise
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    raise ValueError("neither JSON nor a literal of Python")


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=names_once)


def _literal(text: str) -> Any:
    """Return what Python writes so; raise ``ValueError`` for a number that it would not write again, or a long text."""
    if len(text) > _LONGEST_LITERAL:
        raise ValueError("too long for its reader")
    node = ast.parse(text, mode="eval").body
    found = ast.literal_eval(node)
    if isinstance(node, ast.Dict) and len(found) < len(node.keys):
        raise NameTwiceError("a name twice")
    str(found)  # of a number in thousands of hexadecimal digits
    return found
