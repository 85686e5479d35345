"""Topic aliases of the outbound direction: which topics of a connection get one, the most used first."""

from typing import Final

MAX_CANDIDATES: Final = 256


class OutboundAliases:
    """Aliases 1..``maximum`` of one connection; they end with it [MQTT-3.3.2-7].

    A topic gets an alias with its first use while there are any. When all are given away, a topic that is used more
    often than the least used one takes its alias over, as the protocol lets a sender reassign at any time.
    """

    __slots__ = ("alias_of", "candidates", "maximum", "topics", "uses")

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.alias_of: dict[str, int] = {}
        self.candidates: dict[str, int] = {}
        self.topics: list[str] = []
        self.uses: list[int] = []

    def known(self, topic: str) -> int:
        """The alias that the receiver already knows for the topic, or 0; counts the use."""
        alias = self.alias_of.get(topic, 0)
        if alias:
            self.uses[alias - 1] += 1
        return alias

    def assign(self, topic: str) -> int:
        """The alias that is to be sent along with the topic from now on, or 0 when it isn't used enough."""
        uses = self.candidates.get(topic, 0) + 1
        if len(self.topics) < self.maximum:
            self.topics.append(topic)
            self.uses.append(uses)
            alias = len(self.topics)
        else:
            alias = self._least_used() + 1
            if self.uses[alias - 1] >= uses:
                self._remember(topic, uses)
                return 0
            del self.alias_of[self.topics[alias - 1]]
            self.topics[alias - 1] = topic
            self.uses[alias - 1] = uses
        self.candidates.pop(topic, None)
        self.alias_of[topic] = alias
        return alias

    def _remember(self, topic: str, uses: int) -> None:
        if len(self.candidates) >= MAX_CANDIDATES and topic not in self.candidates:
            self.candidates.clear()
            # Old counts of aliases fade with those of the candidates: what was popular once can be replaced.
            for i in range(len(self.uses)):
                self.uses[i] //= 2
        self.candidates[topic] = uses

    def _least_used(self) -> int:
        least = 0
        for i in range(1, len(self.uses)):
            if self.uses[i] < self.uses[least]:
                least = i
        return least
