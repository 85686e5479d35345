"""What a cluster takes that keeps many sessions, routes and messages, and how long a node is away that comes back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.cluster import fill
from tests.bench.cluster.pings import Pings
from tests.bench.cluster.probe import Probe
from tests.bench.cluster.results import Full, NodeSize, Pauses
from tests.bench.cluster.rmq import Rmq

ROUTES_EACH = 2
HELD_AFTER_S = 20.0
LONGEST_FILL_S = 3600.0
WHOLE_TIMEOUT_S = 600.0


def begun(system: Rmq, payload: int, sessions: int, count: int) -> Full:
    """What is to be measured on a cluster that is still empty."""
    found = Full(payload, sessions, sessions * ROUTES_EACH, count, budgets=system.budgets())
    found.sizes["empty"] = sizes(system)
    return found


def measure(system: Rmq, found: Full, say: Callable[[str], None]) -> None:
    """Fill the cluster, then kill a node that doesn't lead and let it come back: with its data, and without."""
    started = time.monotonic()
    with Pings(system.ports, system.waited_for_processor) as pings:
        fill.sessions(system.ports, found.sessions, ROUTES_EACH)
        system.wait_until_whole(WHOLE_TIMEOUT_S)
    found.pauses["while sessions are made"] = Pauses(pings.longest(), pings.longest_own())
    found.sizes["sessions and routes"] = sizes(system)
    say(f"  {found.sessions:,} sessions with {found.routes:,} routes in {time.monotonic() - started:.0f} s")
    leader = system.leader(range(len(system.ports)))
    what = "while messages come in and snapshots are written"
    with Pings(system.ports, system.waited_for_processor) as pings, Probe(system.ports[leader], what) as probe:
        started = time.monotonic()
        filled = fill.messages(
            system.ports, found.wanted, found.payload, found.sessions, (HELD_AFTER_S, LONGEST_FILL_S)
        )
    found.taken, found.held, found.fill_seconds = filled.taken, filled.held, filled.last_at - started
    found.pauses[what] = Pauses(pings.longest(), pings.longest_own())
    found.waits.append(probe.result(until=filled.last_at))  # from then on publishers are held, as they should be
    found.sizes["messages queued"] = sizes(system)
    say(f"  {found.taken:,} of {found.wanted:,} messages in {found.fill_seconds:.0f} s {found.held}")
    for what, keeps in (("killed and started again", True), ("started again with an empty disk", False)):
        _away(system, found, what, say, keeps=keeps)
    found.sizes["after all that"] = sizes(system)


def _away(system: Rmq, found: Full, what: str, say: Callable[[str], None], *, keeps: bool) -> None:
    every_node = range(len(system.ports))
    leader = system.leader(every_node)
    victim = next(index for index in every_node if index != leader)
    with (
        Pings(system.ports, system.waited_for_processor) as pings,
        Probe(system.ports[leader], f"while a node is {what}") as probe,
    ):
        system.servers[victim].kill()
        if not keeps:
            shutil.rmtree(system.data(victim))
        started = time.monotonic()
        serves = system.restart(victim, WHOLE_TIMEOUT_S)
        system.wait_until_whole(WHOLE_TIMEOUT_S)
        whole = time.monotonic() - started
    found.rejoin[f"{what}, until it serves"] = serves
    found.rejoin[f"{what}, until it has caught up"] = whole
    found.pauses[f"while a node is {what}"] = Pauses(pings.longest(), pings.longest_own())
    found.waits.append(probe.result())
    longest = found.waits[-1].longest
    say(f"  {what}: serves after {serves:.1f} s, has caught up after {whole:.1f} s, longest wait {longest:.2f} s")


def sizes(system: Rmq) -> list[NodeSize]:
    """What each node takes now."""
    return [
        NodeSize(server.resident_bytes(), server.peak_resident_bytes(), disk_bytes(system.data(index)))
        for index, server in enumerate(system.servers)
    ]


def disk_bytes(folder: Path) -> int:
    """What the files in a folder take on disk; one that goes away meanwhile takes nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue
    return total
