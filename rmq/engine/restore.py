"""After a restart: time goes on for what was kept; whoever was connected when the node ended has lost connection."""

from typing import TYPE_CHECKING

from rmq.engine.applied import AppliedEvents, begin_timers
from rmq.engine.disconnect import leave_session
from rmq.storage.snapshot_reader import finish

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def restore(broker: "Broker") -> None:
    """Begin the timers of what was read from disk, and close the sessions that were open."""
    now = broker.touch_clock()
    broker.state.events = AppliedEvents(broker)
    broker.cluster.propose(broker.own_rules())
    finish(begin_timers(broker))
    for timer in list(broker.session_timers.values()):
        timer.fire(now)  # else whoever connects within the first tick finds what ended long ago
    for session in list(broker.state.sessions.values()):
        if not session.disconnected_at:
            if session.outbound is not None:
                session.outbound.mark_sent(session.outbound.may_be_sent())  # some may have been: nobody knows
            leave_session(broker, session, session.epoch, session.expiry_interval, session.will)
