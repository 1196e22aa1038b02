"""An export whose data, teacher and parts lie in object storage has the bytes of one in a folder."""

import multiprocessing
import os
import random
import shutil
import time
from unittest import mock

import pytest

from command_lines import call, refusal
from distill_jax.data.exports import Export
from distill_jax.locks import exclusive
from distill_jax.storage.address import mirror_of
from export_helpers import HEAVY, contents
from object_store import forbid_writing
from teacher_export.command_line import main
from teacher_export.parts import stored as stored_exports
from teacher_export.parts.numbers import chosen_parts
from teacher_export.parts.working import compute_parts
from teacher_export.teacher import token_states
from tiny_teacher import write_reviews_csv


@pytest.fixture
def words(tmp_path, headed):
    """The options of an export of 600 rows in 20 parts, but for where data, teacher and export are."""
    write_reviews_csv(tmp_path / "reviews.csv", rows=600)
    data = ["--dataset", "table", "--text-column", "text", "--label-column", "rating"]
    return [*data, "--max-length", "32", "--precision", "float32", "--part-rows", "30"]


@pytest.fixture
def here(words, tmp_path, headed):
    """The options that say that data and teacher are here."""
    return [*words, "--data", tmp_path / "reviews.csv", "--teacher", headed]


@pytest.fixture
def there(words, tmp_path, headed, bucket, system):
    """The options that say that data and teacher are in the bucket."""
    system.put_file(str(tmp_path / "reviews.csv"), f"{bucket}/data/reviews.csv")
    system.put(str(headed), f"{bucket}/{headed.name}", recursive=True)
    return [*words, "--data", f"{bucket}/data/reviews.csv", "--teacher", f"{bucket}/{headed.name}"]


@pytest.fixture
def whole(here, tmp_path, capsys):
    """The files of the same export in one go, here."""
    assert call(capsys, main, *here, "--output", tmp_path / "whole")[0] == 0
    return contents(tmp_path / "whole")


def stored(system, address):
    """Return every object of an export but the timing."""
    root = address.removeprefix("s3://")
    system.invalidate_cache()
    found = {name.removeprefix(f"{root}/"): system.cat(name) for name in system.find(root)}
    return {name: content for name, content in found.items() if name != "timing.json"}


def test_machines_that_see_the_bucket_alone_end_with_the_same_bytes(
    there, whole, bucket, system, tmp_path, capsys, monkeypatch
):
    output = ("--output", f"{bucket}/exports/mine")
    status, said, error = call(capsys, main, "plan", *there, *output)
    assert status == 0, error
    assert f"python -m teacher_export part --output {bucket}/exports/mine" in said
    for machine, chosen in enumerate((("--shard", "1/2"), ("0-6",), ())):
        monkeypatch.setenv("DISTILL_JAX_CACHE", str(tmp_path / f"machine{machine}"))
        assert call(capsys, main, "part", *chosen, *output)[0] == 0
        if machine == 1:
            message = refusal(capsys, main, "finish", *output)
            assert f"{bucket}/exports/mine: 6 of 20 parts are missing or damaged (8 10 12 14 16 18)" in message
        assert list(mirror_of(f"{bucket}/exports/mine").glob("*/part-*")) == []  # parts are handed over
    assert call(capsys, main, "plan", *there, *output)[0] == 0  # it is there, and is left alone
    system.pipe(f"{bucket}/exports/mine/train/part-00005.npz", b"damaged")
    assert "1 of 20 parts are missing or damaged (5)" in refusal(capsys, main, "finish", *output)
    assert "1 parts, of which 0 are there" in call(capsys, main, "part", "5", *output)[1]
    assert call(capsys, main, "finish", *output)[0] == 0
    assert stored(system, f"{bucket}/exports/mine") == whole
    assert "is finished already" in call(capsys, main, "part", *output)[1]
    assert call(capsys, main, "finish", *output)[0] == 0
    assert "is finished already" in call(capsys, main, "plan", *there, *output)[1]
    assert stored(system, f"{bucket}/exports/mine") == whole
    monkeypatch.setenv("DISTILL_JAX_CACHE", str(tmp_path / "elsewhere"))
    assert len(Export.open(f"{bucket}/exports/mine").train) == 480


def test_one_command_does_all_of_it(there, whole, bucket, system, capsys):
    words = (*there, "--output", f"{bucket}/exports/mine")
    assert call(capsys, main, *words)[0] == 0
    assert stored(system, f"{bucket}/exports/mine") == whole
    assert "is finished already" in call(capsys, main, *words)[1]
    for step in ((), ("plan",)):
        message = refusal(capsys, main, *step, *words, "--seed", "1")
        assert f"output folder {bucket}/exports/mine: it holds another export" in message
    assert stored(system, f"{bucket}/exports/mine") == whole
    system.pipe(f"{bucket}/exports/mine/train/part-00001.npz", b"damaged")
    assert "a finished export is there, and damaged; delete it" in refusal(capsys, main, *words)
    other = refusal(capsys, main, *there, "--seed", "1", "--output", f"{bucket}/{'data'}")
    assert f"--output {bucket}/data: expected no objects there, or a planned export's, found others" in other


def test_another_export_s_plan_is_kept(there, bucket, system, capsys):
    output = ("--output", f"{bucket}/exports/mine")
    assert call(capsys, main, "plan", *there, *output)[0] == 0
    before = stored(system, f"{bucket}/exports/mine")
    message = refusal(capsys, main, "plan", *there, "--seed", "1", *output)
    assert f"output folder {bucket}/exports/mine: it holds another export" in message
    assert stored(system, f"{bucket}/exports/mine") == before


def test_cross_fitted_teachers_are_refused_as_for_a_folder(here, bucket, tmp_path, system, capsys):
    for output in (tmp_path / "out", f"{bucket}/exports/mine"):
        message = refusal(capsys, main, "plan", *here, "--teacher-folds", "2", "--output", output)
        assert "--teacher-folds 2: expected an export by one process" in message
    assert "--teacher-folds 2" in refusal(capsys, main, *here, "--teacher-folds", "2", "--output", output)
    assert stored(system, output) == {}


def test_a_teacher_that_other_machines_could_not_have_is_refused(bare, words, bucket, system, tmp_path, capsys):
    options = [*words, "--data", tmp_path / "reviews.csv", "--teacher", bare, "--finetune-epochs", "1"]
    tuned = ("--finetune-output", tmp_path / "tuned", "--output", f"{bucket}/exports/mine")
    message = refusal(capsys, main, "plan", *options, *tuned)
    assert "the teacher was fine-tuned now, and lies on this machine alone" in message
    assert stored(system, f"{bucket}/exports/mine") == {}
    status, _, error = call(capsys, main, *options, *tuned)  # one command, one machine
    assert status == 0, error


def test_a_bucket_that_takes_nothing_is_known_before_the_work(there, bucket, capsys, monkeypatch):
    forbid_writing(monkeypatch)
    work = mock.Mock()
    monkeypatch.setattr("teacher_export.parts.stored.make_plan_in_held_folder", work)
    for step in (("plan",), ()):
        message = refusal(capsys, main, *step, *there, "--output", f"{bucket}/exports/mine")
        assert f"{bucket}/exports/mine/_distill-jax-" in message
        assert "Access Denied" in message
    work.assert_not_called()


@pytest.fixture
def computed(there, bucket, capsys):
    """The address of a planned export all of whose parts are there."""
    address = f"{bucket}/exports/mine"
    assert call(capsys, main, "plan", *there, "--output", address)[0] == 0
    assert call(capsys, main, "part", "--output", address)[0] == 0
    return address


def test_what_finishes_is_not_disturbed_and_deletes_what_is_ours_alone(computed, whole, bucket, system, capsys):
    theirs = ("train/notes.json", "train/sub/part-00000.json", "plan/notes.txt", "test/part-00000.json.old")
    for name in theirs:
        system.pipe(f"{computed}/{name}", b"mine")
    before = stored(system, computed)
    with exclusive(mirror_of(computed), "output folder"):  # as a finish that is under way holds it
        for step in ("part", "finish"):
            assert "another process is writing it" in refusal(capsys, main, step, "--output", computed)
    assert stored(system, computed) == before
    assert call(capsys, main, "finish", "--output", computed)[0] == 0
    assert stored(system, computed) == {**whole, **dict.fromkeys(theirs, b"mine")}


def test_copies_that_are_deleted_meanwhile_cost_no_part(computed, whole, system, capsys, monkeypatch):
    before, look = stored(system, computed), stored_exports.missing_parts

    def look_after_the_copies_are_gone(plan, writer):
        shutil.rmtree(plan.folder / "train")
        return look(plan, writer)

    with monkeypatch.context() as patch:
        patch.setattr(stored_exports, "missing_parts", look_after_the_copies_are_gone)
        assert "16 of 20 parts are missing or damaged" in refusal(capsys, main, "finish", "--output", computed)
    assert stored(system, computed) == before
    assert call(capsys, main, "finish", "--output", computed)[0] == 0
    assert stored(system, computed) == whole


def _work(address, environment, log):
    """In a process of its own, whose server another test may have started: compute what is not there."""
    os.environ.update(environment)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    compute_parts(address, lambda total: chosen_parts((), None, total))


def test_machines_that_are_killed_again_and_again_leave_the_same_bytes(there, whole, bucket, system, tmp_path, capsys):
    address, rng, log = f"{bucket}/exports/mine", random.Random(0), tmp_path / "log"
    assert call(capsys, main, "plan", *there, "--output", address)[0] == 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*HEAVY, "s3fs"])

    store_s = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}

    def begin(machine):
        environment = {**store_s, "DISTILL_JAX_CACHE": str(tmp_path / f"machine{machine}")}
        worker = context.Process(target=_work, args=(address, environment, log))
        worker.start()
        return worker

    def parts():
        system.invalidate_cache()
        return len(system.glob(f"{address}/*/part-*.json"))

    workers = [begin(0), begin(1)]
    for turn in range(4):
        have, deadline = parts(), time.monotonic() + 60
        while parts() == have < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.05)
        victim = workers.pop(0)
        victim.kill()
        victim.join()
        workers.append(begin(turn % 2))
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0], log.read_text()
    assert call(capsys, main, "finish", "--output", address)[0] == 0
    assert stored(system, address) == whole


HINTS = ("--hint-width", "6")


def test_hints_come_out_alike_on_machines_that_see_the_bucket_alone(there, here, bucket, system, tmp_path, capsys):
    address = f"{bucket}/exports/hints"
    assert call(capsys, main, *here, *HINTS, "--output", tmp_path / "whole")[0] == 0
    assert call(capsys, main, "plan", *there, *HINTS, "--output", address)[0] == 0
    with mock.patch.dict(os.environ, {"DISTILL_JAX_CACHE": str(tmp_path / "other")}):
        assert call(capsys, main, "part", "--output", address)[0] == 0
    assert call(capsys, main, "finish", "--output", address)[0] == 0
    assert stored(system, address) == contents(tmp_path / "whole")


@pytest.mark.parametrize("name", ["hint_directions.npy", "token_embeddings.npy"])
def test_what_all_parts_share_is_put_again_by_the_plan_s_command(name, there, bucket, system, tmp_path, capsys):
    address = f"{bucket}/exports/lost"
    assert call(capsys, main, "plan", *there, *HINTS, "--output", address)[0] == 0
    before = stored(system, address)
    system.rm(f"{address}/{name}")
    said = refusal(capsys, main, "part", "--output", address)
    assert f"{name}: expected what was written for this export, found nothing or another file" in said
    plain = token_states._directions
    with mock.patch.object(token_states, "_directions", lambda *arguments: -plain(*arguments)):
        said = refusal(capsys, main, "plan", *there, *HINTS, "--output", address)
    assert "what its parts share was lost, and comes out otherwise here; delete what lies there" in said
    assert call(capsys, main, "plan", *there, *HINTS, "--output", address)[0] == 0
    assert stored(system, address) == before
    assert call(capsys, main, "part", "--output", address)[0] == 0
