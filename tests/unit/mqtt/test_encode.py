"""Encoders against the bytes of the specification, and what is left out for a small client."""

import pytest

from rmq.mqtt import codes
from rmq.mqtt.encode import (
    PINGRESP,
    encode_ack,
    encode_auth,
    encode_connack,
    encode_disconnect,
    encode_publish,
    encode_suback,
    encode_unsuback,
)
from rmq.mqtt.encode_client_packets import PINGREQ, encode_connect, encode_subscribe, encode_unsubscribe
from rmq.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Publish,
    Suback,
    Subscribe,
    SubscriptionRequest,
    Unsuback,
    Unsubscribe,
    Will,
)
from tests.support.packet_cases import assemble

V3 = codes.V311
V5 = codes.V5


def test_pings() -> None:
    assert assemble("c000") == PINGREQ
    assert assemble("d000") == PINGRESP


def test_connack() -> None:
    connack = Connack(0, True)
    assert encode_connack(connack, V3) == assemble("20 [ 01 00 ]")
    assert encode_connack(connack, V5) == assemble("20 [ 01 00 [ ] ]")
    connack.assigned_client_id = "auto"
    connack.server_keepalive = 30
    connack.reason_string = "hi"
    connack.user_properties = [("k", "1"), ("k", "2")]
    assert encode_connack(connack, V5) == assemble('20 [ 01 00 [ 12 "auto" 13 001e 1f "hi" 26 "k" "1" 26 "k" "2" ] ]')


def test_refusing_connack_has_no_session_present() -> None:
    assert encode_connack(Connack(codes.NOT_AUTHORIZED, True), V5) == assemble("20 [ 00 87 [ ] ]")  # [MQTT-3.2.2-6]
    assert encode_connack(Connack(codes.V3_NOT_AUTHORIZED, True), V3) == assemble("20 [ 00 05 ]")


@pytest.mark.parametrize("packet_id", [1, 255, 256, 0x1234, 65_535])
def test_acks(packet_id: int) -> None:
    for packet_type, first in (
        (codes.PUBACK, "40"),
        (codes.PUBREC, "50"),
        (codes.PUBREL, "62"),
        (codes.PUBCOMP, "70"),
    ):
        short = assemble(f"{first} [ {packet_id:04x} ]")
        assert encode_ack(packet_type, packet_id, 0, V5) == short
        assert encode_ack(packet_type, packet_id, 0, V3) == short
        assert encode_ack(packet_type, packet_id, 0x92, V3) == short
        assert encode_ack(packet_type, packet_id, 0x92, V5) == assemble(f"{first} [ {packet_id:04x} 92 ]")


def test_suback_and_unsuback() -> None:
    assert encode_suback(Suback(10, [0, 1, 0x80]), V3) == assemble("90 [ 000a 00 01 80 ]")
    assert encode_suback(Suback(10, [0, 1, 0x8F]), V5) == assemble("90 [ 000a [ ] 00 01 8f ]")
    assert encode_unsuback(Unsuback(10, [0, 0x11]), V3) == assemble("b0 [ 000a ]")
    assert encode_unsuback(Unsuback(10, [0, 0x11]), V5) == assemble("b0 [ 000a [ ] 00 11 ]")
    suback = Suback(10, [0x97])
    suback.reason_string = "full"
    assert encode_suback(suback, V5) == assemble('90 [ 000a [ 1f "full" ] 97 ]')


def test_disconnect_and_auth() -> None:
    assert encode_disconnect(Disconnect(0x8E), V3) == assemble("e000")
    assert encode_disconnect(Disconnect(), V5) == assemble("e000")
    assert encode_disconnect(Disconnect(0x8E), V5) == assemble("e0 [ 8e ]")
    moved = Disconnect(codes.SERVER_MOVED)
    moved.server_reference = "other:1883"
    assert encode_disconnect(moved, V5) == assemble('e0 [ 9d [ 1c "other:1883" ] ]')
    auth = Auth(codes.CONTINUE_AUTHENTICATION)
    auth.auth_method = "m"
    auth.auth_data = b"\x01"
    assert encode_auth(auth) == assemble('f0 [ 18 [ 15 "m" 16 ( 01 ) ] ]')
    assert encode_auth(Auth()) == assemble("f000")


def test_explanations_are_left_out_for_a_small_client() -> None:
    """User properties go first, then the reason string [MQTT-3.14.2-3], [MQTT-3.14.2-4]; the packet always goes."""
    disconnect = Disconnect(0x97)
    disconnect.reason_string = "why"
    disconnect.user_properties = [("key", "value")]
    whole = encode_disconnect(disconnect, V5)
    said = assemble('e0 [ 97 [ 1f "why" ] ]')
    bare = assemble("e0 [ 97 [ ] ]")
    assert encode_disconnect(disconnect, V5, len(whole)) == whole
    assert encode_disconnect(disconnect, V5, len(whole) - 1) == said
    assert encode_disconnect(disconnect, V5, len(said)) == said
    assert encode_disconnect(disconnect, V5, len(said) - 1) == bare
    assert encode_disconnect(disconnect, V5, 1) == bare


def test_publish() -> None:
    publish = Publish("a/b", b"x", 1, True, True, 10, 3, 5, assemble('03 "t"'), [1, 300])
    assert encode_publish(publish, V3) == assemble("3b [ \"a/b\" 000a 'x' ]")
    wire = '3b [ "a/b" 000a [ 02 00000005 23 0003 0b 01 0b ac02 03 "t" ] \'x\' ]'
    assert encode_publish(publish, V5) == assemble(wire)
    assert encode_publish(Publish("a", b"", 0, False, False, 0), V5) == assemble('30 [ "a" [ ] ]')


@pytest.mark.parametrize("size", [0, 124, 125, 16_380, 16_381, 2_097_148, 2_097_149])
def test_remaining_length_grows_with_the_payload(size: int) -> None:
    publish = Publish("a", bytes(size), 0, False, False, 0)
    assert encode_publish(publish, V3) == assemble(f'30 [ "a" {"00" * size} ]')


def test_connect() -> None:
    assert encode_connect(Connect(codes.V31, "c", True, 60)) == assemble('10 [ "MQIsdp" 03 02 003c "c" ]')
    assert encode_connect(Connect(V3, "c", False, 60)) == assemble('10 [ "MQTT" 04 00 003c "c" ]')
    connect = Connect(V5, "c", True, 60)
    assert encode_connect(connect) == assemble('10 [ "MQTT" 05 02 003c [ ] "c" ]')
    connect.session_expiry_interval = 10
    connect.receive_maximum = 5
    connect.request_problem_information = False
    connect.username = "u"
    connect.password = b"\xff"
    connect.will = Will("w", b"m", 2, True, 7, -1, assemble("01 01"))
    assert encode_connect(connect) == assemble(
        '10 [ "MQTT" 05 f6 003c [ 11 0000000a 21 0005 17 00 ] "c" [ 18 00000007 01 01 ] "w" "m" "u" ( ff ) ]'
    )


def test_subscribe_and_unsubscribe() -> None:
    subscribe = Subscribe(10, [SubscriptionRequest("a", 2, True, True, 2), SubscriptionRequest("b", 0)], 7)
    assert encode_subscribe(subscribe, V3) == assemble('82 [ 000a "a" 02 "b" 00 ]')
    assert encode_subscribe(subscribe, V5) == assemble('82 [ 000a [ 0b 07 ] "a" 2e "b" 00 ]')
    unsubscribe = Unsubscribe(10, ["a", "b"])
    assert encode_unsubscribe(unsubscribe, V3) == assemble('a2 [ 000a "a" "b" ]')
    assert encode_unsubscribe(unsubscribe, V5) == assemble('a2 [ 000a [ ] "a" "b" ]')


def test_text_that_cannot_be_sent_is_refused() -> None:
    for text in ("a\0", "\udc00", "x" * 65_536):
        disconnect = Disconnect(0x80)
        disconnect.reason_string = text
        with pytest.raises(ValueError):
            encode_disconnect(disconnect, V5)
