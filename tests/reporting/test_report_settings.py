"""What a report says was run: the options that decided something."""

import pytest

from distill_jax.reporting.comparable_runs import read_runs
from distill_jax.reporting.numbers import UNKNOWN
from distill_jax.reporting.settings import shared_facts, varied_settings
from distill_jax.reporting.table import build_table
from run_folders import LABELS, write_run

SOFT = {"soft_loss": "kl", "temperature": 2.0, "transfer": True, "transfer_share": 1.0, "transfer_passes": 2}
HARD = {"soft_loss": "mse", "temperature": 1.0, "transfer": False, "transfer_share": 1.0, "transfer_passes": 0}
OF_TRANSFER = ("Transfer", "Transfer share", "Transfer passes")


def what_was_run(*folders):
    """Return the settings that all runs share, and those of each run in which they differ."""
    runs = read_runs(folders)
    titles, rows = varied_settings(runs)
    facts = shared_facts(build_table(runs), runs)
    return dict(facts), [dict(zip(titles, row, strict=True)) for row in rows]


def run(folder, *, distil, transfer_rows=None, **train):
    export = {} if transfer_rows is None else {"transfer_examples": transfer_rows}
    return write_run(folder, LABELS, distil=distil, train={**(SOFT if distil else HARD), **train}, export_fields=export)


def test_what_a_student_of_labels_had_no_use_for_is_a_dash(tmp_path):
    direct = run(tmp_path / "cnn", distil=False, transfer_rows=9)
    distilled = run(tmp_path / "cnn-distil", distil=True, transfer_rows=9)
    _, (of_direct, of_distilled) = what_was_run(direct, distilled)
    assert {of_direct[name] for name in ("Alpha", "Soft loss", "Temperature", *OF_TRANSFER)} == {UNKNOWN}
    assert of_distilled["Alpha"] == "0.25"
    assert (of_distilled["Soft loss"], of_distilled["Temperature"]) == ("kl", "2.0")
    assert [of_distilled[name] for name in OF_TRANSFER] == ["yes", "1.0", "2"]


@pytest.mark.parametrize(("transfer_rows", "named"), [(0, False), (9, True), (None, True)])
def test_transfer_is_named_where_the_export_may_have_a_transfer_split(tmp_path, transfer_rows, named):
    direct = run(tmp_path / "cnn", distil=False, transfer_rows=transfer_rows)
    distilled = run(tmp_path / "cnn-distil", distil=True, transfer_rows=transfer_rows)
    facts, (_, of_distilled) = what_was_run(direct, distilled)
    assert [name in {**facts, **of_distilled} for name in OF_TRANSFER] == [named] * 3


@pytest.mark.parametrize(
    ("train", "dashes"),
    [
        ({"alpha": 1, "soft_loss": "mse", "temperature": 1.0}, {"Soft loss", "Temperature"}),
        ({"soft_loss": "mse", "temperature": 1.0}, {"Temperature"}),
        ({"transfer": False, "transfer_passes": 0}, {"Transfer share", "Transfer passes"}),
    ],
)
def test_an_option_that_another_leaves_without_effect_is_a_dash(tmp_path, train, dashes):
    plain = run(tmp_path / "plain", distil=True, transfer_rows=9, transfer_share=0.5)
    facts, (_, changed) = what_was_run(plain, run(tmp_path / "changed", distil=True, transfer_rows=9, **train))
    assert {name for name, value in changed.items() if value == UNKNOWN} == dashes
    assert not dashes & set(facts)


def test_an_option_that_decided_nothing_in_any_run_is_not_named(tmp_path):
    facts, (only,) = what_was_run(run(tmp_path / "cnn", distil=False))
    assert facts["Distil"] == "no"
    assert not {"Alpha", "Soft loss", "Temperature", *OF_TRANSFER} & {*facts, *only}


def test_a_training_records_whether_its_export_has_a_transfer_split(tiny_runs):
    (recorded,) = read_runs([tiny_runs["cnn"]])
    assert isinstance(recorded.config["export"]["transfer_examples"], int)


def test_the_mean_of_cross_fitted_teachers_stands_beside_the_one_that_judges(tmp_path):
    crossed = {"count": 5, "splits": {"test": {"accuracy": 0.5904, "macro_f1": 0.5}}}
    plain = write_run(tmp_path / "plain", LABELS)
    of_five = write_run(tmp_path / "five", LABELS, teacher_fields={"cross_fitted": crossed})
    assert "Cross-fitted teachers" not in what_was_run(plain)[0]
    assert what_was_run(of_five)[0]["Cross-fitted teachers"] == "5; accuracy of their mean on the test rows: 0.590"
