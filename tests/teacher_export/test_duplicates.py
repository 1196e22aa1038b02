"""--drop-duplicates: no training text is another split's or stands twice, and no other row is touched."""

import json

import numpy as np
import pytest

from distill_jax.errors import InputError
from teacher_export.data.dataset import load_dataset
from teacher_export.data.output_rows import load_answered
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig
from tolerances import assert_close


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table(seed, rows=80, texts=40):
    rng = np.random.default_rng(seed)
    return [{"text": f"text {rng.integers(texts)}", "label": "ab"[i % 2]} for i in range(rows)]


def config_of(path, **options):
    return DataConfig("table", (path,), text_column=("text",), **{"label_column": "label", **options})


@pytest.mark.parametrize("seed", range(20))
def test_no_training_text_stands_twice_and_the_other_splits_stay(tmp_path, seed, capsys):
    path = write(tmp_path / "data.jsonl", table(seed))
    options = {"seed": seed, "validation_fraction": 0.2, "stratify": bool(seed % 2)}
    whole = load_dataset(config_of(path, **options)).splits
    assert "--drop-duplicates leaves them out" in capsys.readouterr().err
    splits = load_dataset(config_of(path, drop_duplicates=True, **options)).splits
    printed = capsys.readouterr()
    train = splits["train"].texts
    assert len(set(train)) == len(train)
    assert not set(train) & {*splits["test"].texts, *splits["validation"].texts}
    for name in ("test", "validation"):
        assert splits[name].example_ids.tolist() == whole[name].example_ids.tolist()
    everything = {text for split in whole.values() for text in split.texts}
    assert {text for split in splits.values() for text in split.texts} == everything
    kept = splits["train"].example_ids.tolist()
    assert kept == [row for row in whole["train"].example_ids.tolist() if row in set(kept)]
    assert f"{len(whole['train']) - len(train)} repeated text" in printed.out
    assert "word for word" not in printed.err


def test_without_a_repeated_text_nothing_changes(tmp_path, capsys):
    path = write(tmp_path / "data.jsonl", [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(20)])
    first, second = (load_dataset(config_of(path, drop_duplicates=asked)) for asked in (False, True))
    assert first.fingerprint == second.fingerprint
    assert "repeated" not in capsys.readouterr().out


def test_a_training_split_of_copies_alone_is_refused(tmp_path):
    train = write(tmp_path / "train.jsonl", [{"text": f"text {i % 2}", "label": "ab"[i % 2]} for i in range(6)])
    test = write(tmp_path / "test.jsonl", [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(4)])
    with pytest.raises(InputError, match="--drop-duplicates leaves no training row"):
        load_dataset(config_of(train, test_data=(test,), drop_duplicates=True))


def test_a_teacher_s_answers_and_scores_stay_with_their_rows(tmp_path):
    rows = [{**row, "p": {"a": 0.1 + i / 200, "b": 0.9 - i / 200}} for i, row in enumerate(table(1))]
    path = write(tmp_path / "data.jsonl", rows)
    config = config_of(path, drop_duplicates=True)
    train = load_answered(config, TableTeacherConfig(teacher_outputs=("p",))).dataset.splits["train"]
    shares = np.exp(train.teacher_logits[:, 0])
    assert_close(
        shares, [rows[row]["p"]["a"] for row in train.example_ids], terms=100, why="a logarithm's exponential", scale=10
    )
    scores = [{"text": row["text"], "label": i} for i, row in enumerate(table(1))]
    path = write(tmp_path / "scores.jsonl", scores)
    train = load_dataset(config_of(path, task="score", drop_duplicates=True)).splits["train"]
    assert len(set(train.texts)) == len(train.texts)
    np.testing.assert_array_equal(np.ravel(train.labels), train.example_ids)
