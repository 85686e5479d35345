"""No secret is in any file of deploy/; those that `make compose-up` makes are strong, their owner's, and not in git."""

from __future__ import annotations

import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.compose import SECRETS, make_secrets
from tests.integration.deploy.files import DEPLOY, ROOT, manifest, services

SECRET_WORDS = re.compile(r"secret|token|password|passwd", re.IGNORECASE)
# What keys of secrets look like: long, and of letters that nobody would write.
LOOKS_LIKE_A_SECRET = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{32,}\b|-----BEGIN|\$argon2")
ASKED_FOR = re.compile(r"\$\{\w+:\?[^}]+\}")

FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and path.name != ".env"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_no_file_has_anything_that_looks_like_a_secret(path: Path) -> None:
    assert not LOOKS_LIKE_A_SECRET.search(path.read_text())


def test_compose_has_no_secret_by_itself() -> None:
    named = {
        key: value
        for service in services().values()
        for key, value in service.get("environment", {}).items()
        if SECRET_WORDS.search(key)
    }
    assert named.keys() >= {"RMQ_CLUSTER_SECRET", "RMQ_PLUGINS__RMQ_HTTP_API__HTTP_BEARER_TOKEN"}
    for key, value in named.items():
        assert ASKED_FOR.fullmatch(value), key


@pytest.mark.parametrize(
    "text",
    [
        (DEPLOY / "compose" / "rmq.toml").read_text(),
        (DEPLOY / "image" / "rmq.toml").read_text(),
        manifest("ConfigMap", "rmq-config")["data"]["rmq.toml"],
    ],
)
def test_a_configuration_has_no_secret(text: str) -> None:
    assert not [key for key in keys(tomllib.loads(text)) if SECRET_WORDS.search(key)]


def keys(table: dict[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield key
        if isinstance(value, dict):
            yield from keys(value)


def test_made_secrets_are_their_owners_alone_and_stay(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    make_secrets(path, "rmq")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text()
    values = dict(line.split("=", 1) for line in first.splitlines())
    assert values.pop("COMPOSE_PROJECT_NAME") == "rmq"
    assert len(set(values.values())) == 3 and min(map(len, values.values())) == 64
    asked = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "docker-compose.yml").read_text()))
    assert values.keys() == asked
    make_secrets(path, "rmq")
    assert path.read_text() == first  # the nodes wouldn't know each other any more
    make_secrets(tmp_path / "other", "rmq")
    assert (tmp_path / "other").read_text() != first


def test_git_does_not_take_them() -> None:
    done = subprocess.run(["git", "check-ignore", "--quiet", str(SECRETS)], cwd=ROOT, check=False)
    if done.returncode == 128:
        pytest.skip("this is no git checkout")
    assert done.returncode == 0
