"""EMQX's users with their hashes, and its rules: out of tables, JSON, CSV and acl.conf."""

import csv
import io
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from rmq.migration.erlang_backup import records
from rmq.migration.erlang_terms import Atom, Term, terms
from rmq.migration.findings import Findings, FoundUser, MigrationError
from rmq.users import brought

_DIGESTS: Final = {"md5": "md5", "sha": "sha1", "sha256": "sha256", "sha512": "sha512"}
_ACTIONS: Final = {"pub": "publish", "sub": "subscribe", "publish": "publish", "subscribe": "subscribe"}
_NO_BCRYPT: Final = "bcrypt hashes can't be checked here: set a new password"
# A regular expression that only one name fits.
_PLAIN: Final = re.compile(r"\^([A-Za-z0-9_@-]+)\$")
# A hash of version 4 has four bytes of salt in front, and says by its length what it is.
SALT_BYTES: Final = 4
_BY_LENGTH: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


@dataclass(frozen=True, slots=True)
class Hashing:
    """How the passwords of the built-in database were hashed, as cluster.hocon says."""

    name: str = "sha256"
    salt_position: str = "prefix"
    mac: str = "sha256"
    iterations: int = 0
    size: int = 0

    @classmethod
    def of(cls, theirs: Mapping[str, object]) -> Self:
        """Out of the authentication with the built-in database; EMQX's default without one."""
        listed = theirs.get("authentication")
        for one in listed if isinstance(listed, list) else []:
            if isinstance(one, Mapping) and one.get("backend") == "built_in_database":
                algorithm = one.get("password_hash_algorithm")
                if isinstance(algorithm, Mapping):
                    mac = str(algorithm.get("mac_fun", "sha256"))
                    return cls(
                        str(algorithm.get("name", "sha256")),
                        str(algorithm.get("salt_position", "prefix")),
                        mac,
                        int(algorithm.get("iterations", 0)),
                        int(algorithm.get("dk_length", 0)),
                    )
        return cls()

    def user(self, name: str, written: str, salt: str, *, superuser: bool) -> FoundUser:
        """A user with a hash as EMQX writes it; ``ValueError`` for one that can't be checked here."""
        if self.name == "plain":
            return FoundUser(name, superuser, password=written)
        if self.name == "bcrypt":
            raise ValueError(_NO_BCRYPT)
        digest = bytes.fromhex(written)
        if self.name == "pbkdf2":
            way = brought.pbkdf2(
                _DIGESTS.get(self.mac, self.mac), self.iterations, self.size or len(digest), salt.encode()
            )
        else:
            place = "prefix" if self.salt_position == "disable" else self.salt_position
            given = b"" if self.salt_position == "disable" else salt.encode()
            way = brought.salted(_DIGESTS.get(self.name, self.name), place, given)
        brought.check(way)
        return FoundUser(name, superuser, way=way, digest=digest)


def read_tables(found: Findings, tables: Mapping[str, bytes], hashing: Hashing) -> None:
    """The tables of an archive by their names."""
    rules: list[list[object]] = []
    users = 0
    for name, content in tables.items():
        if name not in _READ:
            found.leave(f"table {name}", _LEFT.get(name, "it isn't needed, or there is nothing like it"))
            continue
        for record in records(content, name):
            if not isinstance(record, tuple) or not record:
                continue  # a record has the name of its table in front
            if record[0] == "emqx_authn_mnesia":
                users += _take_user(found, record, hashing)
            elif record[0] == "emqx_acl":
                _take_acl(found, rules, record)
    if users:
        found.note("table emqx_authn_mnesia", f"the users file: {users} users with their hashes")
    if rules:
        # EMQX asks for the client id, then for the user, then for all; and its database before its file, unless
        # somebody turned that round.
        rules.sort(key=_place)
        found.rules[:0] = rules
        found.note("table emqx_acl", f"{len(rules)} rules of rmq-acl")


def _place(rule: list[object]) -> int:
    who = rule[1]
    return 2 if not isinstance(who, dict) else 1 if "user" in who else 0


_READ: Final = frozenset({"emqx_authn_mnesia", "emqx_acl"})
_LEFT: Final = {
    "emqx_admin": "users of the API are made anew (docs/http-api.md)",
    "emqx_app": "API keys are made anew (docs/http-api.md)",
    "emqx_banned": "bans are made anew: POST /api/v5/banned",
    "emqx_retainer_message": "retained messages of EMQX aren't read: subscribe to # once and publish them here",
    "emqx_enhanced_authn_scram_mnesia": "SCRAM users need a new password: rmq-node passwd",
}


def _take_user(found: Findings, record: tuple[object, ...], hashing: Hashing) -> int:
    name = ""
    try:
        _, key, written, salt, superuser, *_ = record
        if not isinstance(key, tuple) or len(key) != 2:
            raise TypeError("a user without a name")
        name = _text(key[1])
        found.add_user(hashing.user(name, _text(written), _text(salt), superuser=superuser == "true"))
    except (ValueError, TypeError) as error:
        found.leave(f"user {name}", str(error) if str(error) == _NO_BCRYPT else "its hash can't be read")
        return 0
    return 1


def _take_acl(found: Findings, rules: list[list[object]], record: tuple[object, ...]) -> None:
    """``{emqx_acl, all | {username, U} | {clientid, C}, [{Permission, …, Action, Topic}]}``."""
    who: object = "all"
    if len(record) < 3 or not isinstance(record[2], list):
        return
    if isinstance(record[1], tuple) and len(record[1]) == 2:
        kind = {1: "user", 2: "clientid", "username": "user", "clientid": "clientid"}.get(_plain(record[1][0]))
        if kind is None:
            found.leave("a rule of table emqx_acl", "it is about nobody that is known here")
            return
        who = {kind: _text(record[1][1])}
    for rule in record[2]:
        parts = list(rule) if isinstance(rule, tuple) else []
        permission = next((str(part) for part in parts if part in ("allow", "deny")), "")
        topic = next((part for part in reversed(parts) if isinstance(part, (bytes, tuple)) and part), None)
        action = next((_action(part) for part in parts if _action(part)), "pubsub")
        if permission and isinstance(topic, bytes):
            rules.append([permission, who, action, [_topic(_text(topic))]])
        else:
            found.leave("a rule of table emqx_acl", "it can't be read")


def _plain(term: object) -> object:
    return str(term) if isinstance(term, Atom) else term


def _action(part: object) -> str:
    name = part[0] if isinstance(part, tuple) and part else part
    return _ACTIONS.get(str(name), "") if isinstance(name, str) else ""


def _text(term: object) -> str:
    if isinstance(term, bytes):
        return term.decode()
    if isinstance(term, str):
        return term
    if term == []:
        return ""
    raise TypeError(f"{type(term).__name__} where a text should be")


def _topic(topic: str) -> str:
    return topic.replace("${clientid}", "%c").replace("${username}", "%u")


def read_users(found: Findings, text: str, *, is_csv: bool) -> None:
    """Users as ``POST …/import_users`` takes them: user_id, password_hash or password, salt, is_superuser."""
    try:
        rows = list(csv.DictReader(io.StringIO(text))) if is_csv else json.loads(text)
    except (csv.Error, ValueError) as error:
        raise MigrationError(f"isn't a list of users: {error}") from None
    for number, row in enumerate(rows, 1):
        name = str(row.get("user_id", "")) if isinstance(row, dict) else ""
        if not name:
            found.leave(f"user {number}", "has no user_id")
            continue
        superuser = row.get("is_superuser") in (True, "true", "1")
        if row.get("password"):
            found.add_user(FoundUser(name, superuser, password=str(row["password"])))
            continue
        try:
            salt = str(row.get("salt") or "")
            found.add_user(Hashing().user(name, str(row.get("password_hash", "")), salt, superuser=superuser))
        except ValueError as error:
            found.leave(f"user {name}", str(error) if str(error) == _NO_BCRYPT else "its hash can't be read")
    found.note("users", f"the users file: {len(found.users)} users, their hashes as SHA-256 with the salt in front")


def read_version_4(found: Findings, export: Mapping[str, object]) -> None:
    """The JSON of a data export of version 4.1 to 4.4."""
    for row in _rows(export, "auth_mnesia"):
        name = str(row.get("login", ""))
        if row.get("type", "username") != "username":
            found.leave(f"client id {name}", "clients are known by user name and password here")
            continue
        try:
            found.add_user(_user_of_version_4(name, b64decode(str(row.get("password", "")), validate=True)))
        except ValueError:
            found.leave(f"user {name}", "its hash can't be read: set a new password")
    for row in _rows(export, "acl_mnesia"):
        kind = {"username": "user", "clientid": "clientid"}.get(str(row.get("type")))
        who: object = {kind: str(row.get("type_value", ""))} if kind else "all"
        access = str(row.get("access", "allow"))
        if access in ("allow", "deny"):
            action = _ACTIONS.get(str(row.get("action")), "pubsub")
            found.rules.append([access, who, action, [_topic(str(row.get("topic", "")))]])
    if found.users:
        found.note("auth_mnesia", f"the users file: {len(found.users)} users with their hashes")
    if found.rules:
        found.note("acl_mnesia", f"{len(found.rules)} rules of rmq-acl")
    for name, value in export.items():
        if name not in ("auth_mnesia", "acl_mnesia", "version", "date") and value:
            found.leave(name, "made anew here, or there is nothing like it: see docs/migration.md")


def _user_of_version_4(name: str, stored: bytes) -> FoundUser:
    salt, written = stored[:SALT_BYTES], stored[SALT_BYTES:]
    digest = bytes.fromhex(written.decode("ascii"))
    kind = _BY_LENGTH.get(len(written))
    if kind is None:
        raise ValueError("isn't a hash that is known")
    return FoundUser(name, way=brought.salted(kind, "prefix", salt), digest=digest)


def _rows(export: Mapping[str, object], name: str) -> list[dict[str, object]]:
    rows = export.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def add_erlang_rules(found: Findings, text: str, name: str) -> None:
    """acl.conf: ``{allow, {user, "x"}, subscribe, ["$SYS/#", {eq, "#"}]}.``"""
    before = len(found.rules)
    for number, term in enumerate(terms(text, name), 1):
        rule = _rule(term)
        if rule is None:
            found.leave(f"{name} rule {number}", "it asks for what rules of ours can't")
        else:
            found.rules.append(rule)
    found.note(name, f"{len(found.rules) - before} rules of rmq-acl")


def _rule(term: Term) -> list[object] | None:
    if not isinstance(term, tuple) or not 2 <= len(term) <= 4 or term[0] not in ("allow", "deny"):
        return None
    who = _who(term[1])
    if who is None:
        return None
    rule: list[object] = [str(term[0]), who]
    if len(term) > 2:
        actions = {"publish": "publish", "subscribe": "subscribe", "pubsub": "pubsub", "all": "pubsub"}
        action = actions.get(str(term[2])) if isinstance(term[2], Atom) else None
        if action is None:
            return None
        rule.append(action)
    if len(term) > 3:
        if not isinstance(term[3], list) or not term[3]:
            return None
        rule.append([_pattern(topic) for topic in term[3]])
    return rule


def _who(term: Term) -> object:
    if term == "all":
        return "all"
    parts = term[1] if isinstance(term, tuple) and len(term) == 2 and term[0] == "and" else [term]
    who: dict[str, object] = {}
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, tuple) or len(part) != 2:
            return None
        value = _literal(part[1])
        if value is None:
            return None
        key = {"user": "user", "username": "user", "client": "clientid", "clientid": "clientid", "ipaddr": "ipaddr"}
        if str(part[0]) not in key:
            return None
        who[key[str(part[0])]] = value
    return who or None


def _literal(term: Term) -> str | None:
    """A text, or a regular expression that is one; None for several addresses, and all other expressions."""
    if isinstance(term, tuple) and len(term) == 2 and term[0] == "re":
        found = _PLAIN.fullmatch(str(term[1]))
        return found[1] if found else None
    return term if isinstance(term, str) else None


def _pattern(topic: Term) -> object:
    if isinstance(topic, tuple) and len(topic) == 2 and topic[0] == "eq":
        return {"eq": _topic(str(topic[1]))}
    return _topic(str(topic))
