"""The network of the cluster tests: packets go where a cable is whole, are lost without a word where it is cut."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.support.cluster_network import Network, NoNetwork, network_or_skip

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with network_or_skip(["a", "b", "c"]) as found:
        yield found


@pytest.fixture
def pair(network: Network) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection from a to b: both ends."""
    with network.inside("b"):
        listener = socket.create_server((network.address("b"), 5000))
    with listener, network.connect("a", (network.address("b"), 5000), 5) as one:
        other, _ = listener.accept()
        with other:
            for end in (one, other):
                end.settimeout(5)
            yield one, other
    network.heal()


def reaches(sender: socket.socket, receiver: socket.socket, timeout_s: float = 5) -> bool:
    receiver.settimeout(timeout_s)
    sender.sendall(b"x")
    try:
        return receiver.recv(1) == b"x"
    except TimeoutError:
        return False


def test_a_connection_outlives_a_cut(network: Network, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    assert reaches(one, other) and reaches(other, one)
    network.cut_both("a", "b")
    assert not reaches(one, other, 0.2) and not reaches(other, one, 0.2)
    network.heal()
    for end in pair:
        end.settimeout(5)
        assert end.recv(1) == b"x", "what was lost is sent again"


def test_a_cut_of_one_way_leaves_the_others(network: Network, pair: tuple[socket.socket, socket.socket]) -> None:
    network.cut("a", "b")
    with network.inside("b"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as at_b:
        at_b.bind((network.address("b"), 5001))
        at_b.settimeout(0.2)
        with network.inside("a"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as at_a:
            at_a.bind((network.address("a"), 5001))
            at_a.settimeout(5)
            at_a.sendto(b"lost", (network.address("b"), 5001))
            with pytest.raises(TimeoutError):
                at_b.recv(10)
            at_b.sendto(b"back", (network.address("a"), 5001))
            assert at_a.recv(10) == b"back"
        with network.inside("c"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as at_c:
            at_c.sendto(b"by c", (network.address("b"), 5001))
            assert at_b.recv(10) == b"by c"


def test_a_limit_holds_and_ends(network: Network, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    try:
        network.limit_sending("a", 500_000)
    except NoNetwork as error:
        pytest.skip(str(error))
    assert 0.2 < seconds_for(one, other, 200_000) < 5
    network.at_full_speed("a")
    network.limit_receiving("b", 500_000)
    assert 0.2 < seconds_for(one, other, 200_000) < 5
    assert seconds_for(other, one, 200_000) < 0.2
    network.at_full_speed("b")
    assert seconds_for(one, other, 200_000) < 0.2


def test_a_delay_holds(network: Network, pair: tuple[socket.socket, socket.socket]) -> None:
    try:
        network.delay("a", 0.2)
    except NoNetwork as error:
        pytest.skip(str(error))
    began = time.monotonic()
    assert reaches(*pair) and time.monotonic() - began > 0.19
    network.at_full_speed("a")


def seconds_for(sender: socket.socket, receiver: socket.socket, size: int) -> float:
    began = time.monotonic()
    sender.setblocking(False)
    left, wanted = size, size
    receiver.settimeout(10)
    while wanted:
        if left:
            try:
                left -= sender.send(bytes(min(left, 10_000)))
                continue
            except BlockingIOError:
                pass
        wanted -= len(receiver.recv(min(wanted, 65536)))
    sender.settimeout(5)
    return time.monotonic() - began


def test_commands_run_on_their_host_under_their_own_process_id(network: Network) -> None:
    address = network.address("c")
    script = f"import os, socket; socket.create_server(('{address}', 7000)); print(os.getpid())"
    command = [*network.command("c"), "python3", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and int(output) == process.pid


def test_nothing_of_it_is_seen_outside() -> None:
    before = outside()
    with network_or_skip(["a", "b"]):
        assert outside() == before


def test_it_is_gone_afterwards() -> None:
    with network_or_skip(["only"]) as network:
        name = network.namespace("only")
        assert name in namespaces()
    assert name not in namespaces()


def namespaces() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


def outside() -> str:
    commands = (["ip", "-o", "link"], ["ip", "route", "show", "table", "all"])
    return "".join(subprocess.run(each, capture_output=True, text=True, check=True).stdout for each in commands)
