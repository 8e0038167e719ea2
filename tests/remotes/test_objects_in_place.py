"""Objects of an object store, tracked in place: read once, and known from then on without being downloaded."""

from __future__ import annotations

import pytest
from places import S3

from shell import Shell


class Bucket:
    """Some objects below a prefix."""

    def __init__(self, server: S3) -> None:
        from obstore.store import S3Store

        self.name = server.bucket()
        self.endpoint = server.endpoint
        self._store = S3Store(self.name, endpoint=server.endpoint, client_options={"allow_http": True})

    def put(self, name: str, data: bytes) -> None:
        import obstore

        obstore.put(self._store, name, data)

    def delete(self, name: str) -> None:
        import obstore

        obstore.delete(self._store, name)

    @property
    def url(self) -> str:
        return f"s3://{self.name}/some/set"


@pytest.fixture
def bucket(s3: S3) -> Bucket:
    bucket = Bucket(s3)
    bucket.put("some/set/a.bin", b"a" * 100_000)
    bucket.put("some/set/deep/er/b.txt", b"b\n")
    bucket.put("some/settings", b"not of the set")
    return bucket


@pytest.fixture
def tracking(project: Shell, bucket: Bucket) -> Shell:
    """A project that tracks the objects as data/set."""
    project.variables.update(
        AWS_ENDPOINT_URL=bucket.endpoint, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION="us-east-1"
    )
    project.cloche("add", "--in-place", bucket.url, "--as", "data/set")
    return project


def test_objects_have_the_digests_that_files_would_have(tracking: Shell, bucket: Bucket) -> None:
    assert f'"data/set" = "{bucket.url}"' in tracking.read("cloche.toml")
    assert not (tracking.folder / "data/set").exists()
    tracking.write("data/copy/a.bin", b"a" * 100_000)
    tracking.write("data/copy/deep/er/b.txt", "b\n")
    tracking.cloche("add", "data/copy")
    copy, objects = (line.split()[:4] for line in tracking.read("cloche.lock").splitlines()[1:])
    assert copy == objects
    tracking.run(command=["true"])
    assert [one["path"] for one in tracking.facts("ls", "@", "data/set")] == [
        "data/set/a.bin",
        "data/set/deep/er/b.txt",
    ]
    assert tracking.facts("status")["clean"]
    assert tracking.facts("verify")["sound"]


def test_status_sees_changes_without_reading_and_add_reads_only_those(tracking: Shell, bucket: Bucket) -> None:
    tracking.run(command=["true"])
    bucket.put("some/set/deep/er/b.txt", b"changed\n")
    bucket.put("some/set/new.bin", b"new")
    known = tracking.read(".cloche/cache/objects.json")
    [state] = tracking.facts("status")["data"]
    assert [one["path"] for one in state["since"]] == ["data/set/deep/er/b.txt", "data/set/new.bin"]
    assert tracking.read(".cloche/cache/objects.json") == known
    assert "data/set/new.bin" in tracking.cloche("diff").out
    assert "not as it was" in tracking.cloche("revert", "@", status=None).err
    assert tracking.facts("add")["paths"][0]["state"] == "changed"
    tracking.run(command=["true"])
    assert tracking.facts("status")["clean"]
    bucket.delete("some/set/new.bin")
    assert "not as cloche.lock names it" in tracking.cloche("revert", "--lock").err


def test_names_that_no_folder_can_hold_are_refused(tracking: Shell, bucket: Bucket) -> None:
    before = tracking.read("cloche.lock")
    bucket.put("some/set/deep/er", b"a file where there is a folder")
    error = tracking.cloche("add", status=None)
    assert error.status != 0
    assert "both a file and a folder" in error.err
    assert tracking.read("cloche.lock") == before


def test_an_address_that_holds_nothing_is_named(tracking: Shell, bucket: Bucket) -> None:
    for url, said in (
        (f"s3://{bucket.name}/nothing", "holds nothing"),
        ("s3://no-such-bucket/x", "no bucket"),
        ("https://example.org/x", "is no object store"),
        ("s3://key:secret@bucket/x", "user name or password"),
    ):
        error = tracking.cloche("add", "--in-place", url, "--as", "data/other", status=None)
        assert error.status != 0
        assert said in error.err
    assert "other" not in tracking.read("cloche.toml")


def test_untrack_forgets_them(tracking: Shell) -> None:
    tracking.cloche("untrack", "data/set")
    assert "some/set" not in tracking.read("cloche.toml")
    tracking.run(command=["true"])
