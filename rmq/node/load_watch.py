"""The task that measures how busy the node is, and says so to its broker."""

import os
import time
from typing import Final

import structlog
import trio

from rmq.engine.broker import Broker
from rmq.engine.busy import BusyCheck, BusyLimits, Readings

log = structlog.get_logger(__name__)

# Lag is how late a sleep of this length ends; shorter ones see more of the stalls.
STEP_S: Final = 0.1
STATM: Final = "/proc/self/statm"


async def watch_load(broker: Broker, limits: BusyLimits, interval_s: float) -> None:
    """Keep ``broker.busy`` true to the limits, for ever. A stall is told at its end, the rest every ``interval_s``.

    The lag of the event loop is counted too, whatever the limits say.
    """
    check = BusyCheck(limits)
    processor_s = time.process_time()
    while True:
        begun = trio.current_time()
        lag = 0.0
        while trio.current_time() < begun + interval_s:
            step = min(STEP_S, interval_s)
            asleep = trio.current_time()
            await trio.sleep(step)
            late = trio.current_time() - asleep - step
            broker.ctx.latencies.loop_lag.observe(late)
            lag = max(lag, late)
            if 0 < limits.loop_lag_s < lag:
                break
        before, processor_s = processor_s, time.process_time()
        readings = Readings()
        readings.loop_lag_s = lag
        readings.memory = resident_size()
        readings.loadavg = os.getloadavg()[0]
        readings.cpu_percent = 100 * (processor_s - before) / (trio.current_time() - begun)
        readings.handshakes = broker.stats.handshakes.count
        if check.judge(readings):
            tell(broker, check.reason)


def tell(broker: Broker, reason: str) -> None:
    """The node became busy for a reason, or, without one, isn't any more."""
    broker.busy = bool(reason)
    broker.stats.busy.set(int(broker.busy))
    if reason:
        log.warning("too busy for new clients", reason=reason)
    else:
        log.info("no longer too busy for new clients")


def resident_size() -> int:
    """Bytes of memory that the process has in RAM; 0 where the system doesn't say (only Linux does)."""
    try:
        with open(STATM, "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
