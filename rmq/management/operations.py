"""What those who operate nodes can ask and do on all of them: listeners, alarms, delayed messages, traces."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from rmq.management.access.cache import VerdictView
from rmq.management.access.explanation import AccessCase, AccessView
from rmq.management.errors import AlarmNotFound, ListenerNotFound, ManagementError
from rmq.management.local import LocalNode
from rmq.management.messages.of_session import Part, SessionMessages
from rmq.management.messages.slow_subscriptions import SlowView
from rmq.management.messages.topic_metrics import TopicFigures, added
from rmq.management.models import Gathered, MissingNode
from rmq.management.node.alarms import AlarmView
from rmq.management.node.evacuation import EvacuationView
from rmq.management.node.listeners import ListenerAction, NodeListeners
from rmq.management.node.own_settings import SettingsOfAll
from rmq.management.of_node import Ask
from rmq.management.operation_questions import (
    AskAccess,
    AskAccessCache,
    AskAlarms,
    AskEvacuation,
    AskListeners,
    AskSamePlugin,
    AskSessionMessages,
    AskSlowSubscriptions,
    AskTopicFigures,
    AskTraceFiles,
    AskTraceLog,
    ChangeListener,
    ChangeSettings,
    DeactivateAlarm,
    DropAccessCache,
    DropAllAccessCaches,
    ForgetAlarms,
    ForgetSlowSubscriptions,
    PreviewPlugin,
)
from rmq.management.peers import AskBroker, Question
from rmq.management.traces.traces import Traces
from rmq.management.traces.tracing import TraceFileView

T = TypeVar("T")


class AskAll(Protocol):
    """How all nodes are asked, this one too."""

    async def __call__(self, question: Question[T]) -> Gathered[T]:
        """Their answers, and who gave none."""


class AskOwner(Protocol):
    """How the node is asked that answers for a client."""

    async def __call__(self, client_id: str, question: Question[T]) -> T:
        """Its answer; ``ClientNotFound``."""


class Operations:
    """A part of the service, which carries its questions; errors as there."""

    def __init__(self, local: LocalNode, ask: Ask, ask_all: AskAll, ask_owner: AskOwner) -> None:
        self._local = local
        self._ask = ask
        self._all = ask_all
        self._ask_owner = ask_owner
        self.delayed = local.operations.delayed
        self.topic_metrics = local.operations.topic_metrics
        self.slow_subscriptions = local.operations.slow_subscriptions
        self.traces = Traces(local.accounts, lambda: local.broker.clock())
        self.retaining = local.operations.retaining

    async def ask_same_plugin(self, node_id: int, plugin: str, body: bytes) -> bytes:
        """What a plugin answers to itself from one node; ``PluginRefused`` where it doesn't run or answers nobody."""
        return await self._ask(node_id, AskSamePlugin(plugin, body))

    # Access rules, and plugins' configurations before they are taken

    async def test_access(self, case: AccessCase) -> AccessView:
        """What the access rules say of a client and a topic, on the node that has the client if one has it."""
        case.check()
        return await self._ask(self._local.owner(case.client_id), AskAccess(case))

    async def preview_plugin(self, node_id: int, name: str) -> Mapping[str, object]:
        """What a reload of a plugin's configuration would change on one node; nothing is changed."""
        return await self._ask(node_id, PreviewPlugin(name))

    # Listeners

    async def listeners(self) -> Gathered[NodeListeners]:
        """Those of each node."""
        return await self._all(AskListeners())

    async def change_listener(self, name: str, action: ListenerAction) -> tuple[MissingNode, ...]:
        """Start, stop or restart a listener on every node that has it, one node after the other.

        It stays so until the node is started again. Answers where that failed, and why; a node that is down isn't
        among those. Raises ``ListenerNotFound``.
        """
        found = await self.listeners()
        having = [node.node for node in found.answers if any(view.name == name for view in node.listeners)]
        if not having:
            raise ListenerNotFound(name)
        failed = [node for node in found.missing if not node.is_out]
        for node in having:
            try:
                await self._ask(node.node_id, ChangeListener(name, action))
            except ManagementError as error:
                failed.append(MissingNode(node.node_id, str(error), node.name))
        return tuple(failed)

    # Alarms

    async def alarms(self, *, activated: bool) -> Gathered[AlarmView]:
        """Those that are on, or those that are over, newest first."""
        gathered = await self._all(AskAlarms(activated))
        alarms = [alarm for answer in gathered.answers for alarm in answer]
        alarms.sort(key=lambda alarm: -alarm.activated_at)
        return Gathered(tuple(alarms), gathered.missing)

    async def deactivate_alarm(self, name: str) -> None:
        """Put an alarm off on every node where it is on; raises ``AlarmNotFound``."""
        gathered = await self._all(DeactivateAlarm(name))
        if not any(gathered.answers):
            raise AlarmNotFound(name)

    async def forget_alarms(self) -> Gathered[int]:
        """Forget those that are over; answers how many there were on each node."""
        return await self._all(ForgetAlarms())

    # Traces

    async def trace_files(self) -> Gathered[TraceFileView]:
        """What each node has written for each trace."""
        gathered = await self._all(AskTraceFiles())
        return Gathered(tuple(view for answer in gathered.answers for view in answer), gathered.missing)

    async def trace_log(self, node_id: int, name: str, position: int, count: int) -> bytes:
        """A piece of what one node has written for a trace, b"" at its end; raises ``AccountNotFound``."""
        return await self._ask(node_id, AskTraceLog(name, position, count))

    # Topic names that are counted

    async def topic_figures(self) -> Gathered[TopicFigures]:
        """Of each topic name that is counted, what all nodes have, added up; by topic name."""
        gathered = await self._all(AskTopicFigures())
        found: dict[str, list[TopicFigures]] = {}
        for answer in gathered.answers:
            for figures in answer:
                found.setdefault(figures.topic, []).append(figures)
        return Gathered(tuple(added(found[topic]) for topic in sorted(found)), gathered.missing)

    # Slow subscriptions

    async def slow(self) -> Gathered[SlowView]:
        """The slowest ones of all nodes, slowest first."""
        gathered = await self._all(AskSlowSubscriptions())
        found = [view for answer in gathered.answers for view in answer]
        found.sort(key=lambda view: -view.took_s)
        return Gathered(tuple(found[: self.slow_subscriptions.rules.top]), gathered.missing)

    async def forget_slow(self) -> Gathered[None]:
        """Forget them on every node."""
        return await self._all(ForgetSlowSubscriptions())

    # Nodes that are drained

    async def evacuations(self) -> Gathered[EvacuationView]:
        """How each node is drained."""
        return await self._all(AskEvacuation())

    async def evacuation_of(self, node_id: int) -> EvacuationView:
        """How one node is drained."""
        return await self._ask(node_id, AskEvacuation())

    # One client

    async def session_messages(
        self, client_id: str, part: Part, after: int, limit: int, payload_bytes: int
    ) -> SessionMessages:
        """What is on its way to a client at QoS 1 and 2; see ``management.session_messages``."""
        return await self._ask_owner(client_id, AskSessionMessages(client_id, part, after, limit, payload_bytes))

    async def access_cache(self, client_id: str) -> tuple[VerdictView, ...]:
        """What is remembered of what a client may publish; raises ``ClientNotFound`` for one that isn't connected."""
        return await self._ask_owner(client_id, AskAccessCache(client_id))

    async def drop_access_cache(self, client_id: str, topic: str | None = None) -> None:
        """Forget it, so that rules are asked again; of one topic name or all."""
        await self._ask_owner(client_id, DropAccessCache(client_id, topic))

    async def drop_all_access_caches(self) -> Gathered[int]:
        """Forget it of all clients on all nodes; answers how many are connected to each node."""
        return await self._all(DropAllAccessCaches())

    # Settings of nodes

    async def change_settings(self, changes: Mapping[str, object]) -> SettingsOfAll:
        """Change settings of this node, and then of all others; each keeps them over a restart.

        Raises ``SettingsRefused`` and ``SettingsNotKept`` of this node, and nothing is changed anywhere. A node that is
        down has its own settings when it comes back.
        """
        own = await self._ask(self._local.ref.node_id, ChangeSettings(changes))
        nodes = await self._all(AskBroker())
        failed = [f"node {missing.node_id}: {missing.reason}" for missing in nodes.missing if not missing.is_out]
        late = set(own.after_restart)
        for broker in nodes.answers:
            node_id = broker.node.node_id
            if node_id != self._local.ref.node_id:
                try:
                    late.update((await self._ask(node_id, ChangeSettings(changes))).after_restart)
                except ManagementError as error:
                    failed.append(f"node {node_id}: {error}")
        return SettingsOfAll(tuple(sorted(late)), tuple(failed))
