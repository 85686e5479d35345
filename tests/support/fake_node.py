"""A program that looks like rmq-node in a cluster: for tests of what starts nodes and waits for them.

    python fake_node.py -f rmq.toml

It takes connections at its listener and answers at its control socket; SIGTERM ends it. A node called in DYING ends at
once with exit code 1, one in STUCK never takes clients.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from rmq.config import load
from rmq.management.cluster import MemberView
from rmq.node.control import ControlSocket
from tests.support.fake_cluster import STATUS, FakeCluster


async def main(file: Path) -> None:
    settings = load(file, environ={})
    number = str(settings.node.id)
    if number in os.environ.get("DYING", "").split(","):
        sys.exit("can't start: a reason for people")
    cluster = FakeCluster()
    members = tuple(
        MemberView(n.id, str(n.id), str(n.address), True, "up", 1, 0, True, 1) for n in settings.cluster.nodes
    )
    cluster.answer = replace(STATUS, members=members)
    control = ControlSocket(settings.node.control_path, cluster, lambda: None)
    control.open()
    listener = settings.listener.tcp["external"]
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(control.run)
            if number not in os.environ.get("STUCK", "").split(","):
                serve = partial(trio.serve_tcp, _hang_up, listener.addr.port, host=listener.addr.host)
                nursery.start_soon(serve)
            async for received in signals:
                sys.stdout.write(f"ended by {signal.Signals(received).name}\n")
                nursery.cancel_scope.cancel()
    control.close()


async def _hang_up(stream: trio.SocketStream) -> None:
    await stream.aclose()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[2]))
