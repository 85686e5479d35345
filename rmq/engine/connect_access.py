"""Whether a client may connect, once it is known who it is: by password, by AUTH exchange, or nobody."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.engine import disconnect
from rmq.hooks import chains
from rmq.hooks.verdicts import DENY, DENY_AND_DISCONNECT, DENY_ONCE, LATER
from rmq.mqtt import codes
from rmq.session.channel import Channel
from rmq.session.client_info import ClientInfo

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def check(broker: "Broker", channel: Channel, info: ClientInfo, then: Callable[[], None]) -> None:
    """Go on with ``then``, or end the connection; waits where a hook waits."""
    if not broker.chains.client_connect_check_acl.handlers:
        then()
        return
    verdict = chains.client_connect_check_acl(broker.chains, info)
    if verdict == LATER:

        async def work() -> Callable[[], None]:
            late = await broker.runner.run_decide("client_connect_check_acl", info)
            return lambda: _checked(broker, channel, late, then)

        broker.wait(channel, work)
        return
    _checked(broker, channel, verdict, then)


def _checked(broker: "Broker", channel: Channel, verdict: int, then: Callable[[], None]) -> None:
    if verdict in (DENY, DENY_AND_DISCONNECT, DENY_ONCE):
        disconnect.close(broker, channel, codes.NOT_AUTHORIZED, "not authorized to connect")
        return
    then()
