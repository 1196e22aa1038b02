"""The two halves never import each other's frameworks, and command lines import none before they must."""

import ast
import json
import shutil
import subprocess
import sys
import time

import pytest

from command_lines import ROOT, python

JAX = {"jax", "jaxlib", "flax", "optax", "orbax"}
TORCH = {"torch", "transformers"}
# Of these rooms no more than this.
SINGLE = (
    "choosing/timing",
    "data/long_texts",
    "data/pieces",
    "data/tokenizer_file",
    "data/ragged",
    "metrics/calibration",
    "metrics/classification",
    "metrics/interval",
    "metrics/multi_label",
    "metrics/regression",
    "metrics/resampled_labels",
    "metrics/resampled_regression",
    "metrics/resampling",
    "inference/json_lines",
)
SHARED = (
    *(
        "class_weights",
        "errors",
        "extras",
        "files",
        "checksums",
        "console",
        "cache",
        "locks",
        "processors",
        "shards",
        "machine",
        "npz",
        "options",
        "rare_classes",
        "option_fields",
        "principal",
        "export",
        "storage",
        "tables",
        "tasks",
        "zip_members",
    ),
    *SINGLE,
)
TOKENIZER = "data/tokenizer"
ENGINES = {"ray", "pyspark"}
HEAVY = [*JAX, *TORCH, "fsspec", "pandas", "sklearn", "scipy", "pyarrow", "altair", "vl_convert"]


def _sources(package, root=ROOT):
    """Return the source files of a package or of a module, those in nested folders too."""
    module = root / f"{package}.py"
    return [module] if module.is_file() else sorted((root / package).rglob("*.py"))


def _name(path):
    return str(path.relative_to(ROOT))


def _imports(path, *, top_level_only=False):
    """Return the dotted names of the modules that a source file imports."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _packages(names):
    return {name.partition(".")[0] for name in names}


def _ours(names):
    """Return which rooms or modules of ours are imported; of rooms that are shared in part, which module."""
    parts = [name.split(".")[1:] for name in names if name.startswith("distill_jax.")]
    in_part = {name.partition("/")[0] for name in SINGLE}
    ours = {"/".join(part[:2]) if part[0] in in_part else part[0] for part in parts}
    return ours - in_part


def _imports_the_other_half(path):
    return bool(_packages(_imports(path)) & (TORCH | {"teacher_export"}))


@pytest.mark.parametrize("path", _sources("distill_jax"), ids=_name)
def test_the_jax_half_imports_neither_torch_nor_the_other_half(path):
    assert not _imports_the_other_half(path)


@pytest.mark.parametrize("path", [*_sources("distill_jax"), *_sources("teacher_export")], ids=_name)
def test_an_engine_is_imported_by_its_adapter_alone_and_an_adapter_by_nothing(path):
    if not path.stem.startswith(("ray", "spark")):
        assert not _packages(_imports(path)) & ENGINES
    assert not any(name.startswith("distill_jax.adapters") for name in _imports(path))


def test_an_import_planted_in_a_nested_folder_is_found(tmp_path):
    shutil.copytree(ROOT / "distill_jax", tmp_path / "distill_jax", ignore=shutil.ignore_patterns("__pycache__"))
    assert not any(map(_imports_the_other_half, _sources("distill_jax", tmp_path)))
    planted = tmp_path / "distill_jax" / "room" / "corner" / "planted.py"
    planted.parent.mkdir(parents=True)
    planted.write_text("def late():\n    from torch import nn\n    return nn\n")
    assert [path for path in _sources("distill_jax", tmp_path) if _imports_the_other_half(path)] == [planted]


@pytest.mark.parametrize("path", _sources("teacher_export"), ids=_name)
def test_the_torch_half_imports_no_jax_and_of_the_other_half_the_shared_modules_alone(path):
    names = _imports(path)
    assert not _packages(names) & JAX
    others = _ours(names)
    assert others <= {*SHARED, "__version__", TOKENIZER}


def test_the_tokenizer_that_both_halves_may_use_needs_the_tokenizers_library_and_shared_modules_alone():
    (path,) = _sources(f"distill_jax/{TOKENIZER}")
    assert _packages(_imports(path)) <= set(sys.stdlib_module_names) | {"numpy", "tokenizers", "distill_jax"}
    assert _ours(_imports(path)) <= {*SHARED}


@pytest.mark.parametrize("path", [path for name in SHARED for path in _sources(f"distill_jax/{name}")], ids=_name)
def test_a_shared_module_needs_the_standard_library_and_numpy_alone(path):
    allowed = set(sys.stdlib_module_names) | {"numpy", "distill_jax"}
    assert _packages(_imports(path, top_level_only=True)) <= allowed
    assert _ours(_imports(path, top_level_only=True)) <= {*SHARED, "__version__"}
    is_task = path.parent.name == "tasks"  # what training minimises is asked for by the JAX half alone
    inside = {"tqdm", "tyro", "platformdirs"} | ({"jax", "scipy"} if is_task else set())
    inside |= {"pyarrow"} if path.parent.name == "tables" else set()  # Parquet, and zstd
    inside |= {"fsspec"} if path.parent.name == "storage" else set()
    assert _packages(_imports(path)) <= allowed | inside
    assert _ours(_imports(path)) <= {*SHARED, "__version__"} | ({"arrays", "losses"} if is_task else set())


ROOM_RULES = {
    "distill_jax/packed": ("distill_jax.training", "distill_jax.reporting", "distill_jax.packing"),
    "distill_jax/packing": ("distill_jax.training", "distill_jax.reporting"),
    "distill_jax/inference": ("distill_jax.training", "distill_jax.reporting", "distill_jax.formats"),
    "distill_jax/adapters": ("distill_jax.training", "distill_jax.reporting"),
    "distill_jax/labelling": ("distill_jax.training", "distill_jax.reporting"),
    "distill_jax/formats": ("distill_jax.labelling", "distill_jax.training", "distill_jax.reporting"),
    "distill_jax/conversion": (
        "distill_jax.packing",
        "distill_jax.runs",
        "distill_jax.training",
        "distill_jax.reporting",
    ),
    "distill_jax/reporting": ("distill_jax.training", "distill_jax.inference", "distill_jax.students"),
    # A student names its fast path, which stands in inference.
    "distill_jax/students": ("distill_jax.training", "distill_jax.reporting"),
    "distill_jax/metrics": (
        "distill_jax.training",
        "distill_jax.inference",
        "distill_jax.reporting",
        "distill_jax.runs",
    ),
}


def _broken_rules(root):
    """Return (source, module) of each import that the room of the source must not have."""
    return [
        (str(path.relative_to(root)), name)
        for room, forbidden in ROOM_RULES.items()
        for path in _sources(room, root)
        for name in sorted(_imports(path))
        if any(name == other or name.startswith(f"{other}.") for other in forbidden)
    ]


def test_no_room_imports_one_above_it():
    assert all(_sources(room) for room in ROOM_RULES)
    assert _broken_rules(ROOT) == []


@pytest.mark.parametrize(
    ("room", "module"), [("inference", "training.fit"), ("reporting", "students.student"), ("reporting", "inference")]
)
def test_an_import_of_a_room_above_is_found(tmp_path, room, module):
    planted = tmp_path / "distill_jax" / room / "corner" / "planted.py"
    planted.parent.mkdir(parents=True)
    planted.write_text(f"import distill_jax.{module}\n")
    assert _broken_rules(tmp_path) == [(f"distill_jax/{room}/corner/planted.py", f"distill_jax.{module}")]


@pytest.mark.parametrize("package", ["distill_jax", "teacher_export"])
def test_a_package_s_init_imports_nothing_heavy(package):
    path = ROOT / package / "__init__.py"
    assert _packages(_imports(path, top_level_only=True)) <= {"importlib", "typing"}


_IMPORT_ALL_BLOCKING = """
import importlib, pkgutil, sys
package, blocked = sys.argv[1], set(sys.argv[2].split(","))

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)

sys.meta_path.insert(0, Blocker())
for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
    if not module.name.endswith("__main__") and not module.name.startswith("distill_jax.adapters."):
        importlib.import_module(module.name)
print(sorted(blocked & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("package", "blocked"), [("distill_jax", TORCH | {"pyarrow", "teacher_export"}), ("teacher_export", JAX)]
)
def test_a_half_is_imported_whole_without_the_other_s_frameworks(package, blocked):
    assert python(_IMPORT_ALL_BLOCKING, package, ",".join(blocked)).splitlines()[-1] == "[]"


_HELP = """
import json, runpy, sys
module, heavy = sys.argv[1], sys.argv[2].split(",")
sys.argv = [module, "--help"]
try:
    runpy.run_module(module, run_name="__main__")
except SystemExit as exit_:
    assert not exit_.code, exit_.code
print("\\n" + json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.mark.parametrize("module", ["train", "predict", "report"])
def test_help_imports_no_framework_nor_numpy(module):
    output = python(_HELP, f"distill_jax.{module}", ",".join([*HEAVY, "numpy"]))
    assert json.loads(output.splitlines()[-1]) == []
    assert "usage: python -m distill_jax." + module in output


def test_help_says_defaults_and_answers_within_a_second():
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "distill_jax.train", "--help"], capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - started)
        if seconds[-1] < 1:
            break
    assert min(seconds) < 1.5, seconds
    for words in ("--student", "--distil", "--alpha", "--workdir", "(default: 0.002)", "exports/demo"):
        assert words in done.stdout
