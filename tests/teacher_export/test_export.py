import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import iterate_parts, read_token_embeddings
from distill_jax.export.writer import OtherExportError
from distill_jax.machine import machine
from export_helpers import (
    ROWS,
    all_logits,
    configure,
    configure_finetuned,
    contents,
    count_predictions,
)
from teacher_export import export
from teacher_export.parts import finishing
from tiny_teacher import LABEL_NAMES, OF_TEACHER, make_dataset, make_teacher, make_tokenizer
from tolerances import assert_close

DATASET_ROWS = {"train": 150, "test": 50}


pytestmark = pytest.mark.usefixtures("small_data")


def test_the_export_holds_every_row_and_the_teachers_own_logits_in_the_datas_class_order(headed, tmp_path):
    folder = export.run(configure(headed, tmp_path / "out", embedding_texts=0))
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
            assert part.tokens.take(np.array([row % 32])).ids.tolist() == encoded["input_ids"][0].tolist()
            with torch.inference_mode():
                alone = model(encoded["input_ids"], encoded["attention_mask"]).logits[0].numpy()
            assert_close(logits[row], alone[::-1], **OF_TEACHER)
    table = read_token_embeddings(folder, manifest)
    np.testing.assert_array_equal(table, model.get_input_embeddings().weight.detach().numpy().astype(np.float16))


def test_the_manifest_says_what_made_it_and_how_good_the_teacher_is(headed, tmp_path):
    from sklearn.metrics import accuracy_score, f1_score
    from tokenizers import Tokenizer

    folder = export.run(configure(headed, tmp_path / "out"))
    manifest = read_manifest(folder)
    for split in DATASET_ROWS:
        labels = make_dataset(ROWS, 42).splits[split].labels
        predicted = all_logits(folder, split).argmax(axis=1)
        assert manifest.teacher["splits"][split]["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
        wanted = f1_score(labels, predicted, average="macro", zero_division=0)
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
    whole = {"teacher_documents_per_second", "documents", "seconds", "splits", "device", "threads", "machine"}
    assert timing.keys() == whole
    assert timing["machine"] == machine()
    assert timing["documents"] == ROWS
    assert {name: spent["documents"] for name, spent in timing["splits"].items()} == {
        name: manifest.examples(name) for name in manifest.splits
    }
    assert sum(spent["seconds"] for spent in timing["splits"].values()) == pytest.approx(timing["seconds"])


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


def test_names_that_are_not_utf8_are_those_of_the_same_export(headed, tmp_path, capsys):
    name = os.fsdecode(b"-a [b*] \xff")
    config = configure(headed, tmp_path / name, data=(Path(name),))
    export.run(config)
    assert read_manifest(tmp_path / name).config["files"] == ["-a [b*] \\xff"]
    export.run(config)
    assert "is reused" in capsys.readouterr().out


def test_a_teacher_s_folder_that_transformers_cannot_open_is_refused(headed, bare, tmp_path):
    name = os.fsdecode(b"teacher \xff")
    shutil.copytree(headed, tmp_path / name)
    with pytest.raises(InputError, match=r"--teacher .*\\xff: expected a path in UTF-8"):
        export.run(configure(tmp_path / name, tmp_path / "out"))
    with pytest.raises(InputError, match=r"fine-tuned teacher's folder .*\\xff: expected a path in UTF-8"):
        export.run(configure(bare, tmp_path / "out", finetune_output=tmp_path / name))
    assert not (tmp_path / "out").exists()


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
    config = configure_finetuned(bare, tmp_path / "out", embedding_texts=0)
    export.run(config)
    whole = contents(tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert manifest.config["finetuning"]["epochs"] == 2
    assert (tmp_path / "out-teacher/finetuning.json").is_file()
    from teacher_export.teacher import finetune

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
    from teacher_export.teacher import finetune

    monkeypatch.setattr(finetune, "finetune", lambda *_: pytest.fail("trained before the folder was checked"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("")
    with pytest.raises(InputError, match="expected an empty folder or an export, found other files"):
        export.run(configure_finetuned(bare, tmp_path / "out"))


def test_automatic_precision_goes_on_with_what_the_export_was_begun_in(headed, tmp_path, monkeypatch):
    export.run(configure(headed, tmp_path / "out"))
    monkeypatch.setattr(export, "_Export", None)
    export.run(configure(headed, tmp_path / "out", precision="auto"))


def test_a_warning_is_printed_again_by_the_run_that_reuses_the_export(headed, tmp_path, capsys):
    export.run(configure(headed, tmp_path / "out"))
    first = [line for line in capsys.readouterr().err.splitlines() if line.startswith("WARNING")]
    export.run(configure(headed, tmp_path / "out"))
    second = [line for line in capsys.readouterr().err.splitlines() if line.startswith("WARNING")]
    assert first == second == read_manifest(tmp_path / "out").teacher["warnings"]
    assert first


def test_the_order_of_unnamed_classes_is_doubted_and_that_of_named_ones_is_not(tmp_path, capsys, monkeypatch):
    named, unnamed, weights = tmp_path / "named", tmp_path / "unnamed", tmp_path / "weights.pt"
    make_teacher(named)
    torch.save(make_teacher(unnamed, label_names=None, num_labels=5).state_dict(), weights)
    labels = make_dataset(ROWS, 42).splits["test"].labels
    # Whatever the texts, the answers are right but for the last two classes, which stand exchanged.
    monkeypatch.setattr(finishing, "read_answers", lambda *_: (labels, np.array([0, 1, 2, 4, 3])[labels]))
    for index, (teacher, options, doubted) in enumerate(
        [
            ("demo", {"teacher_config": str(unnamed), "state_dict": weights}, True),
            (named, {"label_map": ("in-order",)}, True),
            (named, {}, False),
        ]
    ):
        capsys.readouterr()
        export.run(configure(teacher, tmp_path / str(index), **options))
        assert ("the label order is probably wrong" in capsys.readouterr().err) == doubted


def test_the_order_of_a_teacher_that_was_just_fine_tuned_is_not_doubted(bare, tmp_path, capsys, monkeypatch):
    labels = make_dataset(ROWS, 42).splits["test"].labels
    monkeypatch.setattr(finishing, "read_answers", lambda *_: (labels, np.array([0, 1, 2, 4, 3])[labels]))
    export.run(configure_finetuned(bare, tmp_path / "out", finetune_epochs=1))
    assert "label order" not in capsys.readouterr().err


def test_a_fine_tuned_teacher_may_be_named_by_a_link_to_an_empty_folder(bare, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "out-teacher").symlink_to(tmp_path / "empty")
    export.run(configure_finetuned(bare, tmp_path / "out", finetune_epochs=1))
    assert (tmp_path / "out-teacher").is_symlink()
    assert (tmp_path / "empty" / "model.safetensors").is_file()


def test_a_link_that_leads_to_nothing_is_refused_before_a_fine_tuning(bare, tmp_path):
    (tmp_path / "out-teacher").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="out-teacher: it is a link that leads to nothing"):
        export.run(configure_finetuned(bare, tmp_path / "out", finetune_epochs=1))
