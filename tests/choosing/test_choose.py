"""``python -m distill_jax.choose``: students, baselines and the teacher in one table, and what is refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import distill_jax as dj
from command_lines import call, refusal
from distill_jax.baselines.tfidf import NAMES, trained_baselines
from distill_jax.choose import main
from distill_jax.choosing import measuring
from distill_jax.choosing.measuring import choose
from distill_jax.choosing.recommendation import Limits
from distill_jax.errors import InputError
from distill_jax.packed.student import whole_student
from distill_jax.tasks.registry import task_named
from tiny_export import LABEL_NAMES, tiny_texts


@pytest.fixture(scope="module")
def files(tmp_path_factory, packable):
    folder = tmp_path_factory.mktemp("files")
    for name in ("fasttext", "cnn"):
        whole_student(dj.load(packable[name][0])).write(folder / f"{name}.djx")
    return folder


def test_a_run_and_a_file_stand_beside_baselines_and_the_teacher(capsys, tmp_path, packable, files):
    run, export = packable["bilstm"]
    arguments = (run, files / "fasttext.djx", "--max-latency-ms", "1000", "--output", tmp_path / "choice.html")
    status, output, error = call(capsys, main, *arguments)
    assert status == 0, error
    found = json.loads((tmp_path / "choice.json").read_text())
    by_name = {each["name"]: each for each in found["candidates"]}
    kinds = [each["kind"] for each in found["candidates"]]
    assert list(by_name)[:2] == ["bilstm", "fasttext.djx"]
    assert kinds == ["student", "student", "baseline", "baseline", "baseline", "teacher"]
    test = dj.Export.open(export).test
    assert by_name["Teacher"]["score"]["value"] == np.mean(test.teacher_logits.argmax(axis=1) == test.labels)
    logits = dj.load(files / "fasttext.djx").network.start(test.tokens, 1)()
    assert by_name["fasttext.djx"]["score"]["value"] == np.mean(logits.argmax(axis=1) == test.labels)
    assert by_name["fasttext.djx"]["bytes"] == (files / "fasttext.djx").stat().st_size
    for name in ("bilstm", "fasttext.djx"):
        each = by_name[name]
        assert 0 < each["p50_ms"] <= each["p99_ms"]
        assert each["texts_per_second"] > 0
        assert 10e6 < each["memory_bytes"] < 400e6
        assert each["score"]["low"] <= each["score"]["value"] <= each["score"]["high"]
    assert found["recommended"] in ("bilstm", "fasttext.djx")
    assert found["reason"] in output
    for name in by_name:
        assert name in output
    page = (tmp_path / "choice.html").read_text()
    assert page.count("<svg") == 2
    assert "https://" not in page.replace("http://www.w3.org", "")
    # A second time its own files are replaced.
    assert call(capsys, main, files / "fasttext.djx", "--export", export, "--json", tmp_path / "choice.json")[0] == 0


@pytest.mark.parametrize("same", ["neither", "export", "data"])
def test_a_packed_student_of_other_data_is_not_judged_by_these_rows(capsys, tmp_path, monkeypatch, packable, same):
    run, folder = packable["fasttext"]
    manifest = dj.Export.open(folder).manifest
    seen = {"name": "theirs", "fingerprint": "0" * 64, "data_fingerprint": "1" * 64}
    if same == "export":
        seen["fingerprint"] = manifest.fingerprint
    if same == "data":
        manifest = dataclasses.replace(manifest, config={**manifest.config, "data_fingerprint": "1" * 64})
    path = tmp_path / "x.djx"
    dataclasses.replace(whole_student(dj.load(run)), facts={"run": {"export": seen}}).write(path)
    export = dj.Export(folder, manifest, dj.Export.open(folder).tokenizer)
    if same == "neither":
        with pytest.raises(InputError, match=r"x\.djx: it was trained on another export \(theirs\), so that test rows"):
            choose([path], export, Limits(2_000_000, 1.0))
        return
    costs = {"p50_ms": 0.1, "p99_ms": 0.1, "texts_per_second": 1.0, "memory_bytes": 1}
    monkeypatch.setattr(measuring, "in_own_process", lambda *_: costs)
    assert choose([path], export, Limits(2_000_000, 1.0)).candidates[0].name == "x.djx"


@pytest.mark.parametrize("task", ["single-label", "multi-label", "score"])
def test_baselines_learn_every_task(task):
    texts, classes = tiny_texts(300, 1)
    names = LABEL_NAMES if task != "score" else ("score",)
    labels = {
        "single-label": classes.astype(np.int32),
        "multi-label": (np.eye(3)[classes]).astype(np.int8),
        "score": classes.astype(np.float32),
    }[task]
    teacher = np.eye(3)[classes].astype(np.float32) if task != "score" else classes[:, None].astype(np.float32)
    kind = task_named(task)
    trained = trained_baselines(kind, texts, labels, teacher, len(names), (texts, teacher))
    assert len({each.name for each in trained} & set(NAMES)) == 3
    others, answers = tiny_texts(200, 2)
    true = {"single-label": answers, "multi-label": np.eye(3)[answers].astype(np.int8), "score": answers}[task]
    for baseline in trained:
        logits = baseline.logits(others)
        assert logits.shape == (200, len(names))
        assert kind.metrics[0].of(true, logits) > 0.5
        assert baseline.bytes > 4 * len(names) * len(baseline.words.vocabulary_)


def test_a_class_that_no_training_text_has_is_never_answered():
    texts, classes = tiny_texts(200, 1)
    labels = np.where(classes == 2, 0, classes).astype(np.int32)
    labels[:50] = -1
    (baseline,) = trained_baselines(task_named("single-label"), texts, labels, None, 3)
    assert set(baseline.logits(texts).argmax(axis=1).tolist()) == {0, 1}


def test_a_teacher_that_cannot_be_had_in_int8_is_left_out_in_a_sentence(capsys, tmp_path, monkeypatch, packable, files):
    (tmp_path / "config.json").write_text("{}")

    def cannot(folder, *_):
        raise InputError(f"teacher {folder}: no")

    monkeypatch.setattr(measuring, "int8_teacher", cannot)
    arguments = (files / "fasttext.djx", "--export", packable["cnn"][1], "--teacher", tmp_path)
    status, output, error = call(capsys, main, *arguments)
    assert status == 0
    assert f"the teacher in int8 is left out: teacher {tmp_path}: no" in error
    assert "Teacher, int8" not in output


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "runs", "/elsewhere"]), st.sampled_from(["cnn", *measuring._TAKEN])), min_size=1
    )
)
def test_every_student_has_a_name_of_its_own_or_is_refused(places):
    paths = [Path(folder, name) for folder, name in places]
    if len(set(paths)) < len(paths) or any(str(path) in measuring._TAKEN for path in paths):
        with pytest.raises(InputError, match=r"name each once|the teacher or a baseline is called so"):
            measuring._names(paths)
        return
    names = measuring._names(paths)
    assert len({*names, *measuring._TAKEN}) == len(names) + len(measuring._TAKEN)


def test_what_cannot_be_chosen_from_is_refused(capsys, tmp_path, packable, files, tiny_export):
    run, export = packable["cnn"]
    file = files / "cnn.djx"
    assert "there is no such run folder or packed file" in refusal(capsys, main, tmp_path / "none.djx")
    assert "name it (--export)" in refusal(capsys, main, file)
    assert "got it twice" in refusal(capsys, main, file, file, "--export", export)
    assert "ends in .html" in refusal(capsys, main, run, "--output", tmp_path / "a.pdf")
    assert "found no config.json in it" in refusal(capsys, main, run, "--teacher", tmp_path)
    (tmp_path / "a.json").write_text("{}")
    assert "found another file" in refusal(capsys, main, run, "--json", tmp_path / "a.json")
    assert "was trained on another export" in refusal(capsys, main, run, "--export", tiny_export)
    shutil.copy(file, tmp_path / "bad.djx")
    with (tmp_path / "bad.djx").open("r+b") as stream:
        stream.seek(200)
        stream.write(b"\0\xff\0")
    assert "bad.djx" in refusal(capsys, main, tmp_path / "bad.djx", "--export", export)
