"""MariaDB, as a server that speaks MySQL's protocol, for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.support.database_server import SECRET, Server, program


class Mariadb(Server):
    """MariaDB with a database ``mqtt`` and a user ``rmq`` that may read it."""

    user = "mysql"

    def prepare(self) -> None:
        """Make the tables of its own."""
        self.run(
            program("mariadb-install-db", "mariadb-server"),
            "--no-defaults",
            f"--datadir={self.folder}/data",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
            "--skip-name-resolve",
            "--innodb-flush-method=nosync",
            "--innodb-log-file-size=8M",
        )

    def command(self) -> Sequence[str]:
        """Without waiting for disks."""
        return [
            program("mariadbd", "mariadb-server"),
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.folder}/mysqld.sock",
            f"--pid-file={self.folder}/mysqld.pid",
            "--skip-name-resolve",
            "--innodb-flush-method=nosync",
            "--innodb-buffer-pool-size=16M",
            "--innodb-log-file-size=8M",
            "--innodb-fast-shutdown=2",
            "--character-set-server=utf8mb4",
            f"--ssl-cert={self.certfile}",
            f"--ssl-key={self.keyfile}",
            f"--ssl-ca={self.cafile}",
        ]

    def answers(self) -> bool:
        """By a login."""
        admin = program("mariadb-admin", "mariadb-client")
        command = [admin, "--no-defaults", f"--socket={self.folder}/mysqld.sock", "-u", "root", "status"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def sql(self, text: str, database: str = "mqtt") -> None:
        """Run statements as its owner."""
        client = program("mariadb", "mariadb-client")
        socket = f"--socket={self.folder}/mysqld.sock"
        self.run(client, "--no-defaults", "--default-character-set=utf8mb4", socket, "-u", "root", database, text=text)

    @property
    def socket_path(self) -> str:
        """A file."""
        return f"{self.folder}/mysqld.sock"

    def fill(self) -> None:
        """A database and its reader."""
        secret = SECRET.replace("\\", "\\\\").replace("'", "\\'")
        self.sql(
            "CREATE DATABASE mqtt;"
            + "".join(
                f"CREATE USER 'rmq'@'{host}' IDENTIFIED BY '{secret}'; GRANT SELECT ON mqtt.* TO 'rmq'@'{host}';"
                for host in ("127.0.0.1", "localhost")
            ),
            "",
        )
