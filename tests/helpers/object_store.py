"""A store of objects like Amazon's, on this machine, for the tests' conftest files."""

import hashlib
import logging

import pytest


@pytest.fixture(scope="session")
def store():
    """The address of a server of objects."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(store, monkeypatch, tmp_path):
    """An empty bucket's address; what stands for its objects lies in the test's own folder."""
    import fsspec

    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("DISTILL_JAX_CACHE", str(tmp_path / "cache"))
    name = f"bucket-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def system(bucket):
    """The bucket's file system, as fsspec gives it."""
    import fsspec

    return fsspec.filesystem("s3", skip_instance_cache=True)


def forbid_writing(monkeypatch):
    """Let the store refuse to take objects."""
    from s3fs import S3FileSystem

    answer = S3FileSystem._call_s3

    async def refuse(system, method, *arguments, **options):
        if method in ("put_object", "create_multipart_upload"):
            raise PermissionError(13, "Access Denied")
        return await answer(system, method, *arguments, **options)

    monkeypatch.setattr(S3FileSystem, "_call_s3", refuse)
