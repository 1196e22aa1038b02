"""What is written of a table so far, beside the place where it is to stand: a kill loses a second's work.

The folder ``OUTPUT.part`` has the rows that are done (``rows``) and a journal of how far they are whole, and of their
SHA-256 (``journal.json``), which is replaced as a whole once a second. What was written after it is cut off and made
again.
The rows go before the table stands in its place, so that a journal alone beside it says that it was finished.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

from distill_jax.errors import InputError
from distill_jax.files import (
    first_difference,
    is_temporary,
    read_json,
    remove_temporaries,
    sync_folder,
    write_json,
)
from distill_jax.labelling.labeller import Labelled
from distill_jax.labelling.outputs import WHOLE, OutputForm

_ROWS, _JOURNAL = "rows", "journal.json"
_KIND = "distill-jax: a table under way"
_CHUNK = 1 << 20
JOURNAL_SECONDS = 1.0  # between two journals


@dataclasses.dataclass(frozen=True)
class Done:
    """How far a table is labelled.

    Attributes:
        blocks: the blocks that are done.
        rows: their rows.
        missing: those of them without a text.
        bytes: what is written, the head included.
        first: the same after the first block.
    """

    blocks: int = 0
    rows: int = 0
    missing: int = 0
    bytes: int = 0
    first: int = 0

    def and_also(self, labelled: Labelled) -> Self:
        """Return how far it is after a further block."""
        written = self.bytes + len(labelled.content)
        return type(self)(
            blocks=self.blocks + 1,
            rows=self.rows + labelled.rows,
            missing=self.missing + labelled.missing,
            bytes=written,
            first=self.first or written,
        )


@dataclasses.dataclass(frozen=True)
class _Journal:
    """What is on record of a table under way.

    Attributes:
        identity: what must be the same for it to be gone on with; JSON.
        done: how far it is.
        sha256: of the rows, the identity and how far it is; None = older versions recorded none.
    """

    identity: dict[str, Any]
    done: Done
    sha256: str | None = None

    @classmethod
    def signed(cls, identity: dict[str, Any], done: Done, rows: "hashlib._Hash") -> Self:
        """Return the record of rows with such a digest."""
        digest = rows.copy()
        digest.update(json.dumps([identity, dataclasses.asdict(done)], sort_keys=True).encode())
        return cls(identity, done, digest.hexdigest())

    def write(self, folder: Path) -> None:
        """Replace the record in a folder."""
        write_json(folder / _JOURNAL, {"kind": _KIND, **dataclasses.asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the record in a folder; None where it is none."""
        with contextlib.suppress(InputError, AttributeError, KeyError, TypeError):
            found = read_json(folder / _JOURNAL, "journal")
            done = Done(**found["done"])
            if found["kind"] == _KIND and all(map(_is_count, dataclasses.astuple(done))):
                return cls(found["identity"], done, found.get("sha256"))
        return None


class PartFolder:
    """A table under way; ``opened`` gives one.

    A Ctrl-C may come between any two lines, and what is put on record after it must be true: how far the table is, and
    the digest of so much of it, are replaced in one assignment.
    """

    def __init__(self, folder: Path, stream: IO[bytes], journal: _Journal) -> None:
        self._folder, self._stream, self._identity = folder, stream, journal.identity
        self._written = journal.done, self._read_digest(journal)
        self._saved = time.monotonic()

    @property
    def done(self) -> Done:
        """How far it is."""
        return self._written[0]

    def _read_digest(self, journal: _Journal) -> "hashlib._Hash":
        """Return the digest of what is written; raise ``InputError`` where it is not what was recorded."""
        self._stream.seek(0)
        digest = hashlib.sha256()
        while block := self._stream.read(_CHUNK):
            digest.update(block)
        if journal.sha256 not in (None, _Journal.signed(journal.identity, journal.done, digest).sha256):
            raise InputError(
                f"{self._folder}: what is done is not what was written, a disk or another program has changed it; "
                "start anew with --overwrite"
            )
        return digest

    def write(self, labelled: Labelled) -> None:
        """Write a further block."""
        done, digest = self._written[0].and_also(labelled), self._written[1].copy()
        digest.update(labelled.content)
        self._stream.write(labelled.content)
        self._written = done, digest
        if time.monotonic() - self._saved >= JOURNAL_SECONDS:
            self.save()

    def save(self) -> None:
        """Let what is written survive whatever comes."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        _Journal.signed(self._identity, *self._written).write(self._folder)
        self._saved = time.monotonic()

    def require_begun_by(self, first: Labelled, head: bytes) -> None:
        """Raise ``InputError`` unless the first block stands as it is labelled now: by the same student."""
        self._stream.seek(0)
        if self._stream.read(self.done.first) != head + first.content:
            raise InputError(
                f"{self._folder}: what is done was done by another student, or another version; give that one again, "
                "or start anew with --overwrite"
            )
        self._stream.seek(self.done.bytes)

    def discard(self) -> None:
        """Delete what is written."""
        _delete(self._folder)

    def finish(self, form: OutputForm, output: Path) -> None:
        """Put the whole table in its place."""
        self.save()
        rows = self._folder / _ROWS
        whole = form.finish(rows)
        if whole != rows:
            rows.unlink()
        whole.replace(output)
        sync_folder(output.parent)
        _delete(self._folder)


@contextlib.contextmanager
def opened(
    output: Path, identity: dict[str, Any], head: bytes, *, resume: bool, overwrite: bool
) -> Iterator[PartFolder]:
    """Open the folder of what is written so far, or begin it; what was written is kept, whatever happens.

    Args:
        output: where the table is to stand.
        identity: what must be the same for what is written to be gone on with; JSON.
        head: what stands before the first block.
        resume: go on with what there is.
        overwrite: or else begin anew.

    Raises:
        InputError: there is a table under way and neither is asked for, or it is of something else; or what lies there
            is nothing of the kind.
    """
    folder = _folder_of(output)
    journal = _journal(folder, identity, resume=resume, overwrite=overwrite)
    if journal is None:
        journal = _Journal.signed(identity, Done(bytes=len(head)), hashlib.sha256(head))
        folder.mkdir(parents=True)
        journal.write(folder)
        with (folder / _ROWS).open("xb") as stream:
            stream.write(head)
    with (folder / _ROWS).open("r+b") as stream:
        stream.truncate(journal.done.bytes)
        part = PartFolder(folder, stream, journal)
        try:
            yield part
        finally:
            if folder.exists():
                with contextlib.suppress(OSError):  # a full disk: what was saved before is
                    part.save() if part.done.blocks else _delete(folder)


def clear_finished(output: Path) -> None:
    """Delete what a kill has left beside a table that stood in its place already; to be called under its lock."""
    folder = _folder_of(output)
    if output.exists() and folder.is_dir() and not (folder / _ROWS).exists() and not (folder / WHOLE).exists():
        with contextlib.suppress(InputError):  # another program's folder stays
            _read_journal(folder)
            _delete(folder)


def is_begun(output: Path) -> bool:
    """Whether something lies in the place of the table under way of an output."""
    return os.path.lexists(_folder_of(output))


def require_begun(output: Path) -> None:
    """Refuse what lies there and is no table under way; to be called under the output's lock; raises ``InputError``."""
    if is_begun(output):
        _read_journal(_folder_of(output))


def delete_begun(output: Path) -> None:
    """Delete the table under way of an output, if there is one; to be called under the output's lock.

    Raises:
        InputError: what lies there is nothing of the kind.
    """
    _journal(_folder_of(output), {}, resume=False, overwrite=True)


def part_of(name: str) -> str:
    """Return the name of the folder of a table under way, from that of its output."""
    return f"{name}.part"


def _folder_of(output: Path) -> Path:
    return output.with_name(part_of(output.name))


def _journal(folder: Path, identity: dict[str, Any], *, resume: bool, overwrite: bool) -> _Journal | None:
    """Return the record of the table under way; None where there is none, or none that is to be gone on with."""
    if not os.path.lexists(folder):
        return None
    found = _read_journal(folder)
    if found is None:
        _delete(folder)
        return None
    done = found.done
    if not resume and not overwrite and done.blocks:
        raise InputError(
            f"{folder}: a table under way, of which {done.rows:,} rows are labelled; go on with --resume, or start "
            "anew with --overwrite"
        )
    rows = folder / _ROWS
    if resume and rows.is_file() and done.blocks and rows.stat().st_size >= done.bytes:
        difference = first_difference(found.identity, identity)
        if difference is not None:
            raise InputError(
                f"{folder}: it was begun with {difference[0]} {difference[1]!r}, and now that is {difference[2]!r}; "
                "give the same table and options, or start anew with --overwrite"
            )
        return found
    _delete(folder)
    return None


def _delete(folder: Path) -> None:
    """Delete a table under way: the files that are written here, and the folder."""
    remove_temporaries(folder)
    for name in (_ROWS, WHOLE, _JOURNAL):  # the journal last: without it nothing says whose folder it is
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def _read_journal(folder: Path) -> _Journal | None:
    """Return the record of a table under way; None where a kill came before anything was recorded.

    Raises:
        InputError: it is none.
    """
    is_folder = folder.is_dir() and not folder.is_symlink()
    other = next((each.name for each in folder.iterdir() if not _is_ours(each)), None) if is_folder else None
    if other is not None:
        raise InputError(f"{folder}: expected a table under way and nothing else, found {other}; move it elsewhere")
    if is_folder and all(map(is_temporary, folder.iterdir())):
        return None
    journal = _Journal.read(folder) if is_folder else None
    if journal is not None:
        return journal
    raise InputError(f"{folder}: expected nothing of that name or a table under way, found something else; rename it")


def _is_ours(path: Path) -> bool:
    """Whether a file is one that is written here; a link leads to another's."""
    return not path.is_symlink() and path.is_file() and (path.name in (_ROWS, WHOLE, _JOURNAL) or is_temporary(path))


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < sys.maxsize
