"""A node that can't start says why in one clear line, with the place and the key, and leaves with exit code 2."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from tests.integration.node.node_command import failed_start
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client

pytestmark = pytest.mark.realtime

# Standing in a folder of its own a node finds no configuration but what the test gives it.
DATA = ("--data-dir", "data")


def only_line(lines: list[str]) -> str:
    """The one line it wrote, without its name in front."""
    assert len(lines) == 1, lines
    assert lines[0].startswith("rmq-node: ")
    return lines[0].removeprefix("rmq-node: ")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = only_line(failed_start(tmp_path, *DATA, "--set", f"listener.tcp.external.addr={address}"))
    assert line == f"--set: listener.tcp.external.addr: {address}: Address already in use"


def test_a_port_in_use_is_named_with_its_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "node.toml").write_text(f'[listener.tcp.lan]\naddr = "{address}"\n')
        line = only_line(failed_start(tmp_path, *DATA, "-f", "node.toml"))
    assert line == f"node.toml: listener.tcp.lan.addr: {address}: Address already in use"


def test_every_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        ports = [taken.getsockname()[1] for taken in (first, second)]
        sets = [f"--set=listener.tcp.l{port}.addr=127.0.0.1:{port}" for port in ports]
        lines = failed_start(tmp_path, *DATA, *sets)
    assert len(lines) == 2
    assert all(str(port) in line for port, line in zip(ports, lines, strict=True))


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    line = only_line(failed_start(tmp_path, *DATA, "--set", "listener.tcp.external.addr=192.0.2.1:1883"))
    assert line.startswith("--set: listener.tcp.external.addr: 192.0.2.1:1883: ")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.toml", None, "missing.toml: can't be read: No such file or directory"),
        ("folder", "/", "folder: can't be read: Is a directory"),
        ("bytes.toml", b"\xff\xfe", "bytes.toml: is not UTF-8 text"),
        ("broken.toml", b"[node\nid = 1", "broken.toml: line 1"),
    ],
)
def test_an_unreadable_configuration(tmp_path: Path, name: str, content: bytes | str | None, says: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    line = only_line(failed_start(tmp_path, *DATA, "-f", name))
    assert line.startswith(says), line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_configuration_without_permission(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("")
    (tmp_path / "node.toml").chmod(0)
    line = only_line(failed_start(tmp_path, *DATA, "-f", "node.toml"))
    assert line == "node.toml: can't be read: Permission denied"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[listener.tcp.external]\nmax_packet_szie = 5", "listener.tcp.external.max_packet_szie: unknown key (did you"),
        ("[listener.tcp.external]\nmax_packet_size = 'much'", "listener.tcp.external.max_packet_size: "),
        ("[plugins.rmq-acl]\nrules = [['maybe', 'all']]", "plugins.rmq-acl.rules"),
        ("[plugins]\ndefault_startups = ['rmq-none']", "plugins.default_startups: "),
    ],
)
def test_a_mistake_in_the_configuration(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "node.toml").write_text(text + "\n")
    line = only_line(failed_start(tmp_path, *DATA, "-f", "node.toml"))
    assert line.startswith(f"node.toml: {says}"), line


def test_mistakes_in_the_configurations_of_plugins_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text(
        "[plugins.rmq-acl]\nrules = 5\ncolour = 1\n"
        "[plugins.rmq-sys-topic]\npublish_interval = 'often'\n"
        "[plugins.rmq-none]\na = 1\n"
    )
    lines = failed_start(tmp_path, *DATA, "-f", "node.toml")
    for key in ("rmq-acl.rules", "rmq-acl.colour", "rmq-sys-topic.publish_interval", "rmq-none"):
        assert sum(line.startswith(f"rmq-node: node.toml: plugins.{key}: ") for line in lines) == 1, (key, lines)
    assert len(lines) == 4


def test_a_mistake_in_a_plugins_own_file(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "rmq-acl.toml").write_text("prioritty = 1\n")
    line = only_line(failed_start(tmp_path, *DATA, "-f", "node.toml"))
    assert line.startswith(f"plugins{os.sep}rmq-acl.toml: plugins.rmq-acl.prioritty: unknown key"), line


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = only_line(failed_start(tmp_path, "--data-dir", "file/data"))
    assert line.startswith("--data-dir: node.data_dir: ") and line.endswith("Not a directory"), line


def test_a_log_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")
    (tmp_path / "node.toml").write_text('[log]\nto = "file"\n')
    line = only_line(failed_start(tmp_path, *DATA, "-f", "node.toml"))
    assert "log." in line and line.endswith(("Not a directory", "File exists")), line


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("[node]\nid = 0\nname = 'x'\n[nod]\n")
    lines = failed_start(tmp_path, *DATA, "-f", "node.toml", "--set", "log.level=loud")
    assert len(lines) == 4
    assert any("--set: log.level" in line for line in lines)


def test_a_node_that_starts_says_where(tmp_path: Path) -> None:
    node = BrokerProcess(tmp_path, ["log.level=warning"])
    try:
        client = Client(node.address, "a")
        client.connect()
        client.disconnect()
    finally:
        exit_code = node.stop()
    assert exit_code == 0
    said = node.log.splitlines()
    assert said[0].startswith("rmq-node ") and "node 1" in said[0]
    assert f"127.0.0.1:{node.address[1]}" in said[1] and "tcp.external" in said[1]
    assert re.search(r"127\.0\.0\.1:\d+ \(rmq-http-api\)", said[2])
    assert str(tmp_path / "data") in said[3]
    assert len(said) == 5, said
