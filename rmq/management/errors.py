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


class ListenerNotFound(ManagementError):
    """No node has a listener of this name."""

    def __init__(self, listener: str) -> None:
        super().__init__(f"there is no listener {listener!r}")
        self.listener = listener


class ListenerFailed(ManagementError):
    """A listener can't be started: its address can't be had, its certificate can't be used."""

    def __init__(self, listener: str, reason: str) -> None:
        super().__init__(f"listener {listener}: {reason}")
        self.listener = listener
        self.reason = reason


class AlarmNotFound(ManagementError):
    """No node has an alarm of this name on."""

    def __init__(self, alarm: str) -> None:
        super().__init__(f"there is no alarm {alarm!r}")
        self.alarm = alarm


class DelayedNotFound(ManagementError):
    """There is no delayed message with this key, or none with this topic name."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no delayed message {key!r}")
        self.key = key


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
    """Storage, or the node that makes the change, doesn't say in time what became of it; it may still be made.

    ``silent`` is who doesn't answer; ``published`` has the messages that were published, for certain, before.
    """

    published: "tuple[Published, ...]" = ()

    def __init__(self, silent: str = "storage") -> None:
        super().__init__(f"{silent} doesn't answer: the change may or may not be made")
        self.silent = silent


class NotInACluster(ManagementError):
    """The node isn't in a cluster."""

    def __init__(self) -> None:
        super().__init__("this node isn't in a cluster")


class AlreadyInACluster(ManagementError):
    """The node is a member of a cluster, which it must leave first."""

    def __init__(self, cluster_id: str) -> None:
        super().__init__(f"this node is in cluster {cluster_id} already")
        self.cluster_id = cluster_id


class NodeHasData(ManagementError):
    """The node has data of its own, and nobody said that they may be discarded."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there are data in {path}, which would be lost (--discard-data: let them be)")
        self.path = path


class NotAMember(ManagementError):
    """The cluster has no member with this id, or none that can do what is asked."""

    def __init__(self, node_id: int) -> None:
        super().__init__(f"node {node_id} isn't a member of the cluster")
        self.node_id = node_id


class NoQuorum(ManagementError):
    """Too few voters are in contact; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("too few nodes are in contact to decide anything: nothing was changed")


class ChangeUnderWay(ManagementError):
    """One change of the cluster at a time; ``change`` says which one isn't finished."""

    def __init__(self, change: str) -> None:
        super().__init__(f"another change isn't finished: {change}")
        self.change = change


class ClusterRefused(ManagementError):
    """Something is in the way of a change of the cluster; ``reason`` is a sentence for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BackupFailed(ManagementError):
    """A backup can't be written, read, or isn't one."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class AccountError(ManagementError):
    """The base of what is wrong with one account; ``kind`` and ``name`` say which."""

    wording = "{what} {name!r} can't be used"

    def __init__(self, kind: str, name: str) -> None:
        what = "API key" if kind == "api_key" else kind
        super().__init__(self.wording.format(what=what, name=name))
        self.kind = kind
        self.name = name


class AccountNotFound(AccountError):
    """There is no account of this kind with this name."""

    wording = "there is no {what} {name!r}"


class AccountExists(AccountError):
    """There is one with this name."""

    wording = "there is {what} {name!r} already"


class BusyAccount(AccountError):
    """Others change the account all the time; nothing was changed for this request."""

    wording = "{what} {name!r} was changed by others meanwhile: nothing was changed"


class WrongPassword(AccountError):
    """The old password that came with a new one isn't the user's; nothing was changed."""

    wording = "that isn't the password of {what} {name!r}"


class AdminStays(AccountError):
    """The one user that is always there, and always an administrator."""

    wording = "{what} {name!r} can't be taken out, and stays an administrator"


class TooManyAccounts(ManagementError):
    """As many accounts as can be are there; ``limit`` is how many, of all kinds together."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} users and API keys already, and no more are kept")
        self.limit = limit


class TooManyBans(ManagementError):
    """As many bans as can be are there; ``limit`` is how many."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} bans already: let somebody in, or ban networks")
        self.limit = limit


class TooManyTraces(ManagementError):
    """As many traces as can be are there; ``limit`` is how many."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} traces already: delete one first")
        self.limit = limit


class TooManyTopics(ManagementError):
    """As many topic names are counted as can be; ``limit`` is how many."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} topic names are counted already: take one out first")
        self.limit = limit


class NotKnownEverywhere(ManagementError):
    """A member of the cluster runs a program that doesn't know this kind of change; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("a node of the cluster runs an older rmq that doesn't know this change: upgrade it first")


class SettingsRefused(ManagementError):
    """Settings can't be changed so, and none was; ``problems`` says what is wrong with which keys."""

    def __init__(self, problems: str) -> None:
        super().__init__(problems)
        self.problems = problems


class SettingsNotKept(ManagementError):
    """Settings can't be changed because that can't be written."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the change can't be written: {reason}")
        self.reason = reason


class NotInCharge(ManagementError):
    """The node can't be stopped or restarted from here: it is part of a program."""

    def __init__(self) -> None:
        super().__init__("this node is part of a program, which stops it")


class DataFileNotFound(ManagementError):
    """There is no file of exported data with this name on that node."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no file {name[:128]!r}")
        self.name = name


class DataUnreadable(ManagementError):
    """A file isn't exported data, or isn't whole; nothing of it was taken."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name[:128]}: {reason}")
        self.name = name
        self.reason = reason


class DataNotKept(ManagementError):
    """The node keeps nothing on disk, so there is nowhere to put a file."""

    def __init__(self) -> None:
        super().__init__("this node keeps nothing on disk (storage.enable = false)")
