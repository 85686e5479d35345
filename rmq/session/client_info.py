"""Who a client is: the read-only facts about one connection that hooks, plugins and queries are given."""


class ClientInfo:
    """Facts of one connection, fixed once CONNECT is accepted, but for ``keepalive``, which administrators may change.

    ``keepalive`` in seconds as in force (Server Keep Alive applied); ``connected_at`` seconds since 1970.
    ``username`` is None when none was sent. Passwords are never kept here.
    """

    __slots__ = (
        "clean_start",
        "client_id",
        "connected_at",
        "keepalive",
        "listener",
        "local_port",
        "node_id",
        "protocol_level",
        "remote_host",
        "remote_port",
        "superuser",
        "user_properties",
        "username",
    )

    def __init__(
        self,
        node_id: int,
        client_id: str,
        username: str | None,
        protocol_level: int,
        remote_host: str,
        remote_port: int,
        listener: str,
        local_port: int,
    ) -> None:
        self.node_id = node_id
        self.client_id = client_id
        self.username = username
        self.protocol_level = protocol_level
        self.remote_host = remote_host
        self.remote_port = remote_port
        self.listener = listener
        self.local_port = local_port
        self.clean_start: bool = True
        self.keepalive: int = 0
        self.connected_at: float = 0.0
        self.superuser: bool = False
        self.user_properties: list[tuple[str, str]] | None = None
