"""An export planned, computed in parts by any number of processes, and finished has the bytes of one in one go."""

import multiprocessing
import os
import random
import shutil
import time

import numpy as np
import pytest

from command_lines import call, refusal
from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.locks import exclusive, shared
from export_helpers import HEAVY, configure, configure_finetuned, contents
from teacher_export import export
from teacher_export.command_line import main
from teacher_export.config import OutputConfig
from teacher_export.data.texts_on_disk import OrderedTexts, TextsOnDisk, taken
from teacher_export.parts.ending import finish_plan
from teacher_export.parts.numbers import as_ranges, chosen_parts
from teacher_export.parts.planning import make_plan
from teacher_export.parts.working import compute_parts
from tiny_teacher import write_reviews_csv

PARTS = 20


@pytest.fixture
def words(tmp_path, headed):
    """The options of an export of 600 rows in 20 parts, but for its folder."""
    table = write_reviews_csv(tmp_path / "reviews.csv", rows=600)
    data = ["--dataset", "table", "--data", table, "--text-column", "text", "--label-column", "rating"]
    return [*data, "--teacher", headed, "--max-length", "32", "--precision", "float32", "--part-rows", "30"]


@pytest.fixture
def whole(words, tmp_path, capsys):
    """The files of the same export in one go."""
    assert call(capsys, main, *words, "--output", tmp_path / "whole")[0] == 0
    return contents(tmp_path / "whole")


def _parts(*chosen):
    return lambda total: chosen_parts(chosen, None, total)


def test_parts_in_any_order_end_with_the_same_bytes(words, whole, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "out"
    for step in (("plan", *words), ("part", "7-12", 3), ("part", "--shard", "1/2")):
        assert call(capsys, main, *step, "--output", folder)[0] == 0
    message = refusal(capsys, main, "finish", "--output", folder)
    assert "7 of 20 parts are missing or damaged (0 2 4 6 14 16 18)" in message
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("part-*.npz")}
    assert call(capsys, main, "plan", *words, "--output", folder)[0] == 0  # it is there, and is left alone
    monkeypatch.chdir(tmp_path)
    assert call(capsys, main, "part", "--output", "out")[0] == 0
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    damaged = folder / "train/part-00005.npz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert "1 of 20 parts are missing or damaged (5)" in refusal(capsys, main, "finish", "--output", folder)
    compute_parts(folder, _parts())
    assert finish_plan(folder).examples("train") == 480
    assert contents(folder) == whole
    assert (folder / "timing.json").is_file()
    compute_parts(folder, _parts())  # nothing is left to do, and nothing is done
    assert finish_plan(folder) == read_manifest(folder)
    assert contents(folder) == whole


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize("options", [{"long_texts": "windows", "max_length": 8}, {"augment": 1}])
def test_what_the_teacher_was_told_and_made_ready_for_goes_with_the_plan(bare, tmp_path, options):
    """A fine-tuned teacher, windows of long texts, a transfer set."""
    outputs = [tmp_path / "whole", tmp_path / "out"]
    whole, planned = (configure_finetuned(bare, output, finetune_epochs=1, **options) for output in outputs)
    export.run(whole)
    make_plan(planned)
    compute_parts(outputs[1], _parts())
    finish_plan(outputs[1])
    assert contents(outputs[1]) == contents(outputs[0])


def test_a_table_of_answers_is_planned_too(tmp_path, capsys):
    shares = enumerate(np.random.default_rng(0).random(90))
    rows = [f"text {number},{share:.3f},{1 - share:.3f},{int(share < 0.5)}" for number, share in shares]
    (tmp_path / "t.csv").write_text("\n".join(["text,0,1,label", *rows]) + "\n")
    words = ["--dataset", "table", "--data", tmp_path / "t.csv", "--text-column", "text", "--label-column", "label"]
    words += ["--teacher-outputs", "0", "1", "--part-rows", "20"]
    assert call(capsys, main, *words, "--output", tmp_path / "whole")[0] == 0
    for step in (("plan", *words), ("part",), ("finish",)):
        assert call(capsys, main, *step, "--output", tmp_path / "out")[0] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def _work(folder):
    """In a process of its own: compute what is not there, slowly enough to be killed in between."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    plain = os.fsync
    os.fsync = lambda descriptor: (time.sleep(0.005), plain(descriptor))[1]
    compute_parts(folder, _parts())


def test_processes_that_are_killed_again_and_again_leave_the_same_bytes(words, whole, tmp_path, capsys):
    folder, rng = tmp_path / "out", random.Random(0)
    assert call(capsys, main, "plan", *words, "--output", folder)[0] == 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)  # imported once, then every process is a fork

    def begin():
        worker = context.Process(target=_work, args=(folder,))
        worker.start()
        return worker

    workers = [begin(), begin()]
    for _ in range(4):
        deadline = time.monotonic() + 60  # a worker is killed some time after it has begun to write parts
        have = len(list(folder.glob("*/part-*.npz")))
        while len(list(folder.glob("*/part-*.npz"))) == have < PARTS and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.05)
        victim = workers.pop(0)
        victim.kill()
        victim.join()
        workers.append(begin())
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    finish_plan(folder)
    assert contents(folder) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reviews.csv", "whole"]


@pytest.mark.usefixtures("small_data")
def test_steps_keep_off_one_another_where_they_must(headed, tmp_path, capsys):
    config = configure(headed, tmp_path / "out")
    folder = config.export_folder
    assert "expected a plan in it, found none" in refusal(capsys, main, "part", "--output", tmp_path / "out")
    make_plan(config)
    with exclusive(folder, "output folder"):
        assert "another process is writing it" in refusal(capsys, main, "part", "--output", folder)
    with shared(folder, "output folder"):
        assert "another process is writing it" in refusal(capsys, main, "finish", "--output", folder)
        compute_parts(folder, _parts("0"))
    weights = next(headed.glob("*.safetensors"))
    moved = tmp_path / "teacher"
    shutil.copytree(headed, moved)
    make_plan(configure(moved, tmp_path / "other"))
    (moved / weights.name).write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    message = refusal(capsys, main, "part", "--output", tmp_path / "other")
    assert "its files are not those that the plan was made with" in message


def test_choices_of_parts(capsys):
    assert chosen_parts(("2-4", "3..5", "9"), None, 10) == [2, 3, 4, 5, 9]
    shards = [chosen_parts((), f"{index}/3", 10) for index in range(3)]
    assert sorted(number for shard in shards for number in shard) == list(range(10))
    assert as_ranges([0, 1, 2, 5, 7, 8]) == "0-2 5 7-8"
    for choice in (("4-2",), ("10",), ("x",)):
        with pytest.raises(ValueError, match=r"^part .*: expected"):
            chosen_parts(choice, None, 10)
    for shard in ("3/3", "1", "a/b"):
        with pytest.raises(ValueError, match=r"^--shard .*: expected I/N with I from 0 to N - 1"):
            chosen_parts((), shard, 10)


def test_the_size_of_a_part_grows_with_the_export():
    assert OutputConfig().rows_of_part(33_000_000) == 4096
    size = OutputConfig().rows_of_part(1_000_000_000)
    assert (size, -(-1_000_000_000 // size) <= 8192) == (131_072, True)
    assert OutputConfig(part_rows=100).rows_of_part(10**9) == 100


def test_texts_on_the_disk_are_those_of_a_list(tmp_path, monkeypatch):
    monkeypatch.setattr("teacher_export.data.texts_on_disk._BUCKET_ROWS", 64)
    monkeypatch.setattr("teacher_export.data.texts_on_disk._BUFFER_BYTES", 4096)
    rng = np.random.default_rng(0)
    texts = ["é" * int(length) + str(number) for number, length in enumerate(rng.integers(0, 9, 1000))]
    ordered = OrderedTexts(tmp_path / "texts", len(texts))
    for place in rng.permutation(len(texts)).tolist():
        ordered.add(place, texts[place])
    found = ordered.finish()
    assert [path.name for path in (tmp_path / "texts").iterdir()] == ["texts"]
    assert (list(found), len(found), found[7], found[-1], found[3:900:7]) == (
        *(texts, len(texts), texts[7], texts[-1], texts[3:900:7]),
    )
    places = rng.integers(0, 1000, 50)
    part = taken(found, places)
    assert isinstance(part, TextsOnDisk)
    assert list(taken(part, np.arange(5, 20))) == taken(taken(texts, places), np.arange(5, 20))


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize("link", ["plan", "plan/train", "plan/plan.json"])
def test_nothing_is_written_or_deleted_through_a_link_in_a_plan_s_place(headed, tmp_path, capsys, link):
    config = configure(headed, tmp_path / "out")
    make_plan(config)
    place, outside = config.export_folder / link, tmp_path / "outside"
    shutil.move(place, outside)
    place.symlink_to(outside)
    before = contents(tmp_path)
    for step in (make_plan, export.run):
        with pytest.raises(InputError, match=f"expected {link} to be its own, found a link to"):
            step(config)
    for step in ("part", "finish"):
        message = refusal(capsys, main, step, "--output", config.export_folder)
        assert f"expected {link} to be its own, found a link to" in message
    assert contents(tmp_path) == before
