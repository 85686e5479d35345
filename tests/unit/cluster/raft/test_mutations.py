"""Each guard is needed: without it a schedule breaks a promise within the number of seeds that its entry names."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from tests.unit.cluster.raft import test_guards, test_membership
from tests.unit.cluster.raft.mutations import DIRECTED, MUTATIONS, Mutation
from tests.unit.cluster.raft.profiles import run_schedule
from tests.unit.cluster.raft.schedule import fresh_folder
from tests.unit.cluster.raft.world import World


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_without_this_guard_a_promise_is_broken(mutation: Mutation) -> None:
    logging.disable(logging.CRITICAL)  # the library says loudly what goes wrong
    undo = mutation.apply()
    try:
        for seed in range(mutation.start, mutation.start + mutation.within):
            try:
                run_schedule(seed, mutation.profile)
            except Exception:
                return
    finally:
        undo()
        logging.disable(logging.NOTSET)
    pytest.fail(f"nothing happened within {mutation.within} seeds")


def _on_lone(scenario: Callable[[test_guards.Lone], None]) -> Callable[[World], None]:
    return lambda world: scenario(test_guards.Lone(world))


SCENARIOS: dict[str, Callable[[World], None]] = {
    "acks of another term": _on_lone(test_guards.test_3_8_an_ack_of_another_term_is_dropped),
    "a node ahead is out for good": _on_lone(test_guards.test_a_leader_whose_term_is_behind_is_told),
    "amnesia of the term": test_guards.test_3_7_a_wiped_node_follows_no_leader_of_its_former_life,
    "vote not kept": _on_lone(test_guards.test_3_6_term_and_vote_survive_a_crash),
    "silent leader": test_guards.test_proposers_are_told_when_the_leader_is_alone,
    "voters with an empty log": test_membership.test_a_voter_that_never_answers_stays_an_observer,
    "two changes of members": test_guards.test_3_9_a_second_change_of_members_is_refused,
}


@pytest.mark.parametrize("mutation", DIRECTED, ids=[mutation.name for mutation in DIRECTED])
def test_without_this_guard_a_scenario_fails(mutation: Mutation) -> None:
    """Who leads for how long is chance: in some of these worlds the guard isn't asked."""
    for seed in range(1, 6):
        world = World(fresh_folder(), seed)
        undo = mutation.apply()
        try:
            SCENARIOS[mutation.name](world)
        except AssertionError:
            return
        finally:
            undo()
            world.close()
    pytest.fail("nothing happened in any world")
