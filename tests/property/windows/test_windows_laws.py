"""Windows keep their laws whatever comes, however batched and however late (R-22.1, INV-26)."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select

from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.domain.errors import LeaseLost
from cloud_conductor.domain.events import PARTITION, Event
from cloud_conductor.domain.schemas import PRODUCTS, SALE_LINES, SALE_TENDERS, SALES
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.pos import Decoded, Moved
from cloud_conductor.state import live
from cloud_conductor.state import windows as state
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import tables_of
from cloud_conductor.state.tables.windows import CELL, LATE, SALE, STORE, TENDER
from cloud_conductor.windows.flow import WindowsDeps, rebuild, run_windows
from cloud_conductor.windows.proof import unlike
from conform_events import House, golden_day

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
STORES = tuple(Store(name, "till", name, "UTC", time(4), "USD") for name in ("A", "B"))
HEAD = {"source": "till", "merchant_id": "M", "raw_sha256": "", "business_date": None}


class Told:
    """A decoder of bodies that say outright what a sale, a product or a clock is."""

    def decode(
        self,
        events: Sequence[Event],
        stores: Mapping[str, Store],
        clocks: Mapping[str, datetime],
        parents: Mapping[str, Any] = {},  # never changed
    ) -> Decoded:
        del stores, parents
        rows: dict[str, list[dict[str, Any]]] = {
            "sales": [],
            "lines": [],
            "tenders": [],
            "products": [],
        }
        known, moved = dict(clocks), []
        for one in events:
            told = json.loads(one.body)
            tail = {**HEAD, "log_seq": one.seq, "received_at": at(one.received_us)}
            if one.kind == "sale":
                self._sale(rows, told, tail, known.get(told["id"]))
            elif one.kind == "clock":
                clock = START + timedelta(minutes=told["minute"])
                if told["id"] not in known or clock < known[told["id"]]:
                    known[told["id"]] = clock
                    moved.append(Moved(told["id"], clock, one.seq))
            else:
                rows["products"] += products(told["department"], tail)
        tables = {
            "sales": pa.Table.from_pylist(rows["sales"], SALES),
            "sale_lines": pa.Table.from_pylist(rows["lines"], SALE_LINES),
            "sale_tenders": pa.Table.from_pylist(rows["tenders"], SALE_TENDERS),
            "products": pa.Table.from_pylist(rows["products"], PRODUCTS),
        }
        return Decoded(tables, (), (), clocks=tuple(moved))

    def _sale(
        self, rows: Any, told: dict[str, Any], tail: dict[str, Any], clock: datetime | None
    ) -> None:
        digest = "offline" if clock else "cloud"
        head = tail | {
            "store": told["store"],
            "sale_id": told["id"],
            "version_rank": told["rank"],
            "version_digest": digest,
            "occurred_at": clock or START + timedelta(minutes=told["minute"]),
        }
        amount = told["amount"]
        rows["sales"].append(
            head | {"state": told["state"], "currency": "USD", "total_minor": amount}
        )
        for number, product in enumerate(("p", None)):
            figures = {
                "gross_minor": amount,
                "net_minor": amount,
                "discount_minor": 0,
                "tax_minor": 0,
            }
            rows["lines"].append(
                head | figures | {"event": "sale", "is_sale": True, "product_id": product}
                | {"department": "Own", "line_uid": str(number), "quantity": 1}
            )  # fmt: skip
        rows["tenders"].append(
            head | {"event": "payment", "tender_type": "cash", "amount_minor": amount}
        )


def products(department: str, tail: dict[str, Any]) -> list[dict[str, Any]]:
    plain = tail | {"valid_from": at(0)}
    return [
        plain | {"product_id": "p", "department": f"category:{department}", "name": "p"},
        plain | {"product_id": f"category:{department}", "name": department},
    ]


def at(micros: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)


def us(moment: datetime) -> int:
    return (moment - at(0)) // timedelta(microseconds=1)


class Tape:
    """A log of events in memory."""

    def __init__(self, told: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self.events = [
            Event(
                "till", "api", kind, f"e{seq}", "M", us(START + timedelta(days=30)),
                json.dumps(what).encode(), seq=seq,
            )
            for seq, (kind, what) in enumerate(told, start=1)
        ]  # fmt: skip

    def partitions(self) -> tuple[str, ...]:
        return (PARTITION,)

    def high_water(self, _: str) -> int:
        return len(self.events)

    def read(self, _: str, after: int, limit: int = 1_000) -> list[Event]:
        return self.events[after : after + limit]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = open_engine(f"sqlite:///{tmp_path_factory.mktemp('windows') / 'worker.sqlite'}")
    # What is asked here is arithmetic; that commits are durable is asked elsewhere.
    event.listen(made, "connect", lambda one, _: one.execute("pragma synchronous=OFF"))
    tables_of("worker").create_all(made)
    yield made
    made.dispose()


def play(engine: Engine, told: Any, batch: int) -> WindowsDeps:
    """Windows of a log, made anew with batches of one size."""
    deps = WindowsDeps(Tape(told), engine, {"till": Told()}, STORES, batch)  # type: ignore[arg-type]
    rebuild(deps)
    return deps


def figures(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that windows say, without the numbers of changes and without zeros."""
    found = {}
    with engine.connect() as connection:
        for table in (CELL, STORE, TENDER, LATE):
            keys = len(table.primary_key)
            rows = [row._asdict() for row in connection.execute(select(table))]
            kept = [
                tuple(value for name, value in row.items() if name not in {"seq", "version"})
                for row in rows
                if any(row[name] for name in ("sales", "payments", "changes") if name in row)
            ]
            found[table.name] = sorted(kept, key=lambda row: row[:keys])
    return found


MINUTES = st.integers(0, 3 * 24 * 12).map(lambda step: step * 5 + 1)
SALES_TOLD = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["S1", "S2", "S3", "S4"]),
        "rank": st.integers(1, 3),
        "minute": MINUTES,
        "amount": st.integers(1, 9_999),
        "store": st.sampled_from(["A", "B"]),
        "state": st.sampled_from(["closed", "closed", "voided"]),
    }
)
EVENTS = st.lists(
    st.one_of(
        SALES_TOLD.map(lambda told: ("sale", told)),
        st.fixed_dictionaries({"id": st.sampled_from(["S1", "S2"]), "minute": MINUTES}).map(
            lambda told: ("clock", told)
        ),
        st.sampled_from(["Toys", "Home"]).map(lambda name: ("product", {"department": name})),
    ),
    max_size=14,
)
slowly = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slowly
@given(told=EVENTS, batch=st.integers(2, 14))
def test_windows_are_the_same_however_the_log_is_batched(
    engine: Engine, told: Any, batch: int
) -> None:
    play(engine, told, 1)
    one_by_one = figures(engine)
    deps = play(engine, told, batch)
    assert figures(engine) == one_by_one
    assert run_windows(deps).events == 0


@slowly
@given(told=EVENTS, batch=st.integers(1, 14))
def test_cells_and_what_came_late_are_the_newest_version_of_every_sale(
    engine: Engine, told: Any, batch: int
) -> None:
    play(engine, told, batch)
    meant: Counter[str] = Counter()
    with engine.connect() as connection:
        for sale in connection.execute(select(SALE)):
            meant[sale.store] += sum(line[6] for line in json.loads(sale.lines))
        held: Counter[str] = Counter()
        for table in (CELL, LATE):
            for row in connection.execute(select(table)):
                held[row.store] += row.net_minor
        by_store: Counter[str] = Counter()
        for table in (STORE, LATE):
            for row in connection.execute(select(table)):
                by_store[row.store] += row.net_minor
    assert +held == +meant == +by_store


def test_a_late_sale_retracts_a_final_window_and_tells_it_anew(engine: Engine) -> None:
    sale = {"id": "S1", "rank": 1, "minute": 1, "amount": 100, "store": "A", "state": "closed"}
    later = sale | {"id": "S2", "minute": 60}
    told = [("sale", sale), ("sale", later)]
    play(engine, told, 1)
    with engine.connect() as connection:
        seq = live.head(connection).seq
        first, last = live.cells(connection, departments=["Own"]), live.cells(connection)[0]
    assert [one.state for one in first] == ["final", "provisional"]
    assert (last.version, last.net_minor) == (1, 100)
    changed = sale | {"rank": 2, "amount": 70, "minute": 7}
    tape: Any = Tape([*told, ("sale", changed)])
    deps = WindowsDeps(tape, engine, {"till": Told()}, STORES)
    run_windows(deps)
    with engine.connect() as connection:
        news = live.cells(connection, after_seq=seq, departments=["Own"])
    assert [(one.start_us - us(START), one.net_minor, one.sales, one.version) for one in news] == [
        (0, 0, 0, 2),
        (300_000_000, 70, 1, 1),
    ]


def test_what_comes_a_day_late_is_counted_and_changes_no_window(engine: Engine) -> None:
    sale = {"id": "S1", "rank": 1, "minute": 1, "amount": 100, "store": "A", "state": "closed"}
    told = [("sale", sale), ("sale", sale | {"id": "S2", "minute": 2 * 1_440})]
    told += [("sale", sale | {"id": "S3", "amount": 5}), ("sale", sale | {"rank": 2, "amount": 30})]
    play(engine, told, 3)
    with engine.connect() as connection:
        (total,) = live.store_totals(connection, "2026-11-21")
        (late,) = live.late(connection, "2026-11-21")
    assert (total.sales, total.net_minor) == (1, 200)
    assert (late.changes, late.net_minor) == (2, 2 * (5 + 30 - 100))


def test_a_band_needs_two_of_the_same_weekday_and_ranks_them(engine: Engine) -> None:
    sale = {"id": "S", "rank": 1, "amount": 50, "store": "A", "state": "closed"}
    week = 7 * 1_440
    told = [
        (
            "sale",
            sale | {"id": f"S{number}", "minute": number * week + 1, "amount": 50 * (number + 1)},
        )
        for number in range(4)
    ]
    play(engine, told, 1)
    with engine.connect() as connection:
        bands = live.expected(connection, "2026-12-12", stores=["A"])
        assert live.expected(connection, "2026-11-28", stores=["A"]) == []
        (step,) = live.actual(connection, "2026-12-12", stores=["A"])
    (band,) = bands
    assert (band.days, band.low_minor, band.middle_minor, band.high_minor) == (3, 100, 200, 300)
    assert (band.offset_s, step.offset_s, step.net_minor) == (5 * 3_600 + 300, 5 * 3_600 + 300, 400)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, WindowsDeps]]:
    """The golden day conformed, sealed and in windows, its catalogue known before it begins."""
    events, stores, _ = golden_day()
    events.sort(key=lambda one: not one.kind.startswith("catalog"))
    with House(tmp_path_factory.mktemp("golden"), stores) as house:
        tables_of("worker").create_all(house.engine)
        house.take(events)
        house.seal()
        deps = WindowsDeps(house.log, house.engine, {"square": SquareDecoder()}, stores)
        run_windows(deps)
        yield house, deps


def test_the_golden_day_live_is_the_golden_day_in_the_books(
    golden: tuple[House, WindowsDeps],
) -> None:
    house, _ = golden
    with house.engine.connect() as connection:
        (total,) = live.store_totals(connection, "2026-11-21")
        tenders = live.tender_totals(connection, "2026-11-21")
    assert (total.net_minor, total.sales, total.total_minor) == (18_683, 8, 26_064)
    assert sum(one.amount_minor for one in tenders) == 26_064


def test_windows_of_a_day_are_the_facts_of_the_day_by_department(
    golden: tuple[House, WindowsDeps],
) -> None:
    house, _ = golden
    compared = 0
    for day in house.dates():
        lines = house.lake.read("sale_lines", [day])
        with house.engine.connect() as connection:
            totals = live.totals(connection, day.isoformat())
            late = live.late(connection, day.isoformat())
        assert unlike(totals, late, lines) == []
        compared += len(totals)
        if totals:
            first = msgspec.structs.replace(totals[0], net_minor=totals[0].net_minor + 1)
            (found,) = unlike([first, *totals[1:]], late, lines)
            assert found.windows_minor - found.facts_minor == 1
            changed = [live.Late(first.store, day.isoformat(), "USD", 1, -1)]
            assert unlike([first, *totals[1:]], changed, lines) == []
    assert compared >= 4


def test_a_rebuild_of_the_golden_day_is_identical(golden: tuple[House, WindowsDeps]) -> None:
    house, deps = golden
    before = figures(house.engine)
    with house.engine.connect() as connection:
        seq = live.head(connection).seq
    rebuild(deps)
    assert figures(house.engine) == before
    with house.engine.connect() as connection:
        assert live.head(connection).seq > seq, "a stream must not be told of a smaller number"


def test_two_workers_at_once_write_each_event_once(golden: tuple[House, WindowsDeps]) -> None:
    house, deps = golden
    seq = state.cursor(house.engine, PARTITION)
    with state.writing(house.engine) as writer, pytest.raises(LeaseLost, match="another process"):
        writer.advance(PARTITION, seq - 1, seq, writer.newest_us(PARTITION))
    assert run_windows(deps).events == 0
