"""The events as JSON: RMQTT's keys; who isn't known is null, without a user name it is "undefined"."""

from base64 import b64encode
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

from rmq.plugin_api import REASON_NAMES, ClientInfo, Message, Subscription, SubscriptionRequest

# Clients that have gone are known for a while: their session may end later than their connection.
MAX_GONE: Final = 10_000
NO_USER: Final = "undefined"
ACCEPTED: Final = "Connection Accepted"
V5: Final = 5

Body = dict[str, object]


class KnownClients:
    """Who the client ids of publishers and receivers are, as far as they have been connected here."""

    def __init__(self) -> None:
        self._here: dict[str, ClientInfo] = {}
        self._gone: OrderedDict[str, ClientInfo] = OrderedDict()

    def connected(self, client: ClientInfo) -> None:
        """A client is there."""
        self._gone.pop(client.client_id, None)
        self._here[client.client_id] = client

    def disconnected(self, client: ClientInfo) -> None:
        """And gone."""
        if self._here.get(client.client_id) is client:
            del self._here[client.client_id]
            self._gone[client.client_id] = client
            if len(self._gone) > MAX_GONE:
                self._gone.popitem(last=False)

    def get(self, client_id: str) -> ClientInfo | None:
        """What is known of a client id."""
        return self._here.get(client_id) or self._gone.get(client_id)


def time_text(now: float) -> str:
    """As RMQTT writes times, in UTC."""
    moment = datetime.fromtimestamp(now, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"


def millis(seconds: float) -> int:
    """Milliseconds since 1970."""
    return int(seconds * 1000)


def who(client: ClientInfo) -> Body:
    """The client that an event is about."""
    return {
        "node": client.node_id,
        "ipaddress": _address(client),
        "clientid": client.client_id,
        "username": client.username or NO_USER,
    }


def who_by_id(node_id: int, client_id: str, client: ClientInfo | None) -> Body:
    """The same of a client that isn't connected."""
    if client is not None:
        return who(client)
    return {"node": node_id, "ipaddress": None, "clientid": client_id, "username": NO_USER}


def connection(client: ClientInfo, keepalive: int, clean_start: bool) -> Body:
    """A client that connects."""
    name = "clean_start" if client.protocol_level == V5 else "clean_session"
    return who(client) | {"keepalive": keepalive, "proto_ver": client.protocol_level, name: clean_start}


def user_properties(client: ClientInfo) -> Body:
    """The user properties of CONNECT, a list where a name comes more than once; MQTT 5 only."""
    if client.protocol_level != V5:
        return {}
    gathered: dict[str, object] = {}
    for name, value in client.user_properties or ():
        before = gathered.get(name)
        if before is None:
            gathered[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            gathered[name] = [before, value]
    return {"user_properties": gathered}


def reason(code: int) -> str:
    """A reason code in words."""
    return REASON_NAMES.get(code, f"0x{code:02x}")


def options(client: ClientInfo, subscribed: Subscription | SubscriptionRequest) -> Body:
    """The options of a subscription; MQTT 3 has its QoS only."""
    if client.protocol_level != V5:
        return {"qos": subscribed.qos}
    return {
        "qos": subscribed.qos,
        "no_local": subscribed.no_local,
        "retain_as_published": subscribed.retain_as_published,
        "retain_handling": subscribed.retain_handling,
    }


def publisher(node_id: int, message: Message, client: ClientInfo | None) -> Body:
    """Who a message is from."""
    if client is None:
        return {
            "from_node": None if message.publisher else node_id,
            "from_ipaddress": None,
            "from_clientid": message.publisher,
            "from_username": NO_USER,
        }
    return {f"from_{name}": value for name, value in who(client).items()}


def content(message: Message) -> Body:
    """A message; hooks aren't told its packet identifier."""
    return {
        "dup": False,
        "retain": message.retain,
        "qos": message.qos,
        "topic": message.topic,
        "packet_id": None,
        "payload": b64encode(message.payload).decode("ascii"),
    }


def _address(client: ClientInfo) -> str:
    host = f"[{client.remote_host}]" if ":" in client.remote_host else client.remote_host
    return f"{host}:{client.remote_port}"
