"""Tasks that live as long as the node: a bug in one is logged and counted, and costs neither the task nor the node."""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from rmq.engine.broker import Broker

# After a bug: when the task begins again.
BEGIN_AGAIN_AFTER_S: Final = 1.0

Work = Callable[[], Awaitable[None]]


async def keep_running(broker: Broker, name: str, work: Work) -> None:
    """Do what never ends by itself, and begin again whenever a bug ends it; a cancelled scope ends it for good."""
    while True:
        if await run_guarded(broker, name, work):
            return
        await trio.sleep(BEGIN_AGAIN_AFTER_S)


async def run_guarded(broker: Broker, name: str, work: Work) -> bool:
    """Do something once; False when a bug ended it."""
    try:
        await work()
    except Exception:
        broker.report_bug(None, name)
        return False
    return True
