"""Messages that are published later, as administrators see them: listed, taken out, and how many there may be.

Every node keeps all of them, so each answers by itself.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmq.management.clients import view_properties
from rmq.management.errors import BadQuery, DelayedNotFound
from rmq.management.models import Page, PropertiesView
from rmq.management.node.shared_settings import KIND as SETTING
from rmq.management.queries import Paging
from rmq.management.walk import take_page
from rmq.storage.records import DelayMessage, RemoveDelayed

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

NAME: Final = "delayed"
MOST: Final = 100_000_000
# So many are taken out in one change.
DELETED_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class DelayedView:
    """A message that is published at ``due_at``; ``key`` names it, ``node_id`` is the node that took it.

    Times in seconds since 1970; ``publisher`` is a client id or "".
    """

    key: str
    node_id: int
    topic: str
    payload: bytes
    qos: int
    retain: bool
    publisher: str
    created_at: float
    due_at: float
    properties: PropertiesView


@dataclass(frozen=True, slots=True)
class DelayedRules:
    """Whether clients may delay messages, and how many may wait; 0: any number."""

    enabled: bool
    max_messages: int


class Delayed:
    """The delayed messages, and the rules for them, which may be changed for all nodes."""

    def __init__(self, node: "LocalNode") -> None:
        self._node = node
        self._broker = node.broker
        # What the files say: the number, and of each listener whether it takes delayed messages.
        self._configured_max = 0
        self._configured_limits: list[bool] | None = None
        self._broker.account_watch.listen(SETTING, self._changed)

    async def messages(self, paging: Paging, topic: str | None = None) -> Page[DelayedView]:
        """Those that wait, of one topic name or of all; in no order unless the page begins at a cursor."""
        waiting = self._broker.state.delayed
        rows = list(waiting.values())

        def test(row: DelayMessage) -> bool:
            return (topic is None or row.message.topic == topic) and row.key in waiting

        return await take_page(rows, test, _key, _view, paging, self._node.turns)

    def message(self, key: str) -> DelayedView:
        """One of them; raises ``DelayedNotFound``."""
        found = self._broker.state.delayed.get(key)
        if found is None:
            raise DelayedNotFound(key)
        return _view(found)

    async def delete(self, key: str) -> None:
        """Take one out; raises ``DelayedNotFound``."""
        self.message(key)
        await self._node.changes.propose([RemoveDelayed(key)])

    async def delete_topic(self, topic: str) -> int:
        """Take out all of a topic name; answers how many there were, raises ``DelayedNotFound`` for none."""
        keys = [key for key, found in self._broker.state.delayed.items() if found.message.topic == topic]
        if not keys:
            raise DelayedNotFound(topic)
        for start in range(0, len(keys), DELETED_AT_ONCE):
            await self._node.changes.propose([RemoveDelayed(key) for key in keys[start : start + DELETED_AT_ONCE]])
        return len(keys)

    def rules(self) -> DelayedRules:
        """As they are now."""
        limits = self._node.operations.listener_limits
        return DelayedRules(any(found.delayed_publish for found in limits), self._broker.delayed.max_count)

    async def change_rules(self, enabled: bool | None = None, max_messages: int | None = None) -> DelayedRules:
        """Change them on every node, also for those that join later; what is None stays as it is."""
        if max_messages is not None and not 0 <= max_messages <= MOST:
            raise BadQuery("max_delayed_messages", f"must be from 0 (any number) to {MOST}")
        now = self.rules()
        rules = DelayedRules(
            now.enabled if enabled is None else enabled, now.max_messages if max_messages is None else max_messages
        )
        written = json.dumps({"enabled": rules.enabled, "max_messages": rules.max_messages}).encode()
        await self._node.operations.settings.put(NAME, written)
        return rules

    def _changed(self, name: str | None) -> None:
        if name not in (None, NAME):
            return
        limits = self._node.operations.listener_limits
        if self._configured_limits is None:
            self._configured_max = self._broker.delayed.max_count
            self._configured_limits = [found.delayed_publish for found in limits]
        written = self._node.operations.settings.find(NAME)
        if written is None:
            self._broker.delayed.max_count = self._configured_max
            for found, enabled in zip(limits, self._configured_limits, strict=True):
                found.delayed_publish = enabled
            return
        fields = json.loads(written)
        self._broker.delayed.max_count = fields["max_messages"]
        for found in limits:
            found.delayed_publish = fields["enabled"]


def _key(row: DelayMessage) -> str:
    return row.key


def _view(row: DelayMessage) -> DelayedView:
    message = row.message
    head = row.key.partition("-")[0]
    return DelayedView(
        row.key,
        int(head, 16) if len(head) == 8 else 0,
        message.topic,
        message.payload,
        message.qos,
        message.retain,
        message.publisher,
        message.created_at,
        row.due_at,
        view_properties(message.properties),
    )
