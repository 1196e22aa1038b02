"""Changes of a value in JSON: a file of it, or a line."""

import json
from pathlib import Path
from typing import Any

from scripts.fuzz.mutations.values import HOSTILE_TEXTS, Draw, hostile_value


def change_json(path: Path, draw: Draw) -> str:
    """Replace, delete, rename, repeat or nest one value of a JSON file."""
    value = json.loads(path.read_bytes())
    text, words = changed_json(value, draw)
    path.write_bytes(text.encode(errors="surrogatepass"))
    return words


def change_json_line(path: Path, draw: Draw) -> str:
    """Do what ``change_json`` does to one line."""
    lines = path.read_bytes().splitlines()
    index = draw.randrange(len(lines))
    text, words = changed_json(json.loads(lines[index]), draw)
    lines[index] = text.replace("\n", " ").encode(errors="surrogatepass")
    path.write_bytes(b"\n".join(lines) + b"\n")
    return f"line {index + 1}: {words}"


def changed_json(value: Any, draw: Draw) -> tuple[str, str]:
    """Return the JSON of a value of which a part is changed, and what was done."""
    places: list[tuple[Any, Any, str]] = []

    def collect(node: Any, where: str) -> None:
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in list(pairs)[:60]:
            places.append((node, key, f"{where}.{key}"))
            collect(child, f"{where}.{key}")

    collect(value, "")
    depth = draw.randrange(3)  # shallow fields are the ones that are looked at
    shallow = [place for place in places if place[2].count(".") <= depth + 1]
    if not places:
        return json.dumps(hostile_value(draw, value)), "the whole value"
    node, key, where = draw.choice(shallow or places)
    kind = draw.choice(("value", "value", "value", "value", "delete", "rename", "twice", "deep"))
    if kind == "value":
        node[key] = hostile_value(draw, node[key])
    elif kind == "delete":
        del node[key]
    elif kind == "rename" and isinstance(node, dict):
        node[draw.choice(HOSTILE_TEXTS[:20])] = node.pop(key)
    elif kind == "deep":
        node[key] = "@deep@"
    indent = draw.choice((None, 2))
    text = json.dumps(value, indent=indent, ensure_ascii=draw.random() < 0.5)
    if kind == "twice" and isinstance(node, dict):
        text = text.replace("{", "{" + json.dumps({str(key): hostile_value(draw)})[1:-1] + ", ", 1)
    depth = draw.choice((100, 5_000, 200_000))
    text = text.replace('"@deep@"', "[" * depth + "]" * depth)
    return text, f"{kind} of {where.lstrip('.')}"
