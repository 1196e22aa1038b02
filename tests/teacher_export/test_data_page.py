"""The commands of docs/data.md, and README's for a table's answers, word for word, on data of the forms they name."""

import csv
import json
import re
import shlex

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_lines import ROOT, call
from distill_jax import report, train
from distill_jax.export.format import read_manifest
from teacher_export import command_line
from teacher_export.downloads import fetch_demo_data
from teacher_export.pip_download import UnreachableIndexError
from tiny_teacher import LABEL_NAMES, make_teacher, reviews

ROWS = 60
PROGRAMS = {"scripts/export_logits.py": command_line.main, "-m distill_jax.train": train.main}
PROGRAMS["-m distill_jax.report"] = report.main


def page_commands():
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    return re.findall(r"^\|.*\| `(python [^`]*)` \|$", page, re.MULTILINE)


def readme_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### Your teacher is an LLM or a team of annotators")[2]
    block = section.partition("```\n")[2].partition("```")[0]
    return block.replace("\\\n", " ").strip().splitlines()


def run_command(capsys, command):
    words = shlex.split(command)
    assert words.pop(0) == "python"
    program = words.pop(0)
    if program == "-m":
        program += f" {words.pop(0)}"
    status, output, error = call(capsys, PROGRAMS[program], *words)
    assert status == 0, error
    return output


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_csv(path, header, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


@pytest.fixture
def forms(tmp_path, monkeypatch):
    """A working folder with a file of each form that the pages name."""
    monkeypatch.chdir(tmp_path)
    texts, labels = reviews(ROWS)
    positive = np.round(0.5 + 0.4 * np.sin(np.arange(ROWS)), 3).tolist()
    pairs = [{"neg": round(1 - p, 3), "pos": p} for p in positive]
    gold = [("neg", "pos")[p > 0.5] if i % 3 else None for i, p in enumerate(positive)]
    llm = [{"text": t, "answer": a, "gold": g} for t, a, g in zip(texts, pairs, gold, strict=True)]
    write_jsonl(tmp_path / "llm.jsonl", llm)
    write_jsonl(tmp_path / "answers.jsonl", [{"text": row["text"], "answer": row["answer"]} for row in llm])
    write_csv(
        tmp_path / "columns.csv",
        ["text", "p_neg", "p_pos"],
        [[t, *a.values()] for t, a in zip(texts, pairs, strict=True)],
    )
    top = [
        dict(list({name: float(np.log(p)) for name, p in {**a, "mixed": 0.2}.items()}.items())[i % 2 :])
        for i, a in enumerate(pairs)
    ]
    write_jsonl(tmp_path / "top.jsonl", [{"text": t, "top": a} for t, a in zip(texts, top, strict=True)])
    votes = [["pos"] * (1 + i % 3) + ["neg"] * (i % 2) for i in range(ROWS)]
    write_jsonl(tmp_path / "votes.jsonl", [{"text": t, "votes": v} for t, v in zip(texts, votes, strict=True)])
    write_csv(tmp_path / "counts.csv", ["text", "neg", "pos"], [[t, 1 + i % 2, i % 4] for i, t in enumerate(texts)])
    logits = {"text": texts, "neg": np.log(1 - np.array(positive)), "pos": np.log(positive)}
    pq.write_table(pa.table(logits), tmp_path / "logits.parquet")
    write_csv(
        tmp_path / "reviews.csv", ["text", "stars"], [[t, LABEL_NAMES[c]] for t, c in zip(texts, labels, strict=True)]
    )
    make_teacher(tmp_path / "path" / "to" / "teacher")
    return tmp_path


OF_FILES = [command for command in page_commands() if "--data " in command]
OF_DEMOS = [command for command in page_commands() if "--data " not in command]


@pytest.mark.demo
@pytest.mark.parametrize("command", OF_DEMOS, ids=lambda command: command.rpartition("/")[2])
def test_a_command_of_the_page_exports_a_demo(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    try:
        fetch_demo_data()
    except UnreachableIndexError as error:
        pytest.skip(str(error))
    run_command(capsys, command)
    manifest = read_manifest(tmp_path / shlex.split(command)[-1])
    assert manifest.examples("train") + manifest.examples("test") == 14_127


@pytest.mark.parametrize("command", OF_FILES, ids=lambda command: command.rpartition("/")[2])
def test_a_command_of_the_page_makes_an_export(forms, capsys, command):
    if "--teacher " in command:
        command += " --max-length 64"  # the tiny teacher reads no more
    run_command(capsys, command)
    manifest = read_manifest(forms / shlex.split(command)[shlex.split(command).index("--output") + 1])
    assert manifest.examples("train") + manifest.examples("test") == ROWS
    assert manifest.has_token_embeddings == ("--teacher " in command)


def test_the_page_has_a_command_for_every_kind_of_output():
    kinds = {re.search(r"--outputs-are (\S+)|$", command)[1] for command in page_commands()}
    assert kinds == {None, "log-probabilities", "votes", "logits"}


def test_readme_s_commands_lead_from_an_llm_s_answers_to_a_report(forms, capsys):
    commands = readme_commands()
    assert len(commands) == 3
    for command in commands:
        output = run_command(capsys, command)
    assert "wrote runs/answers/report.html" in output
