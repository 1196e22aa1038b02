"""What a message of bad input looks like, whatever the input was."""

import pytest

from distill_jax.errors import InputError, MissingExtraError, MissingInputError

HOSTILE = ["a\nb", "a\r\n b", "\x1b[2J", "\0", "\u2028", "\u202e", "\ud800", "\x85", "y" * 100_000, "\x01" * 10_000]


@pytest.mark.parametrize("kind", [InputError, MissingInputError, MissingExtraError])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_message_is_one_line_of_bounded_length_whatever_came(kind, hostile):
    text = str(kind(f"file x: expected a number, got {hostile}; train again"))
    assert text.startswith("file x: expected a number, got ")
    assert text.endswith("; train again")
    assert text.isprintable()
    assert len(text) < 10_000


def test_an_honest_message_is_kept_to_the_letter():
    text = "data file /tmp/é [1].csv: expected 2  fields, got '\\n'; write it anew"
    assert str(InputError(text)) == str(MissingInputError(text)) == text
