"""What students' embeddings start from: a token's mean state in the middle of the teacher, as transformers has it."""

import numpy as np
import pytest
import torch

from distill_jax.errors import InputError, Interrupted
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import read_token_embeddings
from export_helpers import configure, contents
from teacher_export import export
from teacher_export.options.teacher import TeacherConfig
from teacher_export.teacher import logits as predict
from teacher_export.teacher import token_states
from teacher_export.teacher.loading import load_teacher
from teacher_export.teacher.source import resolve_teacher
from teacher_export.teacher.tokens import encode
from teacher_families import FAMILIES, LONGEST, save_family
from tiny_teacher import LABEL_NAMES, reviews
from tolerances import assert_close

TEXTS = [*reviews(36)[0], "", "superb " * 40]
LENGTH = LONGEST


def _teacher(folder):
    return load_teacher(resolve_teacher(TeacherConfig(teacher=str(folder))), LABEL_NAMES, LENGTH, 0)


def _states(teacher, texts=TEXTS, batch_size=8):
    tokens = encode(teacher.tokenizer, texts)
    return tokens, token_states.mean_token_states(teacher, tokens, precision="float32", batch_size=batch_size)


def _means(folder):
    """Return each token's mean state by transformers, a text at a time: ids, and float64 [ids, hidden]."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    found = {}
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=LENGTH)
        row = inputs["input_ids"]
        if not row:
            continue
        with torch.inference_mode():
            output = model(**{name: torch.tensor([each]) for name, each in inputs.items()}, output_hidden_states=True)
        layers = getattr(output, "encoder_hidden_states", None) or output.hidden_states
        states = layers[len(layers) // 2][0].double()
        states = (states - states.mean(1, keepdim=True)) / (states.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
        for token, state in zip(row, states.numpy(), strict=True):
            found.setdefault(token, []).append(state)
    ids = sorted(found)
    return ids, np.stack([np.mean(found[token], axis=0) for token in ids])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_token_s_row_is_its_mean_state_in_transformers(family, tmp_path, monkeypatch):
    save_family(family, tmp_path / "teacher")
    teacher = _teacher(tmp_path / "teacher")
    monkeypatch.setattr(token_states, "PRIOR_OCCURRENCES", 1e-9)
    tokens, table = _states(teacher)
    assert table.shape[0] == teacher.vocab_size
    ids, means = _means(tmp_path / "teacher")
    assert ids == np.unique(tokens.ids).tolist()
    # A state's numbers are divided by their deviation, which for tiny models is far below the sums that they come of.
    assert_close(table[ids], means, terms=2000, why="a pass of a tiny model", scale=10)
    assert np.ptp(means, axis=0).max() > 0.1
    assert np.isfinite(table).all()


def test_how_texts_are_batched_changes_nothing(headed):
    teacher = _teacher(headed)
    (_, one), (_, many) = _states(teacher, batch_size=1), _states(teacher, batch_size=32)
    assert_close(one, many, terms=2000, why="a pass of a tiny model", scale=10)


def test_a_token_of_no_text_has_what_the_table_leads_one_to_expect():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(400, 6)).astype(np.float32)
    truth = table @ rng.normal(size=(6, 9)) + rng.normal(size=9)
    seen = np.sort(rng.permutation(400)[:300])
    occurrences = rng.integers(1, 50, size=(300, 1)).astype(np.float32)
    found = token_states._shrunk(table, seen, (truth[seen] * occurrences).astype(np.float32), occurrences)
    unseen = np.setdiff1d(np.arange(400), seen)
    # The ridge draws a slope towards 0 by its share of the variance of a column.
    error = np.sqrt(np.mean((found - truth) ** 2, axis=1))
    spread = np.sqrt(np.mean((truth - truth.mean(axis=0)) ** 2))
    assert error[unseen].max() < 5 * token_states.RIDGE * spread
    assert error[seen].max() < error[unseen].max()


def test_a_rare_token_lies_between_its_mean_and_what_is_expected():
    rng = np.random.default_rng(1)
    table = rng.normal(size=(50, 3)).astype(np.float32)
    seen, means = np.arange(50), rng.normal(size=(50, 4)).astype(np.float32)
    often = np.full((50, 1), 1e9, np.float32)
    rare = np.where(np.arange(50)[:, None] == 7, 2, often).astype(np.float32)
    by_count = {
        name: token_states._shrunk(table, seen, means * count, count) for name, count in (("o", often), ("r", rare))
    }
    assert_close(by_count["o"], means, terms=4, why="a sum and the mean of it")
    half = np.abs(by_count["r"][7] - means[7])
    assert (half > 0.1 * np.abs(means[7] - means.mean(axis=0))).any()
    assert_close(by_count["r"][:7], means[:7], terms=4, why="a sum and the mean of it")


@pytest.mark.parametrize("states", [None, (), torch.zeros(7, 1, 3, 16)])
def test_a_teacher_that_shows_no_states_gives_its_own_table(states, headed, tmp_path, monkeypatch, small_data, capsys):
    monkeypatch.setattr(token_states, "_middle", lambda _: states[0] if states is not None and len(states) else None)
    export.run(configure(headed, tmp_path / "states"))
    export.run(configure(headed, tmp_path / "own", embedding_texts=0))
    tables = [_table(tmp_path / name) for name in ("states", "own")]
    np.testing.assert_array_equal(*tables)
    assert "shows no finite state of each token" in capsys.readouterr().err


def _table(folder):
    return read_token_embeddings(folder, read_manifest(folder))


def test_states_that_are_not_finite_are_no_start(headed, monkeypatch):
    monkeypatch.setattr(token_states, "_states", lambda _, batch, *__: torch.full((len(batch.ids), 16), torch.nan))
    assert _states(_teacher(headed))[1] is None


def test_without_texts_it_is_the_teacher_s_own_table(headed, tmp_path, small_data):
    from transformers import AutoModelForSequenceClassification

    export.run(configure(headed, tmp_path / "own", embedding_texts=0))
    model = AutoModelForSequenceClassification.from_pretrained(headed)
    own = model.get_input_embeddings().weight.detach().numpy().astype(np.float16)
    np.testing.assert_array_equal(_table(tmp_path / "own"), own)
    assert "embedding_texts" not in read_manifest(tmp_path / "own").config
    with pytest.raises(InputError, match=r"it holds another export: its config\.embedding_texts"):
        export.run(configure(headed, tmp_path / "own"))


def test_fewer_texts_are_drawn_by_the_seed(headed, tmp_path, small_data):
    export.run(configure(headed, tmp_path / "few", embedding_texts=20))
    export.run(configure(headed, tmp_path / "again", embedding_texts=20))
    export.run(configure(headed, tmp_path / "all"))
    few, again, whole = (_table(tmp_path / name) for name in ("few", "again", "all"))
    np.testing.assert_array_equal(few, again)
    assert (few != whole).any()


def test_a_begun_export_keeps_its_table(headed, tmp_path, monkeypatch, small_data):
    export.run(configure(headed, tmp_path / "whole"))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predict, "predict_logits", interrupted)
        with pytest.raises(Interrupted, match=r"the same command goes on"):
            export.run(configure(headed, tmp_path / "out"))
    with monkeypatch.context() as patch:
        patch.setattr(token_states, "mean_token_states", lambda *_, **__: pytest.fail("computed again"))
        export.run(configure(headed, tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_ctrl_c_while_states_are_read_is_said(headed, tmp_path, monkeypatch, small_data):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(token_states, "mean_token_states", interrupted)
    with pytest.raises(Interrupted, match=r"the same command goes on"):
        export.run(configure(headed, tmp_path / "out"))


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_damaged_table_is_made_again(is_begun, headed, tmp_path, monkeypatch, small_data):
    config = configure(headed, tmp_path / "out")
    export.run(config)
    whole = contents(tmp_path / "out")
    path = tmp_path / "out" / "token_embeddings.npy"
    if is_begun:
        (tmp_path / "out" / "test" / "part-00000.npz").unlink()
        with monkeypatch.context() as patch:
            patch.setattr(predict, "predict_logits", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(Interrupted, match=r"the same command goes on"):
                export.run(config)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    export.run(config)
    assert contents(tmp_path / "out") == whole
