"""Redis for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.support.database_server import SECRET, Server, program


class Redis(Server):
    """Redis with a password; what tests write survives it by their writing it again."""

    def command(self) -> Sequence[str]:
        """Nothing on disk."""
        path = self.folder / "redis.conf"
        quoted = SECRET.replace("\\", "\\\\").replace('"', '\\"')
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"unixsocket {self.socket_path}",
            f"tls-port {self.tls_port}",
            f"tls-cert-file {self.certfile}",
            f"tls-key-file {self.keyfile}",
            f"tls-ca-cert-file {self.cafile}",
            "tls-auth-clients optional",
            'save ""',
            "appendonly no",
            f"dir {self.folder}",
            f'requirepass "{quoted}"',
        ]
        path.write_text("\n".join(lines) + "\n")
        return [program("redis-server", "redis-server"), str(path)]

    @property
    def tls_server(self) -> str:
        """Another port."""
        return f"127.0.0.1:{self.tls_port}"

    @property
    def socket_path(self) -> str:
        """A file."""
        return f"{self.folder}/redis.sock"

    def answers(self) -> bool:
        """By a question."""
        client = program("redis-cli", "redis-tools")
        command = [client, "-p", str(self.port), "-a", SECRET, "--no-auth-warning", "ping"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "PONG"

    def tell(self, *words: str) -> None:
        """Run one command."""
        self.run(program("redis-cli", "redis-tools"), "-p", str(self.port), "-a", SECRET, "--no-auth-warning", *words)
