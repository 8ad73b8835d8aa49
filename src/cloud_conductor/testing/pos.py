"""What every POS decoder must do (ports.pos.PosDecoder).

Subclass `DecoderContract` in a test file and give it a fixture `sample`: a decoder, a day of good
events of that vendor in log order, the stores by location, and a body the vendor would never send.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
import pyarrow as pa

from cloud_conductor.domain.events import Event
from cloud_conductor.domain.schemas import KEYS, TABLES
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.pos import Decoded, Parent, PosDecoder

NO_JSON = b'{"id": "\xff'


class Sample(msgspec.Struct, frozen=True):
    """What a vendor brings: see the module."""

    decoder: PosDecoder
    events: Sequence[Event]
    stores: Mapping[str, Store]

    def decode(self, events: Sequence[Event]) -> Decoded:
        return self.decoder.decode(events, self.stores, {}, {})


class DecoderContract:
    """The promises of the port, one test each."""

    def test_a_good_day_gives_rows_and_no_finding(self, sample: Sample) -> None:
        found = sample.decode(sample.events)
        assert found.rejected == ()
        assert found.tables["sales"].num_rows > 0
        assert found.tables["tenders"].num_rows > 0

    def test_tables_are_canonical(self, sample: Sample) -> None:
        for name, table in sample.decode(sample.events).tables.items():
            assert table.schema == TABLES[name]
            table.validate(full=True)
            for key in KEYS[name]:
                assert table[key].null_count == 0, (name, key)

    def test_every_event_is_in_exactly_one_class(self, sample: Sample) -> None:
        """INV-16: rows, ignored or rejected."""
        broken = _with_broken(sample.events)
        found = sample.decode(broken)
        gave = _seqs(found.tables.values())
        ignored, rejected = set(found.ignored), {one.seq for one in found.rejected}
        assert gave | ignored | rejected == {event.seq for event in broken}
        assert len(gave) + len(ignored) + len(rejected) == len(broken)

    def test_a_broken_event_harms_no_other(self, sample: Sample) -> None:
        clean, broken = sample.decode(sample.events), sample.decode(_with_broken(sample.events))
        assert len(broken.rejected) == 1
        assert broken.rejected[0].findings
        for name, table in clean.tables.items():
            assert broken.tables[name].equals(table), name

    def test_batching_changes_nothing(self, sample: Sample) -> None:
        """What one batch teaches (clocks, parents), handed on, makes any batching equal."""
        whole = sample.decode(sample.events)
        parts: dict[str, list[pa.Table]] = {}
        clocks: dict[str, datetime] = {}
        parents: dict[str, Parent] = {}
        for event in sample.events:
            found = sample.decoder.decode([event], sample.stores, clocks, parents)
            clocks |= {one.object_id: one.occurred_at for one in found.clocks}
            parents |= {one.key: one for one in found.parents}
            for name, table in found.tables.items():
                parts.setdefault(name, []).append(table)
        assert parts.keys() == whole.tables.keys()
        for name, tables in parts.items():
            assert pa.concat_tables(tables).equals(whole.tables[name]), name

    def test_lines_add_up_to_their_sale(self, sample: Sample) -> None:
        """INV-03."""
        tables = sample.decode(sample.events).tables
        nets: dict[tuple[str, int], int] = {}
        for row in tables["sale_lines"].select(["sale_id", "log_seq", "net_minor"]).to_pylist():
            key = (row["sale_id"], row["log_seq"])
            nets[key] = nets.get(key, 0) + row["net_minor"]
        for sale in tables["sales"].to_pylist():
            parts = ("subtotal", "service", "tax", "tip", "rounding")
            total = sum(sale[f"{part}_minor"] for part in parts)
            assert total == sale["total_minor"], sale["sale_id"]
            if sale["state"] == "closed":
                net = nets.get((sale["sale_id"], sale["log_seq"]), 0)
                assert net == sale["subtotal_minor"], sale["sale_id"]


def _with_broken(events: Sequence[Event]) -> list[Event]:
    """The events, and one more in the middle whose body is no JSON."""
    last = max(event.seq for event in events)
    kinds = [event for event in events if event.channel == "api"] or list(events)
    broken = msgspec.structs.replace(kinds[0], seq=last + 1, event_id="broken", body=NO_JSON)
    middle = len(events) // 2
    return [*events[:middle], broken, *events[middle:]]


def _seqs(tables: Iterable[pa.Table]) -> set[int]:
    return {seq for table in tables for seq in table["log_seq"].to_pylist()}
