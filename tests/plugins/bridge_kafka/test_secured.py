"""Bridges to a server of Kafka that wants TLS, a certificate and a password."""

import time

import pytest

from tests.plugins.bridge_kafka.conftest import (
    IN,
    OUT,
    Dial,
    Make,
    Start,
    await_committed,
    await_subscriber,
    entry_in,
    kafka_option,
    needs_server,
    unlike_probes,
)
from tests.support.certificates import Certificates
from tests.support.certificates import certificates as certificates
from tests.support.kafka_server import Observer

pytestmark = [pytest.mark.realtime, pytest.mark.slow, needs_server]


def one_line(path: str) -> str:
    """A PEM file as a value in a properties file."""
    with open(path, encoding="ascii") as file:
        return file.read().strip().replace("\n", "\\n")


def test_both_ways_over_tls_with_certificates_and_a_password(
    make_server: Make, dial: Dial, start_node: Start, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = certificates.authority
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    server = make_server(
        {
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.clients.plain.sasl.jaas.config": (
                f'{plain} required username="rmq" password="hush hush" user_rmq="hush hush";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": one_line(authority.server.certfile),
            "ssl.keystore.key": one_line(authority.server.keyfile),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": one_line(authority.cafile),
            "ssl.client.auth": "required",
        }
    )
    server.start()
    client = authority.client("bridge")
    observer = Observer(
        server.servers,
        {
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "rmq",
            "sasl.password": "hush hush",
            "ssl.ca.location": authority.cafile,
            "ssl.certificate.location": client.certfile,
            "ssl.key.location": client.keyfile,
        },
    )
    observer.make_topic("far")
    keys = (
        f', tls = true, root_cert = "{authority.cafile}", client_cert = "{client.certfile}"'
        f', client_key = "{client.keyfile}"'
        ', sasl_mechanism = "PLAIN", username = "rmq"'
    )
    right = f'{keys}, password = "hush hush"'
    node = start_node(
        OUT, kafka_option("egress", server.servers, '[{ local.topic_filter = "out/#", remote.topic = "far" }]', right)
    )
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out/a")
    publisher.publish("out/a", b"1", 1)
    assert [record.value() for record in unlike_probes(observer.read("far", 2))] == [b"1"]
    second = start_node(IN, kafka_option("ingress", server.servers, entry_in("far", "g"), right, "other"))
    await_committed(observer, "g", "far", 2)
    assert "hush hush" not in node.log + second.log
    wrong = start_node(
        IN, kafka_option("ingress", server.servers, entry_in("far", "h"), f'{keys}, password = "no"', "w")
    )
    subscriber = dial(wrong.address, "sub")
    subscriber.subscribe("in/#")
    deadline = time.monotonic() + 30
    while "Authentication failed" not in wrong.log:
        assert time.monotonic() < deadline, wrong.log
        subscriber.expect_nothing()
    assert sum(offset for offset in observer.committed("h", "far") if offset > 0) == 0
