"""nanomq.conf (HOCON) with the password and ACL files that it includes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rmq.migration import nanomq_bridges
from rmq.migration.findings import Findings, FoundUser, MigrationError
from rmq.migration.hocon import read_hocon
from rmq.migration.settings import check

_KINDS: Final = {"tcp": "tcp", "ssl": "tls", "ws": "ws", "wss": "wss"}
_LIMITS: Final = {
    "max_packet_size": "max_packet_size",
    "max_mqueue_len": "max_mqueue_len",
    "max_inflight_window": "max_inflight",
}
_TLS: Final = {"certfile": "cert", "keyfile": "key"}
_HTTP: Final = "http_server"
_LEFT: Final = {
    "rules": "rules aren't there yet; rmq-web-hook tells a server of messages",
    "webhook": "rmq-web-hook does that: its URL and events go into plugins/rmq-web-hook.toml",
    "exchange_client": "messages aren't kept for exchanges",
    "parquet": "messages aren't written to Parquet",
    "sqlite": "[storage] keeps sessions and retained messages",
    "vsomeip_gateway": "there is no such gateway",
    "dds_gateway": "there is no such gateway",
    "zmq_gateway": "there is no such gateway",
}
_PERMISSIONS: Final = ("allow", "deny")
_ACTIONS: Final = ("publish", "subscribe", "pubsub")


def read(path: Path) -> Findings:
    """The configuration; NanoMQ 0.14 and later."""
    theirs = read_hocon(path)
    if "url" in theirs and "listeners" not in theirs:
        raise MigrationError(f"{path}: is a configuration of NanoMQ before 0.14: write it as HOCON first")
    found = Findings()
    starts = _take_listeners(found, _table(theirs, "listeners"))
    for name, value in _table(theirs, "mqtt").items():
        if name in _LIMITS:
            for start in starts:
                found.take(f"mqtt.{name}", f"{start}.{_LIMITS[name]}", value)
        elif name == "keepalive_multiplier" and isinstance(value, (int, float)):
            for start in starts:
                found.take(f"mqtt.{name}", f"{start}.keepalive_backoff", value / 2)
        else:
            found.leave(f"mqtt.{name}", "there is nothing like it")
    _take_auth(found, _table(theirs, "auth"), starts)
    _take_log(found, _table(theirs, "log"))
    nanomq_bridges.take(found, _table(theirs, "bridges"))
    if _HTTP in theirs:
        found.leave(
            _HTTP,
            "rmq-node --compat nanomq serves its API at port 8081; users of the API are made there (docs/http-api.md)",
        )
    for name in theirs:
        if name == "system":
            found.note(name, "one thread serves every connection of a node")
        elif name not in ("listeners", "mqtt", "auth", "log", "bridges", _HTTP):
            found.leave(name, _LEFT.get(name, "there is nothing like it"))
    check(found)
    return found


def _table(tables: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = tables.get(name)
    return found if isinstance(found, Mapping) else {}


def _take_listeners(found: Findings, listeners: Mapping[str, object]) -> list[str]:
    starts: list[str] = []
    for kind, table in listeners.items():
        if kind not in _KINDS or not isinstance(table, Mapping):
            found.leave(f"listeners.{kind}", "there is no such listener")
            continue
        # One table, and one of each name within it.
        named = {name: one for name, one in table.items() if isinstance(one, Mapping)}
        if "bind" in table:
            named = {"external": {name: value for name, value in table.items() if name not in named}, **named}
        for name, one in named.items():
            start = f"listener.{_KINDS[kind]}.{'external' if name == 'default' else name}"
            starts.append(start)
            _take_listener(found, f"listeners.{kind}", start, one)
    return starts


def _take_listener(found: Findings, what: str, start: str, one: Mapping[str, object]) -> None:
    address, slash, rest = str(one.get("bind", "")).partition("/")
    found.take(f"{what}.bind", f"{start}.addr", address)
    if slash:
        found.take(f"{what}.bind", f"{start}.path", slash + rest)
    if one.get("enable") is False:
        found.take(f"{what}.enable", f"{start}.enable", False)
    for name, key in _TLS.items():
        if name in one:
            found.take(f"{what}.{name}", f"{start}.{key}", one[name])
    if one.get("verify_peer") is True and one.get("fail_if_no_peer_cert") is True:
        found.take(f"{what}.verify_peer", f"{start}.cross_certificate", True)
        if "cacertfile" in one:
            found.take(f"{what}.cacertfile", f"{start}.client_ca_certs", one["cacertfile"])
    for name in one:
        if name not in ("bind", "enable", "verify_peer", "fail_if_no_peer_cert", "cacertfile", *_TLS):
            found.leave(f"{what}.{name}", "there is nothing like it")


def _take_auth(found: Findings, auth: Mapping[str, object], starts: list[str]) -> None:
    # Theirs is true where nobody says otherwise; ours would then depend on the address.
    is_said = isinstance(auth.get("allow_anonymous"), bool)
    for start in starts:
        what = "auth.allow_anonymous" if is_said else "auth.allow_anonymous, which isn't said"
        found.take(what, f"{start}.allow_anonymous", auth["allow_anonymous"] if is_said else True)
    passwords = _table(auth, "password")
    for name, password in passwords.items():
        found.add_user(FoundUser(name, password=str(password)))
    if passwords:
        found.note("auth.password", f"the users file: {len(passwords)} users, hashed")
    rules = _table(auth, "acl").get("rules")
    if isinstance(rules, list):
        before = len(found.rules)
        for number, rule in enumerate(rules, 1):
            _take_rule(found, number, rule)
        if auth.get("no_match", "allow") == "allow":
            found.rules.append(["allow", "all"])
        found.note("auth.acl", f"rules of rmq-acl: {len(found.rules) - before}")
    if auth.get("deny_action") == "ignore":
        found.note("auth.deny_action", "disconnect_if_pub_rejected = false in plugins/rmq-acl.toml does that")
    for name in auth:
        if name == "http_auth":
            found.leave("auth.http_auth", "rmq-auth-http does that: its URLs go into plugins/rmq-auth-http.toml")
        elif name not in ("allow_anonymous", "password", "acl", "no_match", "deny_action", "cache"):
            found.leave(f"auth.{name}", "there is nothing like it")


def _take_rule(found: Findings, number: int, rule: object) -> None:
    where = f"auth.acl rule {number}"
    if not isinstance(rule, Mapping) or rule.get("permit") not in _PERMISSIONS:
        found.leave(where, "isn't a rule")
        return
    if "or" in rule:
        choices = rule["or"]
        for choice in choices if isinstance(choices, list) else []:
            _take_rule(found, number, {**{k: v for k, v in rule.items() if k != "or"}, "and": [choice]})
        return
    given = dict(rule)
    both = rule.get("and")
    for part in both if isinstance(both, list) else []:
        if isinstance(part, Mapping):
            given.update(part)
    who = {
        ours: str(given[theirs])
        for theirs, ours in (("username", "user"), ("clientid", "clientid"), ("ipaddr", "ipaddr"))
        if theirs in given and given[theirs] not in ("all", "#")
    }
    made: list[object] = [rule["permit"], who or "all"]
    action, topics = given.get("action"), given.get("topics")
    if action in _ACTIONS or topics:
        made.append(action if action in _ACTIONS else "pubsub")
    if isinstance(topics, list) and topics:
        made.append([topic_of(topic) for topic in topics])
    found.rules.append(made)


def topic_of(topic: object) -> object:
    """A filter of a rule: their names for client id and user name as ours."""
    if isinstance(topic, Mapping):
        return {"eq": str(topic.get("eq", ""))}
    return str(topic).replace("${clientid}", "%c").replace("${username}", "%u")


def _take_log(found: Findings, log: Mapping[str, object]) -> None:
    level = {"trace": "debug", "debug": "debug", "info": "info", "warn": "warning", "error": "error", "fatal": "error"}
    to = log.get("to")
    if isinstance(to, list) and to:
        kinds = {str(one) for one in to}
        file, console = "file" in kinds, "console" in kinds
        found.take("log.to", "log.to", "both" if file and console else "file" if file else "console")
    if str(log.get("level")) in level:
        found.take("log.level", "log.level", level[str(log["level"])])
    for name in ("dir", "file"):
        if name in log:
            found.take(f"log.{name}", f"log.{name}", str(log[name]))
    for name in log:
        if name not in ("to", "level", "dir", "file"):
            found.leave(f"log.{name}", "logrotate and the like turn log files over")
