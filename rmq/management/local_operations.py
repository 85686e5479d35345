"""What this node has for those who operate it: listeners, alarms, delayed messages, traces, an object each."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rmq.hooks.registry import HookRegistry
from rmq.management.access.explanation import AccessTest
from rmq.management.access.review import SubscriptionReview
from rmq.management.data.files import DataFiles
from rmq.management.messages.delayed import Delayed
from rmq.management.messages.retaining import Retaining
from rmq.management.messages.sharing import Sharing
from rmq.management.messages.slow_subscriptions import SlowSubscriptions
from rmq.management.messages.topic_metrics import TopicMetrics
from rmq.management.node.alarms import Alarms, AlarmView
from rmq.management.node.life import LifeControl, NoLife
from rmq.management.node.listeners import ListenerControl, NodeListeners, NoListeners
from rmq.management.node.own_settings import NoSettings, SettingsControl
from rmq.management.node.shared_settings import SharedSettings
from rmq.management.node.stored import StoredView, view_stored
from rmq.management.traces.tracing import Tracing
from rmq.session.limits import Limits

if TYPE_CHECKING:
    from rmq.management.local import LocalNode


class LocalOperations:
    """Whoever builds the node sets ``listeners`` and ``listener_limits``, and has ``alarms`` judge what it measures.

    ``node_settings`` and ``life``, set by whoever has files and a process, are of this node alone. ``folder`` is where
    what is written for people goes. ``tracing`` is to be run. ``plugin_answers`` are
    those of plugins to themselves on other nodes.
    """

    def __init__(self, node: "LocalNode", hooks: HookRegistry, folder: Path) -> None:
        self._node = node
        self.listeners: ListenerControl = NoListeners()
        self.listener_limits: Sequence[Limits] = ()
        self.settings = SharedSettings(node.accounts)
        self.node_settings: SettingsControl = NoSettings()
        self.life: LifeControl = NoLife()
        self.alarms = Alarms(node.ref)
        self.delayed = Delayed(node)
        self.topic_metrics = TopicMetrics(node, hooks)
        self.slow_subscriptions = SlowSubscriptions(node, hooks)
        self.access = AccessTest(node, hooks)
        self.review = SubscriptionReview(node, hooks)
        self.tracing = Tracing(node, hooks, folder / "trace")
        self.data_files = DataFiles()
        self.retaining = Retaining(node)
        self.sharing = Sharing(node)
        self.plugin_answers: dict[str, Callable[[bytes], Awaitable[bytes]]] = {}

    def node_listeners(self) -> NodeListeners:
        """The listeners of this node."""
        return NodeListeners(self._node.ref, tuple(self.listeners.describe()))

    def some_alarms(self, *, activated: bool) -> tuple[AlarmView, ...]:
        """Those that are on, or those that are over."""
        return self.alarms.active() if activated else self.alarms.history()

    async def stored(self) -> StoredView:
        """What is kept on disk, counted now."""
        return await view_stored(self._node)
