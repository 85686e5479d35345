"""The questions to other nodes about what those who operate them need (``peers`` has the others)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import trio

from rmq.management.access.cache import VerdictView, access_cache, drop_access_cache, drop_all_access_caches
from rmq.management.access.explanation import AccessCase, AccessView
from rmq.management.data.files import NodeDataFiles
from rmq.management.errors import PluginRefused
from rmq.management.messages.of_session import Part, SessionMessages, session_messages
from rmq.management.messages.slow_subscriptions import SlowView
from rmq.management.messages.topic_metrics import TopicFigures
from rmq.management.node.alarms import AlarmView
from rmq.management.node.evacuation import EvacuationView, view_evacuation
from rmq.management.node.listeners import ListenerAction, NodeListeners
from rmq.management.node.own_settings import SettingsChange
from rmq.management.peers import Question
from rmq.management.traces.tracing import TraceFileView

if TYPE_CHECKING:
    from rmq.management.local import LocalNode


@dataclass(frozen=True, slots=True)
class AskAccess(Question[AccessView]):
    """What do your access rules say of this?"""

    case: AccessCase

    async def of(self, node: "LocalNode") -> AccessView:
        return await node.operations.access.run(self.case)


@dataclass(frozen=True, slots=True)
class PreviewPlugin(Question[Mapping[str, object]]):
    """What would a reload of this plugin's configuration change?"""

    plugin: str

    async def of(self, node: "LocalNode") -> Mapping[str, object]:
        return await node.plugin_control.preview(self.plugin)


@dataclass(frozen=True, slots=True)
class AskSamePlugin(Question[bytes]):
    """What does the same plugin at your place answer to this? Only plugins know what the bytes mean."""

    plugin: str
    body: bytes

    async def of(self, node: "LocalNode") -> bytes:
        answer = node.operations.plugin_answers.get(self.plugin)
        if answer is None:
            raise PluginRefused(self.plugin, "doesn't run here, or answers no other node")
        return await answer(self.body)


@dataclass(frozen=True, slots=True)
class AskListeners(Question[NodeListeners]):
    """What listeners do you have?"""

    async def of(self, node: "LocalNode") -> NodeListeners:
        return node.operations.node_listeners()


@dataclass(frozen=True, slots=True)
class ChangeListener(Question[None]):
    """Start, stop or restart this listener."""

    changes: ClassVar[bool] = True
    name: str
    action: ListenerAction

    async def of(self, node: "LocalNode") -> None:
        await node.operations.listeners.change(self.name, self.action)


@dataclass(frozen=True, slots=True)
class AskAlarms(Question[tuple[AlarmView, ...]]):
    """Which alarms are on, or over?"""

    activated: bool

    async def of(self, node: "LocalNode") -> tuple[AlarmView, ...]:
        return node.operations.some_alarms(activated=self.activated)


@dataclass(frozen=True, slots=True)
class DeactivateAlarm(Question[bool]):
    """Put this alarm off; was it on?"""

    changes: ClassVar[bool] = True
    name: str

    async def of(self, node: "LocalNode") -> bool:
        return node.operations.alarms.deactivate(self.name, node.broker.clock())


@dataclass(frozen=True, slots=True)
class ForgetAlarms(Question[int]):
    """Forget the alarms that are over; how many were there?"""

    changes: ClassVar[bool] = True

    async def of(self, node: "LocalNode") -> int:
        return node.operations.alarms.clear_history()


@dataclass(frozen=True, slots=True)
class AskTraceFiles(Question[tuple[TraceFileView, ...]]):
    """What have you written for each trace?"""

    async def of(self, node: "LocalNode") -> tuple[TraceFileView, ...]:
        return node.operations.tracing.views()


@dataclass(frozen=True, slots=True)
class AskTraceLog(Question[bytes]):
    """What is in what you have written for this trace?"""

    name: str
    position: int
    count: int

    async def of(self, node: "LocalNode") -> bytes:
        return await node.operations.tracing.read(self.name, self.position, self.count)


@dataclass(frozen=True, slots=True)
class AskTopicFigures(Question[tuple[TopicFigures, ...]]):
    """What have you counted of single topic names?"""

    async def of(self, node: "LocalNode") -> tuple[TopicFigures, ...]:
        return node.operations.topic_metrics.figures()


@dataclass(frozen=True, slots=True)
class AskSlowSubscriptions(Question[tuple[SlowView, ...]]):
    """Which of your subscriptions were slow?"""

    async def of(self, node: "LocalNode") -> tuple[SlowView, ...]:
        return node.operations.slow_subscriptions.views()


@dataclass(frozen=True, slots=True)
class ForgetSlowSubscriptions(Question[None]):
    """Forget which were slow."""

    changes: ClassVar[bool] = True

    async def of(self, node: "LocalNode") -> None:
        node.operations.slow_subscriptions.clear()


@dataclass(frozen=True, slots=True)
class AskEvacuation(Question[EvacuationView]):
    """Are you being drained?"""

    async def of(self, node: "LocalNode") -> EvacuationView:
        return view_evacuation(node)


@dataclass(frozen=True, slots=True)
class AskDataFiles(Question[NodeDataFiles]):
    """Which files of exported data do you have?"""

    async def of(self, node: "LocalNode") -> NodeDataFiles:
        return NodeDataFiles(node.ref, await trio.to_thread.run_sync(node.operations.data_files.all))


@dataclass(frozen=True, slots=True)
class ReadDataFile(Question[bytes]):
    """What is in this file from there on? A piece, nothing behind the end."""

    name: str
    offset: int

    async def of(self, node: "LocalNode") -> bytes:
        return await trio.to_thread.run_sync(node.operations.data_files.read, self.name, self.offset)


@dataclass(frozen=True, slots=True)
class DeleteDataFile(Question[None]):
    """Delete this file."""

    changes: ClassVar[bool] = True
    name: str

    async def of(self, node: "LocalNode") -> None:
        await trio.to_thread.run_sync(node.operations.data_files.delete, self.name)


@dataclass(frozen=True, slots=True)
class AskSessionMessages(Question[SessionMessages]):
    """What is on its way to this client?"""

    client_id: str
    part: Part
    after: int
    limit: int
    payload_bytes: int

    async def of(self, node: "LocalNode") -> SessionMessages:
        return await session_messages(node, self.client_id, self.part, self.after, self.limit, self.payload_bytes)


@dataclass(frozen=True, slots=True)
class AskAccessCache(Question[tuple[VerdictView, ...]]):
    """What do you remember of what this client may publish?"""

    client_id: str

    async def of(self, node: "LocalNode") -> tuple[VerdictView, ...]:
        return access_cache(node, self.client_id)


@dataclass(frozen=True, slots=True)
class DropAccessCache(Question[None]):
    """Forget that, or what of it is about one topic name."""

    changes: ClassVar[bool] = True
    client_id: str
    topic: str | None

    async def of(self, node: "LocalNode") -> None:
        drop_access_cache(node, self.client_id, self.topic)


@dataclass(frozen=True, slots=True)
class DropAllAccessCaches(Question[int]):
    """Forget that of all clients; how many are connected?"""

    changes: ClassVar[bool] = True

    async def of(self, node: "LocalNode") -> int:
        return await drop_all_access_caches(node)


@dataclass(frozen=True, slots=True)
class ChangeSettings(Question[SettingsChange]):
    """Change these of your settings, by key."""

    changes: ClassVar[bool] = True
    values: Mapping[str, object]

    async def of(self, node: "LocalNode") -> SettingsChange:
        return await node.operations.node_settings.change(self.values)
