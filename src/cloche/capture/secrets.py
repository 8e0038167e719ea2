"""Which files and values are secrets, so that no record ever holds them.

What is left out of the code, and only among files that Git does not track (what Git tracks is public to everybody
who has the repository, and leaving it out would only make the record incomplete):

- by name: files that hold secrets by convention (`.env`, `.netrc`, `id_rsa`, `credentials.json`, `*.p12` …), but not
  their templates (`.env.example`), public keys or files that hold nothing but certificates;
- by content: text files of at most 64 KiB with a config-like ending or none, if they hold a private key, a token of a
  known form (AWS, GitHub, Hugging Face …), a URL with a password, or a key such as `api_key` or `password` whose
  value looks random. Placeholders (`changeme`, `${TOKEN}`, `<your key>`) do not count.

Each is named with its reason; a healthy project sees none.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections import Counter
from pathlib import Path

from cloche.model.paths import decode_path

MOST_BYTES = 64 * 1024

_NAMES = (
    ".env", ".env.*", "*.env", ".envrc", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.key", "*.pem",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", ".netrc", "_netrc", ".pgpass",
    ".htpasswd", ".git-credentials", ".vault-token", ".dockercfg", "kubeconfig", "kaggle.json", "credentials",
    "credentials.json", "credentials.yaml", "credentials.yml", "credentials.toml", "credentials.ini",
    "credentials.csv", "client_secret*.json", "service_account*.json", "service-account*.json", "secrets.json",
    "secrets.yaml", "secrets.yml", "secrets.toml", "secrets.ini", "config.local",
)  # fmt: skip
_TEMPLATES = ("example", "sample", "template", "dist", "default", "defaults", "schema", "tmpl", "tpl")
_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".kube"})
# Files of these kinds may hold nothing but what is public.
_KEY_FILES = ("*.pem", "*.key")

_CONFIG_LIKE = frozenset(
    {"", ".cfg", ".conf", ".config", ".env", ".ini", ".json", ".properties", ".sh", ".tfvars", ".toml", ".txt"}
    | {".xml", ".yaml", ".yml"}
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_PUBLIC = re.compile(r"-----BEGIN (?:CERTIFICATE|(?:[A-Z0-9]+ )?PUBLIC KEY|[A-Z0-9 ]*PARAMETERS|X509 CRL)-----")
_TOKENS = (
    ("an AWS access key", re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}")),
    ("a Hugging Face token", re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")),
    ("a Slack token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20,}")),
    ("a Google API key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b")),
    ("an API key", re.compile(r"\bsk-(?:[A-Za-z0-9]+-)*[A-Za-z0-9_-]{24,}")),
)
_URL_PASSWORD = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:([^\s/@'\"]{6,})@")
_WORDS = (
    r"(?:secret|token|passw(?:or)?d|passphrase|pwd|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|"
    r"auth[_-]?key|account[_-]?key|credentials?|client[_-]?secret)"
)
_SECRET_NAME = re.compile(rf"(?:^|[_.-]|(?<=[a-z])){_WORDS}(?:[_-]?id)?$", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    r"""^[\s,{]*(?:export\s+|set\s+)?["']?([\w.-]{3,64})["']?\s*[:=]\s*["']?([^\s"',;]{16,})""", re.M
)
_RANDOM = re.compile(r"[A-Za-z0-9+/=_.~-]+")
_PLACEHOLDER = re.compile(
    r"your|change.?me|example|dummy|placeholder|redacted|xxxx|\*\*\*|password|secret|insert|todo|<|>|\$|\{|%|0{8}|1234567",
    re.IGNORECASE,
)
LEAST_ENTROPY = 3.5


def secret_file(path: str) -> str:
    """Why a file is a secret by its name, or empty. path: relative to the project.

    >>> secret_file("conf/.env"), secret_file(".env.example")
    ('named like a secret (.env)', '')
    """
    *folders, name = path.split("/")
    lower = name.lower()
    if not _FOLDERS.isdisjoint(folders):
        return "in a folder that holds secrets" if not lower.endswith(".pub") else ""
    if lower.rpartition(".")[2] in _TEMPLATES or any(f".{word}." in f".{lower}" for word in _TEMPLATES):
        return ""
    fitting = next((pattern for pattern in _NAMES if fnmatch.fnmatchcase(lower, pattern)), "")
    return f"named like a secret ({fitting})" if fitting else ""


def secret_reason(root: Path, path: str) -> str:
    """Why a file that Git does not track is to be left out of every record, or empty. path: path text.

    Reads the file only where its name and size make it likely to hold settings. One that cannot be read is no secret.
    """
    reason = secret_file(path)
    name = path.rpartition("/")[2].lower()
    if reason:
        is_key_file = any(fnmatch.fnmatchcase(name, pattern) for pattern in _KEY_FILES)
        return "" if is_key_file and _is_public(_small_text(root, path)) else reason
    dot = name.rfind(".")
    ending = name[dot:] if dot > 0 else ""
    return secret_content(_small_text(root, path)) if ending in _CONFIG_LIKE else ""


def secret_content(text: str) -> str:
    """Why a text is a secret, or empty.

    >>> secret_content("api_key: ${API_KEY}")
    ''
    """
    if _PRIVATE_KEY.search(text):
        return "holds a private key"
    for kind, expression in _TOKENS:
        found = expression.search(text)
        if found and _looks_random(found[0]):
            return f"holds {kind}"
    for match in _URL_PASSWORD.finditer(text):
        if _has_variety(match[1]) and not _PLACEHOLDER.search(match[1]):
            return "holds a URL with a password"
    for match in _ASSIGNMENT.finditer(text):
        if secret_name(match[1]) and _looks_random(match[2]):
            return f"holds a secret ({match[1]})"
    return ""


def secret_name(name: str) -> bool:
    """Whether a key or variable with this name holds a secret.

    >>> secret_name("AWS_SECRET_ACCESS_KEY"), secret_name("max_tokens"), secret_name("tokenizer")
    (True, False, False)
    """
    return _SECRET_NAME.search(name) is not None


def secret_value(value: str) -> bool:
    """Whether a value is a secret whatever its name: a private key, a token of a known form, a URL with a password."""
    return bool(secret_content(value))


def entropy(text: str) -> float:
    """Bits for each letter of a text, from how often each occurs in it."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def _looks_random(value: str) -> bool:
    if not _RANDOM.fullmatch(value) or _PLACEHOLDER.search(value):
        return False
    return _has_variety(value) and entropy(value) >= LEAST_ENTROPY


def _has_variety(value: str) -> bool:
    return any(letter.isdigit() for letter in value) and any(letter.isalpha() for letter in value)


def _is_public(text: str) -> bool:
    return bool(_PUBLIC.search(text)) and not _PRIVATE_KEY.search(text)


def _small_text(root: Path, path: str) -> str:
    file = root / decode_path(path)
    try:
        if not file.is_file() or file.stat().st_size > MOST_BYTES:
            return ""
        raw = file.read_bytes()
    except (OSError, ValueError):
        return ""
    return "" if b"\0" in raw else raw.decode("utf-8", "replace")
