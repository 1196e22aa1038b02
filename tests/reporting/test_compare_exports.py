"""Students of two exports of one table, from the export to the comparison; and of a table whose texts are others."""

import csv

import pytest

from command_lines import call, refusal
from distill_jax import compare, train
from teacher_export.__main__ import main as export

STUDENT = ("--student", "fasttext", "--distil", "--epochs", "1", "--embeddings", "random", "--ngrams", "1")


def _run(folder, capsys, name, answers, text):
    """Export 60 rows whose answers stand in two columns, and train a student of them."""
    with (folder / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label", "llm_a", "llm_b", "people_a", "people_b"])
        for row in range(60):
            first, second = (0.9, 0.1) if row % 2 else (0.2, 0.8)
            writer.writerow(
                [text.format(row=row, word="good" if row % 2 else "bad"), "ab"[row % 2], first, second, 1, row % 3]
            )
    columns = (f"a={answers}_a", f"b={answers}_b")
    words = ("--dataset", "table", "--data", folder / "rows.csv", "--text-column", "text", "--label-column", "label")
    steps = (
        (export, (*words, "--teacher-outputs", *columns, "--output", folder / name)),
        (train.main, ("--export", folder / name, *STUDENT, "--buckets", "0", "--workdir", folder / f"run-{name}")),
    )
    for main, arguments in steps:
        status, _, error = call(capsys, main, *arguments)
        assert status == 0, error
    return folder / f"run-{name}"


@pytest.mark.parametrize(("text", "same"), [("a {word} film {row}", True), ("one {word} film {row}", False)])
def test_two_teachers_of_one_table_are_compared_and_of_other_texts_refused(tmp_path, capsys, text, same):
    ours = _run(tmp_path, capsys, "llm", "llm", "a {word} film {row}")
    theirs = _run(tmp_path, capsys, "people", "people", text)
    if not same:
        assert "their exports are of other texts" in refusal(capsys, compare.main, ours, theirs)
        return
    status, said, error = call(capsys, compare.main, ours, theirs)
    assert status == 0, error
    assert "A is of the export llm" in said
