"""The same users and rules in each kind of database."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import orjson
from rmq_plugins.auth_db.schema import create_tables

from tests.support.database_server import SECRET, Server
from tests.support.mariadb_server import Mariadb
from tests.support.postgresql_server import Postgresql
from tests.support.redis_server import Redis
from tests.support.users import cheap_hash

BACKENDS: Final = ("sqlite", "postgresql", "mysql", "redis")
DOCUMENT: Final = Path(__file__).resolve().parents[3] / "docs" / "plugins.md"


def documented_tables(language: str) -> str:
    """The statements that the document has for a server."""
    text = DOCUMENT.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"```sql\n-- {language}")
    assert found, f"docs/plugins.md has no tables for {language}"
    return rest.partition("\n")[2].partition("```")[0]


class Filled:
    """A database with users and rules. ``options`` are the plugin's keys that find it."""

    backend = ""

    def __init__(self, folder: Path, server: Server | None) -> None:
        self.folder = folder
        self._server = server
        self.options: dict[str, object] = {"backend": self.backend}
        if server is not None:
            secret = folder / "secret"
            secret.write_text(SECRET + "\n")
            self.options |= {"server": server.server, "password_file": str(secret)}

    @property
    def server(self) -> Server:
        """The server, of those that have one."""
        assert self._server is not None
        return self._server

    def empty(self) -> None:
        """Take everything out."""
        self.run("DELETE FROM mqtt_user", ())
        self.run("DELETE FROM mqtt_acl", ())

    def add_user(self, name: str, password: str, superuser: bool = False, written: str = "", salt: str = "") -> None:
        """A user whose password costs next to nothing to check, or who has the hash ``written``."""
        self.run(
            "INSERT INTO mqtt_user (username, password_hash, salt, is_superuser) VALUES (%s, %s, %s, %s)",
            (name, written or cheap_hash(password), salt or None, "1" if superuser else "0"),
        )

    def add_rule(
        self, name: str | None, permission: str, action: str, topic: str, qos: str | None = None, position: int = 0
    ) -> None:
        """A rule of a user, or of everybody (not in Redis)."""
        self.run(
            "INSERT INTO mqtt_acl (username, permission, action, topic, qos, position) VALUES (%s, %s, %s, %s, %s, %s)",
            (name, permission, action, topic, qos, str(position)),
        )

    def drop_rules(self, name: str) -> None:
        """Take a user's rules out."""
        self.run("DELETE FROM mqtt_acl WHERE username = %s", (name,))

    def run(self, text: str, values: tuple[str | None, ...]) -> None:
        """Run a statement with %s for each value."""
        whole = text.replace("%s", "{}").format(*("NULL" if value is None else quoted(value) for value in values))
        self.script(whole + ";")

    def script(self, text: str) -> None:
        """Run statements."""
        raise NotImplementedError

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.close()


def quoted(value: str) -> str:
    """A text in SQL, however it is: these are tests' own values, and none has a backslash."""
    assert "\\" not in value
    return "'" + value.replace("'", "''") + "'"


class InSqlite(Filled):
    """A file."""

    backend = "sqlite"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, None)
        self.path = folder / "users with spaces & 100%.db"
        self.options["database"] = str(self.path)
        create_tables(self.path)

    def script(self, text: str) -> None:
        """As an administrator beside the node would."""
        connection = sqlite3.connect(self.path)
        try:
            connection.executescript(text)
        finally:
            connection.close()


class InPostgresql(Filled):
    """The tables of the document."""

    backend = "postgresql"

    def __init__(self, folder: Path, server: Postgresql) -> None:
        super().__init__(folder, server)
        self.options |= {"database": "mqtt", "username": "rmq"}
        self._postgresql = server
        self.script(documented_tables("PostgreSQL"))

    def script(self, text: str) -> None:
        """By its own program."""
        self._postgresql.sql(text)


class InMariadb(Filled):
    """The tables of the document."""

    backend = "mysql"

    def __init__(self, folder: Path, server: Mariadb) -> None:
        super().__init__(folder, server)
        self.options |= {"database": "mqtt", "username": "rmq"}
        self._mariadb = server
        self.script(documented_tables("MySQL"))

    def script(self, text: str) -> None:
        """By its own program."""
        self._mariadb.sql(text)


class InRedis(Filled):
    """EMQX's hashes."""

    backend = "redis"

    def __init__(self, folder: Path, server: Redis) -> None:
        super().__init__(folder, server)
        self._redis = server

    def empty(self) -> None:
        self._redis.tell("FLUSHALL")

    def add_user(self, name: str, password: str, superuser: bool = False, written: str = "", salt: str = "") -> None:
        fields = ["password_hash", written or cheap_hash(password), "is_superuser", "1" if superuser else "0"]
        self._redis.tell("HSET", f"mqtt_user:{name}", *fields, *(["salt", salt] if salt else []))

    def add_rule(
        self, name: str | None, permission: str, action: str, topic: str, qos: str | None = None, position: int = 0
    ) -> None:
        rule: dict[str, object] = {"permission": permission, "action": action}
        if qos is not None:
            rule["qos"] = [int(level) for level in qos.split(",")]
        plain = permission == "allow" and qos is None
        self._redis.tell("HSET", f"mqtt_acl:{name}", topic, action if plain else orjson.dumps(rule).decode())

    def script(self, text: str) -> None:
        """One command, its words without spaces."""
        self._redis.tell(*text.split())

    def drop_rules(self, name: str) -> None:
        self._redis.tell("DEL", f"mqtt_acl:{name}")
