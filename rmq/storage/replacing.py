"""A state that is filled beside the one in use and takes its place in one step; the old one is let go in many."""

from collections.abc import Iterable
from typing import Any, Final

from rmq.flow.context import FlowContext
from rmq.metrics.counters import Counters
from rmq.routing.retained_trie import RetainedTrie
from rmq.session.session import Session
from rmq.storage.snapshot_reader import Steps
from rmq.storage.state import State

# So many entries of a table are let go in a step.
_AT_ONCE: Final = 100


def empty_beside(state: State) -> State:
    """An empty state for the same node, which shares nothing with the one in use but the hooks."""
    ctx = state.ctx
    beside = FlowContext(ctx.router.make_successor(), RetainedTrie(), Counters(), ctx.chains, ctx.ports)
    # Payloads of both are in memory for a while: together no more than may be.
    beside.memory_budget = max(1, ctx.memory_budget - ctx.queued_bytes) if ctx.memory_budget else 0
    beside.session_memory_budget = ctx.session_memory_budget
    made = State(beside, state.max_retained, state.max_retained_payload)
    made.node_id = beside.node_id = state.node_id
    return made


def carry_over(sessions: Iterable[Session], state: State, beside: State) -> Steps:
    """Enter the subscriptions of this node's connections that nobody keeps; those that change from now on follow."""
    router = beside.router
    state.router.successor = router
    for session in sessions:
        subscriptions = session.subscriptions
        if session.persistent or subscriptions is None:
            continue
        for subscription in list(subscriptions.values()):
            if subscriptions.get(subscription.key) is subscription:
                router.carry(subscription)
            yield 1


def exchange(state: State, beside: State) -> None:
    """The state that was filled is the one in use; ``beside`` is what is to be let go."""
    state.router.successor = None
    state.exchange(beside)


def take_apart(state: State) -> Steps:
    """Let go of a state that nobody uses any more: at once it would take as long as reading it."""
    sessions = state.sessions
    while sessions:
        _, session = sessions.popitem()
        # A subscription and its session hold each other.
        subscriptions, session.subscriptions = session.subscriptions, None
        outbound, session.outbound = session.outbound, None
        session.channel = None
        work = 1 + (0 if subscriptions is None else len(subscriptions))
        if outbound is not None:
            work += len(outbound)
            outbound.waiting = []
        del subscriptions, outbound, session
        yield work
    cluster = state.cluster
    tables: list[dict[str, Any]] = [
        *cluster.routes.values(),
        *cluster.members.values(),
        *cluster.holders.values(),
        cluster.owners,
        cluster.wills,
        state.delayed,
        *state.accounts.kinds.values(),
    ]
    for table in tables:
        while table:
            table.popitem()
            yield 1
    while state.router.take_apart(_AT_ONCE):
        yield _AT_ONCE
    while state.retained.take_apart(_AT_ONCE):
        yield _AT_ONCE
