"""What a report says of students that were trained with several seeds, and that it says nothing new without them."""

import csv

import pytest

from distill_jax.errors import InputError
from distill_jax.report import ReportConfig, write_report
from distill_jax.reporting.comparable_runs import find_runs, read_runs
from distill_jax.reporting.seeds import seed_lines, seed_notes, terminal_seeds
from distill_jax.reporting.summary import headline, notes, tiles
from distill_jax.reporting.table import build_table
from distill_jax.runs.seed_scores import SeedScores, Spread, write_seeds
from run_folders import write_run

# right on 4 and on 6 of the 10 rows, on which the teacher is right on 8
DIRECT = (0, 0, 1, 1, 0, 0, 1, 2, 0, 1)
DISTILLED = (0, 0, 1, 1, 2, 2, 1, 2, 0, 1)
_DIRECT_SEEDS = SeedScores((0, 1, 2), Spread((0.4, 0.5, 0.6)), Spread((0.3, 0.4, 0.5)))
_DISTILLED_SEEDS = SeedScores((0, 1, 2), Spread((0.6, 0.7, 0.65)), Spread((0.5, 0.6, 0.7)))


@pytest.fixture
def runs(tmp_path):
    write_run(tmp_path / "tiny" / "cnn", DIRECT)
    write_run(tmp_path / "tiny" / "cnn-distil", DISTILLED, distil=True)
    write_run(tmp_path / "tiny" / "linear", DIRECT, student="fasttext")
    return tmp_path / "tiny"


@pytest.fixture
def seeded(runs):
    write_seeds(runs / "cnn", _DIRECT_SEEDS)
    write_seeds(runs / "cnn-distil", _DISTILLED_SEEDS)
    return runs


def _table(*folders):
    return build_table(read_runs(find_runs(folders)))


def test_the_numbers_follow_from_the_means(seeded):
    direct, distilled = seed_lines(_table(seeded))
    assert (direct.model, distilled.model, distilled.twin) == ("CNN", "CNN (distilled)", "CNN")
    assert (direct.kept, distilled.kept) == pytest.approx((0.5 / 0.8, 0.65 / 0.8))
    assert distilled.gain == pytest.approx(0.15)
    assert distilled.gap_closed == pytest.approx(0.15 / 0.3)
    assert (direct.gain, direct.gap_closed) == (None, None)


def test_a_gap_needs_both_twins_seeds_and_a_teacher_that_is_better(seeded):
    (seeded / "cnn" / "seeds.json").unlink()
    (line,) = seed_lines(_table(seeded))
    assert (line.twin, line.gain, line.gap_closed) == (None, None, None)
    write_seeds(seeded / "cnn", SeedScores((0, 1), Spread((0.4, 1.0)), Spread((0.4, 1.0))))
    write_seeds(seeded / "cnn-distil", SeedScores((0, 1), Spread((0.6, 1.0)), Spread((0.6, 1.0))))
    assert seed_lines(_table(seeded))[1].gap_closed == pytest.approx(1.0)
    write_seeds(seeded / "cnn", SeedScores((0, 1, 2), Spread((0.4, 1.0, 1.0)), Spread((0.4, 1.0, 1.0))))
    assert seed_lines(_table(seeded))[1].gap_closed is None


def test_the_best_student_and_the_headline_go_by_the_means(seeded):
    table = _table(seeded)
    assert headline(table).startswith(
        "Of the 3 students, CNN (distilled) is the most accurate: it keeps 81.2 % of the teacher’s accuracy (0.650 ± "
        "0.050, the mean of 3 seeds, against 0.800 on 10 test texts), and is 200 times smaller"
    )
    assert tiles(table)[0].caption == "of the teacher’s accuracy, mean of 3 seeds"
    write_seeds(seeded / "cnn", SeedScores((0, 1), Spread((0.4, 1.0)), Spread((0.4, 1.0))))
    assert _table(seeded).best.model == "CNN"


def test_the_notes_and_the_terminal_say_mean_and_spread(seeded):
    table = _table(seeded)
    direct, distilled, gain = notes(table)[:3]
    over = ", mean ± spread over 3 seeds (0 to 2): accuracy"
    rest = "; its other numbers are those of seed 0."
    assert direct == f"CNN{over} 0.500 ± 0.100, macro F1 0.400 ± 0.100{rest}"
    assert distilled == f"CNN (distilled){over} 0.650 ± 0.050, macro F1 0.600 ± 0.100{rest}"
    assert gain == "In the means over the seeds, distillation changed the accuracy of CNN by +0.150."
    lines = terminal_seeds(table).splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == ["CNN", "CNN (distilled)"]
    assert lines[3].split()[2:] == ["3", "0.650", "±", "0.050", "0.600", "±", "0.100", "81.2", "%", "50.0", "%"]


def test_of_many_students_one_note_says_where_to_look(seeded):
    for index in range(3):
        write_run(seeded / f"more-{index}", DIRECT, student="ensemble", train={"learning_rate": index})
        write_seeds(seeded / f"more-{index}", _DIRECT_SEEDS)
    table = _table(seeded)
    assert notes(table)[0].startswith("5 students were trained with several seeds: what has a ± is the mean")
    assert len(terminal_seeds(table).splitlines()) == 7


def test_the_page_has_a_section_and_the_csv_columns(seeded, capsys):
    page = write_report(ReportConfig(runs=(seeded,))).read_text()
    assert page.count("<h2>Over several seeds</h2>") == 1
    assert '<span class="interval">0.650 ± 0.050</span>' in page
    assert "Over several seeds" in capsys.readouterr().out
    rows = list(csv.DictReader((seeded / "results.csv").read_text().splitlines()))
    assert [row["seeds"] for row in rows] == ["", "3", "3", ""]
    assert float(rows[2]["accuracy_mean"]) == pytest.approx(0.65)
    assert float(rows[2]["accuracy_standard_deviation"]) == pytest.approx(0.05)
    assert float(rows[2]["gap_closed_by_means"]) == pytest.approx(0.5)
    assert (rows[1]["gap_closed_by_means"], float(rows[1]["accuracy"])) == ("", 0.4)


def test_without_several_seeds_nothing_is_said_of_them(runs, capsys):
    table = _table(runs)
    assert (seed_lines(table), seed_notes(table), terminal_seeds(table)) == ([], [], "")
    page = write_report(ReportConfig(runs=(runs,))).read_text()
    for text in (page, capsys.readouterr().out, (runs / "results.csv").read_text()):
        assert "several seeds" not in text
        assert "±" not in text
        assert "mean of 3" not in text


def test_scores_of_another_training_are_refused(seeded):
    write_seeds(seeded / "cnn", SeedScores((0, 1), Spread((0.9, 0.5)), Spread((0.4, 0.4))))
    with pytest.raises(
        InputError, match=r"cnn: seeds\.json says test accuracy 0\.9000 for seed 0, the run has 0\.4000"
    ):
        _table(seeded)


def test_seeds_that_do_not_follow_one_another_are_listed(runs):
    write_seeds(runs / "cnn", SeedScores((0, 4), Spread((0.4, 0.5)), Spread((0.3, 0.4))))
    assert "over 2 seeds (0, 4)" in notes(_table(runs))[0]
