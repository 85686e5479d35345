"""The door between a node and its plugins: everything a plugin may import of the engine.

plugin  the base class of plugins and of their configuration
host    the node as a plugin sees it
state   what an operator is told of a plugin
filters topic filters of access rules against what clients ask for
rights  rules that a login gives its client
values  values that several plugins' configurations have

What hook handlers are given and answer comes through here too; ``docs/plugins.md`` shows how it fits together.
"""

from rmq.config.units import Address, ByteSize, Duration, ListenAddress, WholeSeconds
from rmq.hooks.points import POINTS
from rmq.hooks.registry import Handle
from rmq.hooks.verdicts import (
    ALLOW,
    DENY,
    DENY_AND_DISCONNECT,
    DENY_ONCE,
    LATER,
    UNDECIDED,
    AuthRequest,
    AuthResult,
    EnhancedAuthRequest,
)
from rmq.mqtt.codes import REASON_NAMES
from rmq.mqtt.errors import MqttError
from rmq.mqtt.message import FROM_ADMIN, FROM_BRIDGE, FROM_CLIENT, FROM_SYSTEM, Message
from rmq.mqtt.packets import Connect, SubscriptionRequest
from rmq.mqtt.topics import is_valid_topic_filter, is_valid_topic_name, split_shared
from rmq.mqtt.topics import matches as topic_matches
from rmq.plugin_api.filters import filter_covers, filters_overlap, unshared
from rmq.plugin_api.host import HookHandler, NodeServices, Passwords, PluginHost
from rmq.plugin_api.plugin import Plugin, PluginConfig, PluginError
from rmq.plugin_api.rights import AccessRule, judge_publish, judge_subscribe, read_rules
from rmq.plugin_api.state import PluginState
from rmq.plugin_api.values import HttpHeaders, SomeTime
from rmq.session.client_info import ClientInfo
from rmq.session.subscription import Subscription

__all__ = [
    "ALLOW",
    "DENY",
    "DENY_AND_DISCONNECT",
    "DENY_ONCE",
    "FROM_ADMIN",
    "FROM_BRIDGE",
    "FROM_CLIENT",
    "FROM_SYSTEM",
    "LATER",
    "POINTS",
    "REASON_NAMES",
    "UNDECIDED",
    "AccessRule",
    "Address",
    "AuthRequest",
    "AuthResult",
    "ByteSize",
    "ClientInfo",
    "Connect",
    "Duration",
    "EnhancedAuthRequest",
    "Handle",
    "HookHandler",
    "HttpHeaders",
    "ListenAddress",
    "Message",
    "MqttError",
    "NodeServices",
    "Passwords",
    "Plugin",
    "PluginConfig",
    "PluginError",
    "PluginHost",
    "PluginState",
    "SomeTime",
    "Subscription",
    "SubscriptionRequest",
    "WholeSeconds",
    "filter_covers",
    "filters_overlap",
    "is_valid_topic_filter",
    "is_valid_topic_name",
    "judge_publish",
    "judge_subscribe",
    "read_rules",
    "split_shared",
    "topic_matches",
    "unshared",
]
