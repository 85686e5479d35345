"""Network namespaces for the nodes of a cluster, with cables that a test cuts, heals and slows down; it takes root.

Every host has a namespace of its own with one interface; a further namespace is the switch between them. So nothing is
seen of it outside, and no packet leaves what the test has made.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pytest

CLONE_NEWNET: Final = 0x40000000
NOBODY: Final = "02:00:00:00:ff:ff"
"""An Ethernet address that no interface has: what goes there is lost without a word."""


_NUMBERS: Final = itertools.count(1)


class NoNetwork(Exception):
    """This machine can't do what the test asks of it; the text says why."""


class Network:
    """Hosts by name, each with an address of its own: ``address("a")``.

    A cable is cut by giving the sender a wrong Ethernet address of the receiver. That is silent, as a real cut is: no
    error comes back, connections stand until somebody's patience ends, and go on if it heals before.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        _demand_root()
        self._prefix = f"rmq-{os.getpid()}-{next(_NUMBERS)}"
        self._numbers = {host: number for number, host in enumerate(hosts, 1)}
        self._libc = ctypes.CDLL(None, use_errno=True)
        switch = self.namespace("switch")
        namespaces = [switch, *map(self.namespace, hosts)]
        # It removes the namespaces when its standard input ends: also when this process is killed and can't do it.
        self._remover = subprocess.Popen(
            ["sh", "-c", 'read -r _; for each; do ip netns delete "$each"; done', "sh", *namespaces],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            for each in namespaces:
                _ip("netns", "add", each)
            _ip("-n", switch, "link", "add", "name", "bridge", "type", "bridge")
            _ip("-n", switch, "link", "set", "dev", "bridge", "up")
            for host in hosts:
                self._plug_in(host)
            for sender in hosts:
                for receiver in hosts:
                    self._set_neighbour(sender, receiver, self._mac(receiver))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove it all. The processes in it have to be ended before."""
        self._remover.communicate()

    def namespace(self, host: str) -> str:
        """What ``ip netns`` calls the namespace of a host."""
        return f"{self._prefix}-{host}"

    def address(self, host: str) -> str:
        """The IPv4 address of a host, from a network that is nobody's (RFC 5737)."""
        return f"203.0.113.{self._numbers[host]}"

    def command(self, host: str) -> list[str]:
        """What stands before a command that is to run on a host; the process id stays that of the command."""
        return ["ip", "netns", "exec", self.namespace(host)]

    @contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """Sockets that this thread makes in here belong to the host, and go on doing so."""
        with (
            open("/proc/thread-self/ns/net", "rb") as before,
            open(f"/run/netns/{self.namespace(host)}", "rb") as there,
        ):
            self._enter(there.fileno())
            try:
                yield
            finally:
                self._enter(before.fileno())

    def connect(self, host: str, address: tuple[str, int], timeout_s: float) -> socket.socket:
        """A TCP connection from a host."""
        with self.inside(host):
            return socket.create_connection(address, timeout_s)

    def cut(self, sender: str, receiver: str) -> None:
        """Nothing gets from the one host to the other any more; the way back is as it was."""
        self._set_neighbour(sender, receiver, NOBODY)

    def cut_both(self, one: str, other: str) -> None:
        """Nothing gets from either host to the other."""
        self.cut(one, other)
        self.cut(other, one)

    def isolate(self, host: str, others: Sequence[str]) -> None:
        """Cut both ways between a host and several others."""
        for other in others:
            self.cut_both(host, other)

    def heal(self) -> None:
        """All cables are whole again."""
        for sender in self._numbers:
            for receiver in self._numbers:
                self._set_neighbour(sender, receiver, self._mac(receiver))

    def delay(self, host: str, seconds: float) -> None:
        """What the host sends arrives so much later. Raises NoNetwork where the kernel has no netem."""
        self._shape(self.namespace(host), "eth0", "netem", "delay", f"{seconds * 1000:g}ms")

    def limit_sending(self, host: str, bytes_per_s: int) -> None:
        """The host sends at this rate at most, with a queue of 100 ms before it. Raises NoNetwork without tbf."""
        self._limit(self.namespace(host), "eth0", bytes_per_s)

    def limit_receiving(self, host: str, bytes_per_s: int) -> None:
        """What is sent to the host gets there at this rate at most. Raises NoNetwork without tbf."""
        self._limit(self.namespace("switch"), host, bytes_per_s)

    def at_full_speed(self, host: str) -> None:
        """Neither delay nor limit any more."""
        for namespace, interface in ((self.namespace(host), "eth0"), (self.namespace("switch"), host)):
            # A queue that isn't there can't be deleted, and that is as wanted.
            _run("tc", "-n", namespace, "qdisc", "delete", "dev", interface, "root")

    def _plug_in(self, host: str) -> None:
        switch, namespace = self.namespace("switch"), self.namespace(host)
        _ip("-n", switch, "link", "add", "name", host, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("-n", switch, "link", "set", "dev", host, "master", "bridge", "up")
        _ip("-n", namespace, "link", "set", "dev", "eth0", "address", self._mac(host), "up")
        _ip("-n", namespace, "link", "set", "dev", "lo", "up")
        _ip("-n", namespace, "address", "add", f"{self.address(host)}/24", "dev", "eth0")

    def _set_neighbour(self, sender: str, receiver: str, mac: str) -> None:
        if sender != receiver:
            entry = (self.address(receiver), "lladdr", mac, "dev", "eth0", "nud", "permanent")
            _ip("-n", self.namespace(sender), "neighbour", "replace", *entry)

    def _mac(self, host: str) -> str:
        return f"02:00:00:00:00:{self._numbers[host]:02x}"

    def _limit(self, namespace: str, interface: str, bytes_per_s: int) -> None:
        rate = ("rate", f"{bytes_per_s * 8}bit", "burst", "16k", "latency", "100ms")
        self._shape(namespace, interface, "tbf", *rate)

    def _shape(self, namespace: str, interface: str, *qdisc: str) -> None:
        error = _run("tc", "-n", namespace, "qdisc", "replace", "dev", interface, "root", *qdisc)
        if error:
            raise NoNetwork(f"tc {qdisc[0]}: {error}")

    def _enter(self, namespace: int) -> None:
        if self._libc.setns(namespace, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


@contextmanager
def network_or_skip(hosts: Sequence[str]) -> Iterator[Network]:
    """Such a network; a test that asks for it is skipped where there can't be one, and the reason is told."""
    try:
        network = Network(hosts)
    except NoNetwork as error:
        pytest.skip(f"no network of its own: {error}")
    try:
        yield network
    finally:
        network.close()


def _demand_root() -> None:
    if os.geteuid() != 0:
        raise NoNetwork("network namespaces take root")
    for program in ("ip", "tc"):
        if shutil.which(program) is None:
            raise NoNetwork(f"{program} of iproute2 isn't installed")


def _ip(*arguments: str) -> None:
    error = _run("ip", *arguments)
    if error:
        raise NoNetwork(f"ip {' '.join(arguments)}: {error}")


def _run(*command: str) -> str:
    """What is wrong with it; nothing if it worked."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""
