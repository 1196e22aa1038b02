"""Fetching through pip (a stand-in for it, or the real one without network): what is kept, refused, left behind."""

import dataclasses
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import pytest

from teacher_export import downloads, pip_download
from teacher_export.package_files import Bundle, Member, fetch
from teacher_export.pip_download import DownloadError, PackageArchive, UnreachableIndexError

FAKE_PIP = """
import os, pathlib, shutil, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("-d") + 1])
pathlib.Path(os.environ["FAKE_PIP_CALLS"]).open("a").write(" ".join(sys.argv[1:]) + chr(10))
action, _, value = os.environ["FAKE_PIP"].partition(":")
if action == "copy":
    folder.mkdir()
    shutil.copy(value, folder)
elif action == "copy-all":
    shutil.copytree(value, folder)
elif action == "sleep":
    print("started", os.getpid(), flush=True)
    pathlib.Path(value).write_text(str(os.getpid()))
    time.sleep(60)
elif action == "endless":
    folder.mkdir()
    with (folder / "unknown.tmp").open("wb") as stream:
        while True:
            stream.write(bytes(1 << 16))
            stream.flush()
            time.sleep(0.001)
else:
    print(value.replace("|", chr(10)), file=sys.stderr)
    sys.exit(1)
"""
FILES = {"a.txt": b"first file", "weights.bin": bytes(range(256)) * 40}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def write_zip(path, contents):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path.read_bytes()


def archive_of(path, content, *, is_source=False):
    return PackageArchive("tiny-thing==1.0", path.name, len(content), sha256(content), is_source, "the tiny files")


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "tiny_thing-1.0-py3-none-any.whl"
    content = write_zip(path, {f"tiny/{name}": value for name, value in FILES.items()} | {"tiny/other": b"x"})
    members = tuple(Member(f"tiny/{name}", len(value), sha256(value)) for name, value in FILES.items())
    return Bundle("demo-tiny", (archive_of(path, content),), members)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fake_pip(tmp_path, monkeypatch):
    """Put a module called pip before the real one; return a function that says what it shall do."""
    (tmp_path / "fake" / "pip").mkdir(parents=True)
    (tmp_path / "fake" / "pip" / "__init__.py").touch()
    (tmp_path / "fake" / "pip" / "__main__.py").write_text(FAKE_PIP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    monkeypatch.setenv("FAKE_PIP_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("FAKE_PIP", "fail:it was not expected to run")

    def act(what):
        monkeypatch.setenv("FAKE_PIP", what)

    act.calls = lambda: (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
    return act


def test_files_are_fetched_once_and_checked(bundle, cache, fake_pip, tmp_path):
    fake_pip(f"copy:{tmp_path / bundle.archives[0].file_name}")
    folder = fetch(bundle)
    assert folder == cache / "demo-tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    fetch(bundle)
    assert len(fake_pip.calls()) == 1
    assert [path.name for path in cache.iterdir()] == ["demo-tiny"], "the temporary folder is left behind"


def test_pip_is_asked_for_the_hashed_file_alone(bundle, cache, fake_pip, tmp_path):
    fake_pip(f"copy:{tmp_path / bundle.archives[0].file_name}")
    fetch(bundle)
    (call,) = fake_pip.calls()
    assert call.startswith("download --no-deps --require-hashes --only-binary :all: ")
    source = archive_of(tmp_path / bundle.archives[0].file_name, b"", is_source=True)
    assert "--no-binary :all:" in " ".join(pip_download.pip_command(source, tmp_path))


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"first fileX"), lambda path: path.unlink()])
def test_a_damaged_or_missing_cached_file_is_fetched_again(bundle, cache, fake_pip, tmp_path, damage):
    fake_pip(f"copy:{tmp_path / bundle.archives[0].file_name}")
    folder = fetch(bundle)
    damage(folder / "a.txt")
    untouched = (folder / "weights.bin").stat().st_mtime_ns
    fetch(bundle)
    assert (folder / "a.txt").read_bytes() == FILES["a.txt"]
    assert (folder / "weights.bin").stat().st_mtime_ns == untouched
    assert len(fake_pip.calls()) == 2


@pytest.mark.parametrize(
    ("log", "kind", "message"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError()'|ERROR: No matching distribution found",
            UnreachableIndexError,
            r"the tiny files \(tiny-thing==1.0\) .* no package index could be reached; check the network.*found$",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement (from versions: none)",
            UnreachableIndexError,
            "pip found no index that offers it; check the network",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.|    Expected sha256 1",
            DownloadError,
            "its SHA-256 differs",
        ),
        ("/usr/bin/python3: No module named pip", DownloadError, "this Python has no pip; run .* -m ensurepip"),
        ("ERROR: Could not install: [Errno 28] No space left on device", DownloadError, "no space left on the disk"),
        (
            "ERROR: something new||[notice] A new release of pip",
            DownloadError,
            "pip ended with status 1; pip's last word: ERROR: something new$",
        ),
        ("", DownloadError, r"pip's last word: none \(status 1\)$"),
    ],
)
def test_why_pip_failed_is_said_in_one_sentence(bundle, cache, fake_pip, log, kind, message):
    fake_pip(f"fail:{log}")
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(bundle)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == [], "something is left behind"


def test_an_archive_that_is_not_the_pinned_one_is_refused(bundle, cache, fake_pip, tmp_path):
    write_zip(tmp_path / bundle.archives[0].file_name, {"tiny/a.txt": b"other"})
    fake_pip(f"copy:{tmp_path / bundle.archives[0].file_name}")
    with pytest.raises(DownloadError, match=r"but not with the tiny_thing-1.0-py3-none-any.whl whose SHA-256 is"):
        fetch(bundle)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"tiny/weights.bin": FILES["weights.bin"]}, "expected a file in it, found none: .*tiny/a.txt"),
        ({"tiny/a.txt": b"first fil3"}, "tiny/a.txt: expected SHA-256"),
        ({"tiny/a.txt": b"0" * 1_000_000}, "tiny/a.txt: expected 10 bytes, got more"),
        ({"../tiny/a.txt": FILES["a.txt"]}, "expected a file in it, found none"),
    ],
)
def test_members_are_read_by_their_exact_name_and_checked(bundle, cache, fake_pip, tmp_path, contents, message):
    path = tmp_path / bundle.archives[0].file_name
    archive = archive_of(path, write_zip(path, contents))
    fake_pip(f"copy:{path}")
    with pytest.raises(DownloadError, match=message):
        fetch(Bundle("demo-tiny", (archive,), bundle.members))
    assert list(cache.iterdir()) == []


def test_a_zip_that_is_none_is_refused(bundle, cache, fake_pip, tmp_path):
    path = tmp_path / bundle.archives[0].file_name
    path.write_bytes(b"not a zip")
    fake_pip(f"copy:{path}")
    with pytest.raises(DownloadError, match="expected a whole archive, got a damaged one"):
        fetch(Bundle("demo-tiny", (archive_of(path, b"not a zip"),), bundle.members))


def inner_tar(entries):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            if content is None:
                info.type = tarfile.DIRTYPE
            tar.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("entry", "message"), [(FILES["a.txt"], None), (None, "expected an ordinary file"), (b"x", "expected SHA-256")]
)
def test_a_tar_inside_the_archive_is_read_the_same_way(cache, fake_pip, tmp_path, entry, message):
    inner = inner_tar({"tiny/a.txt": entry})
    path = tmp_path / "tiny-1.0.zip"
    archive = archive_of(path, write_zip(path, {"tiny-1.0/data.tar.gz": inner}), is_source=True)
    bundle = Bundle(
        "demo-inner",
        (archive,),
        (Member("tiny/a.txt", len(FILES["a.txt"]), sha256(FILES["a.txt"])),),
        pieces=(Member("tiny-1.0/data.tar.gz", len(inner), sha256(inner)),),
    )
    fake_pip(f"copy:{path}")
    if message is None:
        assert (fetch(bundle) / "a.txt").read_bytes() == FILES["a.txt"]
    else:
        with pytest.raises(DownloadError, match=message):
            fetch(bundle)


@pytest.fixture
def divided(tmp_path, fake_pip):
    """A bundle whose zip file lies in two archives, the names of its files, and a pip that gives both."""
    inner = write_zip(tmp_path / "whole.zip", {f"tiny/{name}": value for name, value in FILES.items()})
    halves, archives, pieces = (inner[:500], inner[500:]), [], []
    (tmp_path / "index").mkdir()
    for number, half in enumerate(halves, start=1):
        path, piece = tmp_path / "index" / f"tiny_{number}-1.0-py3-none-any.whl", f"part/tiny.zip.{number}"
        archives.append(archive_of(path, write_zip(path, {piece: half})))
        pieces.append(Member(piece, len(half), sha256(half)))
    members = tuple(Member(f"tiny/{name}", len(value), sha256(value)) for name, value in FILES.items())
    fake_pip(f"copy-all:{tmp_path / 'index'}")
    return Bundle("demo-divided", tuple(archives), members, tuple(pieces))


def test_a_zip_file_in_pieces_is_joined(divided, cache, fake_pip):
    folder = fetch(divided)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert [path.name for path in cache.iterdir()] == ["demo-divided"], "pieces are left behind"
    assert len(fake_pip.calls()) == 2
    fetch(divided)
    assert len(fake_pip.calls()) == 2


@pytest.mark.parametrize("swapped", [(1, 0), (0, 0)])
def test_pieces_are_checked_one_by_one(divided, cache, swapped):
    pieces = tuple(
        dataclasses.replace(divided.pieces[place], sha256=divided.pieces[other].sha256)
        for place, other in enumerate(swapped)
    )
    with pytest.raises(DownloadError, match=r"part/tiny.zip.[12]: expected SHA-256"):
        fetch(dataclasses.replace(divided, pieces=pieces))
    assert list(cache.iterdir()) == []


def test_ctrl_c_ends_pip_and_leaves_nothing(bundle, cache, fake_pip, tmp_path):
    fake_pip(f"sleep:{tmp_path / 'pid'}")
    code = (
        "import pathlib, signal\n"
        "from teacher_export.pip_download import PackageArchive, downloaded\n"
        # where the tests run in the background of a shell, their children are born deaf to Ctrl-C
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"with downloaded({bundle.archives[0]!r}, pathlib.Path({str(cache)!r})): pass"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.communicate()
    assert b"KeyboardInterrupt" in errors
    assert b"fetching the tiny files:   0%" in errors, "there was no bar from the start"
    assert list(cache.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_index_that_sends_without_end_is_cut_off(bundle, cache, fake_pip, monkeypatch):
    monkeypatch.setattr(pip_download, "_LITTLE_BYTES", 1 << 20)
    fake_pip("endless")
    with pytest.raises(
        DownloadError, match=r"the index sends more than the [\d,]+ bytes that it has; check what index"
    ):
        fetch(bundle)
    assert list(cache.iterdir()) == []


def test_what_a_killed_download_left_is_removed_after_a_day_and_nothing_else(bundle, cache, fake_pip, tmp_path):
    fake_pip(f"copy:{tmp_path / bundle.archives[0].file_name}")
    old = 25 * 3600
    for name, age in (("distill-jax-download-old", old), ("distill-jax-download-young", 60), ("download-2024", old)):
        (cache / name).mkdir(parents=True)
        os.utime(cache / name, (time.time() - age,) * 2)
    fetch(bundle)
    assert sorted(path.name for path in cache.iterdir()) == ["demo-tiny", "distill-jax-download-young", "download-2024"]


def write_wheel(folder):
    """Write a wheel that the real pip accepts."""
    info = "tiny_thing-1.0.dist-info"
    path = folder / "tiny_thing-1.0-py3-none-any.whl"
    record = f"tiny/a.txt,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n".encode()
    metadata = b"Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n"
    wheel = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents = {"tiny/a.txt": FILES["a.txt"], f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel}
    return path, write_zip(path, contents | {f"{info}/RECORD": record})


@pytest.fixture
def offline_pip(monkeypatch):
    """Let the real pip see no index but a dead one, whatever this machine's settings are."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")


def test_the_real_pip_fetches_from_the_place_its_settings_name(cache, offline_pip, monkeypatch, tmp_path):
    path, content = write_wheel(tmp_path)
    bundle = Bundle("demo-tiny", (archive_of(path, content),), (Member("tiny/a.txt", 10, sha256(FILES["a.txt"])),))
    with pytest.raises(UnreachableIndexError, match="check the network"):
        fetch(bundle)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert (fetch(bundle) / "a.txt").read_bytes() == FILES["a.txt"]
    path.write_bytes(content + b" ")  # the index now sends another file
    (cache / "demo-tiny" / "a.txt").unlink()
    with pytest.raises(DownloadError, match="its SHA-256 differs"):
        fetch(bundle)


@pytest.mark.parametrize(
    "bundle",
    [downloads.DEMO_DATA, downloads.DEMO_TEACHER, downloads.LARGE_DEMO_TEACHER, downloads.FILM_REVIEWS],
    ids=lambda bundle: bundle.folder_name,
)
def test_the_pins_are_complete(bundle):
    for pinned in (*bundle.archives, *bundle.pieces, *bundle.members):
        assert len(bytes.fromhex(pinned.sha256)) == 32
    for names in ([each.file_name for each in bundle.archives], [each.name for each in bundle.members]):
        assert len(set(names)) == len(names)
    assert len(bundle.pieces) in (0, len(bundle.archives))
    for archive in bundle.archives:
        assert archive.requirement.endswith(bundle.folder_name.rsplit("-", 1)[-1])


@pytest.mark.demo
@pytest.mark.parametrize(
    ("fetch_demo", "files"),
    [
        (downloads.fetch_demo_data, {member.name for member in downloads.DEMO_DATA.members}),
        (downloads.fetch_demo_votes, {member.name for member in downloads.DEMO_VOTES.members}),
        (
            downloads.fetch_demo_teacher,
            {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "tokenizer_config.json"},
        ),
        (lambda: downloads.fetch_film_reviews().parent, {member.name for member in downloads.FILM_REVIEWS.members}),
    ],
)
def test_the_demo_files_can_be_fetched(fetch_demo, files):
    try:
        folder = fetch_demo(files) if fetch_demo is downloads.fetch_demo_votes else fetch_demo()
    except UnreachableIndexError as error:
        pytest.skip(str(error))
    assert files <= {path.name for path in folder.iterdir()}


def test_what_is_received_is_counted_while_folders_vanish(tmp_path, monkeypatch):
    """pip removes its build folders while they are looked through, which must not end the download."""
    (archive,) = downloads.DEMO_DATA.archives
    for name in ("archive", "gone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / archive.file_name).write_bytes(b"x" * (10 if name == "archive" else 99))
    listed, scandir = [], os.scandir

    def vanishing(folder):
        listed.append(str(folder))
        if str(folder).endswith("gone"):
            raise FileNotFoundError(2, "No such file or directory", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert pip_download._received_bytes(tmp_path, archive) == 10
    assert any(folder.endswith("gone") for folder in listed)
