"""The door between a node and its plugins: everything a plugin may import of the engine.

plugin  the base class of plugins and of their configuration
host    the node as a plugin sees it
client  MQTT as a client speaks it: packets over a stream, to any broker or to this node
keeping for plugins that keep messages for clients that come later
state   what an operator is told of a plugin
filters topic filters of access rules against what clients ask for
rights  rules that a login gives its client
values  values that several plugins' configurations have
breaker the circuit breaker: a server that fails isn't asked for a while
patience  requests with retries and a breaker, within the time that a handler has
fetching  a document from a web server; imported by its own name, as it brings httpx
published_keys  an issuer's keys, fetched in the background; imported by its own name too
while_connected  what a plugin keeps for each client as long as it is connected

What hook handlers are given and answer comes through here too; ``docs/plugins.md`` shows how it fits together.
"""

from rmq.config.model import SharedStrategy
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
from rmq.management.messages.retaining import RetainRules
from rmq.mqtt.codes import PUBACK, PUBCOMP, PUBREC, PUBREL, REASON_NAMES, TOPIC_NAME_INVALID, V5, V311
from rmq.mqtt.errors import MqttError
from rmq.mqtt.message import FROM_ADMIN, FROM_BRIDGE, FROM_CLIENT, FROM_SYSTEM, FROM_WILL, AddressedMessage, Message
from rmq.mqtt.packets import (
    Ack,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Publish,
    Subscribe,
    SubscriptionRequest,
    Will,
)
from rmq.mqtt.properties import Properties, decode_block, encode_block
from rmq.mqtt.topics import is_valid_topic_filter, is_valid_topic_name, split_shared
from rmq.mqtt.topics import matches as topic_matches
from rmq.plugin_api.breaker import CircuitBreaker
from rmq.plugin_api.client import MqttConnection, MqttFailedError, Outgoing, ended_by
from rmq.plugin_api.filters import filter_covers, filters_overlap, unshared
from rmq.plugin_api.host import HookHandler, NodeServices, Passwords, PluginHost
from rmq.plugin_api.keeping import Keeping, KeepingServices
from rmq.plugin_api.patience import NoAnswerError, Patience
from rmq.plugin_api.plugin import Plugin, PluginConfig, PluginError
from rmq.plugin_api.rights import MAX_RULES, AccessRule, judge_publish, judge_subscribe, read_rules
from rmq.plugin_api.state import PluginState
from rmq.plugin_api.values import BreakerConfig, HttpHeaders, HttpUrl, RetryConfig, SomeTime
from rmq.plugin_api.while_connected import KeptWhileConnected
from rmq.session.client_info import ClientInfo
from rmq.session.subscription import Subscription
from rmq.storage.packing import packer, unpack_all
from rmq.threads import NoThreadError, in_thread

__all__ = [
    "ALLOW",
    "DENY",
    "DENY_AND_DISCONNECT",
    "DENY_ONCE",
    "FROM_ADMIN",
    "FROM_BRIDGE",
    "FROM_CLIENT",
    "FROM_SYSTEM",
    "FROM_WILL",
    "LATER",
    "MAX_RULES",
    "POINTS",
    "PUBACK",
    "PUBCOMP",
    "PUBREC",
    "PUBREL",
    "REASON_NAMES",
    "TOPIC_NAME_INVALID",
    "UNDECIDED",
    "V5",
    "V311",
    "AccessRule",
    "Ack",
    "Address",
    "AddressedMessage",
    "AuthRequest",
    "AuthResult",
    "BreakerConfig",
    "ByteSize",
    "CircuitBreaker",
    "ClientInfo",
    "Connack",
    "Connect",
    "Disconnect",
    "Duration",
    "EnhancedAuthRequest",
    "Handle",
    "HookHandler",
    "HttpHeaders",
    "HttpUrl",
    "Keeping",
    "KeepingServices",
    "KeptWhileConnected",
    "ListenAddress",
    "Message",
    "MqttConnection",
    "MqttError",
    "MqttFailedError",
    "NoAnswerError",
    "NoThreadError",
    "NodeServices",
    "Outgoing",
    "Packet",
    "Passwords",
    "Patience",
    "Pingreq",
    "Plugin",
    "PluginConfig",
    "PluginError",
    "PluginHost",
    "PluginState",
    "Properties",
    "Publish",
    "RetainRules",
    "RetryConfig",
    "SharedStrategy",
    "SomeTime",
    "Subscribe",
    "Subscription",
    "SubscriptionRequest",
    "WholeSeconds",
    "Will",
    "decode_block",
    "encode_block",
    "ended_by",
    "filter_covers",
    "filters_overlap",
    "in_thread",
    "is_valid_topic_filter",
    "is_valid_topic_name",
    "judge_publish",
    "judge_subscribe",
    "packer",
    "read_rules",
    "split_shared",
    "topic_matches",
    "unpack_all",
    "unshared",
]
