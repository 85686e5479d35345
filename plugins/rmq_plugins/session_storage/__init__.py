"""rmq-session-storage: shows what the engine keeps of sessions; it keeps them by itself.

config   the keys of etc/plugins/rmq-session-storage.toml
plugin   the plugin itself
"""

from rmq_plugins.session_storage.plugin import SessionStoragePlugin

__all__ = ["SessionStoragePlugin"]
