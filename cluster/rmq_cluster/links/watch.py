"""The watch over links: keep-alives, and the end of links that have gone silent or take nothing."""

import math
from collections.abc import Callable, Iterable
from typing import Final

import trio

from rmq_cluster.links.link import Link

TICKS: Final = 10
# Who has said nothing for so many of them isn't there: nodes say something every second tick.
SILENT_TICKS: Final = 5


async def watch(links: Callable[[], Iterable[Link]], dead_after: float, stall_after: float) -> None:
    """Ticks every tenth of ``dead_after`` seconds, until cancelled: a link ends 1.0 to 1.1 times ``dead_after`` after
    the last byte of either connection.
    """
    tick_s = dead_after / TICKS
    stuck_after = math.ceil(stall_after / tick_s)
    while True:
        await trio.sleep(tick_s)
        for link in list(links()):
            link.tick(TICKS, stuck_after)
