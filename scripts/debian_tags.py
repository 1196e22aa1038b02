"""A real multi-label set: Debian's packages, what they say of themselves and their tags.

``python -m scripts.debian_tags FOLDER`` reads the machine’s own package lists (``apt-get update``; Debian) and
writes ``FOLDER/tags.jsonl``. People gave the tags, and by no means all that are right.
"""

import collections
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from distill_jax.console import run_command, say
from distill_jax.errors import InputError

LEAST = 300
"""Texts of a tag; rarer ones are left out."""
NO_TOPIC = "suite::TODO"  # says that nobody has looked yet
_PARTS = ("validation", "test", "test", *["train"] * 7)


def tagged_texts(listing: str) -> dict[str, set[str]]:
    """Return each short description with the tags of all packages that have it, from ``apt-cache dumpavail``'s text."""
    found: dict[str, set[str]] = {}
    for stanza in listing.split("\n\n"):
        fields = dict(fields_of(stanza))
        if fields.get("Description") and fields.get("Tag"):
            tags = {tag.strip() for tag in fields["Tag"].split(",")}
            found.setdefault(fields["Description"], set()).update(tags - {"", NO_TOPIC})
    return found


def fields_of(stanza: str) -> Iterator[tuple[str, str]]:
    """Yield a stanza's fields; lines that begin with a space go on with the field before."""
    for line in stanza.replace("\n ", " ").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            yield name, value.strip()


def rows_of(texts: dict[str, set[str]], least: int = LEAST) -> list[dict[str, Any]]:
    """Return a row for each text that has a frequent tag: its text, such tags, and its part, by the text's hash."""
    counts = collections.Counter(tag for tags in texts.values() for tag in tags)
    frequent = {tag for tag, count in counts.items() if count >= least}
    return [
        {"text": text, "tags": sorted(tags & frequent), "part": part_of(text)}
        for text, tags in texts.items()
        if tags & frequent
    ]


def part_of(text: str) -> str:
    """Return the split that a text is in, by its hash."""
    return _PARTS[hashlib.sha256(text.encode()).digest()[0] % len(_PARTS)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the rows.

    Raises:
        InputError: no folder is named, or the machine has no lists of tagged packages.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) != 1 or words[0].startswith("-"):
        raise InputError("expected one argument, the folder to write: python -m scripts.debian_tags FOLDER")
    folder = Path(words[0])
    rows = rows_of(tagged_texts(package_lists()))
    if not rows:
        raise InputError("package lists: expected packages with tags, found none; run apt-get update on Debian")
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "tags.jsonl").write_text(lines, encoding="utf-8")
    say(f"{len(rows):,} texts with {len({tag for row in rows for tag in row['tags']})} tags")


def package_lists() -> str:
    """Return what ``apt-cache dumpavail`` says; ``InputError`` where there is no such program, or it fails."""
    try:
        return subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        raise InputError("package lists: expected Debian's apt-cache on this machine, found none") from None


if __name__ == "__main__":
    run_command(main)
