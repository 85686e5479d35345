"""How long a member may go by what it knows of other nodes' subscribers."""

from typing import TYPE_CHECKING, Final

from rmq.flow.context import NEVER
from rmq.session.receipts import Receipt
from rmq.storage.cluster_records import Barrier

if TYPE_CHECKING:
    from rmq.engine.replicated_port import ReplicatedPort

# For which part of the grace a member may go by what it knows; the rest is for clocks and for what is under way.
SHARE: Final = 0.6


class RoutesLease:
    """A node that nobody has heard for ``grace_s`` is declared down, and subscribers elsewhere don't wait for it then.

    So it may go by its routes only for a shorter time than that (``FlowContext.routes_until``); after that it has to
    apply first what was committed meanwhile, and its publishers wait.
    """

    def __init__(self, port: "ReplicatedPort") -> None:
        self._port = port
        self._known = False
        self._catching_up = False
        self._asked_at = 0.0
        port.broker.ctx.routes_until = 0.0

    def contact(self, age: float) -> None:
        """``age`` seconds ago it was certain that others count this node as up."""
        port = self._port
        ctx = port.broker.ctx
        now = port.broker.touch_clock()
        if now > ctx.routes_until:
            self._known = False
        lease = port.member.grace_s * SHARE
        if age >= lease:
            return
        if self._known:
            ctx.routes_until = now + lease - age
        elif port.incarnation and not self._catching_up and port.has_quorum:
            self._catching_up = True
            self._asked_at = now - age
            port.propose(Barrier(), _CaughtUp(self))

    def caught_up(self, *, known: bool) -> None:
        """All that was committed before this node asked is applied, or nobody knows."""
        self._catching_up = False
        if known:
            self._known = True
            broker = self._port.broker
            broker.ctx.routes_until = self._asked_at + self._port.member.grace_s * SHARE
            broker.storage_waits.go_on()

    def go_on_alone(self) -> None:
        """No majority is in contact: this node's own clients go on among themselves."""
        self._known = False
        broker = self._port.broker
        broker.ctx.routes_until = NEVER
        broker.storage_waits.go_on()

    def postpone(self, seconds: float) -> None:
        """The clock leapt: the lease goes on for as long as before."""
        ctx = self._port.broker.ctx
        if ctx.routes_until not in (0.0, NEVER):
            ctx.routes_until += seconds
        self._asked_at += seconds

    def end(self) -> None:
        """Others don't wait for this node any more."""
        self._known = False
        self._port.broker.ctx.routes_until = 0.0

    def end_alone(self) -> None:
        """A majority is in contact again: catch up with it first."""
        ctx = self._port.broker.ctx
        if ctx.routes_until == NEVER:
            ctx.routes_until = 0.0


class _CaughtUp(Receipt):
    """What was committed before it was proposed is applied."""

    def __init__(self, lease: RoutesLease) -> None:
        super().__init__(False)
        self._lease = lease
        self._told = False

    def applied(self) -> None:
        if not self._told:
            self._told = True
            self._lease.caught_up(known=True)

    def give_up(self) -> None:
        if not self._told:
            self._told = True
            self._lease.caught_up(known=False)
