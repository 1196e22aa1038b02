"""The corpus: one tiny, whole input of each kind that a loader takes, made here."""

import contextlib
import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from distill_jax.checksums import CHECKSUMS, record_files
from distill_jax.export.format import MANIFEST
from distill_jax.files import sha256_file, write_json
from distill_jax.runs.decision import DECISION
from scripts.fuzz.begun_table import write_under_way
from scripts.fuzz.corpus_tables import TABLES, write_tables
from scripts.trials.inputs import ENCODER, EXPORT, EXPORT_OPTIONS, write_inputs
from scripts.trials.processes import Command, answer_of, run

LINEAR, CNN, STOPPED, SEEDS, FINETUNED, TOKENIZERS = "linear", "cnn", "stopped", "seeds", "finetuned", "tokenizers"
SCORES, TAGS, SCORES_RUN, TAGS_RUN = "scores", "tags", "scores-run", "tags-run"
VECTORS, STUDY, CHECKPOINT, BEGUN, BILSTM = "words.vec", "study.db", "notebook.bin", "begun.resume.pt", "bilstm"
PACKED_OF = {f"{run}.djx": run for run in (LINEAR, CNN, BILSTM)}  # packed students, and the runs that they come from
PACKED, PACKED_TOO, UNDER_WAY, WARM = f"{LINEAR}.djx", "whole.djx", "under-way", "warm"
_TEMPERATURE = 1.5
WIDTH, LENGTH = 8, 24  # of vectors and embeddings; of texts, in tokens
_DIGEST = re.compile(rb'("sha256": ?")[0-9a-f]{64}')
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
    answer_of(lambda: write_tables(inputs))
    short = f"--recipe notebook --embedding-dim {WIDTH} --embeddings random --epochs 1"
    notebook, linear = f"--export {EXPORT} {short}", f"distill_jax.train {short} --student fasttext --distil"
    tuning = EXPORT_OPTIONS.replace("../inputs/", "")
    wide = f"--dataset table --data {TABLES}/wide.jsonl --text-column text --max-length {LENGTH} --vocabulary 100"
    wide += " --validation-fraction 0.25"
    lines = {
        SCORES: f"teacher_export {wide} --task score --teacher-outputs score --outputs-are score --output {SCORES}",
        TAGS: f"teacher_export {wide} --task multi-label --teacher-outputs answer --label-column tags --output {TAGS}",
        LINEAR: f"{linear} --export {EXPORT} --workdir {LINEAR}",
        CNN: f"distill_jax.train {notebook} --student cnn --filters 6 --workdir {CNN}",
        BILSTM: f"distill_jax.train {notebook} --student bilstm --hidden 6 --dense 6 --workdir {BILSTM}",
        SCORES_RUN: f"{linear} --export {SCORES} --workdir {SCORES_RUN}",
        TAGS_RUN: f"{linear} --export {TAGS} --workdir {TAGS_RUN}",
        SEEDS: f"distill_jax.train {notebook} --student fasttext --seeds 2 --workdir {SEEDS}",
        FINETUNED: f"teacher_export {tuning} --teacher {ENCODER} --finetune-epochs 1 --finetune-output {FINETUNED} "
        "--output over",
        STUDY: f"scripts.search --student fasttext --export {EXPORT} --trials 1 --study {STUDY}",
        CHECKPOINT: f"scripts.convert {CNN} --to-torch --output {CHECKPOINT}",
    }
    made_of = {STOPPED: CNN, CHECKPOINT: CNN, SCORES_RUN: SCORES, TAGS_RUN: TAGS, PACKED_TOO: PACKED, **PACKED_OF}
    needed = {LINEAR, *wanted, *(made_of[name] for name in wanted if name in made_of)}
    for name, line in lines.items():
        ended = run(Command.of(line), inputs) if name in needed else None
        if ended is not None and ended.status:
            raise RuntimeError(f"{line}: {ended}")
    if STOPPED in needed:
        _write_stopped(inputs)
    packed = sorted(needed & PACKED_OF.keys())
    if packed:
        answer_of(lambda: _write_packed(inputs, packed))
    if PACKED_TOO in needed:
        shutil.copyfile(inputs / PACKED, inputs / PACKED_TOO)
    if WARM in needed:
        _write_warm(inputs)
    if UNDER_WAY in needed:
        answer_of(lambda: write_under_way(inputs / UNDER_WAY, inputs / TABLES / "wide.csv", inputs / LINEAR))
    if BEGUN in needed:
        answer_of(lambda: _write_begun(inputs))
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


def _write_warm(inputs: Path) -> None:
    """Write a run of classes whose probabilities are calibrated."""
    folder = shutil.copytree(inputs / LINEAR, inputs / WARM)
    write_json(folder / DECISION, {"temperature": _TEMPERATURE})
    record_files(folder, DECISION)


def _write_packed(inputs: Path, names: Iterable[str]) -> None:
    from distill_jax.packing.pack import pack

    for name in names:
        student = pack(inputs / PACKED_OF[name], inputs / EXPORT).student
        dataclasses.replace(student, decision={"temperature": _TEMPERATURE}).write(inputs / name)


def _write_begun(inputs: Path) -> None:
    from scripts.fuzz.begun import write_begun

    write_begun(inputs, inputs / BEGUN.removesuffix(".resume.pt"))


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


def sign_packed(path: Path) -> None:
    """Write the digest of a packed student into it, where it still is one."""
    content = _DIGEST.sub(rb"\g<1>" + b"0" * 64, path.read_bytes(), count=1)
    digest = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(_DIGEST.sub(rb"\g<1>" + digest, content, count=1))
