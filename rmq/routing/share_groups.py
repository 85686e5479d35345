"""Shared subscriptions: a group's members, and which one of them takes a message.

The seven strategies, by name as in the configuration:

``round_robin``            each group (share name and topic filter) goes round its members: exactly even per group.
``round_robin_per_group``  one turn for all topic filters of a share name: even over the group's whole load.
``random``                 any member.
``sticky``                 a publisher keeps the member it was given first, until that member goes.
``local``                  any member connected to this node; if there is none, any one connected to another.
``hash_clientid``          chosen by the publisher's client id: all of one publisher's messages to one member.
``hash_topic``             chosen by the topic name: all messages of one topic to one member.

The hash strategies use rendezvous hashing on client ids: every node chooses the same member whatever the order of
joining, and when a member goes only its own keys move.
"""

from typing import TYPE_CHECKING, Final
from zlib import crc32

from rmq.mqtt.message import Message
from rmq.session.subscription import Subscription

if TYPE_CHECKING:
    from rmq.session.session import Session

ROUND_ROBIN: Final = 0
ROUND_ROBIN_PER_GROUP: Final = 1
RANDOM: Final = 2
STICKY: Final = 3
LOCAL: Final = 4
HASH_CLIENTID: Final = 5
HASH_TOPIC: Final = 6

STRATEGY_NAMES: Final[list[str]] = [
    "round_robin",
    "round_robin_per_group",
    "random",
    "sticky",
    "local",
    "hash_clientid",
    "hash_topic",
]

_RANDOM_PROBES: Final = 8
# From this many members on a dict finds a member; below, looking at each is smaller and as quick.
_FEW_MEMBERS: Final = 12
# All hash arithmetic stays below 2**61: beyond that compiled code leaves machine integers.
_MASK30: Final = 0x3FFFFFFF


def strategy_code(name: str) -> int:
    """The strategy called ``name``; ValueError for a word that isn't one."""
    if name not in STRATEGY_NAMES:
        raise ValueError(f"unknown shared subscription strategy {name!r}; known: {', '.join(STRATEGY_NAMES)}")
    return STRATEGY_NAMES.index(name)


class Turn:
    """Whose turn it is in all groups of one share name, and how many groups go by it."""

    __slots__ = ("groups", "value")

    def __init__(self) -> None:
        self.value: int = 0
        self.groups: int = 0


class ShareStrategy:
    """The strategy in force and what it remembers across groups.

    What sticky remembers is bounded: two generations of at most half of ``sticky_limit`` bindings each; a full
    young one becomes the old one, so a binding is forgotten only when unused for as many new ones.
    """

    __slots__ = ("_bindings", "_old_bindings", "_random", "_serial", "_sticky_half", "_turns", "kind")

    def __init__(self, kind: int = ROUND_ROBIN, seed: int = 1, sticky_limit: int = 100_000) -> None:
        self.kind = kind
        self._random: int = (seed & _MASK30) | 1
        self._serial: int = 0
        self._sticky_half: int = max(1, sticky_limit // 2)
        self._bindings: dict[str, str] = {}
        self._old_bindings: dict[str, str] = {}
        self._turns: dict[str, Turn] = {}

    def change(self, kind: int, sticky_limit: int) -> None:
        """Another strategy from the next message on; what sticky remembers goes when it is no longer that."""
        self.kind = kind
        half = max(1, sticky_limit // 2)
        if kind != STICKY or half < self._sticky_half:
            self._bindings = {}
            self._old_bindings = {}
        self._sticky_half = half

    def take_rules(self, other: "ShareStrategy") -> None:
        """Choose as another one does; whose turn it is, and which member a publisher has, stay."""
        self.kind = other.kind
        self._sticky_half = other._sticky_half

    def make_successor(self) -> "ShareStrategy":
        """The same strategy for other groups: whose turn it is, and which member a publisher has, begin anew."""
        return ShareStrategy(self.kind, self._random, 2 * self._sticky_half)

    def next_random(self, bound: int) -> int:
        """0 <= result < bound. xorshift: even enough for load, and cheap."""
        x = self._random
        x ^= (x << 13) & _MASK30
        x ^= x >> 17
        x ^= (x << 5) & _MASK30
        if x == 0:
            x = 1
        self._random = x
        return ((x * 0x2545F491) >> 13) % bound

    def new_serial(self) -> int:
        """A number no other group of this strategy has had: keeps bindings of a dead group from a new one."""
        self._serial += 1
        return self._serial

    def join_turn(self, share_name: str) -> Turn:
        turn = self._turns.get(share_name)
        if turn is None:
            turn = Turn()
            self._turns[share_name] = turn
        turn.groups += 1
        return turn

    def leave_turn(self, share_name: str) -> None:
        turn = self._turns.get(share_name)
        if turn is not None:
            turn.groups -= 1
            if turn.groups == 0:
                del self._turns[share_name]

    def binding(self, key: str) -> str | None:
        bound = self._bindings.get(key)
        if bound is None:
            bound = self._old_bindings.get(key)
            if bound is not None:
                self.bind(key, bound)
        return bound

    def bind(self, key: str, client_id: str) -> None:
        if len(self._bindings) >= self._sticky_half and key not in self._bindings:
            self._old_bindings = self._bindings
            self._bindings = {}
        self._bindings[key] = client_id

    @property
    def binding_count(self) -> int:
        return len(self._bindings) + len(self._old_bindings)


class ShareGroup:
    """One share: a share name with a topic filter, and the sessions that subscribed to it.

    Two filters with the same share name are two groups [MQTT-4.8.2-3]. The order of ``members`` means nothing.
    """

    __slots__ = (
        "_name_turn",
        "_places",
        "_serial",
        "_strategy",
        "_turn",
        "_weights",
        "members",
        "name",
        "topic_filter",
    )

    def __init__(self, name: str, topic_filter: str, strategy: ShareStrategy) -> None:
        self.name = name
        self.topic_filter = topic_filter
        self.members: list[Subscription] = []
        self._strategy = strategy
        self._serial: int = strategy.new_serial()
        self._turn: int = 0
        self._name_turn: Turn = strategy.join_turn(name)
        self._places: dict[str, int] | None = None
        self._weights: list[int] | None = None

    def add(self, subscription: Subscription) -> Subscription | None:
        """Takes a member in; the one it replaces (same client id), if any."""
        client_id = subscription.session.client_id
        place = self._place(client_id)
        if place >= 0:
            replaced = self.members[place]
            self.members[place] = subscription
            return replaced
        self.members.append(subscription)
        if self._weights is not None:
            self._weights.append(_hash30(client_id))
        count = len(self.members)
        if self._places is not None:
            self._places[client_id] = count - 1
        elif count > _FEW_MEMBERS:
            places: dict[str, int] = {}
            for i in range(count):
                places[self.members[i].session.client_id] = i
            self._places = places
        return None

    def remove(self, client_id: str) -> Subscription | None:
        """Lets a member go; the last one takes its place, so that nothing is shifted."""
        place = self._place(client_id)
        if place < 0:
            return None
        members = self.members
        gone = members[place]
        last = members.pop()
        weights = self._weights
        last_weight = weights.pop() if weights is not None else 0
        if self._places is not None:
            del self._places[client_id]
            if len(members) < _FEW_MEMBERS // 2:
                self._places = None
        if last is not gone:
            members[place] = last
            if weights is not None:
                weights[place] = last_weight
            if self._places is not None:
                self._places[last.session.client_id] = place
        return gone

    def dissolve(self) -> None:
        """The group is being dropped: gives up its part in the share name's turn."""
        self._strategy.leave_turn(self.name)

    def member(self, client_id: str) -> Subscription | None:
        place = self._place(client_id)
        return self.members[place] if place >= 0 else None

    def choose(
        self, message: Message, live_only: bool = False, exclude: "Session | None" = None
    ) -> Subscription | None:
        """The member that takes this message: a connected one while there is one, else a persistent one.

        ``exclude`` is never chosen (the one that just failed to take it). None: nobody can take the message.
        """
        members = self.members
        count = len(members)
        if count == 0:
            return None
        if count == 1:
            only = members[0]
            if _can_take(only, True, exclude) or (not live_only and _can_take(only, False, exclude)):
                return only
            return None
        chosen = self._pick(message, True, exclude)
        if chosen is None and not live_only:
            chosen = self._pick(message, False, exclude)
        return chosen

    def _place(self, client_id: str) -> int:
        if self._places is not None:
            return self._places.get(client_id, -1)
        members = self.members
        for i in range(len(members)):
            if members[i].session.client_id == client_id:
                return i
        return -1

    def _pick(self, message: Message, live: bool, exclude: "Session | None") -> Subscription | None:
        kind = self._strategy.kind
        if kind == ROUND_ROBIN:
            return self._next_in_turn(live, exclude)
        if kind == ROUND_ROBIN_PER_GROUP:
            return self._next_of_name(live, exclude)
        if kind == STICKY:
            return self._pick_sticky(message, live, exclude)
        if kind == HASH_CLIENTID:
            return self._pick_hash(message.publisher, live, exclude)
        if kind == HASH_TOPIC:
            return self._pick_hash(message.topic, live, exclude)
        if kind == LOCAL and live:
            return self._pick_local(exclude)
        return self._pick_random(live, exclude)

    def _next_in_turn(self, live: bool, exclude: "Session | None") -> Subscription | None:
        members = self.members
        count = len(members)
        place = self._turn
        for _ in range(count):
            if place >= count:
                place = 0
            candidate = members[place]
            place += 1
            if _can_take(candidate, live, exclude):
                self._turn = place
                return candidate
        return None

    def _next_of_name(self, live: bool, exclude: "Session | None") -> Subscription | None:
        members = self.members
        count = len(members)
        turn = self._name_turn
        first = turn.value % count
        for step in range(count):
            place = first + step
            candidate = members[place if place < count else place - count]
            if _can_take(candidate, live, exclude):
                turn.value = (turn.value + step + 1) & _MASK30
                return candidate
        return None

    def _pick_random(self, live: bool, exclude: "Session | None") -> Subscription | None:
        members = self.members
        count = len(members)
        for _ in range(_RANDOM_PROBES):
            candidate = members[self._strategy.next_random(count)]
            if _can_take(candidate, live, exclude):
                return candidate
        # Mostly members that can't: look at all, so that each that can has the same chance.
        able = [member for member in members if _can_take(member, live, exclude)]
        if not able:
            return None
        return able[self._strategy.next_random(len(able))]

    def _pick_local(self, exclude: "Session | None") -> Subscription | None:
        members = self.members
        count = len(members)
        for _ in range(_RANDOM_PROBES):
            candidate = members[self._strategy.next_random(count)]
            if candidate.session.channel is not None and candidate.session is not exclude:
                return candidate
        here = [member for member in members if member.session.channel is not None and member.session is not exclude]
        if not here:
            return self._pick_random(True, exclude)
        return here[self._strategy.next_random(len(here))]

    def _pick_sticky(self, message: Message, live: bool, exclude: "Session | None") -> Subscription | None:
        key = f"{self._serial} {message.publisher}"
        bound = self._strategy.binding(key)
        if bound is not None:
            member = self.member(bound)
            if member is not None and _can_take(member, live, exclude):
                return member
        chosen = self._next_in_turn(live, exclude)
        if chosen is not None and live:
            self._strategy.bind(key, chosen.session.client_id)
        return chosen

    def _pick_hash(self, key: str, live: bool, exclude: "Session | None") -> Subscription | None:
        members = self.members
        weights = self._weights
        if weights is None:
            weights = [_hash30(member.session.client_id) for member in members]
            self._weights = weights
        key_hash = _hash30(key)
        best: Subscription | None = None
        best_weight = -1
        for i in range(len(members)):
            mixed = weights[i] ^ key_hash
            mixed = ((mixed ^ (mixed >> 15)) * 0x2C1B3C6D) & _MASK30
            mixed = ((mixed ^ (mixed >> 12)) * 0x297A2D39) & _MASK30
            mixed ^= mixed >> 15
            if mixed >= best_weight:
                candidate = members[i]
                if mixed == best_weight and best is not None and candidate.session.client_id > best.session.client_id:
                    continue  # equal weights (1 in 2**30): the client id decides, so that all nodes choose alike
                if _can_take(candidate, live, exclude):
                    best = candidate
                    best_weight = mixed
        return best


def _can_take(member: Subscription, live: bool, exclude: "Session | None") -> bool:
    session = member.session
    if session is exclude:
        return False
    if live:
        return session.is_live()
    return session.persistent


def _hash30(text: str) -> int:
    # Not hash(): that differs from process to process, and all nodes must choose the same member.
    return crc32(text.encode("utf-8", "replace")) & _MASK30
