"""Ways out: what is saved is loaded again and answers the same; a form of one's own needs no other file touched."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import distill_jax as dj
from command_lines import call, refusal
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.files import temporary_beside
from distill_jax.formats import registry
from distill_jax.formats import run_folder as run_folder_format
from distill_jax.npz import read_npz
from distill_jax.predict import main as predict
from distill_jax.runs import folder as runs_folder
from distill_jax.runs.folder import read_run
from distill_jax.students.params import flat_params, nested_params
from distill_jax.students.registry import student_from_json, student_to_json
from run_folders import record
from tiny_export import tiny_texts, tiny_tokenizer

TEXTS = [*tiny_texts(12, 3)[0], "", "w1 " * 99]
STUDENTS = ("cnn", "fasttext", "bilstm")


class OneArchive(dj.Format):
    """A student as one ``.npz``: a way out that is defined here alone."""

    name, suffix = "one archive", ".student.npz"

    def recognises(self, path):
        return path.is_file() and path.name.endswith(self.suffix)

    def read(self, path, *, module=None):
        arrays = read_npz(path, "one archive")
        about = json.loads(arrays.pop("about").tobytes())
        config = student_from_json(about["student"], module)
        tokenizer = tiny_tokenizer().from_str(about["tokenizer"])
        fast = FastTokenizer(tokenizer, about["max_length"])
        return dj.Predictor.of(tuple(about["names"]), config, nested_params(arrays), fast, about["max_length"])

    def write(self, predictor, path):
        about = {
            "student": student_to_json(predictor.config),
            "tokenizer": predictor.tokenizer.to_json(),
            "max_length": predictor.max_length,
            "names": predictor.label_names,
        }
        arrays = {name: np.asarray(array) for name, array in flat_params(predictor.params).items()}
        with path.open("wb") as stream:
            np.savez(stream, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)


@pytest.fixture
def one_archive(monkeypatch):
    monkeypatch.setattr(registry, "_FORMATS", list(registry._FORMATS))
    return dj.register_format(OneArchive())


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_saved_as_a_run_folder_answers_the_same(tiny_runs, tmp_path, name):
    model = dj.load(tiny_runs[name])
    saved = dj.save(model, tmp_path / "new" / "run")
    again = dj.load(saved)
    np.testing.assert_array_equal(again.logits(TEXTS), model.logits(TEXTS))
    assert again.origin.train == model.origin.train
    assert again.origin.export["fingerprint"] == model.origin.export["fingerprint"]
    twice = dj.save(again, tmp_path / "twice")
    assert {path.name: path.read_bytes() for path in twice.iterdir()} == {
        path.name: path.read_bytes() for path in saved.iterdir()
    }


@pytest.mark.parametrize("name", STUDENTS)
def test_a_form_of_one_s_own_is_saved_loaded_and_predicted_with(tiny_runs, tmp_path, capsys, one_archive, name):
    model = dj.load(tiny_runs[name])
    path = dj.save(model, tmp_path / f"mine{OneArchive.suffix}")
    assert path.is_file()
    np.testing.assert_array_equal(dj.load(path).logits(TEXTS), model.logits(TEXTS))
    status, out, error = call(capsys, predict, "--run", path, stdin="\n".join(TEXTS).encode())
    assert (status, error) == (0, "")
    assert [json.loads(line)["label"] for line in out.splitlines()] == list(model.predict(TEXTS))


def test_two_forms_of_one_suffix_are_refused(one_archive):
    @dataclasses.dataclass
    class Another(OneArchive):
        name = "another"

    with pytest.raises(dj.InputError, match=r"another.*the suffix '\.student\.npz' is that of 'one archive' already"):
        dj.register_format(Another())


@pytest.mark.parametrize("is_first", [False, True])
def test_of_two_suffixes_that_fit_the_longer_one_is_meant(tiny_runs, tmp_path, monkeypatch, is_first):
    class AnyArchive(OneArchive):
        name, suffix = "any archive", ".npz"

        def write(self, predictor, path):
            path.write_text("another form")

    monkeypatch.setattr(registry, "_FORMATS", list(registry._FORMATS))
    for form in (OneArchive, AnyArchive) if is_first else (AnyArchive, OneArchive):
        dj.register_format(form())
    model = dj.load(tiny_runs["fasttext"])
    saved = dj.save(model, tmp_path / "mine.student.npz")
    np.testing.assert_array_equal(dj.load(saved).logits(TEXTS), model.logits(TEXTS))
    assert dj.save(model, tmp_path / "mine.npz").read_text() == "another form"
    assert dj.save(model, tmp_path / "mine").is_dir()


def test_what_lies_there_is_never_replaced(tiny_runs, tmp_path):
    model = dj.load(tiny_runs["fasttext"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(dj.InputError, match=f"run folder {tmp_path / 'mine'}: it exists already; the student is"):
        dj.save(model, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert dj.load(dj.save(model, tmp_path / "empty")).label_names == model.label_names


def test_a_link_to_an_empty_folder_stays_and_the_student_lies_in_the_folder(tiny_runs, tmp_path):
    (tmp_path / "disk" / "empty").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "empty")
    model = dj.load(tiny_runs["fasttext"])
    dj.save(model, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["empty"]
    np.testing.assert_array_equal(dj.load(tmp_path / "link").logits(TEXTS), model.logits(TEXTS))
    with pytest.raises(dj.InputError, match="it exists already; the student is not lost"):
        dj.save(model, tmp_path / "link")


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_a_link_that_leads_to_nothing_is_refused(tiny_runs, tmp_path, target):
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(dj.InputError, match=f"^run folder {tmp_path / 'link'}: it is a link that leads to nothing"):
        dj.save(dj.load(tiny_runs["fasttext"]), tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_what_a_killed_save_left_goes_with_the_next_one(tiny_runs, tmp_path):
    left = temporary_beside(tmp_path / "run")
    left.mkdir()
    (left / "config.json").write_text("{")
    dj.save(dj.load(tiny_runs["fasttext"]), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_save_that_fails_leaves_nothing(tiny_runs, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("distill_jax.formats.run_folder.write_weights", full)
    with pytest.raises(OSError, match="No space left"):
        dj.save(dj.load(tiny_runs["fasttext"]), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "found"), [(None, "nothing there"), (b"x", "another kind of file")])
def test_what_is_no_student_is_named(tmp_path, content, found):
    path = tmp_path / "it"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(dj.InputError, match=f"{path}: expected a trained student.*found {found}"):
        dj.load(path)


def test_the_command_says_so_too(tmp_path, capsys):
    (tmp_path / "table.any").write_bytes(b"PK")
    message = refusal(capsys, predict, "--run", tmp_path / "table.any")
    assert "expected a trained student (run folder, packed file (.djx)), found another kind of file" in message


def test_a_training_that_ends_while_it_is_read_is_read_from_its_weights(tiny_runs, tmp_path, monkeypatch):
    run = shutil.copytree(tiny_runs["cnn"], tmp_path / "run")
    weights = (run / "weights.npz").rename(tmp_path / "weights.npz")

    def ended(folder):
        weights.rename(run / "weights.npz")
        raise dj.InputError(f"checkpoints {folder}: expected a checkpoint, found none")

    monkeypatch.setattr("distill_jax.runs.checkpoints.load_params", ended)
    np.testing.assert_array_equal(dj.load(run).logits(TEXTS), dj.load(tiny_runs["cnn"]).logits(TEXTS))


@pytest.mark.parametrize("read", [dj.load, read_run])
def test_a_run_that_is_replaced_while_it_is_read_is_refused(tiny_runs, tmp_path, monkeypatch, read):
    run = shutil.copytree(tiny_runs["fasttext"], tmp_path / "run")

    def replaced(*arguments, **options):
        config = json.loads((run / "config.json").read_text())
        config["export"]["label_names"].reverse()
        (run / "config.json").write_text(json.dumps(config))
        record(run)
        return whole(*arguments, **options)

    module = run_folder_format if read is dj.load else runs_folder
    whole = module.require_whole
    monkeypatch.setattr(module, "require_whole", replaced)
    with pytest.raises(dj.InputError, match="it was written anew while it was read"):
        read(run)


@pytest.mark.parametrize("read", [dj.load, read_run])
def test_a_run_that_is_deleted_while_it_is_read_is_not_called_damaged(tiny_runs, tmp_path, monkeypatch, read):
    run = shutil.copytree(tiny_runs["fasttext"], tmp_path / "run")
    module = run_folder_format if read is dj.load else runs_folder
    name = "read_weights" if read is dj.load else "read_predictions"
    whole = getattr(module, name)

    def deleted(*arguments, **options):
        for file in ("metrics.json", "weights.npz", "test_predictions.npz"):
            (run / file).unlink()
        shutil.rmtree(run / "checkpoints")
        return whole(*arguments, **options)

    monkeypatch.setattr(module, name, deleted)
    with pytest.raises(dj.InputError, match="it was written anew while it was read; wait for that"):
        read(run)


def test_a_run_whose_first_epoch_has_not_ended_is_waited_for(tiny_runs, tmp_path):
    run = shutil.copytree(tiny_runs["cnn"], tmp_path / "run")
    for file in ("metrics.json", "weights.npz"):
        (run / file).unlink()
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(dj.InputError, match="the first epoch of its training has not ended; wait for it, or go on"):
        dj.load(run)


def test_what_is_no_student_is_not_saved(tmp_path):
    with pytest.raises(dj.InputError, match=r"save: expected a student as load gives it, .*got TextClassifier"):
        dj.save(dj.TextClassifier(), tmp_path / "a.djx")
    assert not list(tmp_path.iterdir())
