"""What is in deploy/, read once for all tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[3]
DEPLOY: Final = ROOT / "deploy"
NUMBERS: Final = (1, 2, 3)
UID: Final = "10001"

_DEFAULT = re.compile(r"\$\{(\w+):-([^}]*)\}")


def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors resolved."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
    return read


def services() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml by name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def manifests() -> list[dict[str, Any]]:
    """The objects of the Kubernetes file."""
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "rmq.yaml").read_text()))


def manifest(kind: str, name: str) -> dict[str, Any]:
    """One of them."""
    (found,) = [each for each in manifests() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def with_defaults(text: str) -> str:
    """A value of the compose file as it is when no variable is set."""
    return _DEFAULT.sub(r"\2", text)


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, continued lines joined, without comments."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def last(instruction: str) -> str:
    """The value of an instruction that the image ends up with."""
    return [value for name, value in dockerfile() if name == instruction][-1]


def image_health_check() -> list[str]:
    """The command that the image checks itself with."""
    words: list[str] = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    return words
