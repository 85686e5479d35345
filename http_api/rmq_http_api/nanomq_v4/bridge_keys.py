"""NanoMQ's keys of a bridge as ours: the one table of what a request may say, and what has no counterpart.

NanoMQ has a bridge's keys side by side where they are changed, and those of the connection in ``connector`` where they
are told; both are understood. ``null`` says nothing. What has no counterpart may be there as long as it asks for
nothing: false, 0, "" or empty.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

from rmq_http_api.errors import ApiError, MissingParameter
from rmq_http_api.nanomq.settings import MASK

Table = dict[str, Any]
Given = Mapping[str, JsonValue]

# What the plugins have for the topic name on the side that a message comes from.
LOCAL_TOPIC: Final = "${local.topic}"
REMOTE_TOPIC: Final = "${remote.topic}"
NAMED_AT_MOST: Final = 8
# What moves no message to another place: NanoMQ's own threads and queues, what only the other broker is told, and that
# the server's certificate is looked at, which it always is here.
WITHOUT_EFFECT: Final = frozenset(
    {
        "parallel",
        "max_parallel_processes",
        "max_recv_queue_len",
        "sub_properties",
        "unsub_properties",
        "ssl.verify_peer",
        "ssl.fail_if_no_peer_cert",
    }
)
_SCHEMES: Final = {"mqtt-tcp": "tcp", "tcp": "tcp", "mqtt": "tcp", "tls+mqtt-tcp": "tls", "tls": "tls", "mqtts": "tls"}
_VERSIONS: Final = {4: "v4", 5: "v5"}
# Other names that NanoMQ has, or had.
_NAMES: Final = {"ssl.key": "ssl.keyfile", "ssl.cert": "ssl.certfile", "ssl.cacert": "ssl.cacertfile"}
_SAME_HERE: Final[Mapping[str, tuple[JsonValue, ...]]] = {
    "conn_properties.request_problem_information": (True, 1),
    "retain_as_published": (True, 1),
    "retain_handling": (1,),
}


@dataclass(slots=True)
class Wanted:
    """Our keys as they are to be: ``common`` of both directions, ``egress`` of the way out.

    ``forwards`` and ``subscription`` are all entries there are to be, None: those that there are. ``tls`` is what is
    said beside the server about it. ``ignored`` are NanoMQ's keys that have no effect, ``refused`` those that have no
    counterpart.
    """

    common: Table = field(default_factory=dict)
    egress: Table = field(default_factory=dict)
    forwards: Sequence[Table] | None = None
    subscription: Sequence[Table] | None = None
    tls: bool | None = None
    ignored: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def settle(self, *, keeps: bool) -> None:
        """``ApiError`` names what has no counterpart, unless such keys are accepted and have no effect."""
        refused = sorted(set(self.refused))
        if refused and not keeps:
            names = ", ".join(name[:64] for name in refused[:NAMED_AT_MOST])
            raise ApiError(
                400, "BAD_PARAMETER", f"{names}: no counterpart here (compat_keep_unknown ignores such keys)"
            )
        self.ignored = sorted({*self.ignored, *refused})

    def note(self, key: str, value: JsonValue) -> None:
        """A key that has no counterpart, or no effect."""
        if value is None:
            return
        if key in WITHOUT_EFFECT:
            self.ignored.append(key)
        elif (value not in same) if (same := _SAME_HERE.get(key.rpartition("].")[2])) else value:
            self.refused.append(key)


def read_bridge(name: str, given: Given) -> Wanted:
    """What a ``PUT`` wants of a bridge; ``ApiError`` names a value that can't be."""
    wanted = Wanted()
    for key, value in _flat(given).items():
        if value is None:
            continue
        if key == "name":
            if value != name:
                raise bad("name", "is what the path says: a bridge can't be renamed")
        elif key == "forwards":
            wanted.forwards = [
                read_forward(wanted, f"forwards[{at}]", one) for at, one in enumerate(tables(key, value))
            ]
        elif key == "subscription":
            wanted.subscription = read_subscription(wanted, value)
        elif key in _KEYS:
            _KEYS[key](wanted, key, value)
        else:
            wanted.note(key, value)
    return wanted


def read_subscription(wanted: Wanted, value: JsonValue) -> list[Table]:
    """The entries for ``subscription``; what has no counterpart is noted."""
    return [_read_taken(wanted, f"subscription[{at}]", one) for at, one in enumerate(tables("subscription", value))]


def read_forward(wanted: Wanted, where: str, given: Given) -> Table:
    """One of ``forwards``."""
    topic, entry = _read_entry(wanted, where, given, "local_topic", "remote_topic", LOCAL_TOPIC)
    if given.get("qos") is not None:
        entry["qos"] = given["qos"]
    return {"local": {"topic_filter": topic}, "remote": entry}


def _read_taken(wanted: Wanted, where: str, given: Given) -> Table:
    topic, entry = _read_entry(wanted, where, given, "remote_topic", "local_topic", REMOTE_TOPIC)
    remote: Table = {"topic": topic}
    if given.get("qos") is not None:
        remote["qos"] = given["qos"]
    return {"remote": remote, "local": entry}


def _read_entry(
    wanted: Wanted, where: str, given: Given, source: str, target: str, placeholder: str
) -> tuple[str, Table]:
    """The topic filter of an entry, and what its messages become."""
    if given.get(source) in (None, ""):
        raise MissingParameter(f"{where}.{source}: must be there")
    texts = {key: text(f"{where}.{key}", given.get(key) or "") for key in (source, target, "prefix", "suffix")}
    entry: Table = {"topic": texts["prefix"] + (texts[target] or placeholder) + texts["suffix"]}
    for key, value in given.items():
        if key == "retain" and value in (0, 1):  # true and false are these, and 2 is as it comes
            entry["retain"] = bool(value)
        elif key not in (*texts, "qos") and not (key == "retain" and value == 2):
            wanted.note(f"{where}.{key}", value)
    return texts[source], entry


# One key


def bad(key: str, problem: str) -> ApiError:
    """A value that can't be."""
    return ApiError(400, "BAD_PARAMETER", f"{key[:64]}: {problem}")


def text(key: str, value: JsonValue) -> str:
    """A text; ``ApiError`` for anything else."""
    if not isinstance(value, str):
        raise bad(key, "must be a text")
    return value


def flag(key: str, value: JsonValue) -> bool:
    """True or false; ``ApiError`` for anything else."""
    if not isinstance(value, bool):
        raise bad(key, "must be true or false")
    return value


def tables(key: str, value: JsonValue) -> Sequence[Given]:
    """A list of objects; ``ApiError`` for anything else."""
    if not isinstance(value, list):
        raise bad(key, "must be a list of objects")
    found = []
    for one in value:
        if not isinstance(one, dict):
            raise bad(key, "must be a list of objects")
        found.append(one)
    return found


def _number(key: str, value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad(key, "must be a whole number")
    return value


def _enable(wanted: Wanted, key: str, value: JsonValue) -> None:
    wanted.common["enable"] = flag(key, value)


def _server(wanted: Wanted, key: str, value: JsonValue) -> None:
    scheme, slashes, rest = text(key, value).partition("://")
    if not slashes or scheme not in _SCHEMES:
        raise bad(key, "must be mqtt-tcp://host:port or tls+mqtt-tcp://host:port")
    wanted.common["server"] = f"{_SCHEMES[scheme]}://{rest}"


def _version(wanted: Wanted, key: str, value: JsonValue) -> None:
    number = _number(key, value)
    if number not in _VERSIONS:
        raise bad(key, "must be 4 or 5")
    wanted.common["mqtt_ver"] = _VERSIONS[number]


def _keepalive(wanted: Wanted, key: str, value: JsonValue) -> None:
    wanted.common["keepalive"] = value if isinstance(value, str) else _number(key, value)


def _clean(wanted: Wanted, key: str, value: JsonValue) -> None:
    clean = flag(key, value)
    wanted.common.setdefault("v4", {})["clean_session"] = clean
    wanted.common.setdefault("v5", {})["clean_start"] = clean


def _will(wanted: Wanted, key: str, value: JsonValue) -> None:
    if not isinstance(value, dict):
        raise bad(key, "must be an object")
    given = {name: one for name, one in value.items() if one is not None}
    if not given:
        return
    will: Table = {"topic": text("will.topic", given.pop("topic", ""))}
    will["message"] = text("will.payload", given.pop("payload", ""))
    will["qos"] = _number("will.qos", given.pop("qos", 0))
    will["retain"] = flag("will.retain", given.pop("retain", False))
    for name, one in given.items():
        wanted.note(f"will.{name}", one)
    for version in ("v4", "v5"):
        wanted.common.setdefault(version, {})["last_will"] = will


def _queue(wanted: Wanted, key: str, value: JsonValue) -> None:
    wanted.egress["message_channel_capacity"] = _number(key, value)


def _tls(wanted: Wanted, key: str, value: JsonValue) -> None:
    wanted.tls = flag(key, value)


def _as_text(ours: str) -> Callable[[Wanted, str, JsonValue], None]:
    def read(wanted: Wanted, key: str, value: JsonValue) -> None:
        if value != MASK:  # what was told and is given back
            wanted.common[ours] = text(key, value)

    return read


def _path(ours: str) -> Callable[[Wanted, str, JsonValue], None]:
    def read(wanted: Wanted, key: str, value: JsonValue) -> None:
        path = text(key, value)
        if any(sign < " " for sign in path) or path.lstrip().startswith("-----BEGIN"):
            raise bad(key, "must be the path of a file on the node, not what is in it")
        wanted.common[ours] = path

    return read


def _of_v5(ours: str) -> Callable[[Wanted, str, JsonValue], None]:
    def read(wanted: Wanted, key: str, value: JsonValue) -> None:
        wanted.common.setdefault("v5", {})[ours] = _number(key, value)

    return read


def _packet_size(wanted: Wanted, key: str, value: JsonValue) -> None:
    if value != 0:  # NanoMQ's word for a size that nothing is said of
        _of_v5("maximum_packet_size")(wanted, key, value)


_KEYS: Final[Mapping[str, Callable[[Wanted, str, JsonValue], None]]] = {
    "enable": _enable,
    "server": _server,
    "proto_ver": _version,
    "clientid": _as_text("client_id_prefix"),
    "keepalive": _keepalive,
    "clean_start": _clean,
    "username": _as_text("username"),
    "password": _as_text("password"),
    "will": _will,
    "max_send_queue_len": _queue,
    "ssl.enable": _tls,
    "ssl.keyfile": _path("client_key"),
    "ssl.certfile": _path("client_cert"),
    "ssl.cacertfile": _path("root_cert"),
    "conn_properties.session_expiry_interval": _of_v5("session_expiry_interval"),
    "conn_properties.receive_maximum": _of_v5("receive_maximum"),
    "conn_properties.maximum_packet_size": _packet_size,
    "conn_properties.topic_alias_maximum": _of_v5("topic_alias_maximum"),
}


def _flat(given: Given) -> dict[str, JsonValue]:
    """The keys of a bridge, those of ``connector`` among them; with dots those of ``ssl`` and ``conn_properties``."""
    connector = given.get("connector")
    if isinstance(connector, dict):
        given = {**{key: value for key, value in given.items() if key != "connector"}, **connector}
    found: dict[str, JsonValue] = {}
    for key, value in given.items():
        if key in ("ssl", "tls", "conn_properties") and isinstance(value, dict):
            table = "ssl" if key == "tls" else key
            for name, inner in value.items():
                found[_NAMES.get(f"{table}.{name}", f"{table}.{name}")] = inner
        else:
            found[key] = value
    return found
