"""Hints in an export: what the context adds to each token in the middle of the teacher, as transformers has it."""

import shutil

import numpy as np
import pytest
import torch

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError, Interrupted
from distill_jax.export.format import HINT_STEP, read_manifest
from distill_jax.export.reader import iterate_parts, read_token_embeddings
from export_helpers import configure, configure_finetuned, contents
from teacher_export import export
from teacher_export.config import ExportConfig, FinetuneConfig
from teacher_export.options.teacher import TeacherConfig
from teacher_export.parts.ending import finish_plan
from teacher_export.parts.planning import make_plan
from teacher_export.parts.working import compute_parts
from teacher_export.teacher import logits as predict
from teacher_export.teacher import token_states
from teacher_export.teacher.distilbert_inference import DistilBertInference
from teacher_export.teacher.distilbert_packed import PackedDistilBert
from teacher_export.teacher.families import batch_inputs
from teacher_export.teacher.hint_map import HintMap
from teacher_export.teacher.loading import load_teacher
from teacher_export.teacher.source import resolve_teacher
from teacher_families import FAMILIES, LONGEST, save_family
from teacher_reference import middle_of_one_text, row_by_row
from tiny_teacher import LABEL_NAMES, make_teacher
from tolerances import assert_close

WIDTH = 6


def _hints(folder, split):
    """Return the token ids and the hints of a split's rows, one after the other."""
    parts = list(iterate_parts(folder, read_manifest(folder), split, hints=True))
    return Ragged.concatenate([part.tokens for part in parts]), [part.hints for part in parts]


def _teacher(folder):
    return load_teacher(resolve_teacher(TeacherConfig(teacher=str(folder))), LABEL_NAMES, LONGEST, 0)


def _expected(teacher, folder, tokens):
    """Return the same hints by transformers, a text at a time, before they are rounded."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(teacher, dtype=torch.float32).eval()
    table = read_token_embeddings(folder, read_manifest(folder)).astype(np.float64)
    directions = np.load(folder / "hint_directions.npy").astype(np.float64)
    segments, found = _teacher(teacher).segments, []
    for number, length in enumerate(tokens.lengths):
        if not length:
            continue
        row = tokens.take(np.array([number]))
        ids, inputs = row.ids, batch_inputs(row, 0, segments)
        with torch.inference_mode():
            output = model(**{name: torch.from_numpy(each) for name, each in inputs.items()}, output_hidden_states=True)
        found.append((middle_of_one_text(output) - table[ids]) @ directions / HINT_STEP)
    return np.concatenate(found)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_hint_is_what_transformers_state_has_beyond_its_token_s_mean(family, tmp_path, small_data):
    save_family(family, tmp_path / "teacher")
    folder = tmp_path / "export"
    export.run(configure(tmp_path / "teacher", folder, hint_width=WIDTH, max_length=LONGEST))
    tokens, parts = _hints(folder, "train")
    hints = np.concatenate(parts)
    assert hints.shape == (len(tokens.ids), WIDTH)
    expected = _expected(tmp_path / "teacher", folder, tokens)
    # Half a step of rounding, and what a pass of a tiny model differs by, whose states are divided by small deviations.
    assert np.abs(hints - np.clip(expected, -127, 127)).max() < 0.55
    assert hints.std(axis=0).min() > 1
    assert _hints(folder, "test")[1] == [None] * len(_hints(folder, "test")[1])


def test_hints_vary_by_one_around_their_tokens_means_and_by_the_most_along_the_first(headed, tmp_path, small_data):
    folder = tmp_path / "export"
    export.run(configure(headed, folder, hint_width=WIDTH))
    hints = np.concatenate(_hints(folder, "train")[1]) * HINT_STEP
    variances = np.square(hints).mean(axis=0)
    # The table's rows are drawn towards what is expected of them, and so lie beside the means.
    assert 0.8 < variances.mean() < 1.5
    assert variances[0] > variances[-1]


def test_directions_are_the_principal_ones_within_tokens():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 9, 500)
    states = rng.normal(size=(9, 7))[ids] * 5 + rng.normal(size=(500, 7)) * np.arange(1, 8)
    means = np.stack([states[ids == token].mean(axis=0) for token in range(9)])
    within = states - means[ids]
    sums = (means * np.bincount(ids)[:, None]).astype(np.float32)
    counts = np.bincount(ids).astype(np.float32)[:, None]
    found = token_states._directions(states.T @ states, sums, counts, 3)
    variances, axes = np.linalg.eigh(within.T @ within / 500)
    expected = axes[:, ::-1][:, :3] / np.sqrt(variances[::-1][:3].mean())
    assert_close(np.abs(np.sum(found * expected, axis=0)), np.sum(expected**2, axis=0), terms=500, why="sums of rows")
    with pytest.raises(InputError, match=r"--hint-width 8: expected 7 at most, the teacher's own width"):
        token_states._directions(states.T @ states, sums, counts, 8)


def test_what_an_int8_does_not_reach_is_cut():
    table, directions = np.zeros((2, 4), np.float16), np.diag([100, -100, 1, 0]).astype(np.float32)
    (hint,) = HintMap(table, directions)(np.array([1], np.int32), torch.tensor([[1.0, 1.0, -1.0, -1.0]]))
    assert hint.tolist() == [127, -127, -16, 0]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_our_own_passes_show_the_states_of_transformers_too(layers, tmp_path):
    """A text without a token stands among the others, as it may in a table."""
    from transformers import AutoModelForSequenceClassification

    make_teacher(tmp_path / "teacher", n_layers=layers)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "teacher").eval()
    rows = Ragged.of([[2, 7, 9, 3], [], [2, 11, 3], [2, 12, 13, 14, 15, 3]])
    theirs = []
    for ids in np.split(rows.ids, rows.stops[:-1]):
        if len(ids):
            with torch.inference_mode():
                output = model(input_ids=torch.from_numpy(ids[None].astype(np.int64)), output_hidden_states=True)
            theirs.append(output.hidden_states[(layers + 1) // 2][0])
    found = torch.zeros(len(rows.ids), theirs[0].shape[1])

    def look(some, states):
        found[np.concatenate([np.arange(rows.starts[row], rows.stops[row]) for row in some])] = states

    logits = predict.predict_logits(model, rows, pad_id=0, precision="float32", batch_size=2, max_length=16, look=look)
    assert_close(found, torch.cat(theirs), terms=500, why="a pass of a tiny model")
    plain = predict.predict_logits(model, rows, pad_id=0, precision="float32", batch_size=2, max_length=16)
    if layers > 1:
        np.testing.assert_array_equal(logits, plain)
        with torch.inference_mode():
            packed = PackedDistilBert(model, torch.float32, 0, row_by_row).with_states(rows)[1]
        assert_close(packed, torch.cat(theirs), terms=500, why="a pass of a tiny model")
    else:
        assert_close(logits, plain, terms=500, why="a pass of a tiny model")
        with torch.inference_mode():
            ours = DistilBertInference(model, torch.float32).with_states(torch.ones(1, 2).long(), torch.ones(1, 2))
        assert ours[1] is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_logits_are_the_same_with_hints_and_without(precision, headed, tmp_path, small_data):
    for name, width in (("with", WIDTH), ("without", 0)):
        export.run(configure(headed, tmp_path / name, hint_width=width, precision=precision))
    pairs = zip(
        *(iterate_parts(tmp_path / name, read_manifest(tmp_path / name), "train") for name in ("with", "without")),
        strict=True,
    )
    for one, other in pairs:
        np.testing.assert_array_equal(one.teacher_logits, other.teacher_logits)


@pytest.mark.parametrize("tuned", [False, True])
def test_parts_that_others_compute_have_the_same_hints(tuned, headed, bare, tmp_path, small_data):
    options = {"hint_width": WIDTH, "augment": 2, "validation_fraction": 0.2}
    make = configure_finetuned if tuned else configure
    export.run(make(bare if tuned else headed, tmp_path / "whole", **options))
    shutil.rmtree(tmp_path / "whole-teacher", ignore_errors=True)
    config = make(bare if tuned else headed, tmp_path / "parts", **options)
    make_plan(config)
    compute_parts(tmp_path / "parts", lambda total: range(total - 1, -1, -1))
    finish_plan(tmp_path / "parts")
    one, other = contents(tmp_path / "whole"), contents(tmp_path / "parts")
    assert one == other
    assert "hint_directions.npy" in one
    assert _hints(tmp_path / "parts", "transfer")[1][0].any()


def test_a_stopped_export_goes_on_to_the_same_bytes(headed, tmp_path, monkeypatch, small_data):
    export.run(configure(headed, tmp_path / "whole", hint_width=WIDTH))
    config, plain, asked = configure(headed, tmp_path / "out", hint_width=WIDTH), predict.predict_logits, []

    def second_is_stopped(*arguments, **options):
        asked.append(1)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return plain(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(predict, "predict_logits", second_is_stopped)
        with pytest.raises(Interrupted, match="the same command goes on"):
            export.run(config)
    with monkeypatch.context() as patch:
        patch.setattr(token_states, "mean_token_states", lambda *_, **__: pytest.fail("computed again"))
        export.run(config)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_damaged_directions_are_made_again(headed, tmp_path, small_data):
    config = configure(headed, tmp_path / "out", hint_width=WIDTH)
    export.run(config)
    whole, path = contents(tmp_path / "out"), tmp_path / "out" / "hint_directions.npy"
    for content in (path.read_bytes()[:-1] + b"?", None):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        export.run(config)
        assert contents(tmp_path / "out") == whole


def test_an_export_with_hints_is_another_one(headed, tmp_path, small_data):
    export.run(configure(headed, tmp_path / "out"))
    assert "hint_width" not in read_manifest(tmp_path / "out").config
    assert not (tmp_path / "out" / "hint_directions.npy").exists()
    with pytest.raises(InputError, match=r"it holds another export: its config\.hint_width is None, this one's is 6"):
        export.run(configure(headed, tmp_path / "out", hint_width=WIDTH))


def test_directions_that_come_out_otherwise_leave_no_part_made_by_the_old_ones(
    headed, tmp_path, monkeypatch, small_data
):
    """As on a machine whose arithmetic differs."""
    config, plain = configure(headed, tmp_path / "out", hint_width=WIDTH), token_states._directions
    make_plan(config)
    compute_parts(tmp_path / "out", lambda total: range(total - 1))
    (tmp_path / "out" / "hint_directions.npy").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(token_states, "_directions", lambda *arguments: -plain(*arguments))
        make_plan(config)
        compute_parts(tmp_path / "out", range)
        finish_plan(tmp_path / "out")
        export.run(configure(headed, tmp_path / "whole", hint_width=WIDTH))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_texts": 0}, r"--hint-width goes with --embedding-texts of 1 or more"),
        ({"student_max_length": 64}, r"--hint-width goes with students that read what the teacher reads"),
        ({"long_texts": "windows"}, r"--hint-width goes with students that read what the teacher reads"),
        ({"hint_width": 5000}, r"--hint-width: expected a number at least 0 and at most 4,096, got 5,000"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TeacherConfig(**{"hint_width": WIDTH, **options})


def test_cross_fitted_teachers_have_no_hints():
    with pytest.raises(InputError, match=r"--hint-width does not go with --teacher-folds"):
        ExportConfig(teacher=TeacherConfig(hint_width=WIDTH), finetune=FinetuneConfig(teacher_folds=3))


def test_a_teacher_without_states_and_a_hint_wider_than_one_are_refused(headed, tmp_path, monkeypatch, small_data):
    with pytest.raises(InputError, match=r"--hint-width 17: expected 16 at most, the teacher's own width"):
        export.run(configure(headed, tmp_path / "wide", hint_width=17))
    assert not (tmp_path / "wide").exists()
    monkeypatch.setattr(token_states, "middle_states", lambda _: None)
    with pytest.raises(InputError, match=r"--hint-width 6: expected a teacher that shows finite states"):
        export.run(configure(headed, tmp_path / "none", hint_width=WIDTH))
