"""rmq-acl: who may connect, publish and subscribe, by ordered rules from a file.

config   the keys of etc/plugins/rmq-acl.toml
filters  placeholders in topic filters
index    of many rules the few that may be about a client and a topic
rules    rules as they are asked: one client, one topic, yes or no
changes  what other rules change: rules, and subscriptions that are allowed no more
plugin   the plugin itself
"""

from rmq_plugins.acl.plugin import AclPlugin

__all__ = ["AclPlugin"]
