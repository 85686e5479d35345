"""rmq-ctl import of files that Debian's mosquitto and mosquitto_passwd have just made; a node starts with them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from rmq.migration import mosquitto, write
from rmq.users.hashing import verified
from rmq.users.password_file import read_table
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client

TIMEOUT_S: Final = 30.0


@pytest.fixture(autouse=True)
def _tools() -> None:
    for tool in ("/usr/sbin/mosquitto", "mosquitto_passwd", "mosquitto_pub"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: install Debian's packages mosquitto and mosquitto-clients")


def free_port() -> int:
    """A port of this machine that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running(config: Path, port: int) -> Iterator[None]:
    """A mosquitto that ends with the block, and writes its database then."""
    process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                threading.Event().wait(0.02)
        yield
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def test_a_mosquitto_that_moves(tmp_path: Path) -> None:
    port = free_port()
    passwords = tmp_path / "passwords"
    users_of_it: tuple[tuple[list[str], str, str], ...] = (
        (["-c"], "alice", "wonder"),
        ([], "bob", "pa:ss wörd"),
        (["-H", "sha512"], "carl", "c"),
    )
    for flags, name, password in users_of_it:
        command = ["mosquitto_passwd", *flags, "-b", str(passwords), name, password]
        subprocess.run(command, check=True, timeout=TIMEOUT_S)
    (tmp_path / "acl").write_text("user alice\ntopic a/#\nuser bob\ntopic read a/#\n")
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"user root\nlistener {port} 127.0.0.1\npersistence true\npersistence_location {tmp_path}/\n"
        f"password_file {passwords}\nacl_file {tmp_path}/acl\n"
    )
    with running(config, port):
        for topic, payload in (("a/1", "hello"), ("a/2", "world"), ("b", "denied")):
            publish = ["mosquitto_pub", "-p", str(port), "-u", "alice", "-P", "wonder", "-q", "1", "-r"]
            subprocess.run([*publish, "-t", topic, "-m", payload], check=True, timeout=TIMEOUT_S, capture_output=True)
    found = mosquitto.read(config)
    assert sorted((one.topic, one.payload) for one in found.retained) == [("a/1", b"hello"), ("a/2", b"world")]
    out = tmp_path / "out"
    write(found, out, "mosquitto.conf")
    users = read_table(out / "users").users
    for name, right in (("alice", b"wonder"), ("bob", "pa:ss wörd".encode()), ("carl", b"c")):
        assert verified(users[name].argon2, right) and not verified(users[name].argon2, b"wrong")
    node = BrokerProcess(tmp_path, [f'auth.users_file="{out / "users"}"'], {})
    try:
        client = Client(node.address, "c")
        client.connect(username="alice", password=b"wonder")
        client.close()
    finally:
        node.stop()
