"""The systemd unit: what it says of the node is so, and nothing of its sandbox has been left out."""

from __future__ import annotations

import re
import tomllib

import pytest

from rmq.cli.node import EXIT_BAD_CONFIG
from rmq.config import load
from tests.integration.deploy.files import DEPLOY, ROOT

SANDBOX = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "PrivateUsers": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallArchitectures": "native",
    "CapabilityBoundingSet": "",
    "UMask": "0077",
    "User": "rmq",
}


def unit() -> dict[str, list[str]]:
    """All values of each key; keys are unique over the sections."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / "rmq-node.service").read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize(("key", "value"), SANDBOX.items())
def test_the_sandbox_is_closed(key: str, value: str) -> None:
    assert unit()[key] == [value]


def test_the_node_is_asked_to_say_when_it_serves_and_that_it_lives() -> None:
    assert unit()["Type"] == ["notify"]
    assert unit()["WatchdogSec"] == ["30s"]


def test_a_node_has_the_time_to_stop_that_it_takes_itself() -> None:
    (given,) = unit()["TimeoutStopSec"]
    assert int(given.removesuffix("s")) > load(environ={}).node.shutdown_timeout


def test_a_bad_configuration_is_not_tried_again() -> None:
    assert unit()["RestartPreventExitStatus"] == [str(EXIT_BAD_CONFIG)]


def test_its_variables_are_keys_of_the_node() -> None:
    variables = dict(value.split("=", 1) for value in unit()["Environment"])
    assert variables.pop("RMQ_CONFIG") == "/etc/rmq/rmq.toml"
    settings = load(environ=variables)
    (folder,) = unit()["StateDirectory"]
    assert settings.node.data_dir == f"/var/lib/{folder}" == unit()["WorkingDirectory"][0]


def test_its_program_is_one_that_the_package_brings() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (program,) = unit()["ExecStart"]
    assert program.rpartition("/")[2] in scripts


def test_its_user_is_made_by_sysusers() -> None:
    users = re.findall(r"^u (\S+)", (DEPLOY / "systemd" / "rmq.sysusers.conf").read_text(), re.MULTILINE)
    assert users == unit()["User"] == unit()["Group"]
