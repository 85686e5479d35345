"""The keys of a cluster (plugins/rmq-cluster-raft.toml): who is in it, the secret, the links, and what it waits for."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, ValidationInfo, field_validator

from rmq.config.listeners import above_zero
from rmq.config.section import Section
from rmq.config.tls_files import checked_certificates, checked_key
from rmq.config.units import MIB, Address, ByteSize, Duration, parse_address

# The name the table stands under among those of plugins; it is no plugin that could be started.
CLUSTER_TABLE: Final = "rmq-cluster-raft"
# More than five make every decision slower and no safer; further nodes serve clients without a vote.
MAX_VOTERS: Final = 5
# Every node is linked with every other one.
MAX_NODES: Final = 32
MAX_NODE_ID: Final = 4_294_967_295
# Whoever hears a handshake can try secrets on it for as long as they like, so it must not be a word.
MIN_SECRET_BYTES: Final = 16
MAX_SECRET_BYTES: Final = 1024

Minority = Literal["serve", "refuse"]
# The links' frames hold snapshots in pieces; smaller ones would only cost more.
LinkBuffer = Annotated[ByteSize, Field(ge=1 * MIB, le=1024 * MIB)]
Time = Annotated[Duration, AfterValidator(above_zero)]

_ENTRIES: Final = 'write the nodes as "1@10.0.0.1:5363, 2@10.0.0.2:5363, 3@10.0.0.3:5363"'
_NODE_ID: Final = re.compile(r"[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One node of the list: its number, and the address that the others reach it at."""

    id: int
    address: Address

    def __str__(self) -> str:
        return f"{self.id}@{self.address}"


def parse_nodes(value: object) -> tuple[ClusterNode, ...]:
    """The nodes of a list, or of one text with commas. Raises ``ValueError``."""
    if isinstance(value, str):
        value = [entry for entry in value.split(",") if entry.strip()]
    if not isinstance(value, (list, tuple)):
        raise ValueError(_ENTRIES)
    nodes = tuple(entry if isinstance(entry, ClusterNode) else _parse_node(entry) for entry in value)
    _check_together(nodes)
    return nodes


def _parse_node(entry: object) -> ClusterNode:
    if not isinstance(entry, str):
        raise ValueError(_ENTRIES)
    text = entry.strip()
    number, at, address_text = text.partition("@")
    if not at or _NODE_ID.fullmatch(number.strip()) is None:
        raise ValueError(f'"{text}" has no node number before an @; {_ENTRIES}')
    node_id = int(number)
    if not 1 <= node_id <= MAX_NODE_ID:
        raise ValueError(f'"{text}": a node\'s number is 1 to {MAX_NODE_ID}')
    try:
        address = parse_address(address_text)
    except ValueError as error:
        raise ValueError(f'"{text}": {error}') from None
    if address.port == 0:
        raise ValueError(f'"{text}": the port must be 1 to 65535, for the other nodes have to know it')
    if address.is_wildcard:
        raise ValueError(f'"{text}": {address.host} is no address that other nodes could connect to')
    return ClusterNode(node_id, address)


def _check_together(nodes: tuple[ClusterNode, ...]) -> None:
    if len(nodes) > MAX_NODES:
        raise ValueError(f"there are {len(nodes)} nodes; a cluster has at most {MAX_NODES}")
    by_id: dict[int, ClusterNode] = {}
    by_address: dict[Address, ClusterNode] = {}
    for node in nodes:
        same = by_id.setdefault(node.id, node)
        if same is not node:
            raise ValueError(f"node {node.id} is listed twice, with {same.address} and {node.address}")
        same = by_address.setdefault(node.address, node)
        if same is not node:
            raise ValueError(f"nodes {same.id} and {node.id} have one address, {node.address}")
    local = [node for node in nodes if node.address.is_loopback]
    if local and len(local) < len(nodes):
        other = next(node for node in nodes if not node.address.is_loopback)
        raise ValueError(f"{local[0]} is an address within its own machine, {other} isn't: they can't reach each other")


def _parse_optional(value: object) -> Address | None:
    if value in (None, ""):
        return None
    address = parse_address(value)
    if address.port == 0:
        raise ValueError("the port must be 1 to 65535, for the other nodes have to know it")
    return address


ClusterNodes = Annotated[
    tuple[ClusterNode, ...],
    PlainValidator(parse_nodes),
    PlainSerializer(lambda nodes: [str(node) for node in nodes], when_used="json"),
]
OptionalAddress = Annotated[
    Address | None,
    PlainValidator(_parse_optional),
    PlainSerializer(lambda address: "" if address is None else str(address), when_used="json"),
]


# What a frame has beside the packet of a client: the message's other fields, and those of the log.
FRAME_ROOM = 256 * 1024


class ClusterSettings(Section):
    """[plugins.rmq-cluster-raft]: without ``nodes`` the node is alone, and nothing else here is looked at."""

    nodes: ClusterNodes = ()
    observers: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_NODE_ID)], ...], Field(strict=False)] = ()
    bind: OptionalAddress = None
    advertise: OptionalAddress = None

    # who may take part
    secret: str = ""
    secret_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""

    # what clients notice
    minority: Minority = "serve"
    node_down_grace: Time = 1.5
    quorum_timeout: Time = 5.0
    laggard_after: Time = 5.0
    forward_deadline: Time = 2.0

    # Raft
    heartbeat_interval: Time = 0.1
    election_timeout_min: Time = 0.5
    election_timeout_max: Time = 1.0
    leader_timeout: Time = 1.0

    # links
    link_dead_after: Time = 2.0
    link_max_frame: Annotated[ByteSize, Field(ge=1 * MIB, le=256 * MIB)] = 16 * MIB
    link_control_buffer: LinkBuffer = 32 * MIB
    link_data_buffer: LinkBuffer = 64 * MIB

    @field_validator("observers")
    @classmethod
    def _are_nodes(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        nodes: tuple[ClusterNode, ...] = info.data.get("nodes", ())
        if not nodes:
            return value
        for node_id in value:
            if all(node.id != node_id for node in nodes):
                raise ValueError(f"{node_id} is none of the nodes")
        if all(node.id in value for node in nodes):
            raise ValueError("some node has to vote")
        return value

    @field_validator("advertise")
    @classmethod
    def _can_be_reached(cls, value: Address | None) -> Address | None:
        if value is not None and value.is_wildcard:
            raise ValueError(f"{value.host} is no address that other nodes could connect to")
        return value

    @field_validator("secret")
    @classmethod
    def _is_no_word(cls, value: str) -> str:
        if value:
            _check_secret(_encoded(value), "the secret")
        return value

    @field_validator("secret_file")
    @classmethod
    def _holds_a_secret(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("nodes") and not info.data.get("secret"):
            read_secret(Path(value).expanduser())
        return value

    @field_validator("tls_cert")
    @classmethod
    def _is_a_certificate(cls, value: str, info: ValidationInfo) -> str:
        return checked_certificates(value) if value and info.data.get("nodes") else value

    @field_validator("tls_key")
    @classmethod
    def _is_its_key(cls, value: str, info: ValidationInfo) -> str:
        if not info.data.get("nodes"):
            return value
        if bool(value) != bool(info.data.get("tls_cert", value)):
            raise ValueError("tls_cert, tls_key and tls_ca go together: all three, or none")
        return checked_key(value, info.data.get("tls_cert")) if value else value

    @field_validator("tls_ca")
    @classmethod
    def _are_authorities(cls, value: str, info: ValidationInfo) -> str:
        if not info.data.get("nodes"):
            return value
        if bool(value) != bool(info.data.get("tls_cert", value)):
            raise ValueError("tls_cert, tls_key and tls_ca go together: all three, or none")
        return checked_certificates(value) if value else value

    @field_validator("election_timeout_min")
    @classmethod
    def _outlasts_heartbeats(cls, value: float, info: ValidationInfo) -> float:
        heartbeat = info.data.get("heartbeat_interval", 0.0)
        if value < 3 * heartbeat:
            raise ValueError(f"must be at least three times heartbeat_interval ({heartbeat:g}s)")
        return value

    @field_validator("election_timeout_max")
    @classmethod
    def _is_a_range(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("election_timeout_min", 0.0)
        if value < 1.5 * least:
            # With one timeout for all, nodes would stand for election together again and again.
            raise ValueError(f"must be at least one and a half times election_timeout_min ({least:g}s)")
        return value

    @field_validator("leader_timeout")
    @classmethod
    def _outlasts_heartbeats_too(cls, value: float, info: ValidationInfo) -> float:
        heartbeat = info.data.get("heartbeat_interval", 0.0)
        if value < 3 * heartbeat:
            raise ValueError(f"must be at least three times heartbeat_interval ({heartbeat:g}s)")
        return value

    @property
    def max_packet_size(self) -> int:
        """The largest packet of a client that fits through the links, in bytes."""
        return self.link_max_frame - FRAME_ROOM

    @property
    def enabled(self) -> bool:
        """Whether the node is to be in a cluster."""
        return bool(self.nodes)

    @property
    def voters(self) -> tuple[int, ...]:
        """Who votes when the cluster is founded: the five lowest numbers that aren't observers."""
        return tuple(sorted(node.id for node in self.nodes if node.id not in self.observers)[:MAX_VOTERS])

    @property
    def is_local(self) -> bool:
        """Whether all of it is within this machine, so that no secret is needed."""
        addresses = [*(node.address for node in self.nodes), self.bind, self.advertise]
        return all(address is None or address.is_loopback for address in addresses)

    def node(self, node_id: int) -> ClusterNode | None:
        """The entry of a node, None when it isn't listed."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def secret_bytes(self) -> bytes:
        """The secret, from the key or the file as it is now; empty without one. Raises ``ValueError``."""
        if self.secret:
            return _encoded(self.secret)
        return read_secret(Path(self.secret_file).expanduser()) if self.secret_file else b""

    @property
    def secret_is_readable_by_others(self) -> bool:
        """Whether the secret's file can be read by more than its owner; False without a file."""
        if self.secret or not self.secret_file:
            return False
        try:
            return bool(stat.S_IMODE(os.stat(Path(self.secret_file).expanduser()).st_mode) & 0o077)
        except OSError:
            return False  # it can't be read at all, which ``secret_bytes`` says


def _encoded(secret: str) -> bytes:
    # A variable of the environment may hold bytes that aren't UTF-8.
    return secret.encode("utf-8", "surrogateescape")


def read_secret(path: Path) -> bytes:
    """The secret in a file, without the line end behind it. Raises ``ValueError``."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 3)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror or error}") from None
    secret = content.removesuffix(b"\n").removesuffix(b"\r")
    _check_secret(secret, str(path))
    return secret


def _check_secret(secret: bytes, where: str) -> None:
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(
            f"{where} has {len(secret)} bytes, at least {MIN_SECRET_BYTES} are needed; `openssl rand -hex 32` makes one"
        )
    if len(secret) > MAX_SECRET_BYTES:
        raise ValueError(f"{where} has more than {MAX_SECRET_BYTES} bytes")
