"""How much work a turn is."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Rows, steps and texts of the measurements.

    Attributes:
        vocab_size: rows of the embedding table: the notebook's teacher's word pieces.
        occurring: tokens that occur.
        length: tokens a row; training rows are full, so that cutting batches gains nothing.
        mean_length: mean tokens of a row, padded to ``length``, where a row says so.
        linear_rows: training rows of the linear student, and of fastText.
        linear_epochs: its epochs.
        cnn_rows: training rows of the CNN.
        test_rows: rows that ``fit`` evaluates after every epoch, on our side alone.
        predict_rows: rows that our CNN predicts from token ids.
        torch_linear_steps: steps of the notebook's loop in a turn, batch size 1.
        torch_cnn_steps: the same, batch size 32.
        torch_predict_rows: rows that the notebook's CNN predicts.
        texts: raw texts at most; None = all of the demo's.
        teacher_texts: texts that our teacher's pass takes.
        padded_texts: texts that the notebook's teacher loop takes, which is slow.
        start_rows: training rows of the export that start-up is measured on: as many as the demo's.
    """

    vocab_size: int = 119_547
    occurring: int = 25_000
    length: int = 128
    mean_length: float = 70.0
    linear_rows: int = 40_000
    linear_epochs: int = 5
    cnn_rows: int = 20_480
    test_rows: int = 1_024
    predict_rows: int = 16_384
    torch_linear_steps: int = 250
    torch_cnn_steps: int = 64
    torch_predict_rows: int = 4_096
    texts: int | None = None
    teacher_texts: int = 2_826
    padded_texts: int = 512
    start_rows: int = 11_301


FULL = Sizes()
QUICK = Sizes(
    linear_rows=16_384,
    linear_epochs=1,
    cnn_rows=2_048,
    test_rows=256,
    predict_rows=2_048,
    torch_linear_steps=30,
    torch_cnn_steps=8,
    torch_predict_rows=512,
    texts=2_048,
    teacher_texts=512,
    padded_texts=64,
)
