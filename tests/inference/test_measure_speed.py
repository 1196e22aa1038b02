"""A student's speed from raw text, as a training measures it: the texts that are timed, and what is written."""

import jax
import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

import distill_jax as dj
from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.inference.measure_speed import REPEATS, measure_text_speed
from distill_jax.inference.predictor import Predictor
from distill_jax.runs.folder import read_run
from distill_jax.runs.text_speed import TextSpeed
from distill_jax.train import main

LENGTH = 12
SENTENCES = ("a lovely film", "not a lovely film at all, sadly", "film", "", "lovely, lovely, lovely film")


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_export):
    """A run folder as training leaves it."""
    folder = tmp_path_factory.mktemp("speed") / "run"
    main_words = ["--export", str(tiny_export), "--workdir", str(folder), "--recipe", "notebook", "--epochs", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train", *main_words, "--embedding-dim", "8"])
        main()
    return folder


def bert():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "lovely", "film", "not", "at", "all", ",", "sad", "##ly"]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return tokenizer


def byte_level():
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({character: index + 1 for index, character in enumerate(sorted(alphabet))}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    tokenizer.add_special_tokens(["<pad>"])
    return tokenizer


@pytest.mark.parametrize("make", [bert, byte_level])
def test_texts_like_token_ids_have_those_token_ids(make):
    tokenizer = make()
    pad_id = tokenizer.get_vocab().get("[PAD]", tokenizer.get_vocab().get("<pad>"))
    tokenizer.enable_truncation(64)
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(SENTENCES))]
    texts = FastTokenizer(tokenizer, 64).decode(Ragged.of(rows), pad_id)
    assert [encoding.ids for encoding in tokenizer.encode_batch(texts)] == rows


def test_a_training_writes_the_spread_of_its_speed_from_raw_text(run):
    metrics = read_run(run).metrics
    assert "predict_examples_per_second" not in metrics
    speed = TextSpeed.read(metrics["raw_text_documents_per_second"])
    assert 0 < speed.low <= speed.median <= speed.high
    assert (speed.repeats, speed.device) == (REPEATS, jax.devices()[0].device_kind)
    assert "core" in speed.machine


def test_every_repeat_labels_the_texts_with_a_predictor_that_has_met_none_of_them(run, monkeypatch):
    met = []

    def noting(predictor, texts):
        met.append((predictor.tokenizer, list(texts)))
        return predict(predictor, texts)

    predict = Predictor.predict
    monkeypatch.setattr(Predictor, "predict", noting)
    tokens = Ragged.of([[2, *(np.arange(row, row + 3) % 60 + 4), 3] for row in range(0, 120, 3)])
    assert measure_text_speed(dj.load(run), tokens).repeats == REPEATS
    assert len(met) >= REPEATS + 1  # the first one compiles
    assert len({id(tokenizer) for tokenizer, _ in met}) == len(met)
    assert met[-1][1][:2] == ["w0 w1 w2", "w3 w4 w5"]


def test_the_spread_is_that_of_the_repeats():
    speed = TextSpeed.of_repeats(100, [1.0, 0.5, 2.0], "cpu", "a machine")
    assert (speed.median, speed.low, speed.high, speed.repeats) == (100.0, 50.0, 200.0, 3)
