"""rmq-ctl: asks and changes a node, or a whole cluster, over its HTTP API and by no other way.

program        the command itself: its options, its commands, and how it ends
connecting     the options that say which API, and who asks
command        what all commands have in common
session        one run: the API it talks to, and the nodes that were missing
api            requests and answers; the only file that knows httpx
paths          values in the paths of the API
failures       why a run fails, and the exit codes
text           values as text that a terminal can show
table          columns that line up
printing       answers as tables for people or JSON for programs
asking         what is asked before something is lost

overview       status, nodes and health
clients        clients, client and kick
subscriptions  subs and routes
publishing     publish
retained       retained
figures        stats and metrics
plugins        plugins …
new_plugin     plugins new: a folder with a plugin that runs
plugin_template  the files of that folder
users          users …
acl            acl test: what access rules say of a client and a topic
cluster        cluster …
importing      import: what another broker's files hold
completion     completion

It imports nothing of the engine: whatever it knows of a node, the API has said. Only ``importing`` has files of ours
written, by ``rmq.migration``.
"""

from rmq.ctl.program import main

__all__ = ["main"]
