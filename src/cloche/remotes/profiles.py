"""The settings that `aws configure` writes, which obstore does not read itself."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping

_TAKEN = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}
_OVERRIDES = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
}


def aws_profile(variables: Mapping[str, str]) -> dict[str, str]:
    """What the chosen profile says, under obstore's names. Variables come first, as they do for every tool of AWS."""
    profile = variables.get("AWS_PROFILE") or variables.get("AWS_DEFAULT_PROFILE") or "default"
    found: dict[str, str] = {}
    for variable, usual, section in (
        ("AWS_CONFIG_FILE", "~/.aws/config", profile if profile == "default" else f"profile {profile}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", profile),
    ):
        file = os.path.expanduser(variables.get(variable) or usual)
        found |= {_TAKEN[key]: value for key, value in _section(file, section).items() if key in _TAKEN}
    if "AWS_ACCESS_KEY_ID" in variables and "AWS_PROFILE" not in variables:
        for name in ("access_key_id", "secret_access_key", "session_token"):
            found.pop(name, None)
    for name, overriding in _OVERRIDES.items():
        given = next((variables[one] for one in overriding if variables.get(one)), "")
        if given:
            found[name] = given
    return found


def _section(file: str, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    return dict(parser.items(name)) if parser.has_section(name) else {}
