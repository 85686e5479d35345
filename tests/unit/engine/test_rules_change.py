"""Verdicts that a connection remembers are forgotten when the rules change, also the one that is on its way."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.hooks.verdicts import ALLOW, DENY
from rmq.plugin_api import ClientInfo
from tests.support import wire
from tests.support.engine import Engine
from tests.support.wire_parser import Puback

NOBODY_THERE = 0x10
DENIED = 0x87


class Rules:
    """Answers with what ``verdict`` is when the question comes, once ``gate`` is open."""

    def __init__(self) -> None:
        self.verdict = ALLOW
        self.asked = 0
        self.gate = trio.Event()

    async def check(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        verdict = self.verdict
        self.asked += 1
        await self.gate.wait()
        return verdict


def drop_access_cache(engine: Engine) -> None:
    """As the node does it for its plugins."""
    for channel in engine.broker.registry:
        channel.acl = None


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_verdict_by_rules_that_are_gone_is_not_kept(
    engine: Engine, nursery: trio.Nursery, dropped: bool
) -> None:
    engine.start(nursery.start_soon)
    rules = Rules()
    engine.hooks.register("message_publish_check_acl", rules.check, "test")
    client = engine.connect("a")
    client.send(wire.publish("t", b"", 1, 1))
    await wait_all_tasks_blocked()
    rules.verdict = DENY
    if dropped:
        drop_access_cache(engine)
    rules.gate.set()
    await wait_all_tasks_blocked()
    assert client.take(Puback).code == (DENIED if dropped else NOBODY_THERE)
    assert rules.asked == (2 if dropped else 1)
    client.send(wire.publish("t", b"", 1, 2))
    await wait_all_tasks_blocked()
    assert client.take(Puback).code == (DENIED if dropped else NOBODY_THERE)
    assert rules.asked == (2 if dropped else 1), "what is known is known again"
