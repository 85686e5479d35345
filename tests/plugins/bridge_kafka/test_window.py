"""A session's messages are acknowledged in its order, whatever order Kafka acknowledges them in."""

from rmq_plugins.bridge_kafka.window import Window

from rmq.plugin_api import PUBACK, PUBCOMP, PUBREC, PUBREL, Ack, Publish


def message(packet_id: int, qos: int) -> Publish:
    return Publish("t", b"", qos, False, False, packet_id)


def acks(window: Window) -> list[tuple[int, int]]:
    return [(ack.packet_type, ack.packet_id) for ack in window.acks()]


def test_acknowledgements_wait_for_those_before_them() -> None:
    window = Window()
    numbers = [window.take(message(packet_id, qos)) for packet_id, qos in ((7, 1), (3, 2), (9, 1))]
    window.settle(numbers[2])
    window.settle(numbers[1])
    assert acks(window) == []
    assert window.kept == 3
    window.settle(numbers[0])
    assert acks(window) == [(PUBACK, 7), (PUBREC, 3), (PUBACK, 9)]
    assert window.kept == 0


def test_qos_0_is_acknowledged_to_nobody_and_counted() -> None:
    window = Window()
    number = window.take(message(0, 0))
    assert (window.kept, window.unkept) == (0, 1)
    window.settle(number)
    assert (acks(window), window.unkept) == ([], 0)


def test_a_release_is_answered_whatever_is_known_of_it() -> None:
    answer = Window().released(Ack(PUBREL, 5))
    assert (answer.packet_type, answer.packet_id) == (PUBCOMP, 5)
