"""What happens in a run: nodes start, clients begin, faults come and end, all is compared."""

from __future__ import annotations

from typing import Final

import trio

from tests.simulation.cast import Cast
from tests.simulation.faults import Faults
from tests.simulation.healing import Healing
from tests.simulation.ledger import Ledger
from tests.simulation.membership import Membership
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
    cast = Cast(world, ledger)
    world.power_went = cast.power_went
    world.look()
    cast.begin()
    await world.until(cast.is_ready, FOUNDED_S)
    membership = Membership(world)
    if world.profile.grows:
        world.nursery.start_soon(membership.run)
    else:
        membership.finished.set()
    faults = Faults(world, cast.clients)
    await faults.run()
    await faults.end()
    with trio.move_on_after(CHANGED_S) as scope:
        await membership.finished.wait()
    if scope.cancelled_caught:
        world.problem(f"members can't come and go: {list(world.nodes.values())}")
    await Healing(world, ledger, cast).run()
    cast.count()
    world.count_all()
    for node_id in list(world.nodes):
        await world.kill(node_id)
