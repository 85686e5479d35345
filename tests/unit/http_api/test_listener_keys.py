"""Which listeners a configuration has: those of other brokers, dialects by their names, no address twice."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Final, get_args

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from rmq_http_api.config import ALL_DIALECTS, COMPAT, Brand, HttpApiConfig, ListenerRules
from rmq_http_api.tables import DIALECTS

from rmq.cli import NodeCommand, main
from rmq.config import Settings
from rmq.config.listener_kinds import DEFAULT_ADDRESSES
from rmq.plugin_api import Address, PluginConfig

MODELS: Final = {"rmq-http-api": HttpApiConfig, "rmq-acl": PluginConfig, "rmq-sys-topic": PluginConfig}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration file is near, and nothing is in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_")]:
        monkeypatch.delenv(name)


def shown(config: HttpApiConfig) -> list[tuple[str, list[str]]]:
    return [(str(each.addr), list(each.dialects)) for each in config.listeners]


def test_there_is_one_listener_with_everything() -> None:
    assert shown(HttpApiConfig()) == [("127.0.0.1:6060", list(DIALECTS))]
    assert set(ALL_DIALECTS) == set(DIALECTS)


def test_those_of_other_brokers_come_behind_and_once() -> None:
    config = HttpApiConfig(
        listener=[ListenerRules(addr=Address("10.0.0.1", 7000))], compat=["nanomq", "emqx", "nanomq"]
    )
    assert shown(config)[1:] == [
        ("10.0.0.1:7000", list(DIALECTS)),
        ("127.0.0.1:8081", ["nanomq_v1", "nanomq_v4"]),
        ("127.0.0.1:8080", ["emqx_v2"]),
        ("127.0.0.1:18083", ["emqx_v5"]),
    ]


def test_all_default_addresses_of_a_node_fit_beside_each_other() -> None:
    api = [each.addr for each in HttpApiConfig(compat=list(get_args(Brand))).listeners]
    every = [*DEFAULT_ADDRESSES.values(), *api]
    assert len(every) == 4 + 1 + sum(len(rules) for rules in COMPAT.values())
    assert not any(one.clashes_with(other) for one, other in itertools.combinations(every, 2))


def test_no_address_twice() -> None:
    for taken in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(ValidationError, match=r"127\.0\.0\.1:18083 is there twice"):
            HttpApiConfig(http_laddr=Address(taken, 18083), compat=["emqx"])
    anywhere = ListenerRules(addr=Address("127.0.0.1", 0))
    assert len(HttpApiConfig(listener=[anywhere, anywhere]).listeners) == 3


@pytest.mark.parametrize(
    ("flags", "environ", "found"),
    [
        ([], {}, []),
        (["--compat", "nanomq"], {}, ["nanomq"]),
        (["--compat", "emqx", "--compat", "nanomq"], {}, ["emqx", "nanomq"]),
        ([], {"RMQ_COMPAT": "emqx, nanomq"}, ["emqx", "nanomq"]),
        ([], {"RMQ_COMPAT": ""}, []),
        (["--compat", "nanomq"], {"RMQ_COMPAT": "emqx"}, ["nanomq"]),
        (["--set", 'plugins.rmq-http-api.compat=["emqx"]'], {}, ["emqx"]),
    ],
)
def test_flags_and_variables_name_brokers(flags: list[str], environ: dict[str, str], found: list[str]) -> None:
    started: list[Settings] = []

    def run(settings: Settings) -> int:
        started.append(settings)
        return 0

    command = NodeCommand(run=run, plugin_models=lambda: MODELS)
    result = CliRunner().invoke(main, flags, obj=command, env=environ)
    assert (result.exit_code, result.output) == (0, ""), result.output
    assert started[0].plugin_settings("rmq-http-api", HttpApiConfig).compat == found


def test_what_is_no_broker() -> None:
    command = NodeCommand(run=lambda _: 0, plugin_models=lambda: MODELS)
    result = CliRunner().invoke(main, ["--compat", "rabbitmq"], obj=command)
    assert result.exit_code == 2 and "'nanomq', 'emqx'" in result.output
    result = CliRunner().invoke(main, [], obj=command, env={"RMQ_COMPAT": "rabbitmq"})
    assert result.exit_code == 2
    assert result.output.startswith("rmq-node: environment variable RMQ_COMPAT: plugins.rmq-http-api.compat"), (
        result.output
    )


def test_it_is_shown_as_a_list() -> None:
    command = NodeCommand(run=lambda _: 0, plugin_models=lambda: MODELS)
    result = CliRunner().invoke(main, ["--check", "--compat", "emqx"], obj=command)
    assert f"compat = {json.dumps(['emqx'])}" in result.output
