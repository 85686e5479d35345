"""Errors of the protocol, each with the reason code that the peer is told."""

from rmq.mqtt import codes


class MqttError(Exception):
    """Something a peer did that ends its connection; ``reason_code`` is what a v5 DISCONNECT or CONNACK says."""

    def __init__(self, reason_code: int, text: str) -> None:
        super().__init__(text)
        self.reason_code = reason_code
        self.text = text


class MalformedPacketError(MqttError):
    """The bytes can't be a packet of this protocol version (0x81)."""

    def __init__(self, text: str) -> None:
        super().__init__(codes.MALFORMED_PACKET, text)


class ProtocolError(MqttError):
    """A well-formed packet that the protocol doesn't allow here (0x82)."""

    def __init__(self, text: str) -> None:
        super().__init__(codes.PROTOCOL_ERROR, text)


class PacketTooLargeError(MqttError):
    """A packet larger than the Maximum Packet Size that was announced (0x95)."""

    def __init__(self, text: str) -> None:
        super().__init__(codes.PACKET_TOO_LARGE, text)


class UnsupportedProtocolError(MqttError):
    """A CONNECT of a protocol name or level that isn't served (0x84; MQTT 3: return code 1)."""

    def __init__(self, text: str) -> None:
        super().__init__(codes.UNSUPPORTED_PROTOCOL_VERSION, text)
