"""What is remembered of right passwords, by a clock of the test."""

from rmq_plugins.auth_db.proved import Proved


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_right_password_is_remembered_from_its_last_use_on() -> None:
    clock = Clock()
    proved = Proved(10.0, clock)
    key = proved.key("hash", "salt", b"pw")
    assert not proved.holds(key)
    proved.keep(key)
    for _ in range(3):
        clock.now += 9
        assert proved.holds(key)
    clock.now += 10
    assert not proved.holds(key) and len(proved) == 0 and proved.hits == 3


def test_another_password_hash_or_salt_is_another_one() -> None:
    proved = Proved(10.0, Clock())
    proved.keep(proved.key("hash", "salt", b"pw"))
    for other in (("hash", "salt", b"px"), ("hasg", "salt", b"pw"), ("hash", "sal", b"tpw"), ("hashsalt", "", b"pw")):
        assert not proved.holds(proved.key(*other))
    assert Proved(10.0, Clock()).key("hash", "salt", b"pw") != proved.key("hash", "salt", b"pw")


def test_it_is_bounded_and_may_be_switched_off() -> None:
    proved = Proved(10.0, Clock(), most_entries=2)
    keys = [proved.key("hash", "", bytes([number])) for number in range(3)]
    for key in keys:
        proved.keep(key)
    assert [proved.holds(key) for key in keys] == [False, True, True]
    off = Proved(0.0, Clock())
    off.keep(keys[0])
    assert not off.holds(keys[0]) and len(off) == 0
