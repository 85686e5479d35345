"""What the configuration looks like in answers; keys that are kept may stand beside these."""

from pydantic import JsonValue

from rmq_http_api.shapes import TypedDict


class TlsObject(TypedDict):
    """The listener with TLS; key and certificates are paths of files on the node."""

    enable: bool
    url: str
    key: str | None
    keypass: None
    key_password: None
    cert: str | None
    cacert: str | None
    verify_peer: bool
    fail_if_no_peer_cert: bool


class WebsocketObject(TypedDict):
    """The listeners with WebSocket."""

    enable: bool
    url: str
    tls_url: str


class HttpServerObject(TypedDict):
    """The HTTP API."""

    enable: bool
    port: int
    username: str
    password: str
    auth_type: str


class BridgeSettingsObject(TypedDict):
    """The bridge, which isn't there unless somebody had it kept."""

    bridge_mode: bool
    address: str
    proto_ver: int
    clientid: str
    clean_start: bool
    username: str
    password: str
    keepalive: int
    parallel: int
    forwards: list[JsonValue]
    subscription: list[JsonValue]


class ConfigurationObject(TypedDict):
    """All of it; sizes in KB."""

    url: str
    num_taskq_thread: int
    max_taskq_thread: int
    parallel: int
    property_size: int
    max_packet_size: int
    client_max_packet_size: int
    msq_len: int
    qos_duration: int
    keepalive_backoff: float
    allow_anonymous: bool
    daemon: bool
    tls: TlsObject
    websocket: WebsocketObject
    http_server: HttpServerObject
    bridge: BridgeSettingsObject
