"""The two shapes of lists: numbered pages of long ones, and plain objects of what was looked up by a name."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from rmq.management.models import Page
from rmq.management.queries import Paging
from rmq_http_api.answers import Answer, rows_json
from rmq_http_api.emqx_v2.wording import answers_of, missing_header
from rmq_http_api.parameters import Number, Query
from rmq_http_api.service import ApiService

R = TypeVar("R")

PAGE_SIZE = 20


class Loose(Query):
    """EMQX v2 looks at no parameter that it doesn't know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PageQuery(Loose):
    """Which page, and how many rows a page has; more than are given at once are cut to that."""

    curr_page: Number = Field(1, ge=1)
    page_size: Number = Field(PAGE_SIZE, ge=1)


class Objects(BaseModel, Generic[R]):
    """What was looked up: nothing, one, or some."""

    objects: list[R]


class PageObject(BaseModel, Generic[R]):
    """A page of a long list."""

    current_page: int
    page_size: int
    total_num: int
    total_page: int
    objects: list[R]


def answers_of_page(row: Any) -> tuple[Any, ...]:
    """What a route with pages of these rows answers, for OpenAPI."""
    return answers_of(PageObject.__class_getitem__(row))


def answers_of_objects(row: Any) -> tuple[Any, ...]:
    """What a route that looks some of these up answers, for OpenAPI."""
    return answers_of(Objects.__class_getitem__(row))


async def page_answer(
    service: ApiService,
    query: PageQuery,
    ask: Callable[[Paging], Awaitable[Page[R]]],
    present: Callable[[R], object],
) -> Answer:
    """One numbered page of what ``ask`` answers, in the order of keys, with how many there are."""
    size = min(query.page_size, service.max_rows)
    page = await ask(Paging.page(query.curr_page, size).in_order())
    total = page.total or 0
    numbers = {
        "current_page": query.curr_page,
        "page_size": size,
        "total_num": total,
        "total_page": -(-total // size),
    }
    rows = await rows_json(service.turns, page.items, present)
    head = b'{"code":0,"result":' + orjson.dumps(numbers)[:-1] + b',"objects":'
    return Answer([head, *rows, b"}}"], headers=missing_header(page.missing))


async def objects_answer(service: ApiService, rows: Iterable[R], present: Callable[[R], object]) -> Answer:
    """What was looked up; one client may have very many subscriptions."""
    return Answer([b'{"code":0,"result":{"objects":', *await rows_json(service.turns, rows, present), b"}}"])
