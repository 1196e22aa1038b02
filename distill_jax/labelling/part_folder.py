"""What is written of a table so far, beside the place where it is to stand: a kill loses a second's work.

The folder ``OUTPUT.part`` has the rows that are done (``rows``) and a journal of how far they are whole
(``journal.json``), which is replaced as a whole once a second. What was written after it is cut off and made again.
"""

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from distill_jax.errors import InputError
from distill_jax.files import first_difference, is_temporary, read_json, remove_temporaries, write_json
from distill_jax.labelling.labeller import Labelled
from distill_jax.labelling.outputs import OutputForm

_ROWS, _JOURNAL = "rows", "journal.json"
_KIND = "distill-jax: a table under way"
_SECONDS = 1.0


@dataclasses.dataclass
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

    def add(self, labelled: Labelled) -> None:
        """Take in a further block."""
        self.blocks += 1
        self.rows += labelled.rows
        self.missing += labelled.missing
        self.bytes += len(labelled.content)
        self.first = self.first or self.bytes


class PartFolder:
    """A table under way; ``opened`` gives one.

    Attributes:
        done: how far it is.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], stream: IO[bytes], done: Done) -> None:
        self._folder, self._identity, self._stream, self.done = folder, identity, stream, done
        self._saved = time.monotonic()

    def write(self, labelled: Labelled) -> None:
        """Write a further block."""
        self._stream.write(labelled.content)
        self.done.add(labelled)
        if time.monotonic() - self._saved >= _SECONDS:
            self.save()

    def save(self) -> None:
        """Let what is written survive whatever comes."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        _write_journal(self._folder, self._identity, self.done)
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

    def finish(self, form: OutputForm, output: Path) -> None:
        """Put the whole table in its place."""
        self.save()
        form.finish(self._folder / _ROWS, output)
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
    folder = output.with_name(f"{output.name}.part")
    done = _journal(folder, identity, resume=resume, overwrite=overwrite)
    if done is None:
        done = Done(bytes=len(head))
        folder.mkdir(parents=True)
        _write_journal(folder, identity, done)
        with (folder / _ROWS).open("xb") as stream:
            stream.write(head)
    with (folder / _ROWS).open("r+b") as stream:
        stream.seek(done.bytes)
        stream.truncate()
        part = PartFolder(folder, identity, stream, done)
        try:
            yield part
        finally:
            if folder.exists():
                with contextlib.suppress(OSError):  # a full disk: what was saved before is
                    part.save() if done.blocks else _delete(folder)


def _journal(folder: Path, identity: dict[str, Any], *, resume: bool, overwrite: bool) -> Done | None:
    """Return how far the table under way is; None where there is none, or none that is to be gone on with."""
    if not folder.exists() and not folder.is_symlink():
        return None
    found = _read_journal(folder)
    if found is None:
        _delete(folder)
        return None
    done, before = found
    if not resume and not overwrite and done.blocks:
        raise InputError(
            f"{folder}: a table under way, of which {done.rows:,} rows are labelled; go on with --resume, or start "
            "anew with --overwrite"
        )
    rows = folder / _ROWS
    if resume and rows.is_file() and done.blocks and rows.stat().st_size >= done.bytes:
        difference = first_difference(before, identity)
        if difference is not None:
            raise InputError(
                f"{folder}: it was begun with {difference[0]} {difference[1]!r}, and now that is {difference[2]!r}; "
                "give the same table and options, or start anew with --overwrite"
            )
        return done
    _delete(folder)
    return None


def _delete(folder: Path) -> None:
    """Delete a table under way: the files that are written here, and the folder."""
    remove_temporaries(folder)
    for name in (_ROWS, _JOURNAL):  # the journal last: without it nothing says whose folder it is
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def _read_journal(folder: Path) -> tuple[Done, dict[str, Any]] | None:
    """Return how far a table under way is, and its identity; None where a kill came before anything was recorded.

    Raises:
        InputError: it is none.
    """
    is_folder = folder.is_dir() and not folder.is_symlink()
    other = next((each.name for each in folder.iterdir() if not _is_ours(each)), None) if is_folder else None
    if other is not None:
        raise InputError(f"{folder}: expected a table under way and nothing else, found {other}; move it elsewhere")
    if is_folder and all(map(is_temporary, folder.iterdir())):
        return None
    if is_folder:
        with contextlib.suppress(InputError, KeyError, TypeError):
            found = read_json(folder / _JOURNAL, "journal")
            if found["kind"] == _KIND and all(map(_is_count, found["done"].values())):
                return Done(**found["done"]), found["identity"]
    raise InputError(f"{folder}: expected nothing of that name or a table under way, found something else; rename it")


def _is_ours(path: Path) -> bool:
    """Whether a file is one that is written here; a link leads to another's."""
    return not path.is_symlink() and path.is_file() and (path.name in (_ROWS, _JOURNAL) or is_temporary(path))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _write_journal(folder: Path, identity: dict[str, Any], done: Done) -> None:
    write_json(folder / _JOURNAL, {"kind": _KIND, "identity": identity, "done": dataclasses.asdict(done)})
