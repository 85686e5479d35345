"""The task that measures what alarms are about."""

import trio

from rmq.engine.broker import Broker
from rmq.flow.context import STORAGE_FAILED
from rmq.management.errors import ManagementError
from rmq.management.local import LocalNode
from rmq.management.node.alarms import AlarmReadings
from rmq.management.node.host import look_at_host
from rmq.metrics.histogram import BOUNDS_US, Histogram


async def watch_alarms(broker: Broker, local: LocalNode, data_path: str, interval_s: float) -> None:
    """Keep the alarms true, for ever; the first look is at once."""
    alarms = local.operations.alarms
    seen = late_ones(broker.ctx.latencies.loop_lag, alarms.limits.loop_lag_s)
    while True:
        readings = AlarmReadings(broker.clock())
        host = await look_at_host(data_path)
        readings.disk_total, readings.disk_free = host.disk_total, host.disk_free
        readings.memory_total, readings.memory_used = host.memory_total, host.memory_used
        before, seen = seen, late_ones(broker.ctx.latencies.loop_lag, alarms.limits.loop_lag_s)
        readings.laggards = seen - before
        readings.certificates = local.figures.certificates()
        readings.storage_fails = broker.ctx.storage == STORAGE_FAILED
        readings.is_busy = broker.busy
        try:
            status = await local.condition.cluster.status()
            readings.has_quorum = status.has_quorum
            readings.cluster = status.alarms
        except ManagementError:
            pass  # the node isn't in a cluster
        alarms.judge(readings)
        await trio.sleep(interval_s)


def late_ones(lags: Histogram, limit_s: float) -> int:
    """How many lags were surely above a limit; 0 is none. The histogram knows its bounds only."""
    if not limit_s:
        return 0
    return sum(count for lower, count in zip(BOUNDS_US, lags.counts[1:], strict=True) if lower >= limit_s * 1e6)
