"""What the access rules of plugins say of one client and one topic, asked by an administrator, and who decides it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from rmq.engine.filter_rules import filter_for_access
from rmq.hooks.registry import HookRegistry
from rmq.hooks.verdicts import ALLOW, UNDECIDED
from rmq.management.errors import BadQuery
from rmq.mqtt.codes import V5
from rmq.mqtt.errors import MqttError
from rmq.mqtt.topics import is_valid_topic_filter, is_valid_topic_name, split_filter
from rmq.session.client_info import ClientInfo

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

AccessAction = Literal["publish", "subscribe"]
# How a plugin says which verdict it would give, and which rule it goes by: nothing is counted, remembered or asked.
Explain = Callable[[ClientInfo, AccessAction, str, int, bool], tuple[int, Mapping[str, object]]]

# What rules are told of somebody who isn't a client at any listener.
LISTENER: Final = "api"
SUPERUSER: Final = "superuser"


@dataclass(frozen=True, slots=True)
class AccessCase:
    """Who wants what. What is None is as the client is connected; one that isn't connected has none of it."""

    client_id: str
    action: AccessAction
    topic: str
    qos: int = 0
    retain: bool = False
    username: str | None = None
    ip_address: str | None = None
    protocol_level: int | None = None
    superuser: bool | None = None

    def check(self) -> None:
        """``BadQuery`` for what nobody can want."""
        if self.action == "publish" and not is_valid_topic_name(self.topic):
            raise BadQuery("topic", f"{self.topic!r} isn't a topic name")
        if self.action == "subscribe" and not _is_filter(self.topic):
            raise BadQuery("topic", f"{self.topic!r} isn't a topic filter")
        if self.qos not in (0, 1, 2):
            raise BadQuery("qos", f"must be 0, 1 or 2, not {self.qos}")
        if self.protocol_level not in (None, 3, 4, 5):
            raise BadQuery("protocol", f"must be 3, 4 or 5, not {self.protocol_level}")


@dataclass(frozen=True, slots=True)
class AccessView:
    """What was decided on which node, of whom. ``decided_by`` is a plugin, "superuser", or "" where nobody decides.

    ``rule`` is what the plugin says of the rule that it goes by; empty where it says nothing.
    """

    node_id: int
    client_id: str
    username: str | None
    ip_address: str
    protocol_level: int
    superuser: bool
    connected: bool
    allowed: bool
    decided_by: str
    rule: Mapping[str, object]


class AccessTest:
    """Asks the plugins of this node in their order. ``explain`` has those that can say more than yes or no."""

    def __init__(self, node: "LocalNode", hooks: HookRegistry) -> None:
        self._node = node
        self._hooks = hooks
        self.explain: dict[str, Explain] = {}

    async def run(self, case: AccessCase) -> AccessView:
        """What is decided. A plugin that asks others, over HTTP or so, does it now."""
        channel = self._node.broker.registry.get(case.client_id)
        connected = None if channel is None else channel.info
        client = _client(self._node.ref.node_id, case, connected)
        allowed, by, rule = await self._decide(client, case)
        return AccessView(
            node_id=self._node.ref.node_id,
            client_id=client.client_id,
            username=client.username,
            ip_address=client.remote_host,
            protocol_level=client.protocol_level,
            superuser=client.superuser,
            connected=connected is not None,
            allowed=allowed,
            decided_by=by,
            rule=rule,
        )

    async def _decide(self, client: ClientInfo, case: AccessCase) -> tuple[bool, str, Mapping[str, object]]:
        if client.superuser:
            return True, SUPERUSER, {}
        if case.action == "publish":
            point, topic = "message_publish_check_acl", case.topic
            arguments: tuple[object, ...] = (client, topic, case.qos, case.retain)
        else:
            point, topic = "client_subscribe_check_acl", filter_for_access(case.topic)
            arguments = (client, topic, case.qos)
        for handle in self._hooks.handles(point):
            explain = self.explain.get(handle.plugin)
            rule: Mapping[str, object] = {}
            verdict: object
            if explain is not None:
                verdict, rule = explain(client, case.action, topic, case.qos, case.retain)
            elif handle.is_async:
                verdict = await handle.guard.wait(*arguments)
            else:
                verdict = handle.guard(*arguments)
            if verdict != UNDECIDED:
                return verdict == ALLOW, handle.plugin, rule
        return True, "", {}


def _client(node_id: int, case: AccessCase, connected: ClientInfo | None) -> ClientInfo:
    given = (case.username, case.ip_address, case.protocol_level, case.superuser)
    if connected is not None and given == (None,) * len(given):
        return connected
    base = connected or ClientInfo(node_id, case.client_id, None, V5, "", 0, LISTENER, 0)
    made = ClientInfo(
        node_id,
        case.client_id,
        base.username if case.username is None else case.username,
        base.protocol_level if case.protocol_level is None else case.protocol_level,
        base.remote_host if case.ip_address is None else case.ip_address,
        base.remote_port,
        base.listener,
        base.local_port,
    )
    made.superuser = base.superuser if case.superuser is None else case.superuser
    return made


def _is_filter(text: str) -> bool:
    try:
        return is_valid_topic_filter(split_filter(text)[2])
    except MqttError:
        return False
