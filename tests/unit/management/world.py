"""What the tests of management share: an engine with its service, a late journal, plugins and peers that pretend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rmq.engine.ports import ClusterPort
from rmq.engine.solo import SoloPort
from rmq.management import LocalNode, ManagementService
from rmq.management.errors import BadQuery, NodeNotFound, NodeUnreachable, PluginNotFound
from rmq.management.models import Gathered, MissingNode
from rmq.management.peers import PeerQueries, Question
from rmq.mqtt.packets import Will
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.storage.records import Operation
from tests.support.engine import Engine

T = TypeVar("T")


@dataclass(frozen=True)
class FakePlugin:
    """A plugin as its host would describe it."""

    name: str
    version: str | None = "1.0.0"
    descr: str | None = "pretends"
    active: bool = True
    inited: bool = True
    immutable: bool = False
    attrs: Mapping[str, object] | None = None
    failure: str = ""


class FakePlugins:
    """Plugins that can be switched on and off, and nothing else."""

    def __init__(self) -> None:
        self.known = {"rmq-a": FakePlugin("rmq-a"), "rmq-b": FakePlugin("rmq-b", None, None, active=False)}
        self.configs: dict[str, Mapping[str, object]] = {}
        self.written: dict[str, Mapping[str, object]] = {}
        self.done: list[str] = []

    def describe(self) -> Sequence[FakePlugin]:
        return list(self.known.values())

    def state(self, name: str) -> FakePlugin:
        if name not in self.known:
            raise PluginNotFound(name)
        return self.known[name]

    def config(self, name: str) -> Mapping[str, object]:
        return self.configs.get(name) or {"of": self.state(name).name}

    def written_config(self, name: str, over: Mapping[str, object]) -> Mapping[str, object]:
        return {**self.written.get(self.state(name).name, {}), **over}

    def check_config(self, name: str, values: Mapping[str, object]) -> None:
        if "wrong" in values:
            raise BadQuery("configuration", f"{self.state(name).name} has no key wrong")
        self.state(name)

    async def load(self, name: str) -> bool:
        self.done.append(f"load {name}")
        return not self.state(name).active

    async def unload(self, name: str) -> bool:
        self.done.append(f"unload {name}")
        return self.state(name).active

    async def preview(self, name: str) -> Mapping[str, object]:
        return {"changed": []}

    async def reload_config(self, name: str) -> None:
        self.done.append(f"reload {self.state(name).name}")


class FakePasswords:
    """A password's hash is the password behind "hash of "."""

    def __init__(self) -> None:
        self.checked = 0

    def hashed(self, password: bytes) -> str:
        return f"hash of {password.decode()}"

    def brought(self, digest: str, place: str, salt: bytes, hashed: bytes) -> str:
        if digest != "sha256":
            raise ValueError(f"{digest} isn't known")
        return f"{digest}-{place}:{salt.hex()}:hash of {hashed.hex()}"

    def verified(self, written: str, password: bytes) -> bool:
        self.checked += 1
        return written == f"hash of {password.decode()}"

    def check(self, written: str) -> None:
        if not written.startswith("hash of "):
            raise ValueError("isn't a hash")

    def unmatched(self) -> str:
        return "nobody's"


class World:
    """An engine, its clock, and the service above it; ``plugins`` are those of the node."""

    def __init__(
        self,
        node_id: int = 1,
        peers: PeerQueries | None = None,
        is_at_home: Callable[[Session], bool] | None = None,
    ) -> None:
        self.engine = Engine()
        self.broker = self.engine.broker
        self.broker.node_id = node_id
        self.plugins = FakePlugins()
        limits = {"tcp.external": 7}
        name = f"node-{node_id}"
        self.local = LocalNode(self.broker, self.engine.hooks, self.plugins, name, "/", limits, is_at_home)
        self.passwords = FakePasswords()
        self.service = ManagementService(self.local, self.passwords, peers)


@dataclass
class Peers:
    """The other nodes of a cluster that lives in this process; ``down`` don't answer."""

    worlds: list[World] = field(default_factory=list)
    down: set[int] = field(default_factory=set)
    asked: int = 0

    is_alone = False

    async def ask_all(self, question: Question[T]) -> Gathered[T]:
        answers = []
        missing = []
        for world in self.worlds:
            node_id = world.local.ref.node_id
            if node_id in self.down:
                missing.append(MissingNode(node_id, "no answer within 1 s"))
            else:
                answers.append(await question.of(world.local))
        return Gathered(tuple(answers), tuple(missing))

    async def ask(self, node_id: int, question: Question[T]) -> T:
        self.asked += 1
        for world in self.worlds:
            if world.local.ref.node_id == node_id:
                if node_id in self.down:
                    raise NodeUnreachable(node_id, "no answer within 1 s")
                return await question.of(world.local)
        raise NodeNotFound(node_id)


class LatePort(ClusterPort):
    """A journal that writes when it is told to: operations wait, in order, until ``write`` or ``give_up``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._now = SoloPort(engine.broker.state)
        self._epoch = 1000
        self.waiting: list[tuple[Operation, Receipt | None]] = []
        engine.broker.cluster = self

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        self.waiting.append((operation, receipt))
        return False

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        self._epoch += 1
        claimed(self._epoch)

    def release(self, client_id: str, epoch: int) -> None:
        """Nobody else asks for it."""

    def write(self) -> None:
        """Everything that waits is kept and applied, and whatever that proposes too."""
        while self.waiting:
            operation, receipt = self.waiting.pop(0)
            self._now.propose(operation)
            if receipt is not None:
                receipt.applied()
        self._engine.turn()

    def give_up(self) -> None:
        """Nobody knows what becomes of what waits."""
        waiting, self.waiting = self.waiting, []
        for _, receipt in waiting:
            if receipt is not None:
                receipt.give_up()
