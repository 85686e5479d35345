"""The tables that the default queries read, made in a file of SQLite; docs/plugins.md has those of servers."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

_STATEMENTS: Final = (
    # Who writes doesn't keep logins waiting then.
    "PRAGMA journal_mode = WAL",
    """
    CREATE TABLE IF NOT EXISTS mqtt_user (
        username TEXT PRIMARY KEY NOT NULL,
        password_hash TEXT NOT NULL,
        salt TEXT,
        is_superuser INTEGER NOT NULL DEFAULT 0 CHECK (is_superuser IN (0, 1)),
        created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS mqtt_acl (
        id INTEGER PRIMARY KEY,
        position INTEGER NOT NULL DEFAULT 0,
        username TEXT,
        clientid TEXT,
        ipaddress TEXT,
        permission TEXT NOT NULL CHECK (permission IN ('allow', 'deny')),
        action TEXT NOT NULL CHECK (action IN ('publish', 'subscribe', 'all')),
        topic TEXT NOT NULL,
        qos TEXT,
        retain INTEGER CHECK (retain IN (0, 1))
    )
    """,
    "CREATE INDEX IF NOT EXISTS mqtt_acl_username ON mqtt_acl (username)",
)


def create_tables(path: Path) -> None:
    """Make the file and its tables where they aren't there; raises ``OSError`` and ``sqlite3.Error``.

    Nobody else may read it: it has the hashes of passwords.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in _STATEMENTS:
            connection.execute(statement)
