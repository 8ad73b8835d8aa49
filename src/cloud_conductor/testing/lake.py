"""What every lake must do (ports.lake.Lake).

Subclass `LakeContract` in a test file and give it a fixture `open_lake`: a function that opens the
same, initially empty, lake anew at each call.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from cloud_conductor.domain.errors import CursorGap, Transient
from cloud_conductor.domain.schemas import ARRIVAL_COLUMNS, KEYS, TABLES
from cloud_conductor.ports.lake import Lake

OpenLake = Callable[[], Lake]
DAY, NEXT_DAY = date(2026, 11, 21), date(2026, 11, 22)
FAR = datetime(2126, 11, 21, tzinfo=UTC)
APP = "conform/sales/0"
_PLAIN: dict[pa.DataType, Any] = {
    pa.string(): "x",
    pa.int64(): 0,
    pa.bool_(): False,
    pa.date32(): DAY,
    pa.timestamp("us", tz="UTC"): datetime(2026, 11, 21, 17, tzinfo=UTC),
}


def row(table: str, **fields: Any) -> dict[str, Any]:
    """A row of which only the given fields matter; decimals are null."""
    return {f.name: fields.get(f.name, _PLAIN.get(f.type)) for f in TABLES[table]}


def rows(table: str, *found: Mapping[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(found), schema=TABLES[table])


def sale(name: str, version: int = 1, **fields: Any) -> dict[str, Any]:
    fields = {"state": "closed", "version_digest": f"d{version}", "log_seq": version} | fields
    return row("sales", sale_id=name, version_rank=version, **fields)


def a_line(name: str, uid: str, version: int = 1, **fields: Any) -> dict[str, Any]:
    fields = {"version_digest": f"d{version}", "event": "sale"} | fields
    return row("sale_lines", sale_id=name, line_uid=uid, version_rank=version, **fields)


class LakeContract:
    """The promises of the port, one test each."""

    def test_an_empty_lake_reads_as_empty_tables(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        for table, schema in TABLES.items():
            assert lake.read(table).schema == schema
            assert lake.read(table, [DAY]).num_rows == 0
            assert (lake.position(table, APP), lake.uris(table), lake.dates(table)) == (0, [], [])

    def test_what_was_appended_is_read_back_by_another_handle(self, open_lake: OpenLake) -> None:
        reader = open_lake()
        given = rows("sales", sale("b"), sale("a", business_date=NEXT_DAY))
        assert open_lake().append("sales", given, app=APP, lo=0, hi=2)
        read = reader.read("sales")
        assert read.schema == TABLES["sales"]
        assert read.to_pylist() == [sale("a", business_date=NEXT_DAY), sale("b")]
        assert reader.dates("sales") == [DAY, NEXT_DAY]
        assert reader.read("sales", [DAY], columns=["sale_id"]).to_pydict() == {"sale_id": ["b"]}

    def test_objects_are_found_by_any_row_that_names_a_value(self, open_lake: OpenLake) -> None:
        """Whole objects, in their latest version, whatever their date."""
        lake = open_lake()
        sales = rows("sales", sale("a"), sale("b", 2, business_date=NEXT_DAY), sale("c'"))
        lines = rows(
            "sale_lines",
            a_line("a", "1"),
            a_line("b", "1", 1, business_date=NEXT_DAY, return_of_sale_id="a"),
            a_line("b", "1", 2, business_date=NEXT_DAY, return_of_sale_id="a"),
            a_line("b", "2", 2, business_date=NEXT_DAY, return_of_sale_id=None),
            a_line("c'", "1"),
        )
        for table, given in (("sales", sales), ("sale_lines", lines)):
            assert lake.append(table, given, app=APP, lo=0, hi=2)

        def found(table: str, column: str, *values: str) -> list[tuple[str, ...]]:
            read = lake.read(table, where=(column, values)).to_pylist()
            names = ("sale_id", "line_uid")
            return [tuple(one[name] for name in names if name in one) for one in read]

        assert found("sale_lines", "return_of_sale_id", "a", "?") == [("b", "1"), ("b", "2")]
        assert found("sale_lines", "sale_id", "c'", "a") == [("a", "1"), ("c'", "1")]
        assert found("sales", "sale_id", "b") == [("b",)]
        assert found("sales", "sale_id", "nobody") == []

    def test_appending_what_a_table_has_adds_nothing(self, open_lake: OpenLake) -> None:
        given = rows("sales", sale("a"))
        assert open_lake().append("sales", given, app=APP, lo=0, hi=5)
        again = open_lake()
        assert again.position("sales", APP) == 5
        assert not again.append("sales", given, app=APP, lo=0, hi=5)
        assert not again.append("sales", given, app=APP, lo=3, hi=4)
        assert len(again.uris("sales")) == 1

    def test_a_hole_is_refused_and_nothing_is_written(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        lake.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=5)
        for lo, hi in ((6, 9), (4, 9)):
            try:
                lake.append("sales", rows("sales", sale("b")), app=APP, lo=lo, hi=hi)
            except CursorGap:
                continue
            raise AssertionError(f"({lo}, {hi}] does not follow 5")
        assert lake.read("sales")["sale_id"].to_pylist() == ["a"]

    def test_consumers_have_positions_of_their_own(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        lake.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=5)
        lake.append("sales", rows("sales", sale("b")), app="conform/sales/1", lo=0, hi=2)
        assert lake.position("sales", APP) == 5
        assert dict(lake.sync()) == {APP: 5, "conform/sales/1": 2}

    def test_the_latest_version_wins_in_any_order(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        versions = [sale("a", n, total_minor=n) for n in (3, 1, 2)]
        for at, one in enumerate(versions):
            lake.append("sales", rows("sales", one), app=APP, lo=at, hi=at + 1)
        assert lake.read("sales")["total_minor"].to_pylist() == [3]

    def test_a_tombstone_hides_a_moved_sale_and_its_lines(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        lake.append("sale_lines", rows("sale_lines", a_line("a", "1")), app=APP, lo=0, hi=1)
        lake.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=1)
        moved = [sale("a", 2, state="moved"), sale("a", 2, business_date=NEXT_DAY)]
        lines = rows("sale_lines", a_line("a", "1", 2, business_date=NEXT_DAY))
        lake.append("sales", rows("sales", *moved), app=APP, lo=1, hi=2)
        lake.append("sale_lines", lines, app=APP, lo=1, hi=2)
        for table in ("sales", "sale_lines"):
            assert lake.read(table)["business_date"].to_pylist() == [NEXT_DAY]
            assert lake.read(table, [DAY]).num_rows == 0

    def test_a_line_lives_only_with_its_sales_latest_version(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        lines = rows("sale_lines", a_line("a", "1"), a_line("a", "2"), a_line("a", "1", 2))
        lake.append("sale_lines", lines, app=APP, lo=0, hi=2)
        lake.append("sales", rows("sales", sale("a"), sale("a", 2)), app=APP, lo=0, hi=2)
        assert lake.read("sale_lines")["line_uid"].to_pylist() == ["1"]

    def test_a_seal_replaces_its_date_and_nothing_else(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        given = [sale("b"), sale("a", 1), sale("a", 2), sale("c", business_date=NEXT_DAY)]
        lake.append("sales", rows("sales", *given), app=APP, lo=0, hi=4)
        before = lake.digest("sales", DAY)
        lake.replace("sales", [DAY], lake.read("sales", [DAY]))
        assert len(lake.uris("sales", [DAY])) == 1
        assert lake.digest("sales", DAY) == before
        assert open_lake().position("sales", APP) == 4
        assert lake.read("sales")["sale_id"].to_pylist() == ["a", "b", "c"]
        assert not lake.append("sales", rows("sales", *given), app=APP, lo=0, hi=4)

    def test_a_seal_of_many_dates_is_one_file_a_date(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        days = [date(2026, 11, number) for number in range(1, 29)]
        given = [sale(f"s{n}", business_date=day) for n, day in enumerate(days)]
        for at, one in enumerate([given, [sale("s0", 2, business_date=days[0])]]):
            lake.append("sales", rows("sales", *one), app=APP, lo=at, hi=at + 1)
        assert lake.sealed("sales", days) == set()
        lake.replace("sales", days, lake.read("sales", days), basis=lake.basis("sales", days))
        assert len(lake.uris("sales")) == len(days) == len(lake.sealed("sales", days))
        assert lake.read("sales", [days[0]])["version_rank"].to_pylist() == [2]
        assert lake.read("sales", days)["sale_id"].to_pylist() == sorted(
            one["sale_id"] for one in given
        )
        assert open_lake().newest("sales") == {day: 2 if day == days[0] else 1 for day in days}

    def test_a_date_is_as_sealed_until_its_rows_its_parent_or_an_input_change(
        self, open_lake: OpenLake
    ) -> None:
        lake = open_lake()

        def is_sealed() -> tuple[bool, bool]:
            return (
                bool(lake.sealed("sales", [DAY])),
                bool(lake.sealed("sale_lines", [DAY], ["products"])),
            )

        def seal() -> None:
            for table, inputs in (("sales", []), ("sale_lines", ["products"])):
                basis = lake.basis(table, [DAY], inputs)
                lake.replace(table, [DAY], lake.read(table, [DAY]), basis=basis)

        lake.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=1)
        lake.append("sale_lines", rows("sale_lines", a_line("a", "1")), app=APP, lo=0, hi=1)
        seal()
        assert is_sealed() == (True, True)
        lake.append("products", rows("products", row("products")), app=APP, lo=0, hi=2)
        assert is_sealed() == (True, False)
        assert lake.read("sale_lines", [DAY])["line_uid"].to_pylist() == ["1"]
        moved = rows("sales", sale("a", 2, state="moved"))
        lake.append("sales", moved, app=APP, lo=1, hi=3)
        assert is_sealed() == (False, False)
        assert lake.read("sale_lines", [DAY]).num_rows == 0
        seal()
        assert lake.dates("sales") == lake.dates("sale_lines") == []

    def test_a_seal_refuses_rows_of_another_date(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        lake.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=1)
        lake.read("sales")
        try:
            lake.replace("sales", [DAY], rows("sales", sale("b", business_date=NEXT_DAY)))
        except ValueError:
            assert lake.read("sales")["sale_id"].to_pylist() == ["a"]
            return
        raise AssertionError("a row of the next day was sealed into this one")

    def test_a_seal_never_drops_rows_that_came_meanwhile(self, open_lake: OpenLake) -> None:
        sealing, writing = open_lake(), open_lake()
        writing.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=1)
        read = sealing.read("sales", [DAY])
        writing.append("sales", rows("sales", sale("b")), app=APP, lo=1, hi=2)
        try:
            sealing.replace("sales", [DAY], read)
        except Transient:
            sealing.replace("sales", [DAY], sealing.read("sales", [DAY]))
        assert open_lake().read("sales")["sale_id"].to_pylist() == ["a", "b"]

    def test_a_late_row_is_seen_beside_sealed_ones(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        lake.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=1)
        lake.replace("sales", [DAY], lake.read("sales", [DAY]))
        lake.append("sales", rows("sales", sale("b")), app=APP, lo=1, hi=2)
        assert lake.read("sales", [DAY])["sale_id"].to_pylist() == ["a", "b"]

    def test_digests_see_content_not_arrival(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        digests = {lake.digest("sales", DAY)}
        arrivals = {"raw_sha256": "other", "log_seq": 99, "received_at": None}
        assert arrivals.keys() == set(ARRIVAL_COLUMNS)
        lake.append("sales", rows("sales", sale("a", 2)), app=APP, lo=0, hi=1)
        digests.add(lake.digest("sales", DAY))
        for changed in (arrivals, {"total_minor": 1}, {"channel": None}, {"channel": ""}):
            lake.replace("sales", [DAY], rows("sales", sale("a", 2) | changed))
            digests.add(lake.digest("sales", DAY))
        assert len(digests) == 5

    def test_any_batching_seals_to_the_same_rows_in_the_same_order(
        self, open_lake: OpenLake
    ) -> None:
        lake = open_lake()
        given = [sale(f"s{n % 17:02}", n + 1) for n in range(60)]
        random.Random(7).shuffle(given)  # noqa: S311  # an order, not a secret
        for at in range(0, len(given), 13):
            some = rows("sales", *given[at : at + 13])
            lake.append("sales", some, app=APP, lo=at, hi=at + 13)
        lake.replace("sales", [DAY], lake.read("sales", [DAY]))
        sealed = lake.read("sales", [DAY])
        keys = sealed.select(list(KEYS["sales"])).to_pylist()
        assert keys == sorted(keys, key=lambda one: tuple(one.values()))
        assert sealed["version_rank"].to_pylist() == [
            max(n + 1 for n in range(60) if n % 17 == m) for m in range(17)
        ]

    def test_a_replaced_file_stays_for_readers_and_goes_when_it_is_old(
        self, open_lake: OpenLake
    ) -> None:
        lake = open_lake()
        lake.append("sales", rows("sales", sale("a"), sale("b", 2)), app=APP, lo=0, hi=2)
        (first,) = lake.uris("sales")
        opened = _next_second()
        lake.replace("sales", [DAY], lake.read("sales", [DAY]))
        assert lake.vacuum("sales", before=opened) == {}, "somebody may still read it"
        assert lake.vacuum("sales", before=FAR, leave=[DAY]) == {}, "the day is open again"
        told = lake.vacuum("sales", before=FAR, dry_run=True)
        assert list(told) == [first]
        assert told[first] > 0
        assert lake.vacuum("sales", before=FAR) == told
        assert lake.vacuum("sales", before=FAR) == {}
        for handle in (lake, open_lake()):
            assert handle.read("sales", [DAY])["sale_id"].to_pylist() == ["a", "b"]
            assert handle.position("sales", APP) == 2

    def test_nothing_that_is_in_use_is_ever_removed(self, open_lake: OpenLake) -> None:
        lake = open_lake()
        assert lake.vacuum("sales", before=FAR) == {}, "there is no table yet"
        for at, day in enumerate((DAY, NEXT_DAY)):
            lake.append(
                "sales", rows("sales", sale("a", business_date=day)), app=APP, lo=at, hi=at + 1
            )
        lake.append("products", rows("products", row("products")), app=APP, lo=0, hi=2)
        for table in ("sales", "products"):
            assert open_lake().vacuum(table, before=FAR) == {}
        assert lake.read("sales").num_rows == 2

    def test_while_it_is_held_a_lake_is_read_as_of_one_moment(self, open_lake: OpenLake) -> None:
        lake, other = open_lake(), open_lake()
        other.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=1)
        with lake.held():
            assert lake.read("sales")["sale_id"].to_pylist() == ["a"]
            other.append("sales", rows("sales", sale("b")), app=APP, lo=1, hi=2)
            with lake.held():
                assert lake.read("sales", [DAY])["sale_id"].to_pylist() == ["a"]
            assert lake.uris("sales") == lake.uris("sales", [DAY])
            assert lake.read("sales")["sale_id"].to_pylist() == ["a"]
        assert lake.read("sales")["sale_id"].to_pylist() == ["a", "b"]


def _next_second() -> datetime:
    """Waits for a whole second that has just begun: buckets date their objects by seconds."""
    now_s = time.time()  # noqa: TID251  # files are dated by the clock of the machine
    begins_s = int(now_s) + 1
    threading.Event().wait(begins_s - now_s)
    return datetime.fromtimestamp(begins_s, UTC)
