"""What students' embeddings start from: a token's mean state in the middle of the teacher, as transformers has it."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError, Interrupted
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import read_token_embeddings
from export_helpers import configure, contents
from teacher_export import export
from teacher_export.options.teacher import TeacherConfig
from teacher_export.parts.ending import finish_plan
from teacher_export.parts.planning import make_plan
from teacher_export.parts.working import compute_parts
from teacher_export.teacher import logits as predict
from teacher_export.teacher import token_states
from teacher_export.teacher.loading import load_teacher
from teacher_export.teacher.middle import middle_states
from teacher_export.teacher.source import resolve_teacher
from teacher_export.teacher.tokens import encode
from teacher_families import FAMILIES, LONGEST, save_family
from teacher_reference import middle_of_one_text
from tiny_teacher import LABEL_NAMES, reviews
from tolerances import assert_close

TEXTS = [*reviews(36)[0], "", "superb " * 40]
LENGTH = LONGEST


def _teacher(folder):
    return load_teacher(resolve_teacher(TeacherConfig(teacher=str(folder))), LABEL_NAMES, LENGTH, 0)


def _states(teacher, texts=TEXTS, batch_size=8):
    tokens = encode(teacher.tokenizer, texts)
    found = token_states.mean_token_states(teacher, tokens, precision="float32", batch_size=batch_size)
    return tokens, None if found is None else found.table


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
        for token, state in zip(row, middle_of_one_text(output), strict=True):
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


_STATES = torch.zeros(7, 1, 16)


@pytest.mark.parametrize(
    "output",
    [
        pytest.param({}, id="none"),
        pytest.param({"hidden_states": ()}, id="no-layers"),
        pytest.param({"hidden_states": (_STATES,)}, id="one-layer"),
        pytest.param({"hidden_states": (_STATES, _STATES)}, id="of-other-rows"),
    ],
)
def test_a_teacher_that_shows_no_states_gives_its_own_table(output, headed, tmp_path, monkeypatch, small_data, capsys):
    monkeypatch.setattr(token_states, "middle_states", lambda _: middle_states(SimpleNamespace(**output)))
    export.run(configure(headed, tmp_path / "states"))
    export.run(configure(headed, tmp_path / "own", embedding_texts=0))
    tables = [_table(tmp_path / name) for name in ("states", "own")]
    np.testing.assert_array_equal(*tables)
    assert "shows no finite states of these texts' tokens" in capsys.readouterr().err


def _table(folder):
    return read_token_embeddings(folder, read_manifest(folder))


def test_states_that_are_not_finite_are_no_start(headed, monkeypatch):
    monkeypatch.setattr(token_states, "_states", lambda _, batch, *__: torch.full((len(batch.ids), 16), torch.nan))
    assert _states(_teacher(headed))[1] is None


def test_texts_without_a_token_are_no_start(headed):
    tokens = Ragged(np.zeros(0, np.int32), np.zeros(2, np.int64))
    assert token_states.mean_token_states(_teacher(headed), tokens, precision="float32", batch_size=8) is None


def test_numbers_beyond_float16_are_no_start(headed, monkeypatch):
    """The regression goes beyond what the texts' tokens have, where an unseen one's row is large."""
    teacher = _teacher(headed)
    with torch.no_grad():
        teacher.model.get_input_embeddings().weight[-1] = 5e4
    assert teacher.vocab_size - 1 not in encode(teacher.tokenizer, TEXTS).ids
    assert _states(teacher)[1] is None


@pytest.mark.parametrize("row", [torch.nan, 1e5])
def test_a_table_that_is_no_float16_is_refused(row, headed, tmp_path, small_data):
    from transformers import AutoModelForSequenceClassification

    folder = shutil.copytree(headed, tmp_path / "teacher")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        model.get_input_embeddings().weight[-1] = row
    model.save_pretrained(folder)
    for texts in (0, 20):
        with pytest.raises(InputError, match=r"got others in the row of token \d+; check the teacher's weights"):
            export.run(configure(folder, tmp_path / f"of-{texts}", embedding_texts=texts))


def test_without_texts_it_is_the_teacher_s_own_table(headed, tmp_path, small_data):
    from transformers import AutoModelForSequenceClassification

    export.run(configure(headed, tmp_path / "own", embedding_texts=0))
    model = AutoModelForSequenceClassification.from_pretrained(headed)
    own = model.get_input_embeddings().weight.detach().numpy().astype(np.float16)
    np.testing.assert_array_equal(_table(tmp_path / "own"), own)
    assert "embedding_texts" not in read_manifest(tmp_path / "own").config
    with pytest.raises(InputError, match=r"it holds another export: its config\.embedding_texts"):
        export.run(configure(headed, tmp_path / "own"))


@pytest.mark.parametrize(("longest", "max_length"), [(8, 32), (100, 12)])
def test_texts_are_drawn_by_the_seed_of_those_that_students_learn_from(
    longest, max_length, headed, tmp_path, monkeypatch, small_data
):
    monkeypatch.setattr(token_states, "LONGEST", longest)
    plain, asked = token_states.mean_token_states, []

    def noted(teacher, tokens, **options):
        asked.append((tokens, options["precision"]))
        return plain(teacher, tokens, **options)

    monkeypatch.setattr(token_states, "mean_token_states", noted)
    rows = {}
    for name, seed, count in (("few", 0, 160), ("again", 0, 160), ("other", 1, 160), ("all", 0, 20_000)):
        config = configure(
            headed,
            tmp_path / name,
            embedding_texts=count,
            seed=seed,
            augment=2,
            validation_fraction=0.2,
            max_length=max_length,
        )
        export.run(config)
        tokens, precision = asked.pop()
        assert precision == "float32"
        assert tokens.lengths.max() == min(longest, max_length)
        rows[name] = [tuple(row.tolist()) for row in np.split(tokens.ids, tokens.stops[:-1])]
    assert len(rows["few"]) == 160
    assert rows["few"] == rows["again"] != rows["other"]
    np.testing.assert_array_equal(_table(tmp_path / "few"), _table(tmp_path / "again"))
    assert (_table(tmp_path / "few") != _table(tmp_path / "all")).any()
    manifest = read_manifest(tmp_path / "all")
    known = sum(manifest.examples(split) for split in ("train", "transfer"))
    assert len(rows["all"]) == known > 160
    assert manifest.examples("train") < 160  # so that the transfer set's are among those drawn


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


@pytest.mark.parametrize("happening", ["damaged", "another", "missing", "link"])
@pytest.mark.parametrize("is_planned_again", [False, True])
def test_a_plan_s_table_is_its_own_or_nothing_is_finished(happening, is_planned_again, headed, tmp_path, small_data):
    export.run(configure(headed, tmp_path / "whole"))
    export.run(configure(headed, tmp_path / "own", embedding_texts=0))
    config = configure(headed, tmp_path / "out")
    make_plan(config)
    compute_parts(tmp_path / "out", range)
    path, other = tmp_path / "out" / "token_embeddings.npy", tmp_path / "own" / "token_embeddings.npy"
    content = path.read_bytes()
    path.unlink()
    if happening == "damaged":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif happening == "another":
        path.write_bytes(other.read_bytes())
    elif happening == "link":
        (tmp_path / "same.npy").write_bytes(content)
        path.symlink_to(tmp_path / "same.npy")
    if is_planned_again:
        make_plan(config)
        finish_plan(tmp_path / "out")
        assert contents(tmp_path / "out") == contents(tmp_path / "whole")
        assert not path.is_symlink()
    else:
        with pytest.raises(InputError, match=r"expected what was written for this export, found nothing or another"):
            finish_plan(tmp_path / "out")
        assert not (tmp_path / "out" / "manifest.json").exists()
