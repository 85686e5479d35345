"""A digest that is taken in steps is that of the moment at which it began."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmq.storage.digest import DigestWalk, digest_of
from rmq.storage.records import Operation
from tests.unit.storage.strategies import meeting_operation, new_state, open_sessions

lists = st.lists(meeting_operation, max_size=20)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lists, st.lists(st.lists(meeting_operation, max_size=4), max_size=8), lists)
def test_it_is_that_of_the_moment_at_which_it_began(
    before: list[Operation], between: list[list[Operation]], after: list[Operation]
) -> None:
    state = new_state()
    for operation in [*open_sessions("a", "b", "c"), *before]:
        state.apply(operation)
    for operations in (between, [after]):  # and so is the next one
        at_the_beginning = digest_of(state)
        walk = DigestWalk(state)
        for some in operations:
            for operation in some:
                state.apply(operation)
            walk.step(1)
        while walk.step(1):
            pass
        assert walk.result == at_the_beginning
        assert state.digesting is None


def test_a_step_counts_no_more_than_it_is_told() -> None:
    state = new_state()
    for operation in open_sessions(*(str(number) for number in range(10))):
        state.apply(operation)
    walk = DigestWalk(state)
    steps = [walk.step(3) for _ in range(4)]
    assert steps == [True, True, True, False]
    assert walk.result == digest_of(state)
