"""The corpus: one tiny, whole input of each kind that a loader takes, made here."""

import contextlib
import csv
import gzip
import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from distill_jax.checksums import CHECKSUMS, record_files
from distill_jax.export.format import MANIFEST
from distill_jax.files import sha256_file
from scripts.trials.inputs import ENCODER, EXPORT, EXPORT_OPTIONS, TABLE, TEXTS, write_inputs
from scripts.trials.processes import Command, answer_of, run

LINEAR, CNN, STOPPED, SEEDS, FINETUNED, TABLES, TOKENIZERS = (
    *("linear", "cnn", "stopped", "seeds", "finetuned", "tables", "tokenizers"),
)
VECTORS, STUDY, CHECKPOINT = "words.vec", "study.db", "notebook.bin"
WIDTH, LENGTH = 8, 24  # of vectors and embeddings; of texts, in tokens
WORDS = tuple(f"w{number}" for number in range(60))


def write_corpus(folder: Path, wanted: Collection[str]) -> None:
    """Write the corpus; neither JAX nor torch computes in this process.

    Args:
        folder: an empty folder.
        wanted: what of it is read; what takes a training or a fine-tuning is made only where it is.

    Raises:
        RuntimeError: a command failed.
    """
    write_inputs(folder)
    inputs = folder / "inputs"
    notebook = f"--export {EXPORT} --recipe notebook --embedding-dim {WIDTH} --embeddings random --epochs 1"
    tuning = EXPORT_OPTIONS.replace("../inputs/", "")
    lines = {
        LINEAR: f"distill_jax.train {notebook} --student fasttext --distil --workdir {LINEAR}",
        CNN: f"distill_jax.train {notebook} --student cnn --filters 6 --workdir {CNN}",
        SEEDS: f"distill_jax.train {notebook} --student fasttext --seeds 2 --workdir {SEEDS}",
        FINETUNED: f"teacher_export {tuning} --teacher {ENCODER} --finetune-epochs 1 --finetune-output {FINETUNED} "
        "--output over",
        STUDY: f"scripts.search --student fasttext --export {EXPORT} --trials 1 --study {STUDY}",
        CHECKPOINT: f"scripts.convert {CNN} --to-torch --output {CHECKPOINT}",
    }
    needed = {LINEAR, *wanted} | ({CNN} if {STOPPED, CHECKPOINT} & set(wanted) else set())
    for name, line in lines.items():
        ended = run(Command.of(line), inputs) if name in needed else None
        if ended is not None and ended.status:
            raise RuntimeError(f"{line}: {ended}")
    if STOPPED in needed:
        _write_stopped(inputs)
    (inputs / TABLES).mkdir()
    answer_of(lambda: _write_tables(inputs))
    (inputs / TOKENIZERS).mkdir()
    answer_of(lambda: _write_tokenizers(inputs / TOKENIZERS))
    vectors = [
        f"{word} " + " ".join(f"{(index * column) % 19 / 9 - 1:.4f}" for column in range(1, WIDTH + 1))
        for index, word in enumerate(WORDS)
    ]
    (inputs / VECTORS).write_text("\n".join([f"{len(WORDS)} {WIDTH}", *vectors]) + "\n")


def _write_stopped(inputs: Path) -> None:
    """Write a training that stopped after its checkpoint: what a finished one adds is taken away."""
    folder = shutil.copytree(inputs / CNN, inputs / STOPPED)
    for name in ("weights.npz", "metrics.json", "test_predictions.npz", CHECKSUMS):
        (folder / name).unlink()
    record_files(folder, "config.json", "tokenizer.json")


def _write_tables(inputs: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with (inputs / TABLE).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    tables = inputs / TABLES
    shutil.copyfile(inputs / TABLE, tables / "reviews.csv")
    (tables / "reviews.tsv").write_text("text\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in rows))
    (tables / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tables / "packed.csv.gz").write_bytes(gzip.compress((inputs / TABLE).read_bytes(), mtime=0))
    pq.write_table(pa.Table.from_pylist(rows), tables / "reviews.parquet", row_group_size=20)
    shutil.copyfile(inputs / TEXTS, tables / "texts.txt")
    _write_answers(tables, [row["text"] for row in rows])


def _write_answers(tables: Path, texts: Sequence[str]) -> None:
    """Write tables with a teacher's answers: an object or a list of votes in a column, or a column for each class."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shares = [1 + index % 7 for index in range(len(texts))]
    answers = [{"pos": share / 10, "neg": 1 - share / 10} for share in shares]
    rows = [{"text": text, "answer": answer} for text, answer in zip(texts, answers, strict=True)]
    votes = [{**row, "answer": ["pos"] * share + ["neg"]} for row, share in zip(rows, shares, strict=True)]
    for name, written in (("answers.jsonl", rows), ("votes.jsonl", votes)):
        (tables / name).write_text("".join(json.dumps(row) + "\n" for row in written))
    pq.write_table(pa.Table.from_pylist(rows), tables / "answers.parquet", row_group_size=20)
    cells = zip(texts, map(str, answers), *zip(*(answer.values() for answer in answers), strict=True), strict=True)
    with (tables / "answers.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["text", "answer", "pos", "neg"], *cells])


def _write_tokenizers(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: index for index, word in enumerate([*special, *WORDS, "##s"])}
    bert = Tokenizer(models.WordPiece(vocabulary, unk_token=special[1]))
    bert.normalizer, bert.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    bert.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {letter: index for index, letter in enumerate(["<pad>", *letters, "w1"])}
    bpe = Tokenizer(models.BPE(pieces, [("w", "1")]))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    unigram = Tokenizer(models.Unigram([("<unk>", 0.0), *((word, -1.0 - len(word)) for word in WORDS)], unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    for name, tokenizer in (("wordpiece", bert), ("bpe", bpe), ("unigram", unigram)):
        if name != "unigram":
            tokenizer.add_special_tokens(special if name == "wordpiece" else ["<pad>"])
        tokenizer.save(str(folder / f"{name}.json"))


def sign_run(folder: Path) -> None:
    """Record a run's files as they are, so that what lies behind the checksums is reached."""
    (folder / CHECKSUMS).unlink(missing_ok=True)
    record_files(folder, *(path.name for path in sorted(folder.iterdir()) if path.is_file()))


def sign_export(folder: Path) -> None:
    """Write the hashes of an export's parts into its manifest, where it still is one, and record its files."""
    path = folder / MANIFEST
    text = path.read_text(errors="surrogateescape")
    with contextlib.suppress(Exception):  # it is what it is after a mutation: any JSON, or none
        parts = [part for split in json.loads(text)["splits"].values() for part in split["parts"]]
        for part in parts:
            text = text.replace(part["sha256"], sha256_file(folder / part["file"]))
    path.write_text(text, errors="surrogateescape")
    sign_run(folder)
