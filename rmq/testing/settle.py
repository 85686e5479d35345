"""Waits until a node that keeps its data has written, and so applied, what it was asked to do."""

import time
from typing import Final

from rmq.node import Node

# A disk that is slower than this is what the test will have to be about.
TIMEOUT_S: Final = 5.0
# Between two looks; a write takes about this long.
PAUSE_S: Final = 0.0002


def settle(node: Node) -> None:
    """Block, since the disk has threads of its own: a question that follows gets the answer as of now.

    A node that keeps nothing has nothing to wait for. A disk that fails isn't waited for.
    """
    storage = node.storage
    if storage is None:
        return
    deadline = time.monotonic() + TIMEOUT_S
    operations = storage.port.log
    node.broker.flush()
    while (operations.has_proposed() or operations.is_writing()) and not storage.port.error:
        if time.monotonic() > deadline:
            return
        time.sleep(PAUSE_S)
        node.broker.flush()
