"""What those who operate nodes can ask and do on all of them: listeners, alarms, delayed messages."""

from typing import Protocol, TypeVar

from rmq.management.alarms import AlarmView
from rmq.management.errors import AlarmNotFound, ListenerNotFound, ManagementError
from rmq.management.listeners import ListenerAction, NodeListeners
from rmq.management.local import LocalNode
from rmq.management.models import Gathered, MissingNode
from rmq.management.of_node import Ask
from rmq.management.operation_questions import (
    AskAlarms,
    AskListeners,
    ChangeListener,
    DeactivateAlarm,
    ForgetAlarms,
)
from rmq.management.peers import Question

T = TypeVar("T")


class AskAll(Protocol):
    """How all nodes are asked, this one too."""

    async def __call__(self, question: Question[T]) -> Gathered[T]:
        """Their answers, and who gave none."""


class Operations:
    """A part of the service, which carries its questions; errors as there."""

    def __init__(self, local: LocalNode, ask: Ask, ask_all: AskAll) -> None:
        self._ask = ask
        self._all = ask_all
        self.delayed = local.operations.delayed

    # Listeners

    async def listeners(self) -> Gathered[NodeListeners]:
        """Those of each node."""
        return await self._all(AskListeners())

    async def change_listener(self, name: str, action: ListenerAction) -> tuple[MissingNode, ...]:
        """Start, stop or restart a listener on every node that has it, one node after the other.

        It stays so until the node is started again. Answers where that failed, and why; a node that is down isn't
        among those. Raises ``ListenerNotFound``.
        """
        found = await self.listeners()
        having = [node.node for node in found.answers if any(view.name == name for view in node.listeners)]
        if not having:
            raise ListenerNotFound(name)
        failed = [node for node in found.missing if not node.is_out]
        for node in having:
            try:
                await self._ask(node.node_id, ChangeListener(name, action))
            except ManagementError as error:
                failed.append(MissingNode(node.node_id, str(error), node.name))
        return tuple(failed)

    # Alarms

    async def alarms(self, *, activated: bool) -> Gathered[AlarmView]:
        """Those that are on, or those that are over, newest first."""
        gathered = await self._all(AskAlarms(activated))
        alarms = [alarm for answer in gathered.answers for alarm in answer]
        alarms.sort(key=lambda alarm: -alarm.activated_at)
        return Gathered(tuple(alarms), gathered.missing)

    async def deactivate_alarm(self, name: str) -> None:
        """Put an alarm off on every node where it is on; raises ``AlarmNotFound``."""
        gathered = await self._all(DeactivateAlarm(name))
        if not any(gathered.answers):
            raise AlarmNotFound(name)

    async def forget_alarms(self) -> Gathered[int]:
        """Forget those that are over; answers how many there were on each node."""
        return await self._all(ForgetAlarms())
