from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
from capture_helpers import put
from hypothesis import given
from hypothesis import strategies as st

from cloche.capture.secrets import MOST_BYTES, secret_content, secret_file, secret_name, secret_reason, secret_value
from cloche.capture.variables import recorded_variables

# Made here, so that no scanner of this repository takes them for real ones.
LETTERS = string.ascii_letters + string.digits
RANDOM = random.Random(7)


def made(prefix: str, length: int, letters: str = LETTERS) -> str:
    return prefix + "".join(RANDOM.choice(letters) for _ in range(length - 1)) + "7"


PRIVATE = "-----BEGIN " + "OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAA\n"
SECRETS = [
    f"aws_access_key_id = {made('AKIA', 16, string.ascii_uppercase + string.digits)}",
    f"aws_secret_access_key = {made('', 40)}",
    f"GITHUB={made('ghp_', 36)}",
    f"token: {made('hf_', 34)}",
    f'{{"openai": "{made("sk-proj-", 40)}"}}',
    f'{{\n  "api_key": "{made("", 32)}"\n}}',
    f"export DB_PASSWORD='{made('', 20)}'",
    f"url = postgres://me:{made('', 12)}@db.example.org/x",
    PRIVATE,
]
HARMLESS = [
    "api_key: ${API_KEY}",
    "api_key = <your key here>",
    'password = "changeme-changeme-1"',
    "max_tokens: 4096000000000000000",
    "tokenizer: bert-base-uncased-2019-10-31",
    "pad_token: <|endoftext|>",
    "sha256 = 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "commit: 2efab41c9d0a1e7f8b6c5d4e3f2a1b0c9d8e7f6a",
    "learning_rate = 0.0001\nseed = 1234567890123456789",
    "url = https://example.org/data.csv?version=20240101123456",
    "git@github.example:me/project.git",
    "password_file = /run/secrets/db1",
    "-----BEGIN CERTIFICATE-----\nMIIB\n",
    "key: 0123456789abcdef0123456789abcdef",
    "auth_token: {{ vault.token1234567 }}",
]


@pytest.mark.parametrize("text", SECRETS)
def test_real_looking_secrets_are_seen(text: str, tmp_path: Path) -> None:
    assert secret_content(text)
    assert secret_value(text)
    put(tmp_path / "settings.cfg", f"# settings\nname = x\n{text}\n")
    assert secret_reason(tmp_path, "settings.cfg").startswith("holds ")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_a_healthy_project_holds_is_silent(text: str) -> None:
    assert secret_content(text) == ""


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".env.production", "conf/prod.env", "id_rsa", "keys/id_ed25519", ".netrc", "credentials.json"),
        *("secrets.toml", ".streamlit/secrets.toml", ".aws/config", "x.p12", ".dvc/config.local", "kaggle.json"),
        *("service-account-prod.json", "CREDENTIALS.JSON"),
    ],
)
def test_names_of_secrets(path: str) -> None:
    assert secret_file(path)


@pytest.mark.parametrize(
    "path",
    [
        *(".env.example", ".env.template", "sample.env.dist", "secrets.example.yaml", "id_rsa.pub", "environment.yml"),
        *("tokenizer.json", "src/secrets.py", "src/credentials.py", "keys.py", "config.json", "monkey.csv"),
    ],
)
def test_names_that_only_sound_like_secrets(path: str) -> None:
    assert secret_file(path) == ""


def test_keys_and_certificates_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    put(tmp_path / "ca.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    put(tmp_path / "server.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n" + PRIVATE)
    assert secret_reason(tmp_path, "ca.pem") == ""
    assert secret_reason(tmp_path, "server.pem") == "named like a secret (*.pem)"


def test_only_small_text_with_a_config_like_ending_is_read(tmp_path: Path) -> None:
    secret = SECRETS[1]
    put(tmp_path / "a.csv", secret)
    put(tmp_path / "a.py", secret)
    put(tmp_path / "big.txt", secret + "\n" + "x" * MOST_BYTES)
    (tmp_path / "binary.cfg").write_bytes(secret.encode() + b"\0")
    put(tmp_path / "plain", secret)
    read = {name: secret_reason(tmp_path, name) for name in ("a.csv", "a.py", "big.txt", "binary.cfg", "gone.ini")}
    assert set(read.values()) == {""}
    assert secret_reason(tmp_path, "plain") == "holds a secret (aws_secret_access_key)"


@given(st.text())
def test_any_text_can_be_scanned(text: str) -> None:
    assert isinstance(secret_content(text), str)
    assert isinstance(secret_name(text), bool)


def test_variables_come_from_the_list_and_hold_no_secrets() -> None:
    environ = {
        "OMP_NUM_THREADS": "4",
        "MKL_CBWR": "AVX2",
        "LC_ALL": "C.UTF-8",
        "LS_COLORS": "di=1",
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "abc",
        "TORCH_HOME": "/home/me/.cache",
        "TF_URL": SECRETS[7],
        "MY_SEED": "3",
        "MY_API_KEY": "short",
        "MY_LONG": "x" * 5000,
    }
    found = recorded_variables(environ, ["MY_*"])
    assert found.values == {"LC_ALL": "C.UTF-8", "MKL_CBWR": "AVX2", "MY_SEED": "3", "OMP_NUM_THREADS": "4"}
    assert found.refused == ("MY_API_KEY", "MY_LONG", "TF_URL")


def test_variables_that_are_no_unicode_are_written_out() -> None:
    assert recorded_variables({"TZ": "caf\udce9"}).values == {"TZ": "caf\\xe9"}
