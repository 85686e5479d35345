"""Clients that rules are asked about."""

from rmq.plugin_api import ClientInfo


def client(
    client_id: str = "someone",
    username: str | None = None,
    host: str = "192.0.2.7",
    protocol: int = 5,
    superuser: bool = False,
) -> ClientInfo:
    """A client from an address that no shipped rule knows."""
    info = ClientInfo(1, client_id, username, protocol, host, 50_000, "tcp.external", 1883)
    info.superuser = superuser
    return info
