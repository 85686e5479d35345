"""What becomes of a message that is to be retained, by the limits in force."""

from typing import TYPE_CHECKING

from rmq.mqtt.message import Message
from rmq.routing.retained_trie import RetainedTrie
from rmq.storage.records import DeleteRetained

if TYPE_CHECKING:
    from rmq.storage.state import State


def set_retained(state: "State", message: Message) -> None:
    """Replace what is retained on its topic name; without a payload remove it [MQTT-3.3.1-6], [MQTT-3.3.1-7]."""
    retained = state.retained
    if not message.payload:
        retained.remove(message.topic)
        return
    if state.max_retained_payload and len(message.payload) > state.max_retained_payload:
        _count_refused(state)
        return
    if state.max_retained and not _has_room(state, message.topic):
        _count_refused(state)
        return
    if state.is_own:
        state.ctx.counters.messages_retained += 1
    replaced = retained.get(message.topic)
    retained.set(message)
    if replaced is not None and replaced.location >= 0:
        state.ctx.to_disk.append(replaced)  # it was only kept in memory as long as it was retained
    if message.expires_at:
        state.events.retained(message)


def _count_refused(state: "State") -> None:
    if state.is_own:
        state.ctx.counters.retained_refused += 1


def _has_room(state: "State", topic: str) -> bool:
    # The broker's own figures on $SYS take nobody's place.
    retained = state.retained
    if topic.startswith("$SYS/") or retained.get(topic) is not None:
        return True
    return retained.count - retained.system_count < state.max_retained


def delete_retained(retained: RetainedTrie, operation: DeleteRetained) -> None:
    """Remove a message, if it is still the one that is meant."""
    message = retained.get(operation.topic)
    if message is not None and (operation.created_at == 0.0 or message.created_at == operation.created_at):
        retained.remove(operation.topic)
