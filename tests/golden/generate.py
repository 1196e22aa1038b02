"""Writes the golden folders of one version: an export, runs trained from it, and a run that was interrupted.

``python tests/golden/generate.py tests/golden/v0_1`` wrote ``v0_1`` with version 0.1.0. What a version has written
stays as it is, for later versions must read it: a change of the format gets a folder of its own beside the old ones,
written by this program under that version. ``expected_logits.json`` holds texts and the logits that
the version which trained the runs predicted for them.
"""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "helpers"))

from distill_jax.config import TrainConfig
from distill_jax.errors import Interrupted
from distill_jax.export.writer import ExportWriter
from distill_jax.inference.predictor import Predictor
from distill_jax.training import run as training
from distill_jax.training.run import TrainRun, train_run
from tiny_export import tiny_header, tiny_part, tiny_texts, tiny_tokenizer

ROWS = {"train": 24, "validation": 8, "test": 12, "transfer": 8}
EPOCHS = 2
STUDENTS = {
    "fasttext": {"embedding_dim": 6, "mask_padding": True, "ngrams": 2, "buckets": 32},
    "cnn": {"embedding_dim": 6, "mask_padding": True, "filters": 4},
    "bilstm": {"embedding_dim": 6, "hidden": 4},
}
UNFINISHED = "cnn"


def write_export(folder: Path) -> None:
    """Write an export with one part for each split; rows of the transfer set have no label."""
    writer = ExportWriter(folder, tiny_header())
    first_id = 0
    for seed, (split, rows) in enumerate(ROWS.items()):
        part = tiny_part(rows, seed, first_id)
        if split == "transfer":
            part.labels[:] = -1
        writer.write(split, 0, part)
        first_id += rows
    writer.write_tokenizer(tiny_tokenizer().to_str())
    writer.finish(dict.fromkeys(ROWS, 1), writer.header.teacher)


def run_of(student: str, workdir: str) -> TrainRun:
    """Return the training of one golden run, started in the folder that holds ``export``."""
    config = TrainConfig.notebook(student, distil=True, epochs=EPOCHS, batch_size=8)
    return TrainRun(Path("export"), Path("runs") / workdir, config, STUDENTS[student])


@contextlib.contextmanager
def stopped_after_the_first_epoch():
    """Let Ctrl-C arrive while the first epoch's checkpoint is written."""
    save = training.save_checkpoint

    def save_and_interrupt(*arguments):
        save(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    training.save_checkpoint = save_and_interrupt
    try:
        with contextlib.suppress(Interrupted):
            yield
    finally:
        training.save_checkpoint = save


def main(folder: Path) -> None:
    """Write everything into a new folder."""
    folder.mkdir(parents=True)
    os.chdir(folder)
    write_export(Path("export"))
    texts = ["", "w59", *tiny_texts(10, seed=7)[0], "unknown w3 words"]
    logits = {}
    for student in STUDENTS:
        train_run(run_of(student, student))
        logits[student] = Predictor.load(Path("runs") / student).logits(texts).tolist()
    with stopped_after_the_first_epoch():
        train_run(run_of(UNFINISHED, "unfinished"))
    Path("expected_logits.json").write_text(json.dumps({"texts": texts, "logits": logits}, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
