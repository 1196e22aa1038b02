"""The multi-label set of Debian's package lists, from a listing made up for the test."""

import json

import numpy as np
import pytest

from command_lines import call
from distill_jax.errors import InputError
from scripts import debian_maintainers
from scripts.debian_tags import LEAST, main, rows_of, tagged_texts

LISTING = """Package: one
Description: reads mail
 and sorts it
Tag: role::program, works-with::mail,
 interface::text

Package: two
Description: reads mail and sorts it
Tag: use::viewing, suite::TODO

Package: three
Description: an untagged one

Package: four
Description: plays music
Tag: role::program
"""


def test_a_description_has_the_tags_of_all_its_packages():
    assert tagged_texts(LISTING) == {
        "reads mail and sorts it": {"role::program", "works-with::mail", "interface::text", "use::viewing"},
        "plays music": {"role::program"},
    }


def test_rare_tags_are_left_out_and_a_text_s_part_hangs_on_the_text_alone():
    rows = rows_of(tagged_texts(LISTING), least=2)
    assert [(row["text"], row["tags"]) for row in rows] == [
        ("reads mail and sorts it", ["role::program"]),
        ("plays music", ["role::program"]),
    ]
    many = {f"text {number}": {"a"} for number in range(1000)}
    parts = [row["part"] for row in rows_of(many)]
    assert parts == [row["part"] for row in rows_of(dict(reversed(many.items())))][::-1]
    assert {name: parts.count(name) for name in ("train", "validation", "test")}["train"] > 600


def test_the_command_writes_the_rows_and_leaves_the_teacher_to_the_export(tmp_path, monkeypatch, capsys):
    listing = "\n\n".join(f"Description: text {number}\nTag: role::program" for number in range(LEAST))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "apt-cache").write_text(f"#!/bin/sh\ncat <<'END'\n{listing}\nEND\n")
    (programs / "apt-cache").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    status, output, _ = call(capsys, main, tmp_path / "made")
    assert (status, output) == (0, f"{LEAST} texts with 1 tags\n")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["tags.jsonl"]
    rows = [json.loads(line) for line in (tmp_path / "made" / "tags.jsonl").read_text().splitlines()]
    assert len(rows) == LEAST
    assert rows[0].keys() == {"text", "tags", "part"}


@pytest.mark.parametrize("words", [[], ["--help"], ["a", "b"]])
@pytest.mark.parametrize("command", [main, debian_maintainers.main])
def test_anything_but_one_folder_is_refused(words, command):
    with pytest.raises(InputError, match="expected one argument, the folder to write"):
        command(words)


def test_no_maintainer_has_more_than_twenty_times_the_rarest_one_s_texts():
    listing = "\n\n".join(
        f"Description: text number {number} of {name}\nMaintainer: {name} <{name}@example.org>"
        for name, count in (("many", 900), ("some", 50), ("few", 40), ("one", 1))
        for number in range(count)
    )
    rows = debian_maintainers.rows_of(debian_maintainers.texts_by_maintainer(listing), classes=3)
    labels = [row["label"] for row in rows]
    assert {name: labels.count(name) for name in set(labels)} == {"many": 800, "some": 50, "few": 40}
    right = [max(row["answer"], key=row["answer"].get) == row["label"] for row in rows]
    assert 0.85 < np.mean(right) < 0.97  # one in eight is of a class drawn from all three
    assert all(sum(row["answer"].values()) == pytest.approx(1, abs=1e-3) for row in rows)
