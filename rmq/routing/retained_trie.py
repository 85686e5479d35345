"""RetainedTrie: the retained message of each topic name, and those whose topic matches a filter."""

from typing import Final

from rmq.mqtt.message import Message
from rmq.routing.dict_memory import shrunk
from rmq.routing.topic_index import TopicIndex, TopicSearch
from rmq.routing.topic_trie import has_wildcard

_WHOLE_STEP: Final = 65536


class RetainedTrie:
    """Retained messages by topic name. What a message is worth (empty payload, expiry, limits) others decide.

    ``system_count`` is how many of ``count`` are the broker's own, on $SYS.
    """

    __slots__ = ("_index", "_messages", "system_count")

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}
        self._index: TopicIndex = TopicIndex()
        self.system_count: int = 0

    @property
    def count(self) -> int:
        return len(self._messages)

    def set(self, message: Message) -> bool:
        """Keeps a message as its topic's retained one; True if the topic had none."""
        topic = message.topic
        new = topic not in self._messages
        self._messages[topic] = message
        if new:
            self._index.add(topic)
            if topic.startswith("$SYS/"):
                self.system_count += 1
        return new

    def get(self, topic: str) -> Message | None:
        return self._messages.get(topic)

    def all(self) -> list[Message]:
        """All of them as they are now."""
        return list(self._messages.values())

    def remove(self, topic: str) -> bool:
        """True if there was one."""
        if self._messages.pop(topic, None) is None:
            return False
        if topic.startswith("$SYS/"):
            self.system_count -= 1
        self._messages = shrunk(self._messages)
        self._index.remove(topic)
        return True

    def clear(self) -> None:
        self._messages = {}
        self._index = TopicIndex()
        self.system_count = 0

    def exchange(self, other: "RetainedTrie") -> None:
        """Take the content of another one, which gets this one's."""
        self._messages, other._messages = other._messages, self._messages
        self._index, other._index = other._index, self._index
        self.system_count, other.system_count = other.system_count, self.system_count

    def take_apart(self, count: int) -> bool:
        """Let go of about so many messages, when nobody uses them any more; False when nothing is left."""
        messages = self._messages
        more = self._index.take_apart(count)
        while count and messages:
            messages.popitem()
            count -= 1
        return more or bool(messages)

    def match(self, topic_filter: str, limit: int = 0) -> list[Message]:
        """The messages matching a filter in one go, the first ``limit`` found unless it is 0."""
        matched: list[Message] = []
        cursor: TopicSearch | None = None
        while True:
            found, cursor = self.match_chunk(topic_filter, cursor, _WHOLE_STEP if limit == 0 else limit)
            matched.extend(found)
            if limit != 0 and len(matched) >= limit:
                return matched[:limit]
            if cursor is None:
                return matched

    def match_chunk(self, topic_filter: str, cursor: object, limit: int) -> tuple[list[Message], TopicSearch | None]:
        """A bounded step of a match: looks at no more than ``limit`` topics, so the list may well be empty.

        Begin with cursor None, go on with the (opaque) cursor returned until that is None. Whatever changes between two
        steps, a message there all the time is returned exactly once, in its newest state, and a removed one isn't.
        """
        found: list[Message] = []
        search: TopicSearch
        if isinstance(cursor, TopicSearch):
            search = cursor
        else:
            if not has_wildcard(topic_filter):
                message = self._messages.get(topic_filter)
                if message is not None:
                    found.append(message)
                return found, None
            search = self._index.search(topic_filter)
        messages = self._messages
        for topic in search.step(limit):
            message = messages.get(topic)
            if message is not None:
                found.append(message)
        return found, None if search.done else search
