import dataclasses
import errno
import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_teacher import LABEL_NAMES, make_config, make_dataset, make_teacher, make_tokenizer

from distill_jax.errors import InputError, Interrupted
from distill_jax.export_format import iterate_parts, read_manifest, read_token_embeddings
from distill_jax.export_writer import OtherExportError
from teacher_export import datasets, export
from teacher_export.config import DataConfig, ExportConfig, FinetuneConfig, OutputConfig, TeacherConfig
from teacher_export.export_summary import label_order_warning, score

ROWS = 200
HEAVY = [
    "teacher_export.export",
    "teacher_export.finetune",
    "teacher_export.predict",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.distilbert.modeling_distilbert",
    "transformers.tokenization_utils_tokenizers",
    "sklearn.metrics",
    "safetensors.torch",
]
DATASET_ROWS = {"train": 150, "test": 50}


@pytest.fixture(autouse=True)
def _data(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda config: make_dataset(ROWS, config.seed))


@pytest.fixture(scope="module")
def headed(tmp_path_factory):
    """A teacher with a trained head whose classes stand in the reverse order."""
    folder = tmp_path_factory.mktemp("teachers") / "headed"
    make_teacher(folder, label_names=LABEL_NAMES[::-1])
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers") / "bare"
    make_teacher(folder, head=False)
    return folder


def configure(teacher, output, **options):
    """Return a configuration; ``options`` go to whichever group has a field of that name."""
    groups = {
        "data": DataConfig(dataset="table", data=(Path("r.csv"),), text_column=("text",), label_column="l"),
        "teacher": TeacherConfig(teacher=str(teacher), max_length=32, batch_size=8, precision="float32"),
        "finetune": FinetuneConfig(),
        "output": OutputConfig(output=Path(output), part_rows=32),
    }
    changes: dict[str, dict[str, object]] = {}
    for name, value in options.items():
        group = next(key for key, config in groups.items() if name in {f.name for f in dataclasses.fields(config)})
        changes.setdefault(group, {})[name] = value
    for group, fields in changes.items():
        groups[group] = dataclasses.replace(groups[group], **fields)
    return ExportConfig(**groups)


def configure_finetuned(teacher, output, **options):
    tuned = Path(output).parent / f"{Path(output).name}-teacher"
    return configure(teacher, output, finetune_output=tuned, **{"finetune_epochs": 2, **options})


def contents(folder):
    """Return every file of an export but the timing, which may differ from run to run."""
    files = {str(path.relative_to(folder)): path for path in Path(folder).rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != "timing.json"}


def all_logits(folder, split):
    return np.concatenate([part.teacher_logits for part in iterate_parts(folder, read_manifest(folder), split)])


def count_predictions(monkeypatch):
    from teacher_export import predict

    calls = []
    plain = predict.predict_logits

    def counted(*arguments, **options):
        calls.append(options["where"])
        return plain(*arguments, **options)

    monkeypatch.setattr(predict, "predict_logits", counted)
    return calls


def test_the_export_holds_every_row_and_the_teachers_own_logits_in_the_datas_class_order(headed, tmp_path):
    folder = export.run(configure(headed, tmp_path / "out"))
    manifest = read_manifest(folder)
    assert manifest.label_names == LABEL_NAMES
    dataset = make_dataset(ROWS, 42)
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(headed).eval()
    tokenizer = make_tokenizer()
    for split, rows in DATASET_ROWS.items():
        parts = list(iterate_parts(folder, manifest, split))
        assert [len(part) for part in parts] == [32] * (rows // 32) + [rows % 32]
        wanted = dataset.splits[split]
        assert np.concatenate([part.example_ids for part in parts]).tolist() == wanted.example_ids.tolist()
        assert np.concatenate([part.labels for part in parts]).tolist() == wanted.labels.tolist()
        logits = all_logits(folder, split)
        for row in range(0, rows, 7):
            encoded = tokenizer(wanted.texts[row], truncation=True, max_length=32, return_tensors="pt")
            part = parts[row // 32]
            first, last = part.token_offsets[row % 32 : row % 32 + 2]
            assert part.token_ids[first:last].tolist() == encoded["input_ids"][0].tolist()
            with torch.inference_mode():
                alone = model(encoded["input_ids"], encoded["attention_mask"]).logits[0].numpy()
            np.testing.assert_allclose(logits[row], alone[::-1], atol=2e-5)
    table = read_token_embeddings(folder, manifest)
    np.testing.assert_allclose(table, model.get_input_embeddings().weight.detach().numpy(), atol=1e-3)


def test_the_manifest_says_what_made_it_and_how_good_the_teacher_is(headed, tmp_path):
    from sklearn.metrics import accuracy_score, f1_score
    from tokenizers import Tokenizer

    folder = export.run(configure(headed, tmp_path / "out"))
    manifest = read_manifest(folder)
    for split in DATASET_ROWS:
        labels = make_dataset(ROWS, 42).splits[split].labels
        predicted = all_logits(folder, split).argmax(axis=1)
        assert manifest.teacher["splits"][split]["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
        wanted = f1_score(labels, predicted, average="macro", labels=range(5), zero_division=0)
        assert manifest.teacher["splits"][split]["macro_f1"] == pytest.approx(wanted)
    assert manifest.teacher["test_accuracy"] == manifest.teacher["splits"]["test"]["accuracy"]
    assert manifest.teacher["bytes"] == 4 * manifest.teacher["parameters"]
    assert manifest.config["finetuning"] is None
    assert manifest.config["files"] == ["r.csv"]
    assert manifest.config["precision"] == "float32"
    assert str(tmp_path) not in (folder / "manifest.json").read_text()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.padding is None
    assert tokenizer.truncation["max_length"] == 32
    timing = json.loads((folder / "timing.json").read_text())
    assert timing.keys() == {"teacher_documents_per_second", "documents", "seconds", "device", "threads"}
    assert timing["documents"] == ROWS


def test_a_second_run_computes_nothing_and_says_so(headed, tmp_path, monkeypatch, capsys):
    config = configure(headed, tmp_path / "out")
    export.run(config)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    first = capsys.readouterr().out

    def forbidden(*_):
        raise AssertionError("the second run loads the teacher")

    monkeypatch.setattr(export, "_Export", forbidden)
    export.run(config)
    second = capsys.readouterr().out
    assert "is reused" in second
    assert "is reused" not in first
    assert first[first.index("The teacher, by split:") :] == second[second.index("The teacher, by split:") :]
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}


def test_the_summary_names_the_figures_and_the_next_command(headed, tmp_path, capsys):
    export.run(configure(headed, tmp_path / "out"))
    out = capsys.readouterr().out
    accuracy = read_manifest(tmp_path / "out").teacher["test_accuracy"]
    row = next(line.split() for line in out.splitlines() if line.startswith("test "))
    assert row[:3] == ["test", "50", f"{accuracy:.4f}"]
    assert "documents/s" in out
    assert f"python -m distill_jax.train --student cnn --distil --export {tmp_path / 'out'}" in out
    assert "the teacher's classes: 1 star → 1 star, 2 stars → 2 stars" in out


def test_a_damaged_or_lost_part_alone_is_computed_again(headed, tmp_path, monkeypatch):
    config = configure(headed, tmp_path / "out")
    export.run(config)
    whole = contents(tmp_path / "out")
    calls = count_predictions(monkeypatch)
    part = tmp_path / "out/train/part-00002.npz"
    part.write_bytes(part.read_bytes()[:-10])
    (tmp_path / "out/test/part-00001.npz").unlink()
    export.run(config)
    assert calls == ["split train, part 2, ", "split test, part 1, "]
    assert contents(tmp_path / "out") == whole


def test_a_teacher_without_a_head_is_fine_tuned_once(bare, tmp_path, monkeypatch, capsys):
    config = configure_finetuned(bare, tmp_path / "out")
    export.run(config)
    whole = contents(tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert manifest.config["finetuning"]["epochs"] == 2
    assert (tmp_path / "out-teacher/finetuning.json").is_file()
    from teacher_export import finetune

    monkeypatch.setattr(finetune, "finetune", lambda *_: pytest.fail("it is trained again"))
    export.run(config)
    (tmp_path / "out/train/part-00000.npz").unlink()
    export.run(config)
    assert contents(tmp_path / "out") == whole
    from transformers import AutoModelForSequenceClassification

    tuned = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out-teacher")
    assert tuple(tuned.config.id2label.values()) == LABEL_NAMES
    table = read_token_embeddings(tmp_path / "out", manifest)
    np.testing.assert_array_equal(table, tuned.get_input_embeddings().weight.detach().numpy().astype(np.float16))


def test_the_fine_tuned_teacher_given_by_its_folder_has_the_same_logits(bare, tmp_path):
    export.run(configure_finetuned(bare, tmp_path / "first"))
    export.run(configure(tmp_path / "first-teacher", tmp_path / "second"))
    np.testing.assert_array_equal(all_logits(tmp_path / "first", "test"), all_logits(tmp_path / "second", "test"))


def test_another_fine_tuning_in_the_folder_is_refused(bare, tmp_path):
    export.run(configure_finetuned(bare, tmp_path / "out"))
    with pytest.raises(
        InputError, match=r"out-teacher: it holds another fine-tuning: its --finetune-epochs is 2, this"
    ):
        export.run(configure_finetuned(bare, tmp_path / "out", finetune_epochs=3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 5}, "its config.data_fingerprint is .tiny-200-42"),
        ({"max_length": 16}, "its max_length is 32, this one's is 16"),
        ({"part_rows": 16}, "its config.part_rows is 32, this one's is 16"),
        ({"precision": "bfloat16"}, "its config.precision is 'float32', this one's is 'bfloat16'"),
        ({"batch_size": 4}, "its config.batch_size is 8, this one's is 4"),
    ],
)
def test_an_export_of_another_configuration_is_never_mixed_in(headed, tmp_path, change, message):
    export.run(configure(headed, tmp_path / "out"))
    whole = contents(tmp_path / "out")
    with pytest.raises(OtherExportError, match=message):
        export.run(configure(headed, tmp_path / "out", **change))
    assert contents(tmp_path / "out") == whole


def test_another_teacher_or_class_order_is_never_mixed_in(headed, tmp_path):
    export.run(configure(headed, tmp_path / "out"))
    make_teacher(tmp_path / "other", label_names=LABEL_NAMES[::-1], seed=1)
    with pytest.raises(OtherExportError, match=r"its teacher\.(name|fingerprint) is"):
        export.run(configure(tmp_path / "other", tmp_path / "out"))
    with pytest.raises(OtherExportError, match=r"its teacher\.fingerprint is"):
        export.run(configure(headed, tmp_path / "out", label_map=("in-order",)))


def test_an_unsuitable_output_folder_is_refused_before_any_training(bare, tmp_path, monkeypatch):
    from teacher_export import finetune

    monkeypatch.setattr(finetune, "finetune", lambda *_: pytest.fail("trained before the folder was checked"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("")
    with pytest.raises(InputError, match="expected an empty folder or an export, found other files"):
        export.run(configure_finetuned(bare, tmp_path / "out"))


def test_automatic_precision_goes_on_with_what_the_export_was_begun_in(headed, tmp_path, monkeypatch):
    export.run(configure(headed, tmp_path / "out"))
    monkeypatch.setattr(export, "_Export", None)
    export.run(configure(headed, tmp_path / "out", precision="auto"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_map": ("x=1 star",)}, "the teacher has no class 'x'"),
        ({"finetune_epochs": 2}, "go with a teacher without a trained head; headed has one"),
        ({"max_length": 65}, "reads at most 64 tokens"),
        ({"device": "cuda"}, "--device cuda: expected a CUDA GPU"),
    ],
)
def test_options_that_do_not_suit_the_teacher_are_refused(headed, tmp_path, options, message):
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match=message):
        export.run(configure(headed, tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()


def test_a_label_map_with_a_teacher_that_is_fine_tuned_is_refused(bare, tmp_path):
    with pytest.raises(InputError, match="--label-map goes with a teacher that has a trained head"):
        export.run(configure_finetuned(bare, tmp_path / "out", label_map=("in-order",)))


def test_a_state_dict_without_names_is_taken_in_order_and_says_so(tmp_path, capsys):
    make_config().save_pretrained(tmp_path / "plain")
    make_tokenizer().save_pretrained(tmp_path / "plain")
    model = make_teacher(tmp_path / "headed")
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    config = configure(
        "demo", tmp_path / "out", state_dict=tmp_path / "weights.pt", teacher_config=str(tmp_path / "plain")
    )
    export.run(config)
    warning = "WARNING: nothing names this teacher's classes, so they are taken in order: LABEL_0 → 1 star"
    assert warning in capsys.readouterr().err
    export.run(configure(tmp_path / "headed", tmp_path / "named"))
    np.testing.assert_array_equal(all_logits(tmp_path / "out", "test"), all_logits(tmp_path / "named", "test"))
    swap = ("LABEL_0=2 stars", "LABEL_1=1 star", "LABEL_2=3 stars", "LABEL_3=4 stars", "LABEL_4=5 stars")
    capsys.readouterr()
    export.run(
        dataclasses.replace(
            config,
            teacher=dataclasses.replace(config.teacher, label_map=swap),
            output=dataclasses.replace(config.output, output=tmp_path / "swapped"),
        )
    )
    assert warning not in capsys.readouterr().err
    first, second = (all_logits(tmp_path / name, "test") for name in ("out", "swapped"))
    np.testing.assert_array_equal(first[:, [1, 0, 2, 3, 4]], second)


def test_ctrl_c_keeps_the_whole_parts(headed, tmp_path, monkeypatch):
    from teacher_export import predict

    export.run(configure(headed, tmp_path / "whole"))
    plain = predict.predict_logits

    def interrupted(*arguments, **options):
        if options["where"] == "split train, part 2, ":
            raise KeyboardInterrupt
        return plain(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(predict, "predict_logits", interrupted)
        with pytest.raises(Interrupted, match="the whole parts are kept in .*out; the same command goes on"):
            export.run(configure(headed, tmp_path / "out"))
    calls = count_predictions(monkeypatch)
    export.run(configure(headed, tmp_path / "out"))
    assert "split train, part 1, " not in calls
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("calls", [2, 9])
def test_a_full_disk_leaves_whole_files_only_and_can_be_gone_on_from(headed, tmp_path, monkeypatch, calls):
    export.run(configure(headed, tmp_path / "whole"))
    plain, done = os.fsync, []

    def full(descriptor):
        done.append(descriptor)
        if len(done) > calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            export.run(configure(headed, tmp_path / "out"))
    whole = contents(tmp_path / "whole")
    for name, data in contents(tmp_path / "out").items():
        assert name == "manifest.partial.json" or data == whole[name]
    export.run(configure(headed, tmp_path / "out"))
    assert contents(tmp_path / "out") == whole


def _run_and_die(config, fsyncs):
    """In a new process: export, and kill this process in its ``fsyncs``-th fsync, when a file is only half there."""
    datasets.load_dataset = lambda config: make_dataset(ROWS, config.seed)
    plain, done = os.fsync, []

    def deadly(descriptor):
        done.append(descriptor)
        if len(done) == fsyncs:
            os.kill(os.getpid(), signal.SIGKILL)
        plain(descriptor)

    os.fsync = deadly
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    export.run(config)


def test_an_export_killed_again_and_again_ends_with_the_same_bytes(bare, tmp_path):
    export.run(configure_finetuned(bare, tmp_path / "whole"))
    config = configure_finetuned(bare, tmp_path / "out")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)  # imported once, then every process is a fork
    deaths = 0
    for fsyncs in [1, 5, 2, 12, 6, 11, 16, 1000]:
        import time;t=time.time();process = context.Process(target=_run_and_die, args=(config, fsyncs))
        process.start()
        process.join(60)
        print(fsyncs,time.time()-t)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        deaths += 1
    assert process.exitcode == 0
    assert deaths == 7
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    tuned = [(tmp_path / f"{name}-teacher/model.safetensors").read_bytes() for name in ("out", "whole")]
    assert tuned[0] == tuned[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out-teacher", "whole", "whole-teacher"]


LABELS = np.arange(100) % 4
NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (LABELS, None),
        (np.where(np.arange(100) < 60, LABELS, 0), None),
        (3 - LABELS, r"is 0\.000, but 1\.000 if .* \['d', 'c', 'b', 'a'\] looks like \['a', 'b', 'c', 'd'\]"),
        (np.zeros(100, int), r"accuracy is 0\.250, near chance \(0\.250, 4 classes\): the label order may be wrong"),
    ],
)
def test_a_teacher_that_looks_mislabelled_is_warned_of(predictions, message):
    import re

    warning = label_order_warning(LABELS, predictions, NAMES)
    assert (warning is None) == (message is None)
    assert message is None or re.search(message, warning)


def test_a_warning_is_printed_again_by_the_run_that_reuses_the_export(headed, tmp_path, capsys):
    export.run(configure(headed, tmp_path / "out"))
    first = [line for line in capsys.readouterr().err.splitlines() if line.startswith("WARNING")]
    export.run(configure(headed, tmp_path / "out"))
    second = [line for line in capsys.readouterr().err.splitlines() if line.startswith("WARNING")]
    assert len(first) == 1
    assert first == second


def test_scores_count_a_class_that_never_occurs_as_zero():
    figures = score(np.array([0, 0, 1]), np.array([0, 0, 0]), 3)
    assert figures == {"accuracy": pytest.approx(2 / 3), "macro_f1": pytest.approx(0.8 / 3)}
