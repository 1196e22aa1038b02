"""The ``tokenizer.json`` that lies beside a model of token ids: it cuts and pads, so that its output is the input."""

from pathlib import Path

from distill_jax.data.tokenizer import require_ids_below, tokenizer_of
from distill_jax.packed.student import PackedStudent

TOKENIZER = "tokenizer.json"


def padding_tokenizer(student: PackedStudent) -> str:
    """Return a student's tokenizer: it cuts texts to what the student sees, and pads a batch to its longest.

    Raises:
        InputError: it is damaged, or not the student's.
    """
    path = Path(TOKENIZER)
    tokenizer = tokenizer_of(student.tokenizer.encode(), path, student.max_length)
    pad_id = student.config.pad_id
    require_ids_below(student.config.vocab_size, tokenizer, path, "packed student")
    tokenizer.enable_padding(direction="right", pad_id=pad_id, pad_token=tokenizer.id_to_token(pad_id) or "[PAD]")
    return str(tokenizer.to_str())
