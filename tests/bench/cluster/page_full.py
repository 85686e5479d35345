"""The section of docs/benchmarks-cluster.md on a cluster with many sessions and messages."""

from __future__ import annotations

from tests.bench.cluster.results import Full
from tests.bench.cluster.scenarios import SNAPSHOT_PAUSE_S
from tests.bench.markdown import table, verdict

_MIB = 1024 * 1024


def full_section(found: list[Full]) -> str:
    """Its text and tables; nothing when nothing was measured."""
    if not found:
        return ""
    text = (
        "## With many sessions and messages\n\nSessions that are off line, each with two filters of its own, then "
        "messages with QoS 1 to all of them in turn. Where publishers are held before all are taken, a budget was "
        "reached; that is what should happen. The probe publishes one message after the other on the leader to a "
        f"persistent session; its longest wait while snapshots are written is the pause (target {SNAPSHOT_PAUSE_S:g} "
        "s). Idle clients, one on each node, tell the longest pause of each: PINGRESP waits for nothing but the node. "
        "Its own are those without the time for which it could have run and no processor was free, as the kernel "
        "counts it: three nodes and their load share this machine."
    )
    return "\n\n".join([text, *(_one(full) for full in found)])


def _one(full: Full) -> str:
    sizes = [
        [what, *(" / ".join(_mib(getattr(node, key)) for node in nodes) for key in ("resident", "peak", "disk"))]
        for what, nodes in full.sizes.items()
    ]
    waits = [
        [
            wait.what,
            f"{wait.count:,}",
            f"{wait.p50 * 1000:,.1f}",
            f"{wait.p99 * 1000:,.1f}",
            f"{wait.longest * 1000:,.0f}",
            _pause(wait.what, wait.longest),
        ]
        for wait in full.waits
    ]
    pauses = [
        [what, _ms(pauses.longest), _ms(pauses.own), verdict(max(pauses.own) <= SNAPSHOT_PAUSE_S)]
        for what, pauses in full.pauses.items()
    ]
    rejoin = [[what, f"{seconds:.1f}"] for what, seconds in full.rejoin.items()]
    budgets = ", ".join(f"`{key} = {value}`" for key, value in full.budgets.items())
    return (
        f"### {full.payload:,} bytes\n\n{full.sessions:,} sessions, {full.routes:,} routes; {full.taken:,} of "
        f"{full.wanted:,} messages were acknowledged in {full.fill_seconds:.0f} s"
        f"{'; ' + full.held if full.held else ''}. Budgets: {budgets}.\n\n"
        + table(["each node, MiB", "RSS", "highest RSS", "disk"], sizes)
        + "\n\n"
        + table(["a publish waits for its PUBACK", "publishes", "p50 ms", "p99 ms", "longest ms", "≤ 100 ms"], waits)
        + "\n\n"
        + table(["longest pause of each node", "ms", "of its own, ms", "own ≤ 100 ms"], pauses)
        + "\n\n"
        + table(["a node is back", "s"], rejoin)
    )


def _pause(what: str, longest: float) -> str:
    return verdict(longest <= SNAPSHOT_PAUSE_S) if "snapshot" in what else ""


def _mib(size: int) -> str:
    return f"{size / _MIB:,.0f}"


def _ms(nodes: list[float]) -> str:
    return " / ".join(f"{pause * 1000:,.0f}" for pause in nodes)
