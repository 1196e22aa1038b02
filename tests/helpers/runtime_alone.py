"""Run Python in a process that can import what ``pip install distill-jax`` brings, and no other distribution."""

import functools
import importlib.metadata
import json
import subprocess
import sys
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from command_lines import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"distill_jax", "teacher_export"}

_BLOCKING = """
import json, runpy, sys
blocked = set(json.loads(sys.argv.pop(1)))

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""
_COMMAND = """
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__")
"""
_IMPORTED = """
sys.stderr.write(json.dumps(sorted(sys.modules)))
"""


def names_of(requirements):
    """Return the distributions of requirements that count here and belong to no extra."""
    wanted = map(Requirement, requirements)
    return {canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})}


def modules_by_distribution():
    """Return each installed distribution's top-level modules."""
    found = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for distribution in distributions:
            found.setdefault(canonicalize_name(distribution), set()).add(module)
    return found


@functools.cache
def blocked_modules():
    """Return the top-level modules of all distributions but ours and those that it needs, directly or not."""
    needed, new = set(), names_of(PROJECT["dependencies"])
    while new:
        needed |= new
        new = {name for each in new for name in names_of(importlib.metadata.requires(each) or [])} - needed
    modules = modules_by_distribution()
    allowed = set().union(*(modules[name] for name in needed if name in modules), OURS)
    return sorted(set().union(*modules.values()) - allowed)


def run_alone(code, *arguments, stdin=""):
    """Run code; return the completed process."""
    return subprocess.run(
        [sys.executable, "-c", _BLOCKING + code, json.dumps(blocked_modules()), *map(str, arguments)],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def command_alone(module, *arguments, stdin=""):
    """Run ``python -m module``; return the completed process."""
    return run_alone(_COMMAND, module, *arguments, stdin=stdin)


def modules_of_command(module, *arguments, stdin=""):
    """Return what ``python -m module`` has imported at its end."""
    done = run_alone(_COMMAND + _IMPORTED, module, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr))
