"""Servers, started once: an S3 of PyPI's, and a real sshd."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from places import AZURITE, S3, SSHD, Azurite, Gcs, Sshd


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A server that speaks S3; its keys are in the environment."""
    for package in ("moto", "flask", "obstore"):
        if find_spec(package) is None:
            pytest.skip(f"needs the package {package}")
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    server = S3()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gcs() -> Iterator[Gcs]:
    """A server in the place of Google's buckets."""
    for package in ("moto", "flask", "obstore"):
        if find_spec(package) is None:
            pytest.skip(f"needs the package {package}")
    server = Gcs()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A server in the place of Azure's containers."""
    if not AZURITE:
        pytest.skip("needs azurite: npm install -g azurite")
    server = Azurite(tmp_path_factory.mktemp("azurite"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real sshd."""
    if os.name == "nt" or not SSHD or shutil.which("ssh-keygen") is None:
        pytest.skip("needs sshd: apt-get install openssh-server")
    if find_spec("paramiko") is None:
        pytest.skip("needs the package paramiko")
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()
