"""One ``Predictor`` in many hands: threads, interrupts, asyncio, pickle, processes started by spawn and by fork."""

import asyncio
import copy
import json
import multiprocessing
import pickle
import random
import shutil
import string
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from asgi import run
from command_lines import python
from distill_jax.inference.predictor import Predictor
from run_folders import record
from tolerances import OF_LOGITS, assert_close

STUDENTS = ("fasttext", "cnn", "bilstm")


def _word_piece():
    """A tokenizer as BERT's, of words and their pieces, within the tiny export's vocabulary."""
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *string.ascii_lowercase, *("##" + c for c in string.ascii_lowercase)]
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_runs):
    """Run folders with a tokenizer whose words are remembered: name → folder."""
    folders = {}
    for name in STUDENTS:
        folders[name] = tmp_path_factory.mktemp("runs") / name
        shutil.copytree(tiny_runs[name], folders[name])
        _word_piece().save(str(folders[name] / "tokenizer.json"))
        record(folders[name])
    return folders


def _texts(count, seed=0):
    rng = random.Random(seed)
    return [
        " ".join("".join(rng.choices(string.ascii_lowercase, k=rng.randrange(1, 5))) for _ in range(rng.randrange(8)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", STUDENTS)
def test_threads_share_a_predictor(name, runs):
    texts, shared, started = _texts(320), Predictor.load(runs[name]), threading.Barrier(8)
    requests = [texts[start : start + 4] for start in range(0, len(texts), 4)]
    expected = Predictor.load(runs[name]).logits(texts)

    def work(thread):
        started.wait()
        return [shared.logits(request) for request in requests[thread:] + requests[:thread]]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(8)))
    for thread, answer in enumerate(answers):
        assert_close(np.concatenate(answer), np.roll(expected, -4 * thread, axis=0), **OF_LOGITS)
    assert_close(shared.logits(texts), expected, **OF_LOGITS)


def test_an_event_loop_s_executor_shares_a_predictor(runs):
    texts, shared = _texts(60), Predictor.load(runs["fasttext"])

    async def serve():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(None, shared.predict, [text]) for text in texts))

    assert [label for labels in run(serve()) for label in labels] == shared.predict(texts).tolist()


@pytest.mark.parametrize("name", STUDENTS)
def test_it_is_pickled_and_copied(name, runs):
    predictor, texts = Predictor.load(runs[name]), _texts(40)
    expected = predictor.logits(texts)
    for other in (pickle.loads(pickle.dumps(predictor)), copy.deepcopy(predictor)):
        np.testing.assert_array_equal(other.logits(texts), expected)
        assert other.label_names == predictor.label_names


def test_a_process_started_by_spawn_is_given_a_predictor(runs):
    predictor, texts = Predictor.load(runs["cnn"]), _texts(20)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert_close(pool.submit(predictor.logits, texts).result(120), predictor.logits(texts), **OF_LOGITS)


_FORK = """
import json, multiprocessing, sys
from distill_jax.errors import InputError
from distill_jax.inference.predictor import Predictor

folder, texts = sys.argv[1], ["ab c", "d [SEP] ef", "abc"]
predictor = Predictor.load(folder)
answer = {"parent": predictor.logits(texts).tolist()}
fork = multiprocessing.get_context("fork")
answers = fork.SimpleQueue()

def child(ask):
    try:
        answers.put(ask())
    except InputError as error:
        answers.put(str(error))

for name, ask in {
    "shared": lambda: predictor.logits([*texts, "new words"]).tolist()[:3],
    "loaded": lambda: Predictor.load(folder).logits(texts).tolist(),
}.items():
    process = fork.Process(target=child, args=(ask,))
    process.start()
    process.join(40)
    if process.is_alive():
        process.kill()
        answer[name] = "it does not answer"
    else:
        answer[name] = answers.get()
print(json.dumps(answer))
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.parametrize("name", STUDENTS)
def test_a_forked_process_answers_as_its_parent_or_refuses(name, runs):
    answer = json.loads(python(_FORK, runs[name]).splitlines()[-1])
    refused = "JAX was used before this process was forked, and does not work in it; start processes by spawn"
    if name == "fasttext":
        assert answer["shared"] == answer["parent"]
    else:
        assert answer["shared"].startswith(refused)
    if name == "fasttext":  # NumPy alone
        assert answer["loaded"] == answer["parent"]
    else:
        assert answer["loaded"].startswith(refused)


_FORK_FIRST = """
import multiprocessing, sys
from distill_jax.inference.predictor import Predictor

fork = multiprocessing.get_context("fork")
process = fork.Process(target=lambda: print(Predictor.load(sys.argv[1]).predict(["ab c"]).tolist(), flush=True))
process.start()
process.join(60)
sys.exit(process.exitcode)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_process_forked_before_anything_was_computed_loads_its_own(runs):
    assert python(_FORK_FIRST, runs["cnn"]).startswith("['")


_FORKED_POOL = """
import multiprocessing, sys
from distill_jax.errors import InputError
from distill_jax.inference.predictor import Predictor

predictor = Predictor.load(sys.argv[1])
fork = multiprocessing.get_context("fork")
with fork.Pool(1) as pool:
    print(pool.apply_async(predictor.predict, [["ab c"]]).get(60).tolist(), flush=True)
predictor.predict(["ab c"])
with fork.Pool(1) as pool:
    try:
        print(pool.apply_async(predictor.predict, [["ab c"]]).get(60).tolist(), flush=True)
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.parametrize("name", STUDENTS)
def test_a_pool_of_forked_processes_is_given_a_predictor_and_answers_or_refuses(name, runs):
    first, second = python(_FORKED_POOL, runs[name]).splitlines()
    assert first.startswith("['")
    assert second.startswith("['" if name == "fasttext" else "JAX was used before this process was forked")
