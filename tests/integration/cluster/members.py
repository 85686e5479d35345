"""What tests about members share: to wait for what a node says, to type commands, and things that must stay."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any, Final

from rmq.cli.control_client import NodeUnavailable, Refused
from tests.integration.cluster.guests import Guests
from tests.integration.cluster.test_disks import command
from tests.integration.cluster.test_growth import entry
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.retained import retained_at
from tests.support.wire_parser import Publish

PATIENCE_S: Final = 30.0
QUEUED: Final = 12


def until(member: Member, what: str, condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait for something that the running node ``member`` brings about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        # Wakes up early when the node ends: nothing to wait for any more.
        assert not member.ends_within(0.05), f"node {member.number} ended before {what}:\n{member.log[-1500:]}"
        assert time.monotonic() < deadline, f"node {member.number}: not {what}:\n{member.log[-3000:]}"


def status(member: Member) -> dict[str, Any]:
    """What the node says of the cluster; empty while it says nothing."""
    try:
        found: dict[str, Any] = member.ask("status")
    except (NodeUnavailable, Refused):
        return {}
    return found


def view(member: Member, number: int) -> dict[str, Any]:
    """What a node says of another one; empty when it doesn't know it."""
    (found,) = [each for each in status(member).get("members", ()) if each["node_id"] == number] or [{}]
    return dict(found)


def events(member: Member, name: str) -> list[dict[str, Any]]:
    """The lines of this name in the node's log, since its last start."""
    return [each for each in member.events() if each.get("event") == name]


def said(member: Member, name: str) -> bool:
    """Whether there is such a line."""
    return bool(events(member, name))


def typed(member: Member, *arguments: str) -> str:
    """``rmq-node cluster …``, as a person types it; what it answers. AssertionError when it fails."""
    done = command(member, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout, arguments
    return done.stdout


def refused(member: Member, *arguments: str) -> str:
    """The same for what isn't done: why, in one line."""
    done: subprocess.CompletedProcess[str] = command(member, *arguments)
    assert done.returncode == 1 and not done.stdout, done.stdout + done.stderr
    *meaning, reason = done.stderr.splitlines()
    assert reason.startswith("rmq-node cluster: ") and "Traceback" not in done.stderr, done.stderr
    assert not any(line.startswith("rmq-node") for line in meaning), done.stderr
    return reason.removeprefix("rmq-node cluster: ")


def only(cluster: ClusterProcesses, *numbers: int) -> None:
    """These nodes are the cluster, of which nothing else is known."""
    members = [cluster[number] for number in numbers]
    for member in members:
        member.arguments = ["--cluster-nodes", ",".join(entry(each) for each in members)]


class Keepsake:
    """A session with messages waiting for it, and retained messages: they are to be there whatever happens."""

    def __init__(self, guests: Guests, member: Member) -> None:
        self._guests = guests
        guests.off_line(member, "kept", ("kept/queue", 2))
        publisher = guests.connect(member, "keeper")
        self.payloads = [b"kept %d" % number + bytes(100) for number in range(QUEUED)]
        self.retained = {f"kept/r/{number}": b"value %d" % number for number in range(5)}
        for number, payload in enumerate(self.payloads):
            assert publisher.publish("kept/queue", payload, 1 + number % 2) == 0
        for topic, payload in self.retained.items():
            assert publisher.publish(topic, payload, 1, retain=True) == 0
        guests.goodbye(publisher)

    def check(self, *members: Member) -> None:
        """All of it is at each of these nodes, one after the other, and stays there."""
        for member in members:
            client = self._guests.connect(member, "kept", present=True)
            # Nothing is acknowledged: the next node has all of it again.
            found = [client.expect(Publish, 10).payload for _ in self.payloads]
            assert found == self.payloads, f"at node {member.number}"
            self._guests.goodbye(client)
            assert retained_at(member, "kept/r/#") == self.retained, f"at node {member.number}"
