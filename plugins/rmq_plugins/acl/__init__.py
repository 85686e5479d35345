"""rmq-acl: who may connect, publish and subscribe, by ordered rules from a file.

config   the keys of etc/plugins/rmq-acl.toml
filters  placeholders in topic filters
rules    rules as they are asked: one client, one topic, yes or no
plugin   the plugin itself
"""

from rmq_plugins.acl.plugin import AclPlugin

__all__ = ["AclPlugin"]
