"""rmq-sys-topic: the node's figures and its clients' coming and going, as messages on $SYS.

config  the keys of etc/plugins/rmq-sys-topic.toml
classic the topics of mosquitto, with one number each
plugin  the plugin itself
"""

from rmq_plugins.sys_topic.plugin import SysTopicPlugin

__all__ = ["SysTopicPlugin"]
