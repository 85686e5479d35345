"""The model of a session holds where operations are applied later, and where the node is killed in between."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from rmq.engine.broker import BrokerOptions
from rmq.engine.stored_port import StorageOptions
from rmq.mqtt.message import Message
from rmq.storage.segments import read_payload
from tests.support.engine import Engine
from tests.support.wire_parser import Publish
from tests.unit.session import test_model as model
from tests.unit.session.test_model import SessionMachine
from tests.unit.storage.disk_engine import DiskEngine
from tests.unit.storage.later_port import LaterEngine
from tests.unit.storage.replica import Replica
from tests.unit.storage.whole_state import held_in_memory, whole

SETTINGS: Final = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class _NoReplica(Replica):
    """Stands where the machine wants a replica: these machines compare states by themselves."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def check(self) -> None:
        pass


class LaterMachine(SessionMachine):
    """Everything is applied a turn later."""

    def __init__(self) -> None:
        super().__init__()
        self._use(LaterEngine())

    def _use(self, engine: Engine) -> None:
        """Another engine than the one of the base class."""
        self.engine = engine
        self.replica = _NoReplica(engine)
        engine.hooks.register("message_dropped", self._on_dropped, "model")
        engine.hooks.register("message_delivered", self._on_delivered, "model")
        self.publisher = engine.connect("p")
        self.subscriber = model.Subscriber(engine)

    @invariant()
    def replica_is_equal(self) -> None:
        assert isinstance(self.engine, LaterEngine)
        self.engine.port.check()


class RestartMachine(LaterMachine):
    """On a journal, with snapshots and payloads on disk, and killed at any moment."""

    def __init__(self) -> None:
        SessionMachine.__init__(self)
        self.folder = Path(tempfile.mkdtemp())

    @initialize(
        window=st.integers(1, 5),
        queue=st.integers(0, 6),
        newest=st.booleans(),
        buffer=st.sampled_from([20, 1_000_000]),
        budget=st.sampled_from([0, 1]),
    )
    def begin(self, window: int, queue: int, newest: bool, buffer: int, budget: int) -> None:
        self.budget = budget
        self._use(self._started(0.0))
        super().begin(True, window, queue, newest, buffer)

    def _on_dropped(self, client: object, message: Message, reason: str) -> None:
        payload = read_payload(self.folder, message.location) if message.on_disk else message.payload
        assert int(payload) not in self.dropped, "dropped twice"
        self.dropped[int(payload)] = reason

    def _started(self, time: float) -> DiskEngine:
        options = BrokerOptions()
        options.session_memory_budget = self.budget
        storage = StorageOptions()
        storage.snapshot_after = 500
        return DiskEngine(self.folder, options, storage, time=time)

    @rule()
    def kill(self) -> None:
        """kill -9 and a restart: the same session, and what was dropped stays dropped."""
        engine = self.engine
        assert isinstance(engine, DiskEngine)
        self.subscriber.read()
        before = whole(engine.broker.state, self.folder)
        engine.kill()
        subscriber = self.subscriber
        self._use(self._started(engine.time))
        again = self.engine
        assert isinstance(again, DiskEngine)
        again.counters.messages_dropped = len(self.dropped)
        subscriber.engine, subscriber.client = again, None
        self.subscriber = subscriber
        found = whole(again.broker.state, self.folder)
        for name in ("messages", "retained", "created"):
            assert found[name] == before[name]
        assert again.broker.ctx.queued_bytes == held_in_memory(again.broker.state)

    @precondition(lambda self: self.connected and any(isinstance(p, Publish) for p in self.subscriber.pending))
    @rule(position=st.integers(0, 9))
    def answer_in_vain(self, position: int) -> None:
        """The node is killed before it has written the answer down: the message comes again, with DUP."""
        engine = self.engine
        assert isinstance(engine, DiskEngine)
        pending = self.subscriber.pending
        positions = [at for at, packet in enumerate(pending) if isinstance(packet, Publish)]
        engine.hold()
        self.subscriber.answer(positions[position % len(positions)], 0)
        self.kill()

    @invariant()
    def replica_is_equal(self) -> None:
        if isinstance(self.engine, DiskEngine):
            assert self.engine.broker.ctx.queued_bytes == held_in_memory(self.engine.broker.state)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if isinstance(self.engine, DiskEngine):
                self.engine.kill()
            shutil.rmtree(self.folder)


TestLater = LaterMachine.TestCase
TestLater.settings = SETTINGS
TestRestart = RestartMachine.TestCase
TestRestart.settings = SETTINGS
