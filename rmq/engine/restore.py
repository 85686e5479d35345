"""After a restart: time goes on for what was kept; whoever was connected when the node ended has lost connection."""

from typing import TYPE_CHECKING

from rmq.engine.disconnect import leave_session
from rmq.engine.retained_expiry import RetainedExpiry
from rmq.engine.session_timers import enter_expiry_timer, enter_will_timer
from rmq.storage.records import Configure

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def restore(broker: "Broker") -> None:
    """Begin the timers of what was read from disk, and close the sessions that were open."""
    now = broker.touch_clock()
    options = broker.options
    broker.cluster.propose(
        Configure(options.allow_multiple_matches, options.max_retained, options.max_retained_payload)
    )
    for session in list(broker.state.sessions.values()):
        if session.disconnected_at:
            enter_expiry_timer(
                broker, session.client_id, session.epoch, session.expiry_interval, session.disconnected_at
            )
            if session.will is not None and session.will_due_at:
                enter_will_timer(broker, session.client_id, session.epoch, session.will_due_at)
            timer = broker.session_timers.get(session.client_id)
            if timer is not None:
                timer.fire(now)  # else whoever connects within the first tick finds what ended long ago
            continue
        if session.outbound is not None:
            session.outbound.mark_sent(session.outbound.may_be_sent())  # some may have been: nobody knows
        leave_session(broker, session, session.epoch, session.expiry_interval, session.will)
    for message in broker.ctx.retained.all():
        if message.expires_at:
            broker.timers.enter(RetainedExpiry(broker, message), max(message.expires_at, now))
    broker.delayed.restore()
