"""Which rows are on a page, and that looking for them leaves others their turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from rmq.management.errors import BadQuery
from rmq.management.models import Page
from rmq.management.queries import MAX_LIMIT, MAX_OFFSET, ClientQuery, Paging
from rmq.management.turns import Turns
from rmq.management.walk import STEP_ROWS, take_page
from rmq.session.session import Session
from tests.unit.management.world import World

keys = st.lists(st.text("abcde/", min_size=1, max_size=4), unique=True, max_size=40)


def even(name: str) -> bool:
    return len(name) % 2 == 0


def page_of(rows: Iterable[str | None], paging: Paging) -> Page[str]:
    """The page as ``take_page`` finds it."""

    async def take() -> Page[str]:
        return await take_page(rows, even, str, str.upper, paging, Turns())

    return trio.run(take)


@given(keys, st.integers(0, 45), st.integers(0, 45), st.booleans())
def test_a_page_by_offset(rows: list[str], offset: int, limit: int, with_total: bool) -> None:
    expected = [name.upper() for name in rows if even(name)]
    page = page_of([*rows, None], Paging(limit, offset, None, with_total))
    assert list(page.items) == expected[offset : offset + limit]
    assert page.has_more == (len(expected) > offset + limit)
    assert page.total == (len(expected) if with_total else None)
    assert page.cursor is None


@given(keys, st.integers(0, 45), st.integers(1, 45))
def test_a_numbered_page_in_the_order_of_keys(rows: list[str], offset: int, limit: int) -> None:
    expected = sorted(name.upper() for name in rows if even(name))
    page = page_of([*rows, None], Paging(limit, offset, with_total=True).in_order())
    assert list(page.items) == expected[offset : offset + limit]
    assert (page.has_more, page.total) == (len(expected) > offset + limit, len(expected))


@given(keys, st.integers(1, 10), st.booleans())
def test_pages_by_cursor_have_every_row_once_and_in_order(rows: list[str], limit: int, with_total: bool) -> None:
    expected = sorted(name for name in rows if even(name))
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = page_of([None, *rows], Paging(limit, 0, after, with_total))
        found += page.items
        assert len(page.items) == min(limit, len(expected) - len(found) + len(page.items))
        assert page.has_more == (page.cursor is not None)
        assert page.total == (len(expected) if with_total else None)
        after = page.cursor
    assert found == [name.upper() for name in expected]


@given(keys, st.integers(0, 45), st.integers(0, 45), st.booleans())
def test_an_ordered_page_by_offset(rows: list[str], offset: int, limit: int, with_total: bool) -> None:
    expected = sorted(name for name in rows if even(name))
    page = page_of([None, *rows], Paging(limit, offset, "", with_total))
    assert list(page.items) == [name.upper() for name in expected[offset : offset + limit]]
    assert page.has_more == (len(expected) > offset + limit)
    assert page.total == (len(expected) if with_total else None)


def test_a_page_that_is_full_looks_no_further() -> None:
    def rows() -> Iterator[str]:
        yield from ("aa", "b", "cc", "dd")
        raise AssertionError("looked further")

    assert page_of(rows(), Paging(2)) == Page(("AA", "CC"), has_more=True)
    with pytest.raises(AssertionError, match="looked further"):
        page_of(rows(), Paging(2, with_total=True))


def test_a_page_of_no_rows_tells_whether_there_are_any() -> None:
    for paging in (Paging(0), Paging(0, after="")):
        page = page_of(["aa"], paging)
        assert (page.items, page.has_more) == ((), True)


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        ({"limit": -1}, "limit"),
        ({"limit": MAX_LIMIT + 1}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": MAX_OFFSET + 1}, "offset"),
        ({"offset": 1, "after": "a"}, "after"),
        ({"offset": MAX_LIMIT + 1, "after": ""}, "offset"),
    ],
)
def test_pages_that_cannot_be(values: dict[str, int | str], parameter: str) -> None:
    with pytest.raises(BadQuery) as caught:
        Paging(**values)  # type: ignore[arg-type]  # the table mixes the types of the fields
    assert caught.value.parameter == parameter


def test_pages_by_number() -> None:
    assert Paging.page(3, 20) == Paging(20, 40, None, with_total=True)
    for number, size, parameter in ((0, 20, "page"), (1, 0, "limit"), (1, MAX_LIMIT + 1, "limit"), (10**9, 20, "page")):
        with pytest.raises(BadQuery) as caught:
            Paging.page(number, size)
        assert caught.value.parameter == parameter


async def test_a_walk_over_many_clients_lets_others_have_their_turns(world: World) -> None:
    """Whatever the machine: at least one turn for each so many rows."""
    sessions = world.broker.state.sessions
    for number in range(100_000):
        name = f"c{number}"
        sessions[name] = Session(name, True)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    for query, paging in (
        (ClientQuery(client_id_contains="99999"), Paging(10)),
        (ClientQuery(), Paging(10, after="c5", with_total=True)),
    ):
        turns = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count_turns)
            page = await world.service.clients(query, paging)
            nursery.cancel_scope.cancel()
        assert page.items and turns >= 100_000 // STEP_ROWS


async def test_clients_that_come_and_go_meanwhile(world: World) -> None:
    """Who is there all the time is found once, however the tables change between two steps of the walk."""
    engine = world.engine
    sessions = world.broker.state.sessions
    for number in range(3 * STEP_ROWS):
        name = f"c{number:05}"
        sessions[name] = Session(name, True)
    staying = set(list(sessions)[::2])
    going = [name for name in sessions if name not in staying]
    pages: list[Page[object]] = []

    async def look() -> None:
        page = await world.service.clients(ClientQuery(), Paging(MAX_LIMIT))
        pages.append(Page(page.items))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        while going and not pages:
            await trio.lowlevel.checkpoint()
            for name in (going.pop(), going.pop()):
                del sessions[name]
            engine.connect(f"n{len(going)}", expiry=100)
    names = [client.client_id for client in pages[0].items if hasattr(client, "client_id")]
    assert len(names) == len(set(names))
    assert staying <= set(names)
