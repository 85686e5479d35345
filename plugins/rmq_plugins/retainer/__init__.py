"""rmq-retainer: how many retained messages there may be, how large they are and how long they are kept.

config  the keys of etc/plugins/rmq-retainer.toml
plugin  the plugin itself
"""

from rmq_plugins.retainer.plugin import RetainerPlugin

__all__ = ["RetainerPlugin"]
