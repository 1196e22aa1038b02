"""A table as teacher, from the command line to a student: no torch, the same bytes, and what cannot go together."""

import csv
import json
import shutil

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

import distill_jax as dj
from command_lines import call, python, refusal
from distill_jax import compare, predict, report, train
from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer
from distill_jax.errors import InputError, Interrupted, MissingInputError
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import iterate_parts
from distill_jax.files import read_json
from distill_jax.runs.folder import read_run
from distill_jax.runs.weights import read_weights
from export_helpers import all_logits, contents
from teacher_export import command_line, export
from teacher_export.command_line import parse_arguments
from teacher_export.teacher.table import TableLabeller
from teacher_export.teacher.table_tokenizer import TableTokenizer
from tiny_teacher import LABEL_NAMES, make_teacher, reviews, write_reviews_csv
from tolerances import OF_GRADIENTS, assert_close

TABLE = ["--dataset", "table", "--text-column", "text", "--max-length", "32", "--part-rows", "32"]
ROWS = 120


def answers(labels):
    """Return probabilities with four decimals that mostly name the label."""
    values = np.random.default_rng(0).dirichlet(np.ones(len(LABEL_NAMES)), len(labels)) * 0.6
    values[np.arange(len(labels)), labels] += 0.4
    return np.round(values, 4)


@pytest.fixture
def table(tmp_path):
    """A CSV file with the columns text, rating and p1 … p5."""
    texts, labels = reviews(ROWS)
    rows = [
        [text, LABEL_NAMES[label], *row]
        for text, label, row in zip(texts, labels, answers(labels).tolist(), strict=True)
    ]
    with (tmp_path / "votes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["text", "rating", *(f"p{i}" for i in range(1, 6))], *rows])
    return tmp_path / "votes.csv"


OUTPUTS = ["--teacher-outputs", *(f"{name}=p{i}" for i, name in enumerate(LABEL_NAMES, 1))]


def words(table, output, *further, labels=True):
    named = ["--label-column", "rating"] if labels else []
    return [*TABLE, "--data", str(table), *named, *OUTPUTS, "--output", str(output), *further]


def run(table, output, *further, labels=True):
    return export.run(parse_arguments(words(table, output, *further, labels=labels)))


_WITHOUT_THE_EXTRA = """
import json, runpy, sys
BLOCKED = {"torch", "transformers", "pyarrow", "safetensors", "jax", "flax"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv = ["distill-export", *sys.argv[1:]]
try:
    runpy.run_module("teacher_export", run_name="__main__")
except SystemExit as exit_:
    assert not exit_.code, exit_.code
print("\\n" + json.dumps(sorted(BLOCKED & {name.partition(".")[0] for name in sys.modules})))
"""


def test_neither_torch_nor_any_of_the_extra_is_needed_or_imported(table, tmp_path):
    output = python(_WITHOUT_THE_EXTRA, *words(table, tmp_path / "out"))
    assert json.loads(output.splitlines()[-1]) == []
    assert read_manifest(tmp_path / "out").examples("train") == 96


def test_an_ordinary_export_comes_of_it(table, tmp_path, capsys):
    folder = run(table, tmp_path / "out")
    said = capsys.readouterr()
    manifest = read_manifest(folder)
    assert manifest.label_names == LABEL_NAMES
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "sha256sums.txt",
        "test",
        "tokenizer.json",
        "train",
    ]
    assert not manifest.has_token_embeddings
    teacher = manifest.teacher
    assert (teacher["name"], teacher["kind"], teacher["warnings"]) == ("table: p1, p2, p3, p4, p5", "table", [])
    assert teacher["outputs"]["rows"] == ROWS
    accuracies = [teacher["splits"][name]["accuracy"] for name in ("train", "test")]
    assert teacher["outputs"]["agreement_with_labels"] == pytest.approx(
        (96 * accuracies[0] + 24 * accuracies[1]) / ROWS
    )
    assert "parameters" not in teacher
    assert f"they agree with the label in {teacher['outputs']['agreement_with_labels']:.1%}" in said.out
    probabilities = np.exp(all_logits(folder, "train").astype(float))
    entropy = -(probabilities * np.log(probabilities)).sum(axis=1).mean()
    assert teacher["outputs"]["mean_entropy"] == pytest.approx(entropy, abs=0.1)
    assert str(tmp_path) not in (folder / "manifest.json").read_text()
    tokenizer = load_tokenizer(folder / "tokenizer.json", 32)
    assert FastTokenizer(tokenizer, 32).is_fast
    assert (manifest.pad_id, manifest.vocab_size) == (0, tokenizer.get_vocab_size())
    part = next(iterate_parts(folder, manifest, "test"))
    texts = reviews(ROWS)[0]
    wanted = [tokenizer.encode(texts[row]).ids for row in part.example_ids]
    assert np.split(part.tokens.ids, part.tokens.stops[:-1])[3].tolist() == wanted[3]


def test_a_second_run_computes_nothing_and_an_interrupted_one_ends_with_the_same_bytes(
    table, tmp_path, monkeypatch, capsys
):
    whole = contents(run(table, tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(export, "_Export", None)
        run(table, tmp_path / "whole")
    assert "is reused" in capsys.readouterr().out
    plain = TableLabeller.logits

    def interrupted(self, asked, advance):
        if asked.where == "split train, part 1, ":
            raise KeyboardInterrupt
        return plain(self, asked, advance)

    with monkeypatch.context() as patch:
        patch.setattr(TableLabeller, "logits", interrupted)
        with pytest.raises(Interrupted, match="the whole parts are kept"):
            run(table, tmp_path / "out")
    run(table, tmp_path / "out")
    assert contents(tmp_path / "out") == whole
    (tmp_path / "out/test/part-00000.npz").unlink()
    run(table, tmp_path / "out")
    assert contents(tmp_path / "out") == whole


def test_columns_in_another_order_are_the_same_export(table, tmp_path, capsys):
    whole = contents(run(table, tmp_path / "one"))
    arguments = [*TABLE, "--data", str(table), "--label-column", "rating", "--output", str(tmp_path / "one")]
    export.run(parse_arguments([*arguments, "--teacher-outputs", *OUTPUTS[:0:-1]]))
    assert "is reused" in capsys.readouterr().out
    assert contents(tmp_path / "one") == whole


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (["--outputs-are", "votes"], "its teacher.fingerprint is|its config.teacher_outputs"),
        (["--vocabulary", "100"], "its (vocab_size|config.vocabulary) is"),
        (["--seed", "1"], "its .* is"),
    ],
)
def test_an_export_of_other_answers_or_tokens_is_never_mixed_in(table, tmp_path, further, message):
    run(table, tmp_path / "out")
    with pytest.raises(InputError, match=message):
        run(table, tmp_path / "out", *further)


@pytest.mark.parametrize("labels", [True, False], ids=["labels", "no label"])
def test_a_student_is_trained_asked_and_reported_on(table, tmp_path, capsys, labels):
    folder = run(table, tmp_path / "out", labels=labels)
    options = ["--export", folder, "--student", "fasttext", "--epochs", "1", "--workdir", tmp_path / "runs/student"]
    status, out, error = call(capsys, train.main, *options, "--distil")
    assert status == 0, error
    assert "the teacher has no embedding table, so the student's embeddings start at random" in out
    assert ("no test text has a label: its scores are agreement with the teacher's answers" in out) != labels
    assert read_run(tmp_path / "runs/student").config["train"]["embeddings"] == "random"
    status, out, error = call(capsys, predict.main, "--run", tmp_path / "runs/student", stdin=b"a superb film\n")
    assert status == 0, error
    assert json.loads(out)["label"] in LABEL_NAMES
    status, out, error = call(capsys, report.main, tmp_path / "runs")
    assert status == 0, error
    row = next(line for line in out.splitlines() if line.startswith("Teacher"))
    assert row.split()[-4:] == ["–", "–", "–", "–"]  # parameters, size, training, documents a second
    assert "The teacher is a table of answers: it has no size and no speed." in out
    assert ("No test text has a label" in out) != labels
    run_ = read_run(tmp_path / "runs/student")
    agreement = (run_.predictions.logits.argmax(axis=1) == run_.predictions.teacher_logits.argmax(axis=1)).mean()
    with (tmp_path / "runs/results.csv").open() as stream:
        teacher, student, *_ = csv.DictReader(stream)
    assert float(student["agreement"]) == pytest.approx(agreement)
    assert (teacher["parameters"], teacher["bytes"], teacher["documents_per_second"]) == ("", "", "")
    if not labels:
        assert float(student["accuracy"]) == pytest.approx(agreement)
        assert read_json(tmp_path / "runs/student/metrics.json", "metrics")["test_acc"] == pytest.approx(agreement)


def test_seeds_comparisons_and_python_judge_by_the_teacher_too_where_no_label_is(table, tmp_path, capsys):
    folder = run(table, tmp_path / "out", labels=False)
    options = ["--export", folder, "--student", "fasttext", "--distil", "--epochs", "1", "--workdir", tmp_path / "run"]
    status, _, error = call(capsys, train.main, *options, "--seeds", "2")
    assert status == 0, error

    def agreement(run_folder):
        predictions = read_run(run_folder).predictions
        return (predictions.logits.argmax(axis=1) == predictions.teacher_logits.argmax(axis=1)).mean()

    scores = read_json(tmp_path / "run/seeds.json", "seeds")["test_acc"]["values"]
    assert scores == pytest.approx([agreement(tmp_path / "run"), agreement(tmp_path / "run/seed-1")])
    status, out, error = call(capsys, compare.main, tmp_path / "run", tmp_path / "run/seed-1")
    assert status == 0, error
    assert "No test text has a label, so the teacher’s answers stand for the right ones" in out
    opened = dj.Export.open(folder)
    student = dj.student("fasttext", opened)
    trained = dj.fit(student, opened.train, distil=True, evaluate={"test": opened.test}, epochs=1)
    assert trained.config.embeddings == "random"
    assert trained.history["test_acc"].iloc[-1] == pytest.approx(scores[0])
    with pytest.raises(InputError, match="has no embedding table"):
        dj.fit(student, opened.train, distil=True, embeddings="teacher")


def test_what_a_table_or_its_missing_labels_cannot_give_is_refused(table, tmp_path, capsys):
    folder = run(table, tmp_path / "out", labels=False)
    options = ["--export", folder, "--student", "fasttext", "--workdir", tmp_path / "student"]
    message = refusal(capsys, train.main, *options, "--distil", "--embeddings", "teacher")
    assert "has no embedding table, its teacher being no network; give --embeddings random" in message
    assert "training without --distil needs labelled rows" in refusal(capsys, train.main, *options)
    assert not (tmp_path / "student").exists()


def test_an_export_that_lost_its_embeddings_is_no_table_s(tmp_path, table, capsys):
    folder = run(table, tmp_path / "out")
    manifest = read_json(folder / "manifest.json", "manifest")
    del manifest["teacher"]["token_embeddings_sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "sha256sums.txt").unlink()
    message = refusal(
        capsys, train.main, "--export", folder, "--student", "fasttext", "--distil", "--workdir", tmp_path / "s"
    )
    assert "expected the teacher's embedding table, found no file" in message


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_a_student_is_the_one_that_the_same_teacher_s_own_export_makes(tmp_path, kind, capsys):
    """With the same tokenizer and start, a table of a transformer's logits or probabilities is that teacher."""
    make_teacher(tmp_path / "teacher", vocab_size=32)
    data = write_reviews_csv(tmp_path / "r.csv", ROWS)
    common = [*TABLE, "--label-column", "rating"]
    teacher = ["--teacher", str(tmp_path / "teacher"), "--device", "cpu", "--precision", "float32"]
    direct = export.run(parse_arguments([*common, "--data", str(data), *teacher, "--output", str(tmp_path / "direct")]))
    logits = np.zeros((ROWS, len(LABEL_NAMES)))
    for split in ("train", "test"):
        for part in iterate_parts(direct, read_manifest(direct), split):
            logits[part.example_ids] = part.teacher_logits
    values = logits if kind == "logits" else np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    with data.open() as stream:
        rows = [
            [*row, *map(repr, row_values)]
            for row, row_values in zip([*csv.reader(stream)][1:], values.tolist(), strict=True)
        ]
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["text", "rating", *(f"p{i}" for i in range(1, 6))], *rows])
    further = ["--outputs-are", kind, "--tokenizer", str(tmp_path / "teacher")]
    of_table = run(tmp_path / "t.csv", tmp_path / "table", *further)
    for split in ("train", "test"):
        pairs = zip(
            *(iterate_parts(folder, read_manifest(folder), split) for folder in (direct, of_table)), strict=True
        )
        for one, other in pairs:
            for name in ("example_ids", "labels"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            np.testing.assert_array_equal(one.tokens.ids, other.tokens.ids)
            if kind == "logits":
                np.testing.assert_array_equal(one.teacher_logits, other.teacher_logits)
    weights = []
    for folder in (direct, of_table):
        options = ["--student", "fasttext", "--distil", "--epochs", "2", "--embeddings", "random", "--no-transfer"]
        status, _, error = call(
            capsys, train.main, "--export", folder, *options, "--workdir", tmp_path / folder.name / "run"
        )
        assert status == 0, error
        weights.append(read_weights(tmp_path / folder.name / "run"))
    for name, array in _flat(weights[0]):
        other = dict(_flat(weights[1]))[name]
        if kind == "logits":
            np.testing.assert_array_equal(array, other)
        else:  # a softmax's logarithm is the logits but for a shift, and rounding
            assert_close(array, other, **OF_GRADIENTS)


def _flat(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_a_vocabulary_is_learnt_from_the_training_texts_alone_and_is_the_same_every_time(tmp_path):
    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyzéß中文0123456789'")
    lexicon = ["".join(rng.choice(letters, rng.integers(1, 9))) for _ in range(3000)]
    texts = [" ".join(rng.choice(lexicon, 12)) for _ in range(2000)]
    found = {TableTokenizer.trained(texts, 2000, 32).tokenizer.to_str() for _ in range(4)}
    assert len(found) == 1
    tokenizer = Tokenizer.from_str(found.pop())
    assert tokenizer.get_vocab_size() <= 2000
    assert [tokenizer.id_to_token(id_) for id_ in range(4)] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    unknown = tokenizer.token_to_id("[UNK]")
    assert sum(unknown in tokenizer.encode(text).ids for text in texts) == 0
    assert tokenizer.encode("Abc").ids == tokenizer.encode("abc").ids


def test_words_of_the_test_split_are_not_in_the_vocabulary(table, tmp_path):
    folder = run(table, tmp_path / "out")
    manifest = read_manifest(folder)
    train_texts = [
        reviews(ROWS)[0][row] for part in iterate_parts(folder, manifest, "train") for row in part.example_ids
    ]
    wanted = TableTokenizer.trained(train_texts, 30_000, 32).tokenizer.to_str()
    assert (folder / "tokenizer.json").read_text(encoding="utf-8") == wanted


def word_tokenizer(path, *special, padding=None):
    vocabulary = {token: index for index, token in enumerate([*special, "<unk>", "good", "bad"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if padding is not None:
        tokenizer.enable_padding(pad_id=vocabulary[padding], pad_token=padding)
    tokenizer.save(str(path))
    return path


@pytest.mark.parametrize(
    ("special", "padding", "pad", "size"),
    [
        (("<s>", "<pad>"), None, 1, 5),
        (("[PAD]",), None, 0, 4),
        (("<s>", "odd"), "odd", 1, 5),
        (("<s>",), None, 4, 5),  # no real token stands for padding: it gets one of its own
    ],
)
def test_a_given_tokenizer_is_taken_as_it_is_and_its_pad_id_is_no_word_s(tmp_path, special, padding, pad, size):
    path = word_tokenizer(tmp_path / "tokenizer.json", *special, padding=padding)
    for name in (path, tmp_path):
        given = TableTokenizer.given(str(name), 8)
        assert (given.pad_id, given.vocab_size) == (pad, size)
        assert given.tokenizer.encode("good bad").ids == [size - 2 - (pad == size - 1), size - 1 - (pad == size - 1)]
        assert given.tokenizer.padding is None


def test_a_given_tokenizer_s_export_trains(table, tmp_path, capsys):
    path = word_tokenizer(tmp_path / "mine.json", "<s>")
    folder = run(table, tmp_path / "out", "--tokenizer", str(path))
    manifest = read_manifest(folder)
    assert (manifest.pad_id, manifest.vocab_size, manifest.config["vocabulary"]) == (4, 5, None)
    status, _, error = call(
        capsys,
        train.main,
        *["--export", folder, "--student", "cnn", "--distil", "--epochs", "1"],
        "--workdir",
        tmp_path / "r",
    )
    assert status == 0, error
    word_tokenizer(path, "<s>", "<t>")
    with pytest.raises(InputError, match="it holds another export"):
        run(table, tmp_path / "out", "--tokenizer", str(path))


def test_a_tokenizer_that_is_not_there_or_none_is_refused(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text('{"version": "1.0"')
    cases = {
        "empty": "expected a tokenizer.json in the folder, found none",
        "none/at/all": "there is no such file or folder",
        "none.json": "there is no such file or folder",
    }
    for name, message in cases.items():
        with pytest.raises(MissingInputError, match=message):
            TableTokenizer.given(str(tmp_path / name), 8)
    with pytest.raises(InputError, match="expected a file of the tokenizers library"):
        TableTokenizer.given(str(tmp_path / "broken.json"), 8)
    tokenizer = TableTokenizer.trained(["good", "bad"], 100, 8).tokenizer
    tokenizer.save(str(tmp_path / "bert.json"))
    with pytest.raises(InputError, match=r"--max-length 1: the tokenizer .* adds 2 tokens to every text"):
        TableTokenizer.given(str(tmp_path / "bert.json"), 1)


def test_a_hub_s_tokenizer_is_fetched_alone(tmp_path, monkeypatch):
    import huggingface_hub

    path = word_tokenizer(tmp_path / "tokenizer.json", "<pad>")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file: str(path))
    assert TableTokenizer.given("someone/model", 8).vocab_size == 4

    def offline(name, file):
        raise OSError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(MissingInputError, match=r"the hub gave no tokenizer.json of it \(no network\); check the name"):
        TableTokenizer.given("someone/model", 8)


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (["--teacher", "x"], "--teacher and --teacher-outputs do not go together"),
        (["--state-dict", "x", "--teacher-config", "y"], "--teacher-config and --teacher-outputs do not go together"),
        (["--label-map", "a=b"], "--label-map and --teacher-outputs do not go together"),
        (["--precision", "float32"], "--precision and --teacher-outputs do not go together"),
        (["--device", "cpu"], "--device and --teacher-outputs do not go together"),
        (["--batch-size", "8"], "--batch-size and --teacher-outputs do not go together"),
        (["--finetune-epochs", "2"], "--finetune-epochs and --teacher-outputs do not go together"),
        (["--finetune-output", "x"], "--finetune-output and --teacher-outputs do not go together"),
        (["--augment", "2"], "--augment and --teacher-outputs do not go together: a table cannot answer texts"),
        (["--unlabelled", "x.txt"], "--unlabelled and --teacher-outputs do not go together"),
        (["--votes-smoothing", "1"], "--votes-smoothing goes with --outputs-are votes, got probabilities"),
        (["--tokenizer", "x", "--vocabulary", "500"], "--vocabulary goes with --tokenizer train, got --tokenizer x"),
        (["--vocabulary", "10"], "--vocabulary: expected a number at least 100"),
        (["--votes-smoothing", "-1", "--outputs-are", "votes"], "--votes-smoothing: expected a number at least 0"),
    ],
)
def test_options_that_do_not_go_with_a_table_are_refused(further, message):
    with pytest.raises(InputError) as caught:
        parse_arguments([*TABLE, "--data", "x.csv", *OUTPUTS, *further])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--teacher-outputs", "p"], "--teacher-outputs goes with --dataset table, got demo"),
        (["--outputs-are", "votes"], "--outputs-are goes with --teacher-outputs COLUMN"),
        (["--tokenizer", "x"], "--tokenizer goes with --teacher-outputs COLUMN"),
        (["--vocabulary", "500"], "--vocabulary goes with --teacher-outputs COLUMN"),
        ([*TABLE, "--data", "x.csv"], "--dataset table needs --text-column NAME and --label-column NAME"),
    ],
)
def test_options_of_a_table_are_refused_elsewhere(arguments, message):
    with pytest.raises(InputError) as caught:
        parse_arguments(arguments)
    assert message in str(caught.value)


def test_the_order_of_named_classes_is_never_doubted(table, tmp_path):
    reversed_ = ["--teacher-outputs", *(f"{name}=p{i}" for i, name in enumerate(LABEL_NAMES[::-1], 1))]
    arguments = [*TABLE, "--data", str(table), "--label-column", "rating", "--output", str(tmp_path / "out")]
    export.run(parse_arguments([*arguments, *reversed_]))
    assert not any("order" in sentence for sentence in read_manifest(tmp_path / "out").teacher["warnings"])


def test_what_was_done_to_the_answers_is_said_once_with_its_count(tmp_path, capsys):
    rows = [{"text": f"text {i % 8}", "label": "ab"[i % 3 == 0], "answer": {"a": 2, "b": i % 2}} for i in range(30)]
    rows += [{"text": f"more {i}", "label": "a", "answer": {"b": 0.25}} for i in range(5)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    further = [
        "--label-column",
        "label",
        "--teacher-outputs",
        "answer",
        "--output",
        str(tmp_path / "out"),
    ]
    status, out, error = call(capsys, command_line.main, *TABLE, "--data", tmp_path / "t.jsonl", *further)
    assert status == 0, error
    assert out.count("30 rows of probabilities did not sum to 1 and were divided by their sum") == 1
    assert out.count("5 rows do not name every class") == 1
    assert out.count("15 rows have a class of less than 0.0001") == 1
    assert out.count("8 texts stand in the table with different labels") == 1
    outputs = read_manifest(tmp_path / "out").teacher["outputs"]
    assert (outputs["normalised"], outputs["completed"], outputs["floored"]) == (30, 5, 15)
    assert outputs["texts_with_several_labels"] == 8


def test_a_table_that_was_moved_is_the_same_export(table, tmp_path, capsys):
    run(table, tmp_path / "out")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(table, tmp_path / "elsewhere" / table.name)
    run(tmp_path / "elsewhere" / table.name, tmp_path / "out")
    assert "is reused" in capsys.readouterr().out


def test_a_vocabulary_with_a_few_tokens_far_apart_is_refused(table, tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"good": 3_000_000, "bad": 2, "[UNK]": 3}, unk_token="[UNK]"))
    tokenizer.save(str(tmp_path / "wide.json"))
    with pytest.raises(InputError, match=r"expected ids below 1,006 for 3 tokens, got a vocabulary of 3,000,00\d"):
        run(table, tmp_path / "out", "--tokenizer", str(tmp_path / "wide.json"))


def test_an_export_without_embeddings_declares_no_more_ids_than_its_tokens_need(table, tmp_path):
    folder = run(table, tmp_path / "out")
    dj.Export.open(folder).load_tokenizer()
    path, size = folder / "manifest.json", read_manifest(folder).vocab_size
    path.write_text(path.read_text().replace(f'"vocab_size": {size}', '"vocab_size": 100000000'))
    (folder / "sha256sums.txt").unlink()
    with pytest.raises(InputError, match="got a vocabulary of 100,000,000"):
        dj.Export.open(folder).load_tokenizer()


def test_padding_that_names_another_token_is_not_believed_and_a_mended_one_is_another_export(table, tmp_path):
    vocabulary = {"!": 0, "good": 1, "bad": 2, "[UNK]": 3, "fill": 4}
    tokenizer, path = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]")), tmp_path / "mine.json"
    tokenizer.enable_padding()  # the library's defaults, id 0 and [PAD]
    tokenizer.save(str(path))
    assert read_manifest(run(table, tmp_path / "out", "--tokenizer", str(path))).pad_id == 5
    tokenizer.enable_padding(pad_id=4, pad_token="fill")
    tokenizer.save(str(path))
    with pytest.raises(InputError, match="it holds another export"):
        run(table, tmp_path / "out", "--tokenizer", str(path))


def test_a_file_that_stands_where_a_table_would_is_no_part_of_the_export(table, tmp_path, capsys):
    """A table of answers has no embeddings, whatever another export left in the folder."""
    folder = tmp_path / "out"
    assert call(capsys, command_line.main, "plan", *words(table, folder))[0] == 0
    np.save(folder / "token_embeddings.npy", np.zeros((8, 4), np.float16))
    assert call(capsys, command_line.main, "part", "--output", folder)[0] == 0
    assert "found nothing or another file" in refusal(capsys, command_line.main, "finish", "--output", folder)
    assert call(capsys, command_line.main, "plan", *words(table, folder))[0] == 0
    assert call(capsys, command_line.main, "finish", "--output", folder)[0] == 0
    assert not (folder / "token_embeddings.npy").exists()
    assert not read_manifest(folder).has_token_embeddings
