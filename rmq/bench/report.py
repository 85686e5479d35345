"""The result of a run: as JSON, as text for a person, and as an exit code."""

from __future__ import annotations

import json

from rmq.bench import load as load_module
from rmq.bench.latency import Latency
from rmq.bench.peers import Counts
from rmq.bench.plan import Plan

Number = int | float


class Result:
    """What one run measured."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.connected = 0
        self.failures: dict[str, int] = {}
        self.connect_seconds = 0.0
        self.seconds = 0.0
        self.sent = 0
        self.received = 0
        self.lost = 0
        self.drained = True
        self.late_us = 0
        self.load_cpu_percent = 0.0
        self.latency_us: dict[str, Number] = {}
        self.ack_latency_us: dict[str, Number] = {}
        self.totals: dict[str, int] = {}
        self.error: str | None = None

    def take_totals(self, counts: Counts) -> None:
        """Keep what was counted since the first message, warm-up and drain included."""
        self.totals = {
            "sent": counts.sent,
            "received": counts.received,
            "bytes_sent": counts.bytes_out,
            "bytes_received": counts.bytes_in,
            "refused": counts.refused,
            "socket_reads": counts.reads,
            "socket_sends": counts.sends,
            "general_reads": counts.general,
        }
        for name, kind in (("puback", 4), ("pubrec", 5), ("pubrel", 6), ("pubcomp", 7)):
            self.totals[f"{name}_received"] = counts.acks_in[kind]
            self.totals[f"{name}_sent"] = counts.acks_out[kind]

    def rate(self, count: int) -> float:
        """`count` per second of the measured window."""
        return count / self.seconds if self.seconds else 0.0

    @property
    def connects_per_s(self) -> float:
        """Handshakes (with the SUBSCRIBE, where there was one) finished per second."""
        return self.connected / self.connect_seconds if self.connect_seconds else 0.0

    def exit_code(self) -> int:
        """0 when the run was what was asked for."""
        return 1 if self.error or self.failures else 0

    def as_json(self) -> str:
        """One line of JSON."""
        plan = self.plan
        return json.dumps(
            {
                "mode": plan.mode,
                "protocol": plan.protocol,
                "qos": plan.qos,
                "clients": plan.clients,
                "size": plan.size,
                "window": None if plan.rate else plan.window,
                "rate": plan.rate or None,
                "persistent": plan.persistent,
                "retain": plan.retain,
                "until_acked": plan.until_acked,
                "connected": self.connected,
                "failures": self.failures,
                "connect_seconds": round(self.connect_seconds, 4),
                "connects_per_s": round(self.connects_per_s, 1),
                "seconds": round(self.seconds, 4),
                "sent": self.sent,
                "received": self.received,
                "sent_per_s": round(self.rate(self.sent), 1),
                "received_per_s": round(self.rate(self.received), 1),
                "latency_us": self.latency_us,
                "ack_latency_us": self.ack_latency_us,
                "late_us": self.late_us,
                "lost": self.lost,
                "drained": self.drained,
                "totals": self.totals,
                "load_cpu_percent": round(self.load_cpu_percent, 1),
                "compiled": is_compiled(),
                "error": self.error,
            }
        )

    def as_text(self) -> str:
        """A few lines for a person."""
        lines = [f"{self.connected} connections in {self.connect_seconds:.2f} s ({self.connects_per_s:,.0f}/s)"]
        lines += [f"  {count} failed: {why}" for why, count in self.failures.items()]
        if self.seconds:
            lines.append(
                f"sent {self.sent:,} ({self.rate(self.sent):,.0f}/s), received {self.received:,} "
                f"({self.rate(self.received):,.0f}/s) in {self.seconds:.2f} s"
            )
        for title, found in (("latency", self.latency_us), ("acknowledged after", self.ack_latency_us)):
            if found:
                shown = "  ".join(f"{name} {found[name]:,}" for name in ("p50", "p90", "p99", "max"))
                lines.append(f"{title} µs: {shown}")
        if self.lost:
            lines.append(f"lost: {self.lost:,}")
        lines.append(f"load tool: {self.load_cpu_percent:.0f} % of a core")
        if self.error:
            lines.append(f"error: {self.error}")
        return "\n".join(lines)


def percentiles(latency: Latency) -> dict[str, Number]:
    """What is told of a histogram, in µs; nothing of an empty one."""
    if not latency.count:
        return {}
    return {
        "p50": latency.percentile(0.5),
        "p90": latency.percentile(0.9),
        "p99": latency.percentile(0.99),
        "p999": latency.percentile(0.999),
        "max": latency.max_us,
        "mean": round(latency.mean_us(), 1),
        "samples": latency.samples,
    }


def is_compiled() -> bool:
    """Whether the load loop runs compiled."""
    return not (load_module.__file__ or "").endswith(".py")
