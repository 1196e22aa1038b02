"""The wheel of this checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("distill_jax", "teacher_export")


def build_wheel(folder: Path, *options: str) -> Path:
    """Build the wheel from a copy of the sources, and return its path.

    Args:
        folder: an empty folder for the copy and for the wheel.
        options: further ones of ``pip wheel``.
    """
    source = folder / "source"
    (source / "tests").mkdir(parents=True)
    (source / "tests" / "test_nothing.py").touch()  # what must not get into the wheel
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--disable-pip-version-check", *options]
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel
