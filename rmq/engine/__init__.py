"""One node's broker: everything that isn't on the hot path.

broker             owns the state and the tables; what listeners, plugins and management call
claims             one claim of a client id after the other
gate               leads each call of the hot path to the function that does the work
account_watch      who is told when accounts change
bans               who may not connect
connect            CONNECT: checks, authentication, claim, session, CONNACK
connect_checks     what a listener's rules say about a CONNECT
connect_access     whether a client may connect, once it is known who it is
connack            the CONNACK of a client that is accepted
enhanced_auth      the AUTH exchange
subscribe          SUBSCRIBE and UNSUBSCRIBE
replays            messages that somebody kept, for one subscription
filter_rules       what a listener's rules and limits say about a topic filter
limited            who may have a `$exclusive/` or `$limit/` subscription
delayed            messages that are published later
addressed          messages for one client alone
publish_later      a PUBLISH that waits for a hook
disconnect         the end of a connection
session_end        the end of a session, and of its share in shared subscriptions
payloads           reading back what waits on disk only
storage_waits      publishers that wait until there is room to store
wills              publishing a will
admin              what is done in the name of an administrator
client_registry    who is connected here
queue_census       counting what all sessions have queued and in flight
busy               whether the node is too busy to take new clients
connection_log     one line a client that came or went
timers             the timer wheel
connection_timers  keep alive, handshake time-out, the end of a login, the time for last bytes
session_timers     session expiry and will delay
late_timers        these of very many sessions at once
retained_expiry    the expiry of retained messages
rate_wait          the next try of a channel whose delivery rate was used up
restore            what goes on after a restart
applied            what an applied operation means for this node alone
local_routes       which topic filters other nodes have to know of
draining           moving clients to other nodes
ports              what a cluster provides
stored_port        what ports that keep data on disk share
journal_port       what a node alone that keeps its data does instead: journal, apply, answer
replicated_port    what a member of a cluster does: replicate, apply, answer
member_port        and how it joins and leaves, and takes snapshots
digesting          whether all members have the same
routes_lease       how long a member may go by what it knows of other nodes
member_options     what its port is told
member_receipts    what follows when its claims are applied
forwards           messages to and from other nodes
rebind             connections find their sessions again when the whole state is replaced
installing         another node's snapshot in the place of all that is here
slices             long work in slices
cluster_clock      the cluster's time
snapshots          when the state is written anew, and its steps
solo               what one does that keeps nothing on disk
"""
