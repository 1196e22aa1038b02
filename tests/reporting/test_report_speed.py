"""What a report says of speed: raw text on both sides, and a ratio only of what one machine made."""

import csv
import re

import pytest

from distill_jax.report import ReportConfig, write_report
from distill_jax.reporting.comparable_runs import read_runs
from distill_jax.reporting.numbers import two_digits
from distill_jax.reporting.summary import headline, notes, tiles
from distill_jax.reporting.table import build_table
from run_folders import SPEED, write_run

DIRECT = (0, 0, 1, 1, 0, 0, 1, 2, 0, 1)
TOKEN_IDS_ALONE = {"predict_examples_per_second": 103_500.0, "raw_text_documents_per_second": None}
FASTER = re.compile(r"times (as fast|faster)")


def table_of(folder, **options):
    return build_table(read_runs([write_run(folder / "run", DIRECT, **options)]))


def test_a_ratio_compares_raw_text_with_raw_text_to_two_digits(tmp_path):
    speed = {**SPEED, "median": 103_500.0, "low": 98_400.0, "high": 104_400.0}
    table = table_of(tmp_path, metrics={"raw_text_documents_per_second": speed})
    assert (
        "From raw text to label it makes 100,000 documents/s (98,000 to 100,000 in 5 repeats) on a processor, 2 cores; "
        "the teacher’s pass in the export made 50, tokenizing and writing included, on the same: about 2,100 times as "
        "fast."
    ) in headline(table)
    assert any(tile.figure == "2,100×" and "from raw text" in tile.caption for tile in tiles(table))


def test_a_run_that_knows_its_speed_from_token_ids_alone_makes_no_claim(tmp_path):
    table = table_of(tmp_path, metrics=TOKEN_IDS_ALONE)
    assert not FASTER.search(headline(table))
    assert not any("documents" in tile.caption for tile in tiles(table))
    (note,) = [note for note in notes(table) if "token ids" in note]
    assert "without tokenizing" in note
    assert "CNN 100,000" in note
    write_report(ReportConfig(runs=(tmp_path,)))
    row = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))[1]
    assert row["documents_per_second"] == ""


@pytest.mark.parametrize(
    ("teacher", "says"),
    [
        ({"machine": "another, 64 cores"}, "on another, 64 cores, so the two are not compared."),
        ({"device": "a GPU"}, "on a GPU, so the two are not compared."),
        ({"machine": None}, "on a machine that it does not name, so the two are not compared."),
        ({"documents_per_second": None}, "on a processor, 2 cores."),
    ],
)
def test_speeds_of_two_places_are_not_divided(tmp_path, teacher, says):
    table = table_of(tmp_path, teacher_fields=teacher)
    assert headline(table).endswith(says)
    assert not FASTER.search(headline(table))
    assert not any("documents" in tile.caption for tile in tiles(table))


@pytest.mark.parametrize(
    "broken", [1.0, {}, {**SPEED, "low": 0.0}, {**SPEED, "median": 1.0}, {**SPEED, "machine": None}]
)
def test_a_speed_that_is_none_is_left_out(tmp_path, broken):
    table = table_of(tmp_path, metrics={"raw_text_documents_per_second": broken})
    assert table.students[0].documents_per_second is None
    assert not FASTER.search(headline(table))


def test_the_fastest_student_s_speed_is_compared_too(tmp_path):
    faster = {**SPEED, **{name: 10 * SPEED[name] for name in ("median", "low", "high")}}
    write_run(tmp_path / "cnn", DIRECT)
    write_run(tmp_path / "linear", (0,) * 10, student="fasttext", metrics={"raw_text_documents_per_second": faster})
    said = headline(build_table(read_runs([tmp_path / "cnn", tmp_path / "linear"])))
    assert "The fastest, Linear, keeps" in said
    assert said.endswith("about 2,000 times as fast.")


def test_numbers_of_two_digits():
    assert [two_digits(value) for value in (0.351, 4.25, 9.96, 41.7, 2_070, 103_500)] == [
        "0.35", "4.2", "10", "42", "2,100", "100,000",
    ]  # fmt: skip
