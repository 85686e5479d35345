"""rmq-p2p-messaging: messages for one client, by topics that name it.

config  the keys of etc/plugins/rmq-p2p-messaging.toml
topics  what a topic says: for whom, and about what
plugin  the plugin itself
"""

from rmq_plugins.p2p_messaging.plugin import P2pMessagingPlugin

__all__ = ["P2pMessagingPlugin"]
