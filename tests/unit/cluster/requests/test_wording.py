"""Every question, answer and error of management goes over the wire and comes back as it was."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rmq_cluster.requests.codec import DecodeError
from rmq_cluster.requests.wording import ERRORS, QUESTIONS, ROWS, AnswerReader, Wording, answer_kind

from rmq.management import errors, operation_questions, peers
from rmq.management.errors import ManagementError, OutcomeUnknown
from rmq.management.models import ClientView, Page, Published, Stats
from rmq.management.peers import AskBroker, AskClient, AskClients, AskPluginConfig, AskStats, Question, SubscribeClient
from rmq.management.queries import ClientQuery, Paging
from rmq.management.requests import FilterRequest
from rmq.storage.packing import pack, unpack
from tests.unit.cluster.requests.values import value_of

WORDING = Wording()


def read(question: Question[Any], parts: list[bytes]) -> Any:
    reader = WORDING.reader(question)
    for part in parts:
        reader.feed(part)
    return reader.finish()


def subclasses(base: type) -> set[str]:
    """Every class that is made of ``base``, wherever it stands, but for those of tests."""
    names: set[str] = set()
    below: list[type] = type.__subclasses__(base)
    for cls in below:
        if cls.__module__.startswith("rmq"):
            names |= {cls.__name__, *subclasses(cls)}
    return names


def test_no_question_and_no_error_is_forgotten() -> None:
    assert set(QUESTIONS) == subclasses(Question) and len(QUESTIONS) >= 20
    assert set(ERRORS) == subclasses(ManagementError) and len(ERRORS) >= 18
    for name in QUESTIONS:
        assert QUESTIONS[name] in (getattr(module, name, None) for module in (peers, operation_questions))


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_question_and_its_answer(name: str) -> None:
    question = value_of(QUESTIONS[name])
    again = WORDING.read_question(WORDING.write_question(question))
    assert again == question and type(again) is type(question)
    answer = value_of(answer_kind(QUESTIONS[name]), "answer")
    parts = list(WORDING.write_answer(question, answer))
    assert len(parts) == 1 and all(type(unpack(part)) is list for part in parts)
    assert read(question, parts) == answer


def test_a_type_without_an_answer_is_no_question() -> None:
    with pytest.raises(TypeError, match="Question"):
        answer_kind(Question)


@pytest.mark.parametrize("name", ERRORS)
def test_each_error(name: str) -> None:
    cls = ERRORS[name]
    values = {"node_id": 7, "limit": 3, **{key: f"the {key}" for key in ("client_id", "reason", "parameter")}}
    arguments = [values.get(key, f"a {key}") for key in list(inspect.signature(cls.__init__).parameters)[1:]]
    error = cls(*arguments)
    if hasattr(error, "published"):
        error.published = (Published("t", 3), Published("u", None, dropped=True))
    with pytest.raises(cls) as caught:
        read(AskBroker(), [WORDING.write_error(error)])
    assert (str(caught.value), vars(caught.value)) == (str(error), vars(error))
    assert arguments == [] or vars(error)


def test_an_error_that_only_a_newer_node_has_keeps_its_text() -> None:
    part = pack([2, "TooHot", "node 3 burns", [["TooHot", ["degrees"]]], [451]])
    with pytest.raises(ManagementError, match="node 3 burns") as caught:
        read(AskBroker(), [part])
    assert type(caught.value) is ManagementError
    older = pack([2, "OutcomeUnknown", "?", [["OutcomeUnknown", []]], []])
    with pytest.raises(OutcomeUnknown, match="storage"):
        read(AskBroker(), [older])


def clients(count: int) -> tuple[ClientView, ...]:
    return tuple(dataclasses.replace(value_of(ClientView), client_id=f"client-{n}") for n in range(count))


@pytest.mark.parametrize("count", [0, ROWS, ROWS + 1, 3 * ROWS])
def test_a_long_page_goes_in_parts(count: int) -> None:
    question = AskClients(ClientQuery(), Paging())
    page = Page(clients(count), has_more=True, total=9, cursor="c")
    parts = list(WORDING.write_answer(question, page))
    assert len(parts) == max(-(-count // ROWS), 1)
    assert max(len(part) for part in parts) < 200_000
    assert read(question, parts) == page


def test_rows_that_only_a_newer_node_has_are_passed_over() -> None:
    question = AskClients(ClientQuery(), Paging())
    (part,) = WORDING.write_answer(question, Page(()))
    assert read(question, [part, pack([1, "graves", [[1]]])]) == Page(())


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [pack([])],
        [pack([0])],
        [pack([9, 1, 2])],
        [pack([1, "items", []])],
        [b"\xc1"],
        [b""],
        [pack({"a": 1})],
        [pack([2, "ClientNotFound", "?", [["ClientNotFound", ["client_id"]]], [7]])],
        [pack([2, "ClientNotFound", "?", [], []])],
    ],
)
def test_nonsense_is_no_answer(parts: list[bytes]) -> None:
    with pytest.raises(DecodeError):
        read(AskClients(ClientQuery(), Paging()), parts)


def test_an_answer_begins_once() -> None:
    question = AskClients(ClientQuery(), Paging())
    (part,) = WORDING.write_answer(question, Page(()))
    with pytest.raises(DecodeError):
        read(question, [part, part])
    with pytest.raises(DecodeError):
        read(question, [part, WORDING.write_error(errors.NoQuorum())])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pack([]), "question"),
        (pack(["AskClient", [["AskClient", ["client_id"]]]]), "question"),
        (pack(["ManagementService", [], []]), "no question 'ManagementService'"),
        (pack(["AskClient", [["AskClient", ["client_id"]]], [5]]), "client_id"),
        (pack(["AskClient", [["AskClient", []]], []]), "client_id"),
        (pack(["AskClient", [], []]), "AskClient"),
        (b"\x93", "read"),
        (pack(5), "read"),
    ],
)
def test_nonsense_is_no_question(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        WORDING.read_question(data)


def test_a_question_that_this_node_would_refuse_to_make_is_none() -> None:
    question = SubscribeClient("c", (FilterRequest("t", 2),))
    data = unpack(WORDING.write_question(question))
    fields: Any = data[2][1][0]
    fields[1] = 3
    with pytest.raises(DecodeError, match="qos"):
        WORDING.read_question(pack(data))


def test_what_plugins_tell_is_written_as_json_would_be() -> None:
    question = AskPluginConfig("p")
    config = {"a": (1, [2.5, None]), "b": {"c": True}}
    assert read(question, list(WORDING.write_answer(question, config))) == {"a": [1, [2.5, None]], "b": {"c": True}}
    for bad in ({"a": object()}, {"a": {1: 2}}):
        with pytest.raises(TypeError, match="written"):
            list(WORDING.write_answer(question, bad))


@given(st.binary(max_size=200))
def test_whatever_comes_is_answered_or_refused(data: bytes) -> None:
    """Nothing but ``DecodeError`` comes out of bytes of a stranger."""
    with pytest.raises(DecodeError):
        WORDING.read_question(data)
    with pytest.raises(DecodeError):
        WORDING.reader(AskClient("x")).feed(data)


@given(st.data())
def test_a_changed_byte_is_an_answer_or_refused(data: st.DataObject) -> None:
    question = AskStats()
    (whole,) = WORDING.write_answer(question, value_of(Stats))
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    reader: AnswerReader[Stats] = WORDING.reader(question)
    try:
        reader.feed(bytes(changed))
        found = reader.finish()
    except DecodeError:
        return
    except ManagementError:
        return  # it became one, which is as good
    assert all(type(value) is int for value in found.values.values())
