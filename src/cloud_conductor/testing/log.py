"""What every event log must do (ports.log.EventLog).

Subclass `LogContract` in a test file and give it a fixture `open_log`: a function that opens the
same, initially empty, log anew at each call.
"""

import threading
from collections.abc import Callable, Sequence

from cloud_conductor.domain.events import PARTITION, Event, NewEvent
from cloud_conductor.ports.log import EventLog

OpenLog = Callable[[], EventLog]
WRITERS = 4
EVENTS_PER_WRITER = 120
GROUP = 6


def new_event(event_id: str, *, body: bytes = b"{}", source: str = "square") -> NewEvent:
    """An event of which only the id, the body and the source matter."""
    return NewEvent(
        source=source,
        channel="webhook",
        kind="order.updated",
        event_id=event_id,
        merchant_id="ML1",
        received_us=1_764_000_000_000_000,
        body=body,
        headers='{"content-type":"application/json"}',
        url="https://cc.example.com/hooks/square",
        trigger_seq=0,
    )


class LogContract:
    """The promises of the port, one test each."""

    def test_what_was_appended_is_read_back_byte_for_byte(self, open_log: OpenLog) -> None:
        log = open_log()
        sent = new_event("e-1", body=b'{"id": 1,\n "caf\xc3\xa9":"\x00"}')
        (outcome,) = log.append([sent])
        (read,) = log.read(PARTITION, 0)
        assert not outcome.duplicate
        assert read.seq == outcome.seq
        assert _without_place(read) == sent

    def test_a_reopened_log_has_everything_that_was_appended(self, open_log: OpenLog) -> None:
        first = open_log()
        outcomes = first.append([new_event(f"e-{n}") for n in range(10)])
        first.close()
        again = open_log()
        assert [e.seq for e in again.read(PARTITION, 0)] == [o.seq for o in outcomes]
        assert again.high_water(PARTITION) == outcomes[-1].seq

    def test_an_event_id_is_stored_once_and_each_duplicate_is_recorded(
        self, open_log: OpenLog
    ) -> None:
        log = open_log()
        (first,) = log.append([new_event("e-1", body=b"first")])
        second, other, third = log.append(
            [new_event("e-1", body=b"second"), new_event("e-2"), new_event("e-1")]
        )
        assert (second.seq, second.duplicate) == (first.seq, True)
        assert (third.seq, third.duplicate) == (first.seq, True)
        assert not other.duplicate
        assert [e.body for e in log.read(PARTITION, 0)] == [b"first", b"{}"]
        recorded = log.duplicates(0)
        assert [event.event_id for _, event in recorded] == ["e-1", "e-1"]
        assert all(event.body == b"" for _, event in recorded)

    def test_twice_in_one_append_is_one_event_and_one_duplicate(self, open_log: OpenLog) -> None:
        log = open_log()
        first, second = log.append([new_event("e-1"), new_event("e-1")])
        assert (first.duplicate, second.duplicate) == (False, True)
        assert first.seq == second.seq

    def test_the_same_id_of_two_sources_is_two_events(self, open_log: OpenLog) -> None:
        log = open_log()
        outcomes = log.append([new_event("e-1"), new_event("e-1", source="square-eu")])
        assert not any(outcome.duplicate for outcome in outcomes)

    def test_duplicates_are_read_on_from_a_number(self, open_log: OpenLog) -> None:
        log = open_log()
        log.append([new_event("e-1")])
        log.append([new_event("e-1")] * 5)
        numbers = [number for number, _ in log.duplicates(0)]
        assert numbers == sorted(set(numbers))
        assert [number for number, _ in log.duplicates(numbers[1], limit=2)] == numbers[2:4]

    def test_reading_goes_on_after_a_seq_and_keeps_the_limit(self, open_log: OpenLog) -> None:
        log = open_log()
        seqs = [o.seq for o in log.append([new_event(f"e-{n}") for n in range(7)])]
        assert seqs == sorted(seqs)
        assert [e.seq for e in log.read(PARTITION, 0, limit=3)] == seqs[:3]
        assert [e.seq for e in log.read(PARTITION, seqs[2], limit=3)] == seqs[3:6]
        assert log.read(PARTITION, seqs[-1]) == []

    def test_a_read_of_large_bodies_stops_at_about_16_mib(self, open_log: OpenLog) -> None:
        log = open_log()
        log.append([new_event(f"e-{n}", body=bytes(3 * 1024 * 1024)) for n in range(8)])
        assert len(log.read(PARTITION, 0)) == 6

    def test_events_are_got_by_seq_and_missing_ones_left_out(self, open_log: OpenLog) -> None:
        log = open_log()
        seqs = [o.seq for o in log.append([new_event(f"e-{n}") for n in range(4)])]
        wanted = [seqs[2], 10_000_000, seqs[0]]
        assert [e.seq for e in log.get(wanted)] == [seqs[0], seqs[2]]
        assert log.get([]) == []

    def test_an_event_is_found_by_its_id_however_long_ago_it_came(self, open_log: OpenLog) -> None:
        log = open_log()
        other, mine = log.append([new_event("e-1", source="clover"), new_event("e-1")])
        log.append([new_event(f"later-{n}") for n in range(100)])
        log.append([new_event("e-1", body=b"again")])
        assert log.find("square", "e-1") == mine.seq
        assert log.find("clover", "e-1") == other.seq
        assert log.find("square", "e-") == 0
        assert log.find("clover", "later-1") == 0

    def test_an_empty_log_has_high_water_zero(self, open_log: OpenLog) -> None:
        log = open_log()
        assert log.high_water(PARTITION) == 0
        assert log.partitions() == (PARTITION,)
        assert log.append([]) == []

    def test_pruning_keeps_the_newest_row_so_that_numbers_never_start_again(
        self, open_log: OpenLog
    ) -> None:
        log = open_log()
        seqs = [o.seq for o in log.append([new_event(f"e-{n}") for n in range(5)])]
        assert log.prune(PARTITION, seqs[3]) == 3
        assert [e.seq for e in log.read(PARTITION, 0)] == seqs[3:]
        assert log.prune(PARTITION, seqs[-1] + 100) == 1
        assert log.high_water(PARTITION) == seqs[-1]
        (later,) = log.append([new_event("e-new")])
        assert later.seq > seqs[-1]

    def test_a_tailing_reader_misses_nothing_of_four_concurrent_writers(
        self, open_log: OpenLog
    ) -> None:
        total = WRITERS * EVENTS_PER_WRITER
        writers = [
            threading.Thread(target=_write, args=(open_log(), f"w{n}")) for n in range(WRITERS)
        ]
        reader = open_log()
        for writer in writers:
            writer.start()
        seen: list[Event] = []
        while len(seen) < total:
            alive = any(writer.is_alive() for writer in writers)
            seen += reader.read(PARTITION, seen[-1].seq if seen else 0, limit=50)
            assert alive or len(seen) == total or reader.read(PARTITION, seen[-1].seq), (
                f"{total - len(seen)} events were passed by"
            )
        for writer in writers:
            writer.join()
        assert len({event.event_id for event in seen}) == total
        assert reader.read(PARTITION, seen[-1].seq) == []


def _write(log: EventLog, name: str) -> None:
    ids = [f"{name}-{n}" for n in range(EVENTS_PER_WRITER)]
    for group in _groups(ids):
        log.append([new_event(event_id) for event_id in group])


def _groups(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[n : n + GROUP] for n in range(0, len(ids), GROUP)]


def _without_place(event: Event) -> NewEvent:
    return NewEvent(**{name: getattr(event, name) for name in NewEvent.__struct_fields__})
