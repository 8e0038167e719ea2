"""Repositories made by the real DVC, from the registry, in virtual environments of their own in `build/`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from shell import Shell

ROOT = Path(__file__).parents[2]
SITE = {"DVC_SITE_CACHE_DIR": str(ROOT / "build" / "dvc-site")}
VERSIONS = {
    "dvc3": ["dvc>=3.60,<4"],
    "dvc2": ["dvc==2.58.2", "pathspec<0.12", "setuptools<81", "dulwich<0.22", "pygit2<1.15"],
}


def installed(name: str) -> Path:
    """The folder with the command `dvc` of a version; installed once, whichever process comes first."""
    place = ROOT / "build" / name
    done = place / "installed"
    (ROOT / "build").mkdir(exist_ok=True)
    with alone(ROOT / "build" / f"{name}.lock"):
        if not done.exists() or done.read_text() != " ".join(VERSIONS[name]):
            shutil.rmtree(place, ignore_errors=True)
            uv = Path(sys.executable).with_name("uv")
            python = place / "bin" / "python"
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place], check=True)
            subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *VERSIONS[name]], check=True)
            done.write_text(" ".join(VERSIONS[name]))
    return place / "bin"


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is here."""
    until = time.monotonic() + 240
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if time.monotonic() > until or time.time() - lock.stat().st_mtime > 240:
                lock.unlink(missing_ok=True)
            time.sleep(0.1)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def with_dvc(shell: Shell, name: str) -> Shell:
    """The same folder, where `dvc` is the real one."""
    path = f"{installed(name)}{os.pathsep}{shell.variables['PATH']}"
    return Shell(shell.folder, {**shell.variables, "PATH": path, "DVC_NO_ANALYTICS": "1", "SHELL": "/bin/sh", **SITE})


PARAMS = """\
train:
  lr: 1e-3
  flag: true
  layers: [8, 4]
  name: "a b"
models:
  us: {depth: 3}
  uk: {depth: 4}
sizes: [1, 2]
answer: no
octal: 010
"""

PIPELINE = """\
vars:
  - other: 5
  - vars.toml:extra
stages:
  prepare:
    desc: cleans the rows
    cmd:
      - mkdir -p out
      - cp data/x.csv out/x.csv
    deps:
      - data
    outs:
      - out/x.csv
  train:
    cmd: |
      echo ${train} ${other} ${extra} ${answer} ${octal} > model.txt
      python train.py
    deps:
      - out/x.csv
      - train.py
    params:
      - train.lr
      - train.layers
      - more.json:
          - seed
    outs:
      - model.txt:
          persist: true
      - models
    metrics:
      - metrics.json:
          cache: false
      - scores.yaml
    plots:
      - curve.csv:
          x: a
          y: b
  build:
    foreach: ${models}
    do:
      cmd: echo ${key} ${item.depth} > b-${key}.txt
      outs:
        - b-${key}.txt
  inline:
    foreach:
      - a: 1
      - a: 2
    do:
      cmd: echo ${item.a} > i${item.a}.txt
      outs:
        - i${item.a}.txt
  cross:
    matrix:
      size: ${sizes}
      crit:
        - gini
        - entropy
      place:
        - p: 1
        - p: 2
    cmd: echo ${key} ${item} > c-${key}.txt
    outs:
      - c-${key}.txt
artifacts:
  flights:
    path: model.txt
    type: model
"""

SUB = """\
stages:
  train:
    wdir: inner
    cmd: cat ../../data/y.txt > here.txt
    deps:
      - ../../data/y.txt
    outs:
      - here.txt
"""

TRAIN = """\
import json, pathlib
text = pathlib.Path("params.yaml").read_text()
lr = float(text.split("lr: ")[1].split()[0])
pathlib.Path("metrics.json").write_text(json.dumps({"auc": 1 - lr, "by": {"us": lr}}))
pathlib.Path("scores.yaml").write_text(f"f1: {lr}\\n")
pathlib.Path("curve.csv").write_text("a,b\\n1,2\\n")
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/one.bin").write_bytes(b"one" * 100)
pathlib.Path("models/zwei ü.bin").write_bytes(str(lr).encode())
"""


CONFIG = """\
[core]
    remote = here
['remote "here"']
    url = ../../remote
['remote "bucket"']
    url = s3://user:secret@bucket/place
"""


def make_repository(shell: Shell) -> None:
    """A repository of DVC 3 with a history of three results, two experiments, artifacts, and two remotes."""
    shell("git", "init", "--quiet", "--initial-branch=main")
    shell("dvc", "init", "-q")
    shell.write("data/x.csv", "a,b\n1,2\n")
    shell.write("data/y.txt", "z\r\nw\r\n")
    shell.write("data/deep/same.csv", "a,b\n1,2\n")
    shell.write("big.bin", b"big\0" * 5000)
    shell("dvc", "add", "-q", "data", "big.bin")
    shell.write("params.yaml", PARAMS)
    shell.write("more.json", '{"seed": 7}')
    shell.write("vars.toml", 'extra = "e"\nunused = 1\n')
    shell.write("dvc.yaml", PIPELINE)
    shell.write("sub/dvc.yaml", SUB)
    shell.write("sub/inner/.keep", "")
    shell.write("train.py", TRAIN)
    shell.write(".dvc/config", CONFIG)
    shell.write(".dvc/config.local", "['remote \"bucket\"']\n    secret_access_key = TOPSECRET\n")
    shell("dvc", "repro", "-q", "--all-pipelines")
    shell.commit("the first")
    shell("git", "tag", "flights@v1.0.0")
    shell("git", "tag", "flights#prod#1")
    shell.write("notes.md", "nothing that DVC knows of\n")
    shell.commit("notes only")
    shell.write("data/x.csv", "a,b\n1,3\n2,4\n")
    shell("dvc", "add", "-q", "data")
    shell.write("params.yaml", PARAMS.replace("1e-3", "1e-2"))
    shell("dvc", "repro", "-q", "--all-pipelines")
    shell.commit("more data")
    shell("git", "tag", "flights@v1.1.0")
    shell("git", "tag", "flights#prod#2")
    shell("dvc", "exp", "run", "-q", "-n", "fast-lane", "-S", "train.lr=0.5")
    shell("git", "checkout", "-q", ".")
    shell("dvc", "checkout", "-q")
    shell("dvc", "push", "-q")


def make_old_repository(shell: Shell) -> None:
    """A repository of DVC 2 with data of two versions, and texts that differ in their line ends alone."""
    shell("git", "init", "--quiet", "--initial-branch=main")
    shell("dvc", "init", "-q")
    shell.write("data/a.csv", "1,2\r\n")
    shell.write("data/deep/b.bin", b"\0\r\n\0")
    shell.write("lf.txt", "one\ntwo\n")
    shell.write("crlf.txt", "one\r\ntwo\r\n")
    shell("dvc", "add", "-q", "data", "lf.txt", "crlf.txt")
    shell.write("params.yaml", "lr: 0.1\n")
    cmd = "cp data/a.csv model.txt"
    shell("dvc", "stage", "add", "-q", "-n", "train", "-p", "lr", "-d", "data", "-o", "model.txt", cmd)
    shell("dvc", "repro", "-q")
    shell.commit("old times")
    shell.write("data/a.csv", "1,3\r\n")
    shell("dvc", "add", "-q", "data")
    shell("dvc", "repro", "-q")
    shell.commit("still old")
