"""What all kinds of load share: the doors of the node, chance, the end of the run, and what went wrong."""

from __future__ import annotations

import asyncio
import random
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tests.soak.ledger import Problems
from tests.soak.link import Door
from tests.soak.peer import PeerGone, Refused
from tests.support.packet_notation import V5, V311

# Small messages mostly, and now and then one that is larger than what a session may keep in memory.
SIZES: Final = (20, 60, 200, 1000, 4000, 12_000, 100_000)
SIZE_WEIGHTS: Final = (30, 30, 20, 10, 6, 3, 0.3)
FILLING: Final = bytes(range(256)) * (SIZES[-1] // 256 + 1)


class World:
    """One phase of load; ``stopping`` ends it."""

    def __init__(self, doors: Sequence[Door], rng: random.Random, problems: Problems, name: str) -> None:
        self.doors = doors
        self.rng = rng
        self.problems = problems
        self.name = name
        self.stopping = asyncio.Event()

    def door(self) -> Door:
        """Any door."""
        return self.rng.choice(self.doors)

    def level(self) -> int:
        """Any protocol version but the oldest."""
        return self.rng.choice((V5, V5, V311))

    def payload(self, number: int) -> bytes:
        """The number and something behind it."""
        size = self.rng.choices(SIZES, SIZE_WEIGHTS)[0]
        return number.to_bytes(8, "big") + FILLING[:size]

    async def pause(self, seconds: float) -> None:
        """Wait, not longer than the phase lasts."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass

    async def pause_between(self, low: float, high: float) -> None:
        """Wait for some time between these."""
        await self.pause(self.rng.uniform(low, high))

    async def keep_doing(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Again and again until the phase ends; a failure is a finding, and the next turn tries afresh."""
        while not self.stopping.is_set():
            await self.attempt(name, work)

    async def attempt(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Once; a failure is a finding."""
        try:
            await work()
        except (PeerGone, Refused) as error:
            self.problems.add("connection ended by the node", f"{name}: {error}")
            await self.pause(1)
        except Exception:
            self.problems.add("failed", f"{name}: {traceback.format_exc(limit=-6)}")
            await self.pause(1)


class Load(ABC):
    """One kind of load."""

    def __init__(self, world: World) -> None:
        self.world = world

    @abstractmethod
    async def run(self) -> None:
        """Until the world is stopping."""

    async def take_away(self) -> None:
        """Remove what it has left in the node; after all of ``run`` has ended. Most leave nothing."""
        return
