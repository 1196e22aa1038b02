"""The command and what a page is made of, without a browser."""

import json
import re

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel

from command_lines import call, refusal
from distill_jax.conversion.html import Html
from distill_jax.convert import main
from distill_jax.errors import InputError
from page_students import page_student, page_tokenizer_of
from runtime_alone import command_alone


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "student.djx"
    page_student("fasttext").write(path)
    return path


def test_the_command_writes_a_page_beside_the_packed_file(capsys, packed):
    status, said, _ = call(capsys, main, packed, "--to", "html")
    page = packed.with_suffix(".html")
    assert (status, said) == (0, f"wrote {page} ({page.stat().st_size:,} bytes)\n")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_page_is_written_where_the_runtime_alone_is_installed(packed):
    done = command_alone("distill_jax.convert", packed, "--to", "html")
    assert (done.returncode, done.stderr) == (0, "")
    assert packed.with_suffix(".html").read_bytes() == Html().files(page_student("fasttext"))["page.html"]


def test_the_same_student_makes_the_same_page():
    student = page_student("bilstm")
    assert Html().files(student) == Html().files(student)


def test_what_lies_there_already_stays(capsys, packed):
    (packed.parent / "page.html").write_text("mine")
    sentence = refusal(capsys, main, packed, "--to", "html", "--output", packed.parent / "page.html")
    assert "it exists already" in sentence
    assert (packed.parent / "page.html").read_text() == "mine"


def test_a_form_that_does_not_exist_is_refused_with_those_that_do(capsys, packed):
    assert "html" in refusal(capsys, main, packed, "--to", "pdf")


def test_a_name_of_another_form_is_refused(capsys, packed):
    assert ".html" in refusal(capsys, main, packed, "--to", "html", "--output", packed.with_suffix(".onnx"))


def test_a_file_that_is_no_packed_student_is_refused(capsys, tmp_path):
    (tmp_path / "other.djx").write_bytes(b"something else")
    assert "expected a packed student" in refusal(capsys, main, tmp_path / "other.djx", "--to", "html")


def test_a_page_of_more_than_a_megabyte_is_written_by_force_alone(capsys, packed):
    page_student("cnn", embedding_dim=100, filters=400).write(packed)
    sentence = refusal(capsys, main, packed, "--to", "html")
    assert "expected at most 1,000,000 bytes" in sentence
    suggested = int(re.search(r"--max-bytes (\d+)", sentence)[1])
    assert 0.5e6 < suggested < packed.stat().st_size
    assert not packed.with_suffix(".html").exists()
    assert call(capsys, main, packed, "--to", "html", "--force")[0] == 0
    assert packed.with_suffix(".html").stat().st_size > 1_000_000


def _refused(tokenizer):
    with pytest.raises(InputError) as caught:
        Html().files(page_student("fasttext", tokenizer=tokenizer))
    return str(caught.value)


def test_another_tokenizer_is_refused():
    assert "BertNormalizer" in _refused(Tokenizer(WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]")))


def test_added_tokens_that_reach_beyond_themselves_are_refused():
    tokenizer = page_tokenizer_of()
    tokenizer.add_special_tokens([AddedToken("[NEW]", lstrip=True)])
    assert "'[NEW]'" in _refused(tokenizer)


def test_a_student_that_no_page_knows_is_refused(monkeypatch):
    student = page_student("cnn")
    monkeypatch.setattr(type(student.config), "name", "another")
    with pytest.raises(InputError, match="student another: a page has no code for it"):
        Html().files(student)


def test_names_stand_nowhere_as_text():
    names = ("<img src=x>", "</script>", "plain name")
    page = Html().files(page_student("fasttext", names=names))["page.html"].decode()
    assert not any(name in page for name in (names[0], names[2]))
    assert page.count("</script>") == 2
    assert json.dumps(names[0])[1:-1] not in page
