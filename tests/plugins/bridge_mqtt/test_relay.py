"""The exchange between two sessions, without either: what goes where for each QoS on both sides."""

import pytest
from rmq_plugins.bridge_mqtt.relay import Relay
from rmq_plugins.bridges.figures import Figures

from rmq.plugin_api import PUBACK, PUBCOMP, PUBREC, PUBREL, Ack, MqttFailedError, Publish


def passed(packet: Publish) -> Publish | str:
    return "loop" if packet.topic == "loop" else Publish(packet.topic, packet.payload, 0, False, False, 0)


def message(qos: int, packet_id: int = 7, topic: str = "t", dup: bool = False) -> Publish:
    return Publish(topic, b"x", qos, False, dup, packet_id if qos else 0)


class Bench:
    def __init__(self, qos: tuple[int, int, int] = (0, 1, 2)) -> None:
        self.figures = Figures()
        self.relay = Relay(passed, qos, self.figures)

    def source(self, *packets: Publish | Ack) -> tuple[list[str], list[str]]:
        self.relay.from_source(packets)
        return self._took()

    def target(self, *packets: Ack) -> tuple[list[str], list[str]]:
        self.relay.from_target(packets)
        return self._took()

    def _took(self) -> tuple[list[str], list[str]]:
        to_source, to_target = self.relay.take()
        return [_shown(p) for p in to_source], [_shown(p) for p in to_target]


def _shown(packet: object) -> str:
    if isinstance(packet, Publish):
        return f"PUBLISH{packet.qos} {packet.packet_id}{' dup' if packet.dup else ''}"
    assert isinstance(packet, Ack)
    name = {PUBACK: "PUBACK", PUBREC: "PUBREC", PUBREL: "PUBREL", PUBCOMP: "PUBCOMP"}[packet.packet_type]
    return f"{name} {packet.packet_id}"


def test_qos_0_is_passed_on() -> None:
    bench = Bench((0, 2, 2))
    assert bench.source(message(0)) == ([], ["PUBLISH0 0"])
    assert (bench.figures.received, bench.figures.sent) == (1, 1)


def test_qos_1_is_acknowledged_when_the_target_has_acknowledged_it() -> None:
    bench = Bench()
    assert bench.source(message(1, dup=True)) == ([], ["PUBLISH1 7 dup"])
    assert bench.figures.sent == 0
    assert bench.target(Ack(PUBACK, 7)) == (["PUBACK 7"], [])
    assert bench.figures.sent == 1


def test_qos_2_goes_step_by_step() -> None:
    bench = Bench()
    assert bench.source(message(2)) == ([], ["PUBLISH2 7"])
    assert bench.target(Ack(PUBREC, 7)) == (["PUBREC 7"], [])
    assert bench.source(Ack(PUBREL, 7)) == ([], ["PUBREL 7"])
    assert bench.target(Ack(PUBCOMP, 7)) == (["PUBCOMP 7"], [])
    assert bench.figures.sent == 1


def test_a_release_of_an_earlier_connection_is_passed_on() -> None:
    bench = Bench()
    assert bench.source(Ack(PUBREL, 7)) == ([], ["PUBREL 7"])
    assert bench.target(Ack(PUBCOMP, 7, 0x92)) == (["PUBCOMP 7"], [])


def test_qos_2_to_a_target_that_is_sent_qos_1() -> None:
    bench = Bench((0, 1, 1))
    assert bench.source(message(2)) == ([], ["PUBLISH1 7"])
    assert bench.target(Ack(PUBACK, 7)) == (["PUBREC 7"], [])
    assert bench.source(Ack(PUBREL, 7)) == (["PUBCOMP 7"], [])
    assert bench.source(Ack(PUBREL, 8)) == (["PUBCOMP 8"], [])  # of an earlier connection


def test_qos_1_to_a_target_that_is_sent_qos_2() -> None:
    bench = Bench((0, 2, 2))
    assert bench.source(message(1)) == ([], ["PUBLISH2 7"])
    assert bench.target(Ack(PUBREC, 7)) == ([], ["PUBREL 7"])
    assert bench.target(Ack(PUBCOMP, 7)) == (["PUBACK 7"], [])


@pytest.mark.parametrize(("qos", "answers"), [(1, ["PUBACK 7"]), (2, ["PUBREC 7"])])
def test_what_goes_no_further_is_complete_for_the_source(qos: int, answers: list[str]) -> None:
    bench = Bench()
    assert bench.source(message(qos, topic="loop")) == (answers, [])
    assert bench.figures.loops == 1
    if qos == 2:
        assert bench.source(Ack(PUBREL, 7)) == (["PUBCOMP 7"], [])


@pytest.mark.parametrize(("qos", "kind", "answer"), [(1, PUBACK, "PUBACK 7"), (2, PUBREC, "PUBREC 7")])
def test_what_is_refused_for_good_is_dropped(qos: int, kind: int, answer: str) -> None:
    bench = Bench()
    bench.source(message(qos))
    assert bench.target(Ack(kind, 7, 0x87)) == ([answer], [])
    assert (bench.figures.dropped, bench.figures.sent) == ({"refused": 1}, 0)


@pytest.mark.parametrize("code", [0x80, 0x83, 0x97])
def test_what_may_be_taken_later_ends_the_connection(code: int) -> None:
    bench = Bench()
    bench.source(message(1))
    with pytest.raises(MqttFailedError):
        bench.target(Ack(PUBACK, 7, code))
    assert bench.relay.take() == ([], [])


def test_acknowledgements_of_nothing_are_nothing() -> None:
    assert Bench().target(Ack(PUBACK, 1), Ack(PUBREC, 2), Ack(PUBCOMP, 3)) == ([], [])
