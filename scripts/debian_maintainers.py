"""Real texts of 150 classes, the rarest with a twentieth of the commonest's rows: who maintains a Debian package.

``python -m scripts.debian_maintainers FOLDER`` reads the machine’s own package lists (``apt-get update``; Debian) and
writes ``FOLDER/maintainers.jsonl``. The teacher's answers in it are made: of a class's rows it takes one in eight for
those of another class, and it is as sure of its answer as it is often right.
"""

import collections
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.console import run_command, say
from distill_jax.errors import InputError
from scripts.debian_tags import fields_of, package_lists, part_of

CLASSES, RAREST = 150, 1 / 20
_WRONG, _SHARPNESS = 1 / 8, 12.0  # of the teacher's answers; of the probabilities that it gives to its answer


def texts_by_maintainer(listing: str) -> dict[str, list[str]]:
    """Return each maintainer's different short descriptions of three words or more, from ``apt-cache dumpavail``."""
    owner: dict[str, str] = {}
    for stanza in listing.split("\n\n"):
        fields = dict(fields_of(stanza))
        text, name = fields.get("Description", ""), fields.get("Maintainer", "").split(" <")[0].strip(' "')
        if name and len(text.split()) > 2:
            owner.setdefault(text, name)
    found = collections.defaultdict(list)
    for text, name in owner.items():
        found[name].append(text)
    return found


def rows_of(texts: dict[str, list[str]], classes: int = CLASSES, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows of the maintainers with most texts: text, label, the teacher's probabilities, part.

    Of no maintainer are there more than twenty times as many as of the rarest.
    """
    rng = np.random.default_rng(seed)
    largest = sorted(texts, key=lambda name: (-len(texts[name]), name))[:classes]
    most = round(len(texts[largest[-1]]) / RAREST)
    rows = []
    for place, name in enumerate(largest):
        for text in texts[name][:most]:
            answer = place if rng.random() >= _WRONG else int(rng.integers(classes))
            sure = rng.beta(_SHARPNESS * (1 - _WRONG), _SHARPNESS * _WRONG)
            others = rng.dirichlet(np.full(classes, 0.1)) * (1 - sure)
            others[answer] += sure
            given = {largest[index]: round(float(share), 6) for index, share in enumerate(others) if share > 1e-6}
            rows.append({"text": text, "label": name, "answer": given, "part": part_of(text)})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the rows.

    Raises:
        InputError: no folder is named, or the machine's lists have too few maintainers.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) != 1 or words[0].startswith("-"):
        raise InputError("expected one argument, the folder to write: python -m scripts.debian_maintainers FOLDER")
    folder, texts = Path(words[0]), texts_by_maintainer(package_lists())
    if len(texts) < CLASSES:
        raise InputError(
            f"package lists: expected {CLASSES} maintainers, found {len(texts)}; run apt-get update on Debian"
        )
    rows = rows_of(texts)
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "maintainers.jsonl").write_text(lines, encoding="utf-8")
    say(f"{len(rows):,} texts of {CLASSES} maintainers")


if __name__ == "__main__":
    run_command(main)
