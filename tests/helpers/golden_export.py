"""The golden export folder ``tests/data/export_v1``: schema version 1 as it was first written, made by this function.

``python tests/golden_export.py`` writes it again. A change of these bytes is a change of the format: then the schema
version goes up and the old folder stays beside the new one.
"""

from pathlib import Path

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.export.format import Manifest, Part
from distill_jax.export.writer import ExportWriter

FOLDER = Path(__file__).resolve().parent.parent / "golden" / "export_v1"

HEADER = Manifest(
    label_names=("negative", "neutral", "positive ★"),
    vocab_size=12,
    pad_id=0,
    max_length=6,
    teacher={"name": "golden teacher", "fingerprint": "ab" * 32},
    config={"dataset": "golden", "seed": 42, "label_map": None},
    splits={},
)
TEACHER = {**HEADER.teacher, "test_accuracy": 0.5}
TOKENIZER = '{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"[PAD]": 0}, "unk_token": "[PAD]"}}\n'
TOKEN_EMBEDDINGS = (np.arange(24).reshape(12, 2) / 8 - 1.5).astype(np.float16)


def _part(example_ids: list[int], rows: list[list[int]], labels: list[int], logits: list[list[float]]) -> Part:
    return Part(
        example_ids=np.array(example_ids, np.int64),
        tokens=Ragged.of(rows),
        labels=np.array(labels, np.int32),
        teacher_logits=np.array(logits, np.float32).reshape(-1, 3),
    )


PARTS = {
    "train": [
        _part([3, 0], [[2, 5, 6, 3], [2, 3]], [2, 0], [[-1.5, 0.25, 3.0], [0.5, 0.0, -0.125]]),
        _part([7], [[2, 11, 10, 9, 8, 3]], [1], [[-0.1, 1e-3, 1e3]]),
    ],
    "test": [_part([1, 5], [[2, 4, 3], [2, 7, 7, 3]], [1, 2], [[0.0, 1.0, 0.0], [1.0, 0.0, 0.5]])],
    "transfer": [_part([2**40, 11], [[], [2, 6, 3]], [-1, -1], [[0.5, 0.25, 0.125], [-2.0, -4.0, -8.0]])],
}


def write_golden_export(folder: Path) -> None:
    """Write the golden export into ``folder``."""
    writer = ExportWriter(folder, HEADER)
    for split, parts in PARTS.items():
        for index, part in enumerate(parts):
            writer.write(split, index, part)
    writer.write_tokenizer(TOKENIZER)
    writer.write_token_embeddings(TOKEN_EMBEDDINGS)
    writer.finish({split: len(parts) for split, parts in PARTS.items()}, TEACHER)


if __name__ == "__main__":
    write_golden_export(FOLDER)
