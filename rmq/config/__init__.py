"""Configuration: files, environment and flags become one frozen `Settings`, or a `ConfigError` with every problem.

auth       the password file, and who may be anonymous
units      how durations, sizes, addresses and rates are written
model      the sections of rmq.toml, and `Settings`
listeners  the keys that every `[listener.<kind>.<name>]` has
listener_kinds  the kinds of listener, and the keys that only some have
tls_files  whether the files of a TLS listener can be used
storage    what is kept on disk, and when publishers are answered
cluster    who is in the cluster, the secret, the links, and what a member waits for
cluster_checks  whether the cluster fits the rest of the settings
origins    which file, variable or flag a value came from
sources    read files, environment and flags into one raw table
validate   raw tables against a model, with errors people can act on
load       the way from all sources to `Settings`
render     the effective configuration as TOML, secrets masked
changes    settings that were changed while the node ran, in a file of their own
secrets    which values those are
section    the base of all models: strict and frozen
"""

from rmq.config.changes import flat, read_changes, write_changes
from rmq.config.cluster import CLUSTER_TABLE, ClusterNode, ClusterSettings, parse_nodes
from rmq.config.listener_kinds import (
    AnyListenerSettings,
    TcpListenerSettings,
    TlsKeys,
    UnixListenerSettings,
    WsListenerSettings,
)
from rmq.config.listeners import ListenerSettings
from rmq.config.load import load, load_node, load_table
from rmq.config.model import NodeSettings, Settings
from rmq.config.origins import ConfigError, Origin, Override, Problem
from rmq.config.render import effective_toml, effective_values
from rmq.config.units import Address, Rate
from rmq.config.validate import check_plugins

__all__ = [
    "CLUSTER_TABLE",
    "Address",
    "AnyListenerSettings",
    "ClusterNode",
    "ClusterSettings",
    "ConfigError",
    "ListenerSettings",
    "NodeSettings",
    "Origin",
    "Override",
    "Problem",
    "Rate",
    "Settings",
    "TcpListenerSettings",
    "TlsKeys",
    "UnixListenerSettings",
    "WsListenerSettings",
    "check_plugins",
    "effective_toml",
    "effective_values",
    "flat",
    "load",
    "load_node",
    "load_table",
    "parse_nodes",
    "read_changes",
    "write_changes",
]
