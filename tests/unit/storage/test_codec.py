"""What is written can be read again: every operation, through msgpack, field by field."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will
from rmq.storage import cluster_codec, codec
from rmq.storage.cluster_records import Barrier
from rmq.storage.codec import UnknownOperation, decode_operation, encode_operation
from rmq.storage.packing import packer, unpack, unpack_all
from rmq.storage.records import (
    AddSubscription,
    CloseSession,
    Configure,
    DelayMessage,
    EnqueueMessage,
    OpenSession,
    Operation,
    ReleaseDelivery,
    ReleaseInbound,
    RemoveDelivery,
    RemoveSubscription,
    SkipPacketIds,
    StoreMessage,
)
from tests.unit.storage.strategies import any_operation

LOCAL = {"references", "size", "location", "on_disk", "pinned"}
KINDS = get_args(Operation)
# Their last field came later: it has a default when it is missing.
LATER_FIELD = (
    CloseSession,
    StoreMessage,
    RemoveDelivery,
    ReleaseDelivery,
    ReleaseInbound,
    OpenSession,
    CloseSession,
    EnqueueMessage,
    AddSubscription,
    RemoveSubscription,
    DelayMessage,
)


def fields(thing: object) -> object:
    """An operation, a message or a will as something that can be compared."""
    if isinstance(thing, (Message, Will, *KINDS)):
        public = [name for name in dir(thing) if not name.startswith(("_", "wire_")) and name not in LOCAL]
        names = [name for name in public if not callable(getattr(thing, name))]
        assert names or isinstance(thing, (Barrier, SkipPacketIds))
        return type(thing).__name__, {name: fields(getattr(thing, name)) for name in names}
    return thing


@settings(max_examples=400)
@given(any_operation)
def test_an_operation_comes_back_as_it_was(operation: Operation) -> None:
    packed = packer()(encode_operation(operation))
    assert fields(decode_operation(unpack(packed))) == fields(operation)


@settings(max_examples=100)
@given(st.lists(any_operation, max_size=5))
def test_operations_stand_one_after_the_other(operations: list[Operation]) -> None:
    pack = packer()
    data = b"".join(pack(encode_operation(operation)) for operation in operations)
    found = [decode_operation(item) for item in unpack_all(data)]
    assert [fields(operation) for operation in found] == [fields(operation) for operation in operations]


def test_each_kind_of_operation_has_a_code_of_its_own() -> None:
    words = [re.sub("(?<!^)(?=[A-Z])", "_", kind.__name__).upper() for kind in KINDS]
    found = [getattr(codec if hasattr(codec, word) else cluster_codec, word) for word in words]
    assert sorted(found) == [*range(1, 19), *range(20, 36)]


@pytest.mark.parametrize("code", [0, 200, -1, "1", None])
def test_an_unknown_code_is_never_skipped(code: object) -> None:
    with pytest.raises(UnknownOperation):
        decode_operation([code, "a", 1])


def test_a_field_that_a_later_version_adds_at_the_end_does_no_harm() -> None:
    found = decode_operation([*encode_operation(RemoveDelivery("a", 7)), "new"])
    assert isinstance(found, RemoveDelivery) and (found.client_id, found.packet_id) == ("a", 7)


@settings(max_examples=200)
@given(any_operation, st.data())
def test_a_field_of_another_kind_is_an_error(operation: Operation, data: st.DataObject) -> None:
    """Never a state that was made of garbage; the start says what it met."""
    if isinstance(operation, (Barrier, SkipPacketIds)):
        return  # has no fields
    encoded = encode_operation(operation)
    required = len(encoded) - (1 if isinstance(operation, LATER_FIELD) else 0)
    del encoded[data.draw(st.integers(1, required - 1)) :]
    with pytest.raises((TypeError, IndexError)):
        decode_operation(encoded)
    encoded = encode_operation(operation)
    encoded[1] = [3.5]
    if isinstance(operation, Configure):
        return  # its first field is true or false, which anything is
    with pytest.raises(TypeError):
        decode_operation(encoded)
