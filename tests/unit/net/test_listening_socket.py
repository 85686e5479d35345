"""Listening sockets: Unix sockets that are stale, in use or not sockets at all, what is left behind, shared ports."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from rmq.net.listening_socket import ListenError, ListeningSocket, SocketOptions


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is the working directory, so that paths are short enough for a Unix socket."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def at(path: str, mode: int = 0o660) -> SocketOptions:
    options = SocketOptions("", 0)
    options.path = path
    options.mode = mode
    return options


def problem(options: SocketOptions) -> tuple[str, str]:
    with pytest.raises(ListenError) as raised:
        ListeningSocket(options)
    return raised.value.key, str(raised.value)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_file_has_the_permissions_that_were_asked_for(folder: Path, mode: int) -> None:
    before = os.umask(0o027)
    try:
        listening = ListeningSocket(at("s", mode))
    finally:
        os.umask(before)
    found = os.stat("s")
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == mode
    listening.close()
    assert not os.path.exists("s")


def test_a_socket_that_nobody_listens_on_is_replaced(folder: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind("s")
    dead.listen()
    dead.close()
    listening = ListeningSocket(at("s"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("s")
    listening.close()


def test_a_socket_that_somebody_listens_on_is_left_alone(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind("s")
        other.listen()
        assert problem(at("s")) == ("path", "s: Address already in use")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("s")


def test_so_is_one_whose_queue_is_full(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.bind("s")
        other.listen(0)
        waiting.connect("s")
        assert problem(at("s")) == ("path", "s: Address already in use")
    assert os.path.exists("s")


def test_a_file_of_another_kind_is_left_alone(folder: Path) -> None:
    (folder / "s").write_text("precious")
    assert problem(at("s")) == ("path", "s: there is a file that isn't a socket")
    assert (folder / "s").read_text() == "precious"
    (folder / "link").symlink_to("s")
    assert problem(at("link"))[0] == "path"
    assert (folder / "link").is_symlink()


def test_a_folder_that_is_not_there(folder: Path) -> None:
    assert problem(at("none/s")) == ("path", "none/s: No such file or directory")


def test_what_somebody_else_has_put_there_meanwhile_stays(folder: Path) -> None:
    listening = ListeningSocket(at("s"))
    os.unlink("s")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind("s")
        listening.close()
        assert os.path.exists("s")


def test_closing_when_it_is_gone_already(folder: Path) -> None:
    listening = ListeningSocket(at("s"))
    os.unlink("s")
    listening.close()


def test_a_taken_port_names_address_and_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert problem(SocketOptions("127.0.0.1", port)) == ("addr", f"127.0.0.1:{port}: Address already in use")


def test_two_share_a_port_when_both_ask_for_it() -> None:
    one = SocketOptions("127.0.0.1", 0)
    one.reuseport = True
    first = ListeningSocket(one)
    other = SocketOptions("127.0.0.1", first.port)
    assert problem(other)[0] == "addr"
    other.reuseport = True
    second = ListeningSocket(other)
    assert second.port == first.port
    second.close()
    first.close()
