"""What all tests share: no network, a cache folder of their own, a tiny export and tiny trained runs.

They run on the CPU also where a GPU is, unless ``JAX_PLATFORMS`` says otherwise (``make test-gpu``). Compiling is
most of their time, so what one process has compiled is there for all others, and for the next run.
"""

import os
import signal
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries are imported
os.environ["TRANSFORMERS_OFFLINE"] = "1"
if os.environ.setdefault("JAX_PLATFORMS", "cpu") != "cpu":  # what ``configure_jax`` does for commands
    os.environ.setdefault("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

_COMPILED = Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")

import pytest
from jaxtyping import install_import_hook

# The shapes in these signatures are checked at every call.
install_import_hook(["distill_jax.losses", "distill_jax.students.networks"], "beartype.beartype")

from distill_jax.cache import CACHE_VARIABLE
from student_options import padding
from packable import packable_runs
from tiny_export import write_tiny_export


def pytest_collection_modifyitems(items):
    """Skip what holds on a CPU alone where JAX computes elsewhere."""
    if os.environ["JAX_PLATFORMS"] != "cpu":
        for item in items:
            if "cpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="looked up on a CPU alone"))


@pytest.fixture(scope="session")
def test_cache(tmp_path_factory):
    """The cache folder of every test and of the processes that tests start."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(request, monkeypatch, test_cache):
    """Keep the user's cache folder out of the tests, but for the demo's, which hold its large files."""
    if "demo" not in request.keywords:
        monkeypatch.setenv(CACHE_VARIABLE, str(test_cache))


@pytest.fixture(autouse=True)
def _own_handlers():
    """Take signals as before, whatever command has ended within a test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def lookup_of_few_texts(monkeypatch):
    """Let texts be predicted by lookups however few they are."""
    monkeypatch.setattr("distill_jax.inference.token_lookup._FEWEST_TOKENS", 1)


@pytest.fixture(scope="session")
def tiny_export(tmp_path_factory):
    """An export folder of 330 training and 90 test rows; tests read it and do not change it."""
    return write_tiny_export(tmp_path_factory.mktemp("exports") / "tiny")


@pytest.fixture(scope="session")
def tiny_examples(tiny_export):
    """The tiny export's ``(train, test)`` examples."""
    from distill_jax.data.examples import read_examples
    from distill_jax.export.format import read_manifest

    manifest = read_manifest(tiny_export)
    return read_examples(tiny_export, manifest, "train"), read_examples(tiny_export, manifest, "test")


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory, tiny_export):
    """Run folders of all students, distilled for two epochs with masked pooling: name → folder; not to be changed."""
    from distill_jax.config import TrainConfig
    from distill_jax.training.run import TrainRun, train_run

    runs = {}
    for student in ("cnn", "fasttext", "bilstm"):
        runs[student] = tmp_path_factory.mktemp("runs") / student
        config = TrainConfig.notebook(student, distil=True, epochs=2)
        train_run(TrainRun(tiny_export, runs[student], config, {"embedding_dim": 12, **padding(student, "masked")}))
    return runs


@pytest.fixture(scope="session")
def packable(tmp_path_factory):
    """Runs that can be packed: name of the student → (run folder, export folder); not to be changed."""
    return packable_runs(tmp_path_factory.mktemp("packable"))
