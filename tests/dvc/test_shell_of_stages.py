"""Commands do under `cloche run` what they do under DVC, which runs them in the user's own shell: bash, for most."""

from __future__ import annotations

import json
import shutil

import pytest
from by_hand import reasons
from dvc_repositories import with_dvc

from cloche.model.settings_text import parse_settings
from cloche.project.dvc_settings import needs_bash
from shell import Shell

COMMANDS = [
    "echo {1..3} > {o}",
    "[[ 1 == 1 ]] && echo yes > {o}; echo done >> {o}",
    "if [ a == a ]; then echo same; else echo other; fi > {o}",
    "a=(x y); echo ${a[1]} > {o}",
    "x=path/name.txt; echo ${x/path/way} ${x:0:4} ${x^^} > {o}",
    "cat <<< here > {o}",
    "ls nowhere &> {o} || true",
    "cat <(echo one) <(echo two) > {o}",
    "echo 'a\\tb' > {o}",
    "echo -e 'a\\tb' > {o}",
    "printf '%s\\n' $'a\\tb' > {o}",
    "set -o pipefail; false | true || echo failed > {o}",
    "for ((i = 0; i < 2; i++)); do echo $i; done > {o}",
    "echo 'it'\"'\"'s' $((1 + 1)) \"$HOME\" > {o}",
    "cd /tmp && source /dev/null",
    "A=1",
    "echo {a,b}${A} > {o}",
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("by", ["bash", pytest.param("dvc", marks=pytest.mark.slow)])
def test_commands_for_bash_do_what_they_do_under_dvc(bare: Shell, by: str) -> None:
    """DVC runs each as `bash --noprofile --norc -c TEXT`; the longer form of the suite asks DVC itself."""
    texts = [one.replace("{o}", f"o{number}").replace("${", "\\${") for number, one in enumerate(COMMANDS)]
    outs = [f"o{number}" for number, one in enumerate(COMMANDS) if "{o}" in one]
    bare.write("dvc.yaml", json.dumps({"stages": {"all": {"cmd": texts, "outs": outs}}}))
    if by == "dvc":
        with_dvc(bare, "dvc3")("dvc", "repro", "-q", SHELL=shutil.which("bash") or "")
    else:
        for number, one in enumerate(COMMANDS):
            bare("bash", "--noprofile", "--norc", "-c", one.replace("{o}", f"o{number}"))
    theirs = {path: bare.data(path) for path in outs}
    for path in theirs:
        (bare.folder / path).unlink()
    done = bare.facts("import", "dvc", "--no-history")
    assert "$SHELL" in next(one["reason"] for one in done["skipped"] if one["kind"] == "shell")
    assert bare.run(command=())["status"] == "finished"
    assert {path: bare.data(path) for path in theirs} == theirs


def test_plain_commands_stay_as_they_are(bare: Shell) -> None:
    plain = [
        "python train.py --local --mode local --lr 0.1 > log.txt 2>&1",
        'test -f x && echo "$(cat x)" || { echo none; } >> y',
        'for f in *.csv; do wc -l "$f"; done | sort -n',
        "echo --name 'a b' > out.txt",
        "python -m pkg.let time.py | tee out.txt",
    ]
    assert not any(map(needs_bash, plain))
    bare.write("dvc.yaml", json.dumps({"stages": {f"s{n}": {"cmd": one} for n, one in enumerate(plain)}}))
    done = bare.facts("import", "dvc")
    assert "shell" not in {one["kind"] for one in done["skipped"]}
    assert [one.run for one in parse_settings(bare.read("cloche.toml")).stages.values()] == plain
    assert reasons(done) == {}
