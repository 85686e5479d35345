"""rmq-web-hook: what happens on a node, told to HTTP servers and files, with nothing lost while they are away.

config      the keys of etc/plugins/rmq-web-hook.toml
events      the events as JSON
listeners   hears what happens and makes events of it
routing     which event goes to which URL
segments    records in one file: how they are written, read and checked
disk_queue  the queue of one URL on disk
lane        one URL: its queue is written and sent from, in order, with retries
posting     events sent over HTTP, signed
files       events appended to a file
plugin      the plugin itself
"""

from rmq_plugins.web_hook.plugin import WebHookPlugin

__all__ = ["WebHookPlugin"]
