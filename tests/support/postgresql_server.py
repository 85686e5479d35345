"""PostgreSQL for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.support.database_server import SECRET, Server, program


class Postgresql(Server):
    """PostgreSQL with a database ``mqtt`` and a user ``rmq`` that may read it."""

    user = "postgres"

    def prepare(self) -> None:
        """Make a cluster of databases, with passwords over TCP."""
        owner = self.run(
            program("initdb", "postgresql"),
            "-D",
            "data",
            "--no-sync",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-U",
            "postgres",
        )
        assert owner
        rules = ("local all postgres trust", "local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256")
        (self.folder / "data" / "pg_hba.conf").write_text("\n".join(rules) + "\n")

    def command(self) -> Sequence[str]:
        """Without waiting for disks."""
        return [
            program("postgres", "postgresql"),
            "-D",
            "data",
            "-p",
            str(self.port),
            "-k",
            str(self.folder),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "ssl=on",
            "-c",
            f"ssl_cert_file={self.certfile}",
            "-c",
            f"ssl_key_file={self.keyfile}",
            "-c",
            f"ssl_ca_file={self.cafile}",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=40",
            "-c",
            "shared_buffers=16MB",
        ]

    def answers(self) -> bool:
        """By its own program for that."""
        ready = program("pg_isready", "postgresql-client-common")
        done = subprocess.run([ready, "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False)
        return done.returncode == 0

    def sql(self, text: str, database: str = "mqtt") -> None:
        """Run statements as its owner."""
        psql = program("psql", "postgresql-client-common")
        self.run(
            psql,
            "-qX",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-U",
            "postgres",
            database,
            text=text,
        )

    @property
    def socket_path(self) -> str:
        """A file."""
        return f"{self.folder}/.s.PGSQL.{self.port}"

    def fill(self) -> None:
        """A database and its reader."""
        secret = SECRET.replace("'", "''")
        self.sql(f"CREATE DATABASE mqtt;\nCREATE USER rmq PASSWORD '{secret}';", "postgres")
