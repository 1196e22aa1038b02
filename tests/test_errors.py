"""What a message of bad input looks like, whatever the input was."""

import json

import pytest

from distill_jax.errors import InputError, MissingExtraError, MissingInputError, printable_json, refusing

HOSTILE = ["a\nb", "a\r\n b", "\x1b[2J", "\0", "\u2028", "\u202e", "\ud800", "\x85", "y" * 100_000, "\x01" * 10_000]


@pytest.mark.parametrize("kind", [InputError, MissingInputError, MissingExtraError])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_message_is_one_line_of_bounded_length_whatever_came(kind, hostile):
    text = str(kind(f"file x: expected a number, got {hostile}; train again"))
    assert text.startswith("file x: expected a number, got ")
    assert text.endswith("; train again")
    assert text.isprintable()
    assert len(text) < 10_000


def test_json_for_a_terminal_says_the_same_without_control_characters():
    texts = ["\x9b31m", "a\u202eb", "\u061c", "\x7f", "\\u202e", "é\t你"]
    shown = printable_json(json.dumps(texts, ensure_ascii=False))
    assert json.loads(shown) == texts
    assert shown.isprintable()
    assert "é" in shown


def test_an_honest_message_is_kept_to_the_letter():
    text = "data file /tmp/é [1].csv: expected 2  fields, got '\\n'; write it anew"
    assert str(InputError(text)) == str(MissingInputError(text)) == text


def _refused(error):
    with refusing(lambda reason: f"file x: expected a number ({reason})"):
        raise error


@pytest.mark.parametrize(
    "error", [KeyError("a\nb"), RuntimeError(""), OSError("no number"), OSError(22, "a wild offset")]
)
def test_what_a_library_raises_about_a_file_is_a_sentence_and_its_cause_is_kept(error):
    with pytest.raises(InputError, match=r"^file x: expected a number ") as caught:
        _refused(error)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left"), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_no_fault_of_the_file_passes(error):
    with pytest.raises(type(error)) as caught:
        _refused(error)
    assert caught.value is error


def test_a_timeout_of_others_that_is_no_exception_passes():
    class Timeout(BaseException):
        """As some schedulers have it."""

    with pytest.raises(Timeout):
        _refused(Timeout())


def test_a_list_of_names_to_paste_is_not_cut():
    names = [f"LABEL_{number}=rec.sport.{number}" for number in range(60)]
    text = f"the names do not match; give --label-map {' '.join(names)}"
    assert str(InputError(text)) == text
