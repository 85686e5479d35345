"""EMQX's bridges to MQTT brokers: connectors with sources, actions and rules between (5.7), or ``bridges.mqtt``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rmq.migration.bridges import EGRESS, Link, Names, server_of, table
from rmq.migration.findings import Findings

# Roots of cluster.hocon that are seen to here.
ROOTS: Final = ("bridges", "connectors", "actions", "sources", "rule_engine")
_KIND: Final = "mqtt"
_NO_OTHER: Final = "bridges go to MQTT brokers, NATS and Kafka: docs/plugins-bridges.md"
# A rule that passes on everything of some topics, as it is.
_PLAIN_RULE: Final = re.compile(r"\s*select\s+\*\s+from\s+(.+)", re.IGNORECASE | re.DOTALL)
_QUOTED: Final = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)')\s*""")
_SOURCE: Final = ("$bridges/mqtt:", "$sources/mqtt:")
_TOPIC: Final = "${topic}"
_AS_IT_IS: Final = ("${qos}", "${retain}", "${flags.retain}")
_FILES: Final = {"cacertfile": "root_cert", "certfile": "client_cert", "keyfile": "client_key"}
_NOTED: Final = {
    "retry_interval": "not needed: what wasn't acknowledged is sent again on the next connection",
    "pool_size": "one connection for each entry keeps the order; concurrent_client_limit has more of them",
    "resource_opts": "what goes out waits in a session of the node: message_channel_capacity bounds it",
    "description": "not needed",
    "tags": "not needed",
    "created_at": "not needed",
    "last_modified_at": "not needed",
    "mode": "not needed: each entry runs on one node of a cluster",
    "reconnect_interval": "reconnect_interval is 5s",
}
_LEFT: Final = {
    "bridge_mode": "a bridge is a client like others: MQTT 5 keeps retain flags, and stops loops",
    "static_clientids": "client ids there are made: PREFIX:NAME:egress:ENTRY:0, PREFIX:NAME:ingress:ENTRY:0",
}
_ONLY: Final = "of topics only ${topic}, and payloads only as they are, can be carried over"
_TAKEN: Final = (
    "server", "proto_ver", "username", "password", "clean_start", "keepalive", "ssl", "clientid_prefix", "max_inflight",
    "enable", "egress", "ingress", "connect_timeout",
)  # fmt: skip
MOST_QOS: Final = 2


@dataclass(slots=True)
class _End:
    """A source or an action: what stands for its topics there, and whether any rule uses it."""

    what: str
    link: Link
    remote: Mapping[str, object]
    is_used: bool = False


@dataclass(slots=True)
class _Theirs:
    """Everything to do with MQTT brokers; ``servers`` by the links' names."""

    links: dict[str, Link] = field(default_factory=dict)
    servers: dict[str, str] = field(default_factory=dict)
    sources: dict[str, _End] = field(default_factory=dict)
    actions: dict[str, _End] = field(default_factory=dict)


def take(found: Findings, theirs: Mapping[str, object]) -> None:
    """All of the roots that this file is about."""
    known = _Theirs()
    for root in ROOTS[:-1]:
        for kind in table(theirs, root):
            if kind != _KIND:
                for name in table(table(theirs, root), kind):
                    found.leave(f"{root}.{kind}.{name}", _NO_OTHER)
    for name, one in table(table(theirs, "connectors"), _KIND).items():
        if isinstance(one, Mapping):
            _add_link(found, known, f"connectors.mqtt.{name}", name, one)
    for root, ends in (("sources", known.sources), ("actions", known.actions)):
        for name, one in table(table(theirs, root), _KIND).items():
            if isinstance(one, Mapping):
                _add_end(found, known, ends, f"{root}.mqtt.{name}", name, one)
    for name, one in table(table(theirs, "bridges"), _KIND).items():
        if isinstance(one, Mapping):
            _take_old(found, known, name, one)
    rules = table(table(theirs, "rule_engine"), "rules")
    for name, rule in rules.items():
        if isinstance(rule, Mapping):
            _take_rule(found, known, f"rule_engine.rules.{name}", rule)
    if "rule_engine" in theirs and not rules:
        found.note("rule_engine", "there are no rules")
    for end in (*known.sources.values(), *known.actions.values()):
        if not end.is_used:
            found.leave(end.what, "no rule that can be carried over says what messages it is about")
    for name, link in known.links.items():
        link.finish(known.servers[name])


def _add_link(found: Findings, known: _Theirs, what: str, name: str, one: Mapping[str, object]) -> Link | None:
    if one.get("enable") is False:
        found.leave(what, "is switched off there")
        return None
    tls = table(one, "ssl")
    is_tls = tls.get("enable") is True
    first, *others = [text.strip() for text in str(one.get("server", "")).split(",")]
    host, colon, port = first.rpartition(":") if not first.endswith("]") else (first, "", "")
    if not first or (colon and not port.isdecimal()):
        found.leave(what, "has no server that can be understood")
        return None
    written = str(one.get("proto_ver", "v4"))
    link = Link(found, what, name, "v5" if written == "v5" else "v4")
    if written == "v3":
        link.leave("proto_ver", "v3: MQTT 3.1.1 is spoken")
    for other in others:
        link.leave(f"server {other}", "a bridge has one address")
    known.links[name] = link
    known.servers[name] = server_of(host if colon else first, int(port) if colon else 1883, is_tls=is_tls)
    password = str(one.get("password", ""))
    if password.startswith("file://"):
        link.leave("password", "is in a file there: give it as ${ENV:NAME}")
        password = ""
    link.set_credentials(str(one.get("username", "")), password)
    if isinstance(one.get("clean_start"), bool):
        link.set_clean("clean_start", bool(one["clean_start"]))
    for key, ours, plugin in (
        ("keepalive", "keepalive", None),
        ("connect_timeout", "connect_timeout", None),
        ("clientid_prefix", "client_id_prefix", None),
        ("max_inflight", "max_inflight", EGRESS),
    ):
        if key in one:
            link.set(key, ours, one[key], plugin)
    if is_tls:
        _take_tls(link, tls)
    for key in one:
        if key in _NOTED:
            link.note(key, _NOTED[key])
        elif key not in _TAKEN and one[key] is not False:
            link.leave(key, _LEFT.get(key, "there is nothing like it"))
    return link


def _take_tls(link: Link, tls: Mapping[str, object]) -> None:
    for key, ours in _FILES.items():
        if tls.get(key):
            link.set_file(f"ssl.{key}", ours, str(tls[key]))
    if tls.get("verify", "verify_none") == "verify_none":
        link.leave("ssl.verify", "certificates are checked, and that they are for the address: root_cert says by whom")
    for key in ("password", "server_name_indication"):
        if tls.get(key):
            link.leave(f"ssl.{key}", "there is nothing like it")


def _add_end(
    found: Findings, known: _Theirs, ends: dict[str, _End], what: str, name: str, one: Mapping[str, object]
) -> None:
    link = known.links.get(str(one.get("connector")))
    if one.get("enable") is False:
        found.leave(what, "is switched off there")
    elif link is None:
        found.leave(what, "its connector isn't carried over")
    else:
        ends[name] = _End(what, link, table(one, "parameters"))


def _take_old(found: Findings, known: _Theirs, name: str, one: Mapping[str, object]) -> None:
    """A bridge of 5.0 to 5.6: a connection with either direction, which may do without a rule."""
    what = f"bridges.mqtt.{name}"
    link = _add_link(found, known, what, name, one)
    if link is None:
        return
    egress, ingress = table(one, "egress"), table(one, "ingress")
    if egress:
        end = _End(f"{what}.egress", link, table(egress, "remote"))
        known.actions[name] = end
        topic = table(egress, "local").get("topic")
        if topic is not None:
            _send(end, end.what, str(topic))
    if ingress:
        end = _End(f"{what}.ingress", link, table(ingress, "remote"))
        known.sources[name] = end
        local = table(ingress, "local")
        if "topic" in local:
            _fetch(end, end.what, local)


def _take_rule(found: Findings, known: _Theirs, what: str, rule: Mapping[str, object]) -> None:
    actions = rule.get("actions")
    if rule.get("enable") is False:
        found.leave(what, "is switched off there")
        return
    topics = _topics_of(str(rule.get("sql", "")))
    if topics is None:
        found.leave(what, "only SELECT * FROM topics, and nothing more, is what a bridge does: there is no rule engine")
        return
    for action in actions if isinstance(actions, list) else []:
        for topic in topics:
            if not _is_taken(known, what, topic, action):
                found.leave(
                    f"{what}, from {topic}", "isn't from a source to a republish, or from topics to an MQTT broker"
                )


def _topics_of(sql: str) -> list[str] | None:
    select = _PLAIN_RULE.fullmatch(sql)
    if select is None:
        return None
    topics = [_QUOTED.fullmatch(part) for part in select[1].rstrip().removesuffix(";").split(",")]
    return [topic[1] or topic[2] for topic in topics if topic] if all(topics) else None


def _is_taken(known: _Theirs, what: str, topic: str, action: object) -> bool:
    if topic.startswith(_SOURCE):
        source = known.sources.get(topic.partition(":")[2])
        if source is None or not isinstance(action, Mapping) or action.get("function") != "republish":
            return False
        _fetch(source, what, table(action, "args"))
        return True
    if topic.startswith("$") or not isinstance(action, str):
        return False
    kind, _, name = action.partition(":")
    end = known.actions.get(name)
    if kind != _KIND or end is None:
        return False
    _send(end, what, topic)
    return True


def _send(end: _End, why: str, topic_filter: str) -> None:
    end.is_used = True
    names = _names(end.remote.get("topic", _TOPIC))
    if names is None or not _is_payload(end.link, why, end.remote):
        end.link.leave(
            why, f"{end.what}: of topics only ${{topic}}, and payloads only as they are, can be carried over"
        )
        return
    qos = _qos(end.remote.get("qos", 1))
    end.link.send(why, topic_filter, names, qos=qos, retain=_retain(end.remote.get("retain", False)))


def _fetch(end: _End, why: str, local: Mapping[str, object]) -> None:
    end.is_used = True
    names = _names(local.get("topic", _TOPIC))
    if names is None or not _is_payload(end.link, why, local):
        end.link.leave(
            why, f"{end.what}: of topics only ${{topic}}, and payloads only as they are, can be carried over"
        )
        return
    most = _qos(end.remote.get("qos", 1))
    end.link.fetch(
        why,
        str(end.remote.get("topic", "")),
        names,
        most=MOST_QOS if most is None else most,
        qos=_qos(local.get("qos", "${qos}")),
        retain=_retain(local.get("retain", "${retain}")),
    )


def _names(topic: object) -> Names | None:
    before, placeholder, after = str(topic).partition(_TOPIC)
    if "${" in before or "${" in after:
        return None
    return Names(before, after) if placeholder else Names(fixed=before)


def _is_payload(link: Link, why: str, one: Mapping[str, object]) -> bool:
    if one.get("payload") in (None, ""):
        link.note(f"{why}, payload", "the payload as it is; some versions send JSON of all fields where none is given")
        return True
    return one["payload"] == "${payload}"


def _qos(value: object) -> int | None:
    """None: as the message has it."""
    return None if value in _AS_IT_IS or not str(value).isdecimal() else int(str(value))


def _retain(value: object) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())
