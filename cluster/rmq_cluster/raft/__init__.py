"""Raft: one replicated log per cluster, by pysyncobj's protocol core with guards around it; no clock, no links.

options      times and limits (RaftOptions), how a proposal ended (Outcome)
machine      what a replicated state machine must offer (StateMachine)
members      who votes and who only listens (Members), and single changes of it
messages     what nodes say to each other, as checked msgpack
entries      what an entry of the log holds: a command, nothing, or the members
log          the log of a node, term and vote (RaftLog)
log_files    the numbered files of the log
meta_file    the small file with term, vote and how the last life ended
library      the one file that knows pysyncobj, the protocol core
core         what the guards see of the protocol core (Core)
driver       the core, its guards, log and machine, one turn after the other
guards       what is let through of appends and their answers
elections    pre-vote, one vote per node, silent leaders, late ticks
amnesia      a node that may have forgotten what it promised doesn't vote
replication  what a leader sends to whom, and how much at once
proposals    from a command to its one outcome, here or through the leader
leadership   handing leadership over
node         a member of the group, as the rest of the node sees it (RaftNode)
"""
