"""The files that are made of what was found: rmq.toml, users, those of plugins. None that is there is replaced."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from rmq.migration.bridges import EGRESS, INGRESS
from rmq.migration.findings import Findings, FoundBridge, FoundUser, MigrationError
from rmq.migration.settings import tables
from rmq.users import hashing, password_file

MAIN: Final = "rmq.toml"
ACL: Final = "plugins/rmq-acl.toml"
USERS: Final = "users"
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def planned(found: Findings) -> list[str]:
    """The names of the files that would be made."""
    names = [MAIN] if found.settings or found.users else []
    if found.rules:
        names.append(ACL)
    names += [f"plugins/{plugin}.toml" for plugin in _bridges(found)]
    if found.users:
        names.append(USERS)
    return names


def _bridges(found: Findings) -> dict[str, list[FoundBridge]]:
    """The bridges of each plugin that has any."""
    both = {plugin: [one for one in found.bridges if one.plugin == plugin] for plugin in (EGRESS, INGRESS)}
    return {plugin: bridges for plugin, bridges in both.items() if bridges}


def write(found: Findings, folder: Path, source: str) -> list[Path]:
    """Make the files in a folder, readable by their owner alone; ``MigrationError`` if one is there already."""
    names = planned(found)
    for name in names:
        if (folder / name).exists():
            raise MigrationError(f"{folder / name}: is there already, and nothing is replaced")
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if MAIN in names:
            settings = dict(found.settings)
            if found.users:
                settings["auth.users_file"] = str((folder / USERS).absolute())
            made.append(_write(folder / MAIN, settings_text(settings, source)))
        if found.rules or found.bridges:
            (folder / "plugins").mkdir(exist_ok=True)
        if found.rules:
            made.append(_write(folder / ACL, rules_text(found.rules, source)))
        for plugin, bridges in _bridges(found).items():
            made.append(_write(folder / f"plugins/{plugin}.toml", bridges_text(bridges, source)))
        if found.users:
            _write_users(folder / USERS, found.users)
            made.append(folder / USERS)
    except OSError as error:
        raise MigrationError(f"{folder}: can't be written: {error.strerror or error}") from None
    except password_file.UsersFileError as error:
        raise MigrationError(str(error)) from None
    return made


def settings_text(settings: Mapping[str, object], source: str) -> str:
    """rmq.toml with these keys; every other one has its default."""
    lines = [f"# Made by rmq-ctl import out of {source}; what isn't here has its default (etc/rmq.toml of rmq)."]
    _add_table(lines, tables(settings), "")
    return "\n".join(lines) + "\n"


def rules_text(rules: Iterable[list[object]], source: str) -> str:
    """The file of rmq-acl."""
    lines = [f"# Made by rmq-ctl import out of {source}. The first rule that fits decides.", "rules = ["]
    lines += [f"  {_value(rule)}," for rule in rules]
    return "\n".join([*lines, "]"]) + "\n"


def bridges_text(bridges: Iterable[FoundBridge], source: str) -> str:
    """The file of one plugin for bridges."""
    lines = [f"# Made by rmq-ctl import out of {source}; etc/plugins of rmq has every key with its default."]
    for bridge in bridges:
        lines += ["", "[[bridges]]", *_dotted(bridge.keys)]
        for entry in bridge.entries:
            lines += ["[[bridges.entries]]", *_dotted(entry)]
    return "\n".join(lines) + "\n"


def _dotted(values: Mapping[str, object]) -> list[str]:
    return [f"{'.'.join(map(_key, key.split('.')))} = {_value(value)}" for key, value in values.items()]


def _add_table(lines: list[str], table: Mapping[str, object], name: str) -> None:
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if values:
        if name:
            lines += ["", f"[{name}]"]
        lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items()]
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            _add_table(lines, inner, f"{name}.{_key(key)}" if name else _key(key))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    # JSON's texts are TOML's, but for one character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _write(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return path


def _write_users(path: Path, users: Iterable[FoundUser]) -> None:
    password_file.put_users(path, [(user.name, _hash_of(user), user.superuser) for user in users])


def _hash_of(user: FoundUser) -> str:
    if user.password is not None:
        return hashing.hashed(user.password.encode())
    return user.argon2id or user.way + hashing.hashed(user.digest)
