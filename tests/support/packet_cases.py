"""The ONE table of raw packets: it feeds the decoder's unit tests, the fuzzer's seeds and the conformance tests.

``CASES`` holds every row; ``packet_notation.PacketCase`` says what its fields mean. A decoder test goes

    for case in CASES:
        decode case.data as one packet at protocol level case.level (a CONNECT says its level itself)
        case.must_decode      -> it is accepted (and, where the form is canonical, encodes to case.data)
        case.must_not_decode  -> it is refused; in version 5 (and CONNECTs of it) with a reason in case.allowed;
                                 version 3 has no reasons: CLOSE means "any error", a positive number a CONNACK code
        neither               -> either is right

and the conformance tests send ``CONNECT_OF_LEVEL[case.level]``, ``case.before`` and ``case.data`` to a broker.
"""

from __future__ import annotations

from typing import Final

from tests.support.packet_cases_connect import CONNECT_CASES
from tests.support.packet_cases_other import OTHER_CASES, PROPERTY_CASES
from tests.support.packet_cases_publish import PUBLISH_CASES
from tests.support.packet_cases_subscribe import SUBSCRIBE_CASES
from tests.support.packet_notation import (
    CLOSE,
    CONNECT_OF_LEVEL,
    DECODER,
    EITHER,
    FLOW,
    V5,
    V31,
    V311,
    VALID,
    PacketCase,
    assemble,
)

__all__ = [
    "CASES",
    "CLOSE",
    "CONNECT_OF_LEVEL",
    "DECODER",
    "EITHER",
    "FLOW",
    "V5",
    "V31",
    "V311",
    "VALID",
    "PacketCase",
    "assemble",
]

CASES: Final[list[PacketCase]] = CONNECT_CASES + PUBLISH_CASES + SUBSCRIBE_CASES + OTHER_CASES + PROPERTY_CASES

_ids = [case.id for case in CASES]
if len(set(_ids)) != len(_ids):
    raise ValueError(f"two packet cases of one name: {sorted({i for i in _ids if _ids.count(i) > 1})}")
