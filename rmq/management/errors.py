"""Why the management service refuses something: one class each, with the facts that an answer needs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rmq.management.models import Published


class ManagementError(Exception):
    """The base of all of them; the text is fit to be shown to an administrator."""


class BadQuery(ManagementError):
    """A value that a query or a request may not have; ``parameter`` is the name of its field."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason


class ClientNotFound(ManagementError):
    """There is neither a connection nor a session with this client id."""

    def __init__(self, client_id: str) -> None:
        super().__init__(f"there is no client {client_id!r}")
        self.client_id = client_id


class ClientOffline(ManagementError):
    """The client has a session but no connection, which the request needs."""

    def __init__(self, client_id: str) -> None:
        super().__init__(f"client {client_id!r} isn't connected")
        self.client_id = client_id


class NodeNotFound(ManagementError):
    """The cluster has no node with this id."""

    def __init__(self, node_id: int) -> None:
        super().__init__(f"there is no node {node_id}")
        self.node_id = node_id


class NodeUnreachable(ManagementError):
    """A node of the cluster doesn't answer."""

    def __init__(self, node_id: int, reason: str) -> None:
        super().__init__(f"node {node_id}: {reason}")
        self.node_id = node_id
        self.reason = reason


class RetainedNotFound(ManagementError):
    """There is no retained message with this topic name."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"there is no retained message on {topic!r}")
        self.topic = topic


class PluginNotFound(ManagementError):
    """The node knows no plugin of this name."""

    def __init__(self, plugin: str) -> None:
        super().__init__(f"there is no plugin {plugin!r}")
        self.plugin = plugin


class PluginRefused(ManagementError):
    """A plugin can't be started, stopped or configured anew: it is immutable, or it failed."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(f"plugin {plugin}: {reason}")
        self.plugin = plugin
        self.reason = reason


class StorageUnavailable(ManagementError):
    """What the request changes can't be kept just now; ``published`` has the messages that were published before."""

    published: "tuple[Published, ...]" = ()

    def __init__(self) -> None:
        super().__init__("what is kept can't be changed: storage fails")


class OutcomeUnknown(ManagementError):
    """Storage doesn't say in time whether the change is kept; it may still be made, now or later.

    ``published`` has the messages that were published, for certain, before.
    """

    published: "tuple[Published, ...]" = ()

    def __init__(self) -> None:
        super().__init__("storage doesn't answer: the change may or may not be made")
