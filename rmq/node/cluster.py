"""From settings to the cluster: its code, loaded by dotted path, and the plain values that it is made with."""

import importlib
import socket
from pathlib import Path
from typing import Any, Final

import structlog

from rmq.config import CLUSTER_TABLE, Address, ConfigError, Problem, Settings, TcpListenerSettings
from rmq.management.local import LocalNode
from rmq.management.peers import PeerQueries
from rmq.metrics.cluster_keys import ClusterFigures

log = structlog.get_logger(__name__)

# The engine knows the cluster by dotted path and from here alone, as it knows the plugins that ship with it.
CLUSTER: Final = "rmq_cluster.cluster:Cluster"
OPTIONS: Final = "rmq_cluster.options"
RECOVER: Final = "rmq_cluster.recover"
PEERS: Final = "rmq_cluster.questions:make_peers"
FIGURES: Final = "rmq_cluster.figures:Figures"

# How much of ``node.shutdown_timeout`` the other nodes may take to take over what this one hands them, and at most (s).
HANDOVER_SHARE: Final = 0.3
MAX_HANDOVER_S: Final = 3.0


def cluster_class() -> Any:
    """The class of the cluster. Raises ``ConfigError`` when it can't be loaded."""
    module, _, name = CLUSTER.partition(":")
    return getattr(_module(module), name)


def recovery_of_data() -> Any:
    """The module that mends data of a member that doesn't run. Raises ``ConfigError``."""
    return _module(RECOVER)


def prepare_data(folder: Path, storage: Path) -> None:
    """Discard what is to be taken from the other nodes, before it is read. Raises ``ConfigError``, ``OSError``."""
    recover = _module(RECOVER)
    try:
        recover.prepare(folder, storage)
    except recover.IdentityError as error:
        raise ConfigError([Problem("", "node.data_dir", str(error))]) from None


def is_member(folder: Path) -> bool:
    """Whether the data in a folder belong to a cluster. Raises ``ConfigError``."""
    recover = _module(RECOVER)
    try:
        return recover.load_identity(folder) is not None
    except recover.IdentityError as error:
        raise ConfigError([Problem("", "node.data_dir", str(error))]) from None


def make_peers(cluster: Any, local: LocalNode) -> PeerQueries:
    """The way of management to the other nodes."""
    module, _, name = PEERS.partition(":")
    peers: PeerQueries = getattr(_module(module), name)(cluster, local)
    return peers


def make_figures(cluster: Any) -> ClusterFigures:
    """What the cluster counts."""
    module, _, name = FIGURES.partition(":")
    figures: ClusterFigures = getattr(_module(module), name)(cluster)
    return figures


def cluster_options(settings: Settings) -> Any:
    """What the settings say about the cluster, as its ``ClusterOptions``. Raises ``ConfigError``.

    Only for a node that is in one (``settings.cluster.enabled``).
    """
    cluster = settings.cluster
    known = _module(OPTIONS)
    options = known.ClusterOptions({node.id: str(node.address) for node in cluster.nodes})
    options.bind = str(bind_address(settings))
    options.advertised = "" if cluster.advertise is None else str(cluster.advertise)
    options.voters = cluster.voters
    options.votes = settings.node.id in cluster.voters
    options.secret = _secret(settings)
    if cluster.tls_cert:
        options.tls = known.TlsFiles(Path(cluster.tls_cert), Path(cluster.tls_key), Path(cluster.tls_ca))
    options.listeners = advertised_listeners(settings)
    options.minority = cluster.minority
    options.node_down_grace = cluster.node_down_grace
    options.quorum_timeout = cluster.quorum_timeout
    options.laggard_after = cluster.laggard_after
    options.forward_deadline = cluster.forward_deadline
    options.stop_timeout = min(MAX_HANDOVER_S, settings.node.shutdown_timeout * HANDOVER_SHARE)
    options.snapshot_after = settings.storage.snapshot_after
    policies = {settings.storage.ack_policy} | {listener.ack_policy for listener in settings.listeners.values()}
    options.sync_at_once = "quorum_fsync" in policies
    options.raft.heartbeat = cluster.heartbeat_interval
    options.raft.election_min = cluster.election_timeout_min
    options.raft.election_max = cluster.election_timeout_max
    options.raft.leader_fallback = cluster.leader_timeout
    options.link_dead_after = cluster.link_dead_after
    options.link_max_frame = cluster.link_max_frame
    options.link_control_buffer = cluster.link_control_buffer
    options.link_data_buffer = cluster.link_data_buffer
    return options


def bind_address(settings: Settings) -> Address:
    """Where the node waits for others: as configured, else its own address if it is one of this machine, else anywhere.

    A name is never looked up for that: it may not resolve yet, or resolve to what is mapped to this machine.
    """
    cluster = settings.cluster
    if cluster.bind is not None:
        return cluster.bind
    own = cluster.node(settings.node.id)
    if own is None:
        raise ConfigError([Problem("", f"plugins.{CLUSTER_TABLE}.nodes", "this node isn't listed")])
    if own.address.is_loopback or _is_of_this_machine(own.address):
        return own.address
    return Address("::" if own.address.is_ipv6 else "0.0.0.0", own.address.port)


def advertised_listeners(settings: Settings) -> dict[str, str]:
    """By full name of a listener, the address that clients are told when they are to come here."""
    return {
        name: listener.advertise
        for name, listener in settings.listeners.items()
        if isinstance(listener, TcpListenerSettings) and listener.advertise
    }


def _is_of_this_machine(address: Address) -> bool:
    if not address.is_ip:
        return False
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address.host, 0))
    except OSError:
        return False
    return True


def _secret(settings: Settings) -> bytes:
    cluster = settings.cluster
    try:
        secret = cluster.secret_bytes()
    except ValueError as error:  # it was there when the settings were read
        raise ConfigError([Problem("", f"plugins.{CLUSTER_TABLE}.secret_file", str(error))]) from None
    if cluster.secret_is_readable_by_others:
        file = cluster.secret_file
        log.warning("others may read the secret of the cluster", file=file, mend=f"chmod 600 {file}")
    return secret


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        text = f"clusters can't be loaded: {error}"
        raise ConfigError([Problem("", f"plugins.{CLUSTER_TABLE}.nodes", text)]) from None
