"""Whether the cluster's table fits the rest of the settings: the node's number, storage, the secret, the ports."""

from collections.abc import Iterator

from rmq.config.cluster import CLUSTER_TABLE, ClusterSettings
from rmq.config.listener_kinds import TcpListenerSettings
from rmq.config.model import Settings
from rmq.config.origins import Problem
from rmq.config.validate import dotted


def cluster_problems(settings: Settings) -> list[Problem]:
    """Everything that is wrong between them; nothing for a node alone."""
    return list(_problems(settings, settings.cluster)) if settings.cluster.enabled else []


def _problems(settings: Settings, cluster: ClusterSettings) -> Iterator[Problem]:
    own = cluster.node(settings.node.id)
    if own is None:
        listed = ", ".join(str(node.id) for node in cluster.nodes)
        text = f"this node is {settings.node.id} (--id or node.id), which isn't among the nodes {listed}"
        yield _problem(settings, ("plugins", CLUSTER_TABLE, "nodes"), text)
    if not settings.storage.enable:
        text = f"must be true in a cluster (plugins.{CLUSTER_TABLE}.nodes), whose state each node keeps on disk"
        yield _problem(settings, ("storage", "enable"), text)
    if not cluster.is_local and not cluster.secret and not cluster.secret_file:
        text = (
            "is required, or secret_file: the nodes' addresses are open to the network "
            "(also: RMQ_CLUSTER_SECRET; the same for all nodes)"
        )
        yield _problem(settings, ("plugins", CLUSTER_TABLE, "secret"), text)
    for name, listener in settings.listeners.items():
        if listener.packet_size_limit > cluster.max_packet_size:
            kind, rest = name.split(".", 1)
            text = (
                f"a packet of {listener.packet_size_limit} bytes doesn't fit through the links of the cluster: at most "
                f"{cluster.max_packet_size}, or raise plugins.{CLUSTER_TABLE}.link_max_frame"
            )
            yield _problem(settings, ("listener", kind, rest, "max_packet_size"), text)
    if own is None:
        return
    # Where the default is bound depends on the machine; what is certain is the own address, if it is one of it.
    key = "nodes" if cluster.bind is None else "bind"
    links = cluster.bind or own.address
    for name, listener in settings.listeners.items():
        if isinstance(listener, TcpListenerSettings) and links.clashes_with(listener.addr):
            text = f"{links} is taken by listener.{name} ({listener.addr})"
            yield _problem(settings, ("plugins", CLUSTER_TABLE, key), text)


def _problem(settings: Settings, key: tuple[str, ...], text: str) -> Problem:
    origin = settings.origin_near(key)
    return Problem(origin.name if origin else "", dotted(key), text)
