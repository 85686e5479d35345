"""A message that looks like a record doesn't deceive whoever reads a torn journal."""

from pathlib import Path

from rmq.mqtt.message import Message
from rmq.storage.codec import encode_operation
from rmq.storage.journal import Journal, JournalReader
from rmq.storage.packing import pack
from rmq.storage.record_file import MARK, record
from rmq.storage.records import EndSession, StoreMessage


def test_a_torn_record_with_the_likeness_of_a_record_in_it_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1)
    journal.open()
    good = journal.append(1, pack(encode_operation(EndSession("a", 1))))
    message = Message("t", record(b"x", MARK) + b"more" * 20, 1, False, "p")
    journal.append(2, pack(encode_operation(StoreMessage(message, None, "", 0))))
    journal.close()
    path = tmp_path / "journal-0000000001.log"
    path.write_bytes(path.read_bytes()[:-5])
    reader = JournalReader(tmp_path, 1, 0, repair=False)
    assert [type(operation) for operation in reader] == [EndSession]
    assert reader.written == 1 and reader.cut_off > 0
    assert path.stat().st_size == good


def test_each_file_has_a_mark_of_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1)
    journal.open()
    journal.rotate(trusted=True)
    journal.close()
    heads = [(tmp_path / f"journal-{number:010d}.log").read_bytes()[:16] for number in (1, 2)]
    assert heads[0] != heads[1]
