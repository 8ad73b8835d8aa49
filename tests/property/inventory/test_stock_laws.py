"""Stock keeps its laws whatever comes, however often and in whatever order (R-11.1 to R-11.9, INV-13)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.inventory import acts, flow
from cloud_conductor.inventory.acts import Quantity
from cloud_conductor.inventory.flow import InventoryDeps
from cloud_conductor.inventory.movements import MILLION, TRANSIT, SaleVersion
from cloud_conductor.state import inventory as state
from cloud_conductor.state.accounting import to_us
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import tables_of
from cloud_conductor.state.tables import inventory as tables

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
STORES = ("A", "B")
PRODUCTS = ("p1", "p2")
ALL = (
    tables.CURSOR, tables.PRODUCT, tables.ALIAS, tables.SALE, tables.MOVEMENT, tables.UNKNOWN,
    tables.ON_HAND, tables.TRANSFER,
)  # fmt: skip


@dataclass
class Clock:
    at: datetime = START + timedelta(hours=12)

    def now(self) -> datetime:
        return self.at


@dataclass
class Stock:
    """The room over a database that is emptied for each example."""

    engine: Engine
    log: SqliteLog
    clock: Clock = field(default_factory=Clock)

    @property
    def deps(self) -> InventoryDeps:
        return InventoryDeps(self.log, self.engine, self.clock, {}, ())

    def clear(self) -> None:
        with self.engine.begin() as connection:
            for table in ALL:
                connection.execute(delete(table))

    def catalogue(self, *products: str) -> None:
        rows = [
            {"source": "square", "merchant_id": "M", "product_id": one, "valid_from_us": 1,
             "sku": f"SKU-{one}", "name": one, "department": "", "unit_price": "1.00",
             "unit_cost": "", "currency": "USD", "is_deleted": 0}
            for one in products
        ]  # fmt: skip
        with state.writing(self.engine) as writer:
            writer.put(tables.PRODUCT, rows)
            flow._release(writer, [("square", one) for one in products], to_us(self.clock.now()))

    def take(self, *sales: SaleVersion) -> None:
        """One batch, as the consumer folds it: the newest version of each sale."""
        newest: dict[Any, SaleVersion] = {}
        for one in sales:
            if one.key not in newest or one.version > newest[one.key].version:
                newest[one.key] = one
        with state.writing(self.engine) as writer:
            flow._move(writer, list(newest.values()), to_us(self.clock.now()))

    def sums(self) -> dict[tuple[str, str], int]:
        """On hand by SKU and store, zeros left out; asserted to equal the movements (INV-13)."""
        with self.engine.connect() as connection:
            held = {(row.sku, row.store): row.quantity for row in state.stock(connection)}
            assert held == state.movement_sums(connection)
        return {key: quantity for key, quantity in held.items() if quantity}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    folder = tmp_path_factory.mktemp("stock")
    engine = open_engine(f"sqlite:///{folder / 'worker.sqlite'}")
    # What is asked here is arithmetic; that commits are durable is asked elsewhere.
    event.listen(engine, "connect", lambda one, _: one.execute("pragma synchronous=OFF"))
    tables_of("worker").create_all(engine)
    log = SqliteLog(folder / "log.sqlite")
    yield Stock(engine, log)
    log.close()
    engine.dispose()


QUANTITIES = st.integers(-9, 9).filter(bool).map(lambda whole: whole * MILLION // 2)
LINES = st.dictionaries(
    st.sampled_from(["sale:1", "sale:2", "return:1"]),
    st.tuples(st.sampled_from(STORES), st.sampled_from(PRODUCTS), QUANTITIES),
    max_size=3,
)


@st.composite
def versions(draw: st.DrawFn) -> list[SaleVersion]:
    """Some sales, each in several versions: changed, voided, moved to another store."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        for rank in range(1, draw(st.integers(1, 3)) + 1):
            is_void = draw(st.booleans())
            found.append(
                SaleVersion(
                    source="square", merchant_id="M", sale_id=f"S{number}", version_rank=rank,
                    version_digest=f"d{rank}", log_seq=rank, is_void=is_void,
                    occurred_us=to_us(START + timedelta(minutes=draw(st.integers(0, 600)))),
                    lines={} if is_void else draw(LINES), names={},
                )
            )  # fmt: skip
    return found


def meant(sales: list[SaleVersion]) -> dict[tuple[str, str], int]:
    """What the newest version of each sale moves: the ground truth, worked out apart."""
    newest = {one.key: one for one in sorted(sales, key=lambda one: one.version)}
    sums: dict[tuple[str, str], int] = {}
    for one in newest.values():
        for store, product, quantity in one.lines.values():
            key = (f"SKU-{product}", store)
            sums[key] = sums.get(key, 0) + quantity
    return {key: quantity for key, quantity in sums.items() if quantity}


slowly = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slowly
@given(sales=versions(), data=st.data())
def test_any_order_and_any_number_of_deliveries_give_the_same_stock(
    stock: Stock, sales: list[SaleVersion], data: st.DataObject
) -> None:
    stock.clear()
    stock.catalogue(*PRODUCTS)
    delivered = data.draw(st.permutations([*sales, *sales]))
    cut = data.draw(st.integers(0, len(delivered)))
    stock.take(*delivered[:cut])
    for one in delivered[cut:]:
        stock.take(one)
    assert stock.sums() == meant(sales)


@slowly
@given(sales=versions(), data=st.data())
def test_a_product_without_a_sku_waits_and_moves_when_it_is_named(
    stock: Stock, sales: list[SaleVersion], data: st.DataObject
) -> None:
    """R-11.4: whenever the catalogue comes, nothing is lost and nothing moves twice."""
    stock.clear()
    when = data.draw(st.integers(0, len(sales)))
    stock.catalogue("p1")
    for place, one in enumerate(sales):
        if place == when:
            stock.catalogue("p2")
        stock.take(one)
    before = stock.sums()
    assert when < len(sales) or not any(sku == "SKU-p2" for sku, _ in before)
    stock.catalogue("p2")
    assert stock.sums() == meant(sales)
    with stock.engine.connect() as connection:
        assert state.unknown(connection) == []


@slowly
@given(
    counted=st.integers(0, 50),
    at=st.integers(0, 100),
    sold=st.lists(st.tuples(st.integers(0, 100), st.integers(1, 9)), max_size=6),
    data=st.data(),
)
def test_a_count_is_true_at_its_instant_and_later_movements_still_apply(
    stock: Stock, counted: int, at: int, sold: list[tuple[int, int]], data: st.DataObject
) -> None:
    """R-11.9, also for sales from before the count that come to light after it."""
    stock.clear()
    stock.catalogue("p1")
    acts_ = data.draw(st.permutations([("count", at, counted), *(("sale", *one) for one in sold)]))
    for number, (what, minute, quantity) in enumerate(acts_):
        instant = START + timedelta(minutes=minute)
        if what == "count":
            line = Quantity("SKU-p1", Decimal(quantity))
            acts.count(stock.deps, "c1", "ana", "A", instant, [line])
        else:
            stock.take(
                SaleVersion(
                    source="square", merchant_id="M", sale_id=f"S{number}", version_rank=1,
                    version_digest="", log_seq=1, is_void=False, occurred_us=to_us(instant),
                    lines={"sale:1": ("A", "p1", -quantity * MILLION)}, names={},
                )
            )  # fmt: skip
    later = sum(quantity for minute, quantity in sold if minute > at)
    assert stock.sums().get(("SKU-p1", "A"), 0) == (counted - later) * MILLION


@slowly
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["send", "arrive", "again"]), st.integers(1, 9)), max_size=8
    )
)
def test_transfers_conserve_over_all_places_and_what_is_on_its_way(
    stock: Stock, steps: list[tuple[str, int]]
) -> None:
    """R-11.8, INV-13: the sum over stores and transit never changes, whoever asks twice."""
    stock.clear()
    stock.catalogue("p1")
    acts.receive(stock.deps, "r1", "ana", "A", "PO 1", [Quantity("SKU-p1", Decimal(100))])
    sent: list[str] = []
    for number, (what, quantity) in enumerate(steps):
        line = [Quantity("SKU-p1", Decimal(quantity))]
        if what == "send":
            sent.append(acts.send(stock.deps, f"t{number}", "ana", "A", "B", line).transfer_id)
        elif what == "again" and sent:
            first = next(name for name, (kind, _) in enumerate(steps) if kind == "send")
            acts.send(stock.deps, f"t{first}", "ana", "A", "B", line)
        elif sent:
            acts.arrive(stock.deps, f"a{number}", "bob", sent[-1])
            acts.arrive(stock.deps, f"a{number}", "bob", sent[-1])
        held = stock.sums()
        assert sum(held.values()) == 100 * MILLION
        assert held.get(("SKU-p1", TRANSIT), 0) >= 0
    if sent:
        acts.arrive(stock.deps, "last", "bob", sent[-1])
        with stock.engine.connect() as connection:
            assert state.transfer(connection, sent[-1]).state == "received"


def test_the_same_sale_twice_is_subtracted_once_unlike_an_overwritten_number(stock: Stock) -> None:
    """R-11.2: `quantity = quantity - :val`, run for every delivery, sells what nobody bought."""
    stock.clear()
    stock.catalogue("p1")
    acts.receive(stock.deps, "r1", "ana", "A", "PO 1", [Quantity("SKU-p1", Decimal(10))])
    sale = SaleVersion(
        source="square", merchant_id="M", sale_id="S1", version_rank=1, version_digest="",
        log_seq=1, is_void=False, occurred_us=to_us(START),
        lines={"sale:1": ("A", "p1", -3 * MILLION)}, names={},
    )  # fmt: skip
    overwritten = 10
    for _ in range(3):
        stock.take(sale)
        overwritten = overwritten - 3
    assert stock.sums() == {("SKU-p1", "A"): 7 * MILLION}
    assert overwritten == 1


def test_stock_below_zero_is_shown_and_never_made_zero(stock: Stock) -> None:
    """R-11.3: the sale was real; a receipt is missing."""
    stock.clear()
    stock.catalogue("p1")
    stock.take(
        SaleVersion(
            source="square", merchant_id="M", sale_id="S1", version_rank=1, version_digest="",
            log_seq=1, is_void=False, occurred_us=to_us(START),
            lines={"sale:1": ("A", "p1", -3 * MILLION)}, names={},
        )
    )  # fmt: skip
    assert stock.sums() == {("SKU-p1", "A"): -3 * MILLION}
    with stock.engine.connect() as connection:
        assert state.troubles(connection).negative == 1


def test_a_writer_that_dies_before_its_commit_leaves_neither_movement_nor_sum(stock: Stock) -> None:
    stock.clear()
    stock.catalogue("p1")
    with pytest.raises(RuntimeError):
        _write_and_die(stock)
    assert stock.sums() == {}


def _write_and_die(stock: Stock) -> None:
    row = {"movement_id": "m", "kind": "receipt", "store": "A", "sku": "SKU-p1", "source": "",
           "product_id": "", "quantity": 5, "occurred_us": 1, "recorded_us": 1, "reference": "",
           "line_uid": "", "log_seq": 0, "author": "", "reason": ""}  # fmt: skip
    with state.writing(stock.engine) as writer:
        writer.add([row])
        raise RuntimeError
