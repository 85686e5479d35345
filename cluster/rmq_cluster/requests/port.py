"""What the cluster needs of whoever asks and answers questions over its links."""

from typing import Protocol

import trio

from rmq_cluster.requests.counters import RequestCounters


class Requests(Protocol):
    """Questions of management to other nodes, as far as the cluster carries them."""

    counters: RequestCounters

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""

    def received(self, peer: int, kind: int, body: bytes) -> None:
        """A REQUEST or ANSWER frame. Raises ``BadFrame``."""

    def link_down(self, peer: int) -> None:
        """The link is gone."""
