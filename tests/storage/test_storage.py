"""Addresses, and what stands for objects on this machine."""

import os
from pathlib import Path

import fsspec
import pytest

from distill_jax.errors import InputError, MissingInputError
from distill_jax.labelling.places import StoredPlace
from distill_jax.locks import shared
from distill_jax.storage.address import is_address, is_plain, mirror_of, mirrors_folder, shown, url_of
from distill_jax.storage.mirror import Mirror, local_copy
from distill_jax.storage.objects import Objects


@pytest.mark.parametrize("address", ["s3://bucket/a/b", "s3:/bucket/a/b", "s3://bucket/a/b/"])
def test_an_address_has_two_slashes_and_its_path_one(address):
    assert is_address(address)
    assert is_address(Path(address))
    assert url_of(address) == url_of(Path(address)) == "s3://bucket/a/b"
    assert mirror_of(address).parts[-4:] == ("s3", "bucket", "a", "b")
    assert shown(f"reading {mirror_of(address)}, {Path(address)}.") == "reading s3://bucket/a/b, s3://bucket/a/b."


def test_capital_letters_are_an_address_s_too():
    assert is_address("S3://Bucket/A")
    assert url_of("S3://Bucket/A") == url_of("S3A://Bucket/A") == "s3://Bucket/A"
    assert shown("in S3:/Bucket/A") == "in S3://Bucket/A"


@pytest.mark.parametrize("path", ["data/a.csv", "/data/a.csv", "C:/data/a.csv", "a.csv", "s3:", "what:is this", "s3"])
def test_a_path_is_no_address(path):
    assert not is_address(path)
    assert shown(f"in {path}") == f"in {path}"


@pytest.mark.parametrize("address", ["s3://bucket/../b", "s3://bucket//b", "s3://bucket/./b", "file:///etc/passwd"])
def test_an_address_that_leads_elsewhere_is_refused(address):
    with pytest.raises(InputError, match="expected"):
        url_of(address)


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/a", "a//b", "a/", ".", "a\\..\\b", "a\0b", ""])
def test_a_name_that_leads_out_of_a_folder_is_none(name):
    assert not is_plain(name)


def test_a_copy_is_known_by_its_size_and_time_and_follows_its_object(bucket, system):
    system.pipe(f"{bucket}/data/a.csv", b"first")
    mirror = Mirror(f"{bucket}/data")
    path = mirror.fetch("a.csv")
    assert path.read_bytes() == b"first"
    path.write_bytes(b"local")
    os.utime(path, ns=(1, 1))
    assert mirror.fetch("a.csv").read_bytes() == b"first"  # changed here: fetched again
    assert mirrors_folder().stat().st_mode & 0o077 == 0  # nobody else reads them
    kept = path.stat().st_ino
    assert mirror.fetch("a.csv").stat().st_ino == kept
    system.pipe(f"{bucket}/data/a.csv", b"second")
    assert mirror.fetch("a.csv").read_bytes() == b"second"


def test_what_is_no_object_any_more_is_no_file_any_more(bucket, system):
    for name in ("a", "b/c"):
        system.pipe(f"{bucket}/data/{name}", b"x")
    folder = local_copy(Path(f"{bucket}/data"))
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == ["a", "b/c"]
    system.rm(f"{bucket}/data/b/c")
    local_copy(Path(f"{bucket}/data"))
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["a"]
    (folder / "b.csv.part").mkdir()
    (folder / "b.csv.part" / "rows").touch()  # a table that another process labels
    local_copy(Path(f"{bucket}/data"))
    assert (folder / "b.csv.part" / "rows").exists()


def test_copies_that_a_living_process_works_on_are_left_alone(bucket, system):
    system.pipe(f"{bucket}/data/a", b"x")
    under_way = mirror_of(f"{bucket}/data") / "train" / "part-00000.npz"
    under_way.parent.mkdir(parents=True)
    under_way.touch()
    with shared(mirror_of(f"{bucket}/data"), "output folder"):
        local_copy(Path(f"{bucket}/data"))
        assert under_way.exists()
    local_copy(Path(f"{bucket}/data"))
    assert not under_way.parent.exists()


def test_an_object_that_shrinks_while_it_is_fetched_is_refused_and_leaves_nothing(bucket, system, monkeypatch):
    system.pipe(f"{bucket}/a", b"whole")
    monkeypatch.setattr(Objects, "fetch", lambda self, name, target: target.write_bytes(b"who"))
    with pytest.raises(InputError, match="expected 5 bytes, got 3: it was changed"):
        local_copy(Path(f"{bucket}/a"))
    assert list(mirror_of(bucket).rglob("*")) == []


@pytest.mark.parametrize(
    ("address", "error", "sentence"),
    [
        ("{bucket}/nothing", MissingInputError, "there is no such object, nor any below it"),
        ("s3://there-is-no-such-bucket/a", MissingInputError, "there is no such object"),
        ("az://container/a", InputError, "needs the extra|Install adlfs|not installed"),
        ("nonsense://a/b", InputError, "Protocol not known"),
    ],
)
def test_what_a_store_does_not_give_is_one_sentence(bucket, address, error, sentence):
    with pytest.raises(error, match=sentence):
        local_copy(Path(address.format(bucket=bucket)))


def test_a_store_that_does_not_answer_is_one_sentence(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(InputError, match=r"refused or did not answer .*check the address, the network and the cred"):
        local_copy(Path(f"{bucket}/a"))
    fsspec.filesystem("s3").clear_instance_cache()


def test_small_objects_are_read_side_by_side_and_those_that_are_not_there_left_out(bucket, system):
    system.pipe(f"{bucket}/a", b"1")
    assert Objects(bucket).read(["a", "b"]) == {"a": b"1"}
    for name in ("a[1].csv", "a*", "a?", "ä %2B+#.csv"):  # no patterns
        Objects(bucket).write(name, name.encode())
        assert Objects(bucket).read([name, "b[1]"]) == {name: name.encode()}
        assert local_copy(Path(f"{bucket}/{name}")).read_bytes() == name.encode()
    assert Objects(bucket).read([]) == {}


@pytest.mark.parametrize("error", [PermissionError(13, "Forbidden"), OSError(16, "SlowDown"), TimeoutError()])
def test_a_store_that_does_not_say_whether_an_object_is_there_is_not_taken_at_no_word(bucket, monkeypatch, error):
    class Silent:
        def invalidate_cache(self):
            pass

        def info(self, path):
            raise error

    monkeypatch.setattr(Objects, "_store", (Silent(), "bucket"))
    with pytest.raises(InputError, match="refused or did not answer"):
        Objects("s3://bucket").find("a")


def test_versions_of_one_second_and_size_are_told_apart(bucket, system):
    for content in (b"first text", b"other text", b"third text"):
        system.pipe(f"{bucket}/a", content)
        assert local_copy(Path(f"{bucket}/a")).read_bytes() == content


def test_a_name_with_an_empty_part_is_refused_and_not_left_out(bucket, system):
    system.pipe(f"{bucket}/crawl/a.csv", b"x")
    system.pipe(f"{bucket}/crawl//b.csv", b"x")
    with pytest.raises(InputError, match=r"expected names that files can have, found the object /b\.csv"):
        Objects(f"{bucket}/crawl").names()


def test_a_copy_stays_until_the_last_of_those_that_read_it_drops_it(bucket, system):
    system.pipe(f"{bucket}/a.csv", b"x")
    first, second = (StoredPlace(Path(bucket)) for _ in range(2))
    path = first.fetch("a.csv")
    assert second.fetch("a.csv") == first.fetch("a.csv") == path
    for place in (first, first):
        place.drop("a.csv")
        assert path.exists()
    second.drop("a.csv")
    assert not path.exists()
    assert [each for each in path.parent.iterdir() if each.is_file()] == []  # no lock is left


def test_an_object_that_becomes_a_folder_and_a_folder_that_becomes_an_object(bucket, system):
    for _ in range(2):
        system.pipe(f"{bucket}/m", b"x")
        assert local_copy(Path(f"{bucket}/m")).read_bytes() == b"x"
        system.rm(f"{bucket}/m")
        system.pipe(f"{bucket}/m/a", b"y")
        assert (local_copy(Path(f"{bucket}/m")) / "a").read_bytes() == b"y"
        system.rm(f"{bucket}/m/a")
    for name in ("m", "m/a"):
        system.pipe(f"{bucket}/{name}", b"x")
    with pytest.raises(InputError, match="found m/a below an object"):
        local_copy(Path(bucket))
