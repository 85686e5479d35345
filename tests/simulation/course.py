"""What happens in a run: nodes start, clients begin, faults come and end, all is compared."""

from __future__ import annotations

from typing import Final

import trio

from tests.simulation.client import Client
from tests.simulation.faults import Faults
from tests.simulation.healing import Healing
from tests.simulation.ledger import Ledger
from tests.simulation.membership import Membership
from tests.simulation.publisher import Publisher
from tests.simulation.subscriber import Explorer, Subscriber
from tests.simulation.world import World

FOUNDED_S: Final = 20.0
CHANGED_S: Final = 60.0
# Virtual seconds after which a run is given up.
LONGEST_S: Final = 400.0


async def run(world: World) -> None:
    """All of it. Whatever goes wrong is a problem of the world's."""
    try:
        with trio.move_on_after(LONGEST_S) as scope:
            async with trio.open_nursery() as nursery:
                world.nursery = nursery
                nursery.start_soon(world.agenda.run)
                await _course(world)
                nursery.cancel_scope.cancel()
        if scope.cancelled_caught:
            world.problem("it doesn't end")
    except Exception as error:
        world.bug("the run ends with", error)


async def _course(world: World) -> None:
    for node_id in sorted(world.members):
        await world.start(node_id)
    if not await world.until(world.is_sound, FOUNDED_S):
        world.problem(f"the cluster isn't founded: {list(world.nodes.values())}")
        return
    ledger = Ledger(world.problem)
    world.power_went = ledger.power_went
    subscribers: list[Client] = [
        Subscriber(world, ledger, "s1", 1, ["t/#"], slow=0.0),
        Subscriber(world, ledger, "s2", 2, ["t/#"], slow=0.02),
        Subscriber(world, ledger, "s3", 2, ["t/p2/+", "t/p3/0"], slow=0.3),
    ]
    publishers = [
        Publisher(world, ledger, "p1", 1, ["t/p1/0", "t/p1/1"], retain=False),
        Publisher(world, ledger, "p2", 2, ["t/p2/0", "t/p2/1"], retain=False),
        Publisher(world, ledger, "p3", 2, ["t/p3/0"], retain=False),
        Publisher(world, ledger, "p4", 1, ["r/p4/0", "r/p4/1", "r/p4/2"], retain=True),
    ]

    def everywhere(topic: str) -> None:
        for publisher in publishers[:3]:
            publisher.extra.append(topic)
            publisher.publish()

    explorer = Explorer(world, ledger, "e1", everywhere)
    clients: list[Client] = [*subscribers, *publishers, explorer]
    for client in clients:
        client.begin()
    await world.until(lambda: len(ledger.subscribed) >= 4, FOUNDED_S)
    membership = Membership(world)
    if world.profile.grows:
        world.nursery.start_soon(membership.run)
    else:
        membership.finished.set()
    faults = Faults(world, clients)
    await faults.run()
    await faults.end()
    with trio.move_on_after(CHANGED_S) as scope:
        await membership.finished.wait()
    if scope.cancelled_caught:
        world.problem(f"members can't come and go: {list(world.nodes.values())}")
    explorer.stop()
    for publisher in publishers:
        publisher.stop()
    await Healing(world, ledger, clients).run()
    world.counts["sent"] += len(ledger.sent)
    world.counts["got"] += sum(len(payloads) for payloads in ledger.got.values())
    world.counts["connects"] += sum(client.connects for client in clients)
    world.count_all()
    for node_id in list(world.nodes):
        await world.kill(node_id)
