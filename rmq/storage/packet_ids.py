"""Packet identifiers that were given in an end of the log that is lost."""

from typing import TYPE_CHECKING, Final

from rmq.session.outbound import LAST_PACKET_ID

if TYPE_CHECKING:
    from rmq.storage.state import State

# More than are given to one session between two syncs of a log; no divisor of all, so that it doesn't come round soon.
SKIPPED_PACKET_IDS: Final = 20_011


def skip_packet_ids(state: "State") -> None:
    """Have them not given again to other messages soon.

    A client that has answered such a message with PUBREC would take the other one for the same [MQTT-4.3.3-10].
    """
    for session in state.sessions.values():
        state.changing(session.client_id)
        outbound = session.open_outbound()  # its first message may have been lost
        outbound.last_packet_id = (outbound.last_packet_id + SKIPPED_PACKET_IDS) % LAST_PACKET_ID
