"""docs/cli.md tells the truth: its commands run as they stand and print what it says, its codes and options exist."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click
import pytest

from rmq.ctl import failures, main
from rmq.ctl.command import own_options
from tests.integration.http_api.ctl import Ctl
from tests.support.broker_process import REPOSITORY, BrokerProcess
from tests.support.client import Client
from tests.support.printed import is_printed

PAGE: Final = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
API_KEYS: Final = (
    "plugins.rmq-http-api.http_laddr=127.0.0.1:0",
    'plugins.default_startups=["rmq-acl","rmq-http-api"]',
)


def typed() -> list[tuple[str, list[str]]]:
    """Each line that is typed, and what the page says that it prints."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


@pytest.mark.slow
def test_every_command_of_the_page(tmp_path: Path) -> None:
    node = BrokerProcess(tmp_path, API_KEYS)
    try:
        ctl = Ctl.of(node)
        program = ctl.program(tmp_path)
        variables = {**ctl.variables, "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        with ExitStack() as connected:
            for name in ("sensor-1", "sensor-2", "office/display"):
                client = Client(node.address, name)
                connected.callback(client.close)
                client.connect()
                if name == "office/display":
                    client.subscribe(("rooms/#", 1))
            for line, prints in typed():
                done = subprocess.run(
                    ["bash", "-c", line],
                    env=variables,
                    cwd=tmp_path,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=60,
                    check=False,
                )
                assert done.returncode == 0 and is_printed(prints, done.stdout), (line, done.stdout, prints)
                assert prints or not done.stdout, (line, done.stdout)
    finally:
        assert node.stop() == 0


def test_every_command_is_on_the_page() -> None:
    names = {line.split("rmq-ctl ")[1].split()[0] for line, _ in typed() if "rmq-ctl " in line}
    names |= set(re.findall(r"^rmq-ctl ([a-z]+)", PAGE, re.MULTILINE))  # those that aren't run there: import
    assert set(main.commands) - names <= {"nodes"}
    cluster = main.commands["cluster"]
    assert isinstance(cluster, click.Group)
    assert set(cluster.commands) <= set(re.findall(r"[a-z-]+", PAGE.partition("## The cluster")[2]))


def test_every_exit_code_is_on_the_page() -> None:
    named = {value for name, value in vars(failures).items() if name.isupper() and isinstance(value, int)}
    table = PAGE.partition("## Exit codes")[2].partition("## ")[0]
    numbers = {
        int(number) for row in re.findall(r"^\| ([0-9, ]+) \|", table, re.MULTILINE) for number in row.split(",")
    }
    assert numbers == named | {0}


@pytest.mark.parametrize("option", [option.opts[0] for option in own_options()])
def test_every_option_of_the_program_is_on_the_page(option: str) -> None:
    assert f"| `{option}" in PAGE


def test_every_filter_of_clients_is_on_the_page() -> None:
    options = [option for option in main.commands["clients"].params if not getattr(option, "hidden", False)]
    assert len(options) > 15
    assert not [option.opts[0] for option in options if option.opts[0] not in PAGE]
