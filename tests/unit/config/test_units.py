"""Durations, sizes, addresses and rates: what is read, what is refused, and what is written back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.config.units import (
    UINT32_MAX,
    UNLIMITED,
    Address,
    Rate,
    format_byte_size,
    format_duration,
    parse_address,
    parse_byte_size,
    parse_duration,
    parse_rate,
    parse_whole_seconds,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2h", 7200.0),
        ("5m", 300.0),
        ("30s", 30.0),
        ("1500ms", 1.5),
        ("0", 0.0),
        ("1h30m", 5400.0),
        ("7d", 604800.0),
        ("1w", 604800.0),
        ("1.5h", 5400.0),
        (" 90 ", 90.0),
        (90, 90.0),
        (0.25, 0.25),
        ("0.1s", 0.1),
    ],
)
def test_durations(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "h",
        "30m1h",
        "1h 30m",
        "5M",
        "-5s",
        -5,
        "0.1ms",
        True,
        None,
        [],
        "1e3",
        "٣s",
        float("nan"),
        float("inf"),
        "1x",
    ],
)
def test_durations_that_are_refused(written: object) -> None:
    with pytest.raises(ValueError):
        parse_duration(written)


@given(st.integers(min_value=0, max_value=10**13))
def test_a_written_duration_reads_back_exactly(millis: int) -> None:
    seconds = parse_duration(f"{millis}ms")
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0"), (7200, "2h"), (5400, "1h30m"), (0.1, "100ms"), (86400 * 8, "8d"), (UINT32_MAX, str(UINT32_MAX))],
)
def test_durations_are_written_briefly(seconds: float, written: str) -> None:
    assert format_duration(seconds) == written


def test_intervals_of_the_protocol_are_whole_seconds_in_four_bytes() -> None:
    assert parse_whole_seconds("1m") == 60
    assert parse_whole_seconds(UINT32_MAX) == UINT32_MAX
    with pytest.raises(ValueError, match="whole seconds"):
        parse_whole_seconds("500ms")
    with pytest.raises(ValueError, match="at most 4294967295"):
        parse_whole_seconds(UINT32_MAX + 1)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("1MB", 1048576),
        ("1M", 1048576),
        ("1mib", 1048576),
        ("64 KB", 65536),
        ("1.5k", 1536),
        ("0", 0),
        (17, 17),
        ("2G", 2**31),
    ],
)
def test_sizes(written: object, size: int) -> None:
    assert parse_byte_size(written) == size


@pytest.mark.parametrize("written", ["", "MB", "1XB", "-1", -1, 1.0, True, "0.3", "1.0001KB", "9999999999TB", None])
def test_sizes_that_are_refused(written: object) -> None:
    with pytest.raises(ValueError):
        parse_byte_size(written)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_written_size_reads_back_exactly(size: int) -> None:
    assert parse_byte_size(format_byte_size(size)) == size


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("0.0.0.0:1883", Address("0.0.0.0", 1883)),
        ("[::1]:1883", Address("::1", 1883)),
        ("[0:0:0:0:0:0:0:1]:1", Address("::1", 1)),
        (":1883", Address("0.0.0.0", 1883)),
        ("LocalHost:0", Address("localhost", 0)),
        ("my-host.example.org:65535", Address("my-host.example.org", 65535)),
    ],
)
def test_addresses(written: str, address: Address) -> None:
    assert parse_address(written) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1883",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "h:-1",
        "::1:1883",
        "[::g]:1",
        "1.2.3:1",
        "a b:1",
        "h:²",
        1883,
    ],
)
def test_addresses_that_are_refused(written: object) -> None:
    with pytest.raises(ValueError):
        parse_address(written)


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("127.0.0.1:1883", "127.0.0.1:1883", True),
        ("127.0.0.1:1883", "127.0.0.1:1884", False),
        ("127.0.0.1:1883", "127.0.0.2:1883", False),
        ("0.0.0.0:1883", "127.0.0.1:1883", True),
        ("127.0.0.1:1883", ":1883", True),
        ("[::]:1883", "0.0.0.0:1883", False),
        ("[::]:1883", "[::1]:1883", True),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_addresses_that_cannot_both_be_bound(one: str, other: str, clash: bool) -> None:
    assert parse_address(one).clashes_with(parse_address(other)) is clash


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("1000,1s", Rate(1000, 1.0)),
        ("5 , 2m", Rate(5, 120.0)),
        ("", UNLIMITED),
        ("0", UNLIMITED),
        (0, UNLIMITED),
        ("0,1s", UNLIMITED),
    ],
)
def test_rates(written: object, rate: Rate) -> None:
    assert parse_rate(written) == rate
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize("written", ["1000", 1000, "x,1s", "1000,", "1000,0", "-1,1s", "1.5,1s", None, False])
def test_rates_that_are_refused(written: object) -> None:
    with pytest.raises(ValueError):
        parse_rate(written)


def test_unlimited_is_recognisable() -> None:
    assert UNLIMITED.is_unlimited
    assert not Rate(1, 1.0).is_unlimited
