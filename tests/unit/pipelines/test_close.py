"""Closing over a real lake, log and books: which days are due, and whose day a payment is of."""

import dataclasses
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from cloud_conductor.accounting.flow import BooksDeps, approve, make_batches, post_all
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.adapters.clock import RehearsalClock
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.pipelines.close import (
    CloseDeps,
    bank_lines,
    close_date,
    close_dates,
    due_dates,
    read_facts,
)
from cloud_conductor.pipelines.reconcile import reconcile
from cloud_conductor.ports.ledger import BankLine
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import EntryRow
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.tables import BOOKS
from cloud_conductor.testing.ledger import MemoryLedger
from conform_events import House, event, store
from square_payloads import (
    category,
    dispute,
    item,
    line,
    money,
    order,
    payment,
    payout,
    payout_entry,
    returned,
)

DAY, NEXT = date(2026, 11, 21), date(2026, 11, 22)
NOW = datetime(2026, 11, 24, 20, tzinfo=UTC)  # past every grace period
BEFORE_CUTOFF, AFTER_CUTOFF = "2026-11-22T08:59:50Z", "2026-11-22T09:00:10Z"  # 04:00 in New York
ACCOUNTS = AccountMap.of(
    {
        "clearing.square": "110", "bank": "090", "sales.*": "200", "returns.*": "230", "tax_payable.*": "820",
        "merchant_fees.*": "420", "cogs.*": "310", "inventory.*": "140",
        "dispute_receivable": "860", "chargeback_loss": "440",
    },
    "1",
)  # fmt: skip


class OutOfReach:
    """A seller who cannot be asked for a listing: days are complete after the grace period."""

    def control(self, *_: object) -> list[Any]:
        raise VendorUnavailable("no answer")


class Shop:
    """A conform house and books of its own."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self.engine = open_engine(f"sqlite:///{folder}/books.sqlite")
        BOOKS.create_all(self.engine)
        clock = RehearsalClock(NOW)
        self.deps = CloseDeps(
            clock=clock,
            stores=house.deps.stores,
            ingest=cast("Any", None),  # closing reads nothing new
            conform=house.deps,
            books=BooksDeps(engine=self.engine, ledger=MemoryLedger(), clock=clock),
            pos={"square": cast("Any", OutOfReach())},
            accounts=ACCOUNTS,
            fees_at="sale",
            grace=timedelta(hours=6),
            bank_account="",
            lake_lock=nullcontext,
        )

    def close_due(self) -> list[date]:
        due = due_dates(self.deps, NOW)
        for one in due:
            close_date(self.deps, one)
        return due

    def entries(self, kind: str) -> dict[date, EntryRow]:
        with self.engine.connect() as connection:
            rows = books.entries(connection)
        return {date.fromisoformat(row.business_date): row for row in rows if row.kind == kind}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with House(tmp_path, [store()]) as house:
        made = Shop(house, tmp_path)
        yield made
        made.engine.dispose()


SALE = event("order", order(line("a", 1000), closed_at=AFTER_CUTOFF))
PAID = event("payment", payment(created_at=BEFORE_CUTOFF, updated_at=BEFORE_CUTOFF))


def test_a_payment_before_the_cut_off_is_of_the_day_its_sale_closed_r_2_8(shop: Shop) -> None:
    shop.house.take([PAID, SALE])
    shop.close_due()
    sales = shop.entries("SALES")
    assert {one: (row.state, row.debit_minor) for one, row in sales.items()} == {
        NEXT: ("draft", 1000)
    }
    assert read_facts(shop.deps, DAY)["tenders"].num_rows == 0
    assert read_facts(shop.deps, NEXT)["tenders"]["business_date"].to_pylist() == [NEXT]


def test_a_payment_after_the_cut_off_is_of_the_day_its_sale_closed_r_2_8(shop: Shop) -> None:
    sale = event("order", order(line("a", 1000), closed_at=BEFORE_CUTOFF))
    shop.house.take([sale, event("payment", payment(created_at=AFTER_CUTOFF))])
    shop.close_due()
    assert {one: row.state for one, row in shop.entries("SALES").items()} == {DAY: "draft"}


@pytest.mark.parametrize(
    ("first", "second", "till_then"),
    [
        pytest.param(PAID, SALE, [], id="the ticket may be open for days"),
        pytest.param(SALE, PAID, ["blocked"], id="a closed sale is paid"),
    ],
)
def test_a_day_torn_from_its_neighbour_is_due_again_when_the_other_half_comes(
    shop: Shop, first: Any, second: Any, till_then: list[str]
) -> None:
    shop.house.take([first])
    shop.close_due()
    assert [row.state for row in shop.entries("SALES").values()] == till_then
    assert shop.close_due() == []
    shop.house.take([second])
    assert shop.close_due() != []
    assert {one: row.state for one, row in shop.entries("SALES").items()} == {NEXT: "draft"}
    assert shop.close_due() == []


def test_a_refund_across_the_cut_off_is_of_the_day_its_return_closed_r_2_8(shop: Shop) -> None:
    back = {"uid": "r", "source_order_id": "O0", "return_line_items": [returned("a", 1000)]}
    refund = {
        "id": "R1", "location_id": "L1", "status": "PENDING", "created_at": AFTER_CUTOFF,
        "amount_money": money(1000), "destination_type": "CARD", "order_id": "O1",
    }  # fmt: skip
    listed = {"id": "R1", "amount_money": money(1000), "status": "PENDING"}
    sale = order(returns=[back], refunds=[listed], closed_at=BEFORE_CUTOFF)
    shop.house.take([event("order", sale), event("refund", refund)])
    shop.close_due()
    assert {one: row.state for one, row in shop.entries("SALES").items()} == {DAY: "draft"}


def test_payouts_relieve_the_clearing_of_their_processor_whatever_the_source_is_called(
    tmp_path: Path,
) -> None:
    with House(tmp_path, [store(source="till")]) as house:
        house.deps = dataclasses.replace(house.deps, decoders={"till": SquareDecoder()})
        shop = Shop(house, tmp_path)
        shop.deps = dataclasses.replace(
            shop.deps, processors={"till": "square"}, pos={"till": cast("Any", OutOfReach())}
        )
        sent = [event("payout", payout()), event("payout_entry", payout_entry())]
        house.take([msgspec.structs.replace(one, source="till") for one in sent])
        shop.close_due()
        roles = {line.role for line in shop.entries("PAYOUT")[DAY].entry.lines}
        shop.engine.dispose()
    assert roles == {"bank", "clearing.square"}


def test_a_payout_whose_entries_come_after_its_close_is_due_again_inv_11(shop: Shop) -> None:
    shop.house.take([event("payout", payout())])
    shop.close_due()
    assert [row.state for row in shop.entries("PAYOUT").values()] == ["blocked"]
    shop.house.take([event("payout_entry", payout_entry())])
    assert shop.close_due() == [DAY]
    assert [row.state for row in shop.entries("PAYOUT").values()] == ["draft"]


LOST = {"state": "LOST", "version": 2}
DEADLINE = "2026-11-22T17:00:00Z"


def test_a_dispute_closes_the_day_it_is_lost_on_even_one_without_sales_r_7_5(shop: Shop) -> None:
    shop.house.take([event("dispute", dispute())])
    shop.close_due()
    assert shop.entries("DISPUTE") == {}
    shop.house.take([event("dispute", dispute(updated_at=DEADLINE, **LOST))])
    shop.close_due()
    entry = shop.entries("DISPUTE")[NEXT].entry
    assert {line.role: line.amount_minor for line in entry.lines} == {
        "chargeback_loss": 1000,
        "dispute_receivable": -1000,
    }
    assert shop.close_due() == []


@pytest.mark.parametrize(
    ("later", "booked"),
    [
        pytest.param({"state": "WON"}, {}, id="won after all"),
        pytest.param({"state": "LOST"}, {DAY: 1000}, id="lost another day"),
    ],
)
def test_a_later_word_on_a_posted_loss_is_a_delta_r_13_2(
    shop: Shop, later: dict[str, str], booked: dict[date, int]
) -> None:
    shop.house.take([event("dispute", dispute(updated_at="2026-11-20T17:00:00Z", **LOST))])
    shop.close_due()
    approve(shop.deps.books, "boss")
    make_batches(shop.deps.books)
    post_all(shop.deps.books, 10, lambda _s: None)
    shop.house.take([event("dispute", dispute(**later, version=3))])
    shop.close_due()
    with shop.engine.connect() as connection:
        rows = books.entries(connection)
    left: dict[date, int] = {}
    for row in rows:
        for one in row.entry.lines:
            if one.role == "chargeback_loss":
                on = row.entry.business_date
                left[on] = left.get(on, 0) + one.amount_minor
    assert {on: amount for on, amount in left.items() if amount} == booked
    assert [row.correction for row in rows if row.entry.business_date < DAY] == ["", "delta"]
    assert shop.close_due() == []


def test_a_sale_that_comes_while_its_day_is_being_posted_gets_its_delta_afterwards_r_13_2(
    shop: Shop,
) -> None:
    books_deps = shop.deps.books
    shop.house.take([event("order", order(line("a", 1000))), event("payment", payment())])
    shop.close_due()
    approve(books_deps, "boss")
    make_batches(books_deps)
    late = order(line("b", 300), name="O2")
    paid = payment("PO2", 300, order_id="O2")
    shop.house.take([event("order", late), event("payment", paid)])
    assert shop.close_due() == [DAY]
    assert shop.entries("SALES")[DAY].version == 1
    post_all(books_deps, 10, lambda _s: None)
    assert shop.close_due() == [DAY]
    delta = shop.entries("SALES")[DAY]
    assert (delta.version, delta.correction, delta.debit_minor) == (2, "delta", 300)
    assert shop.close_due() == []


def test_a_day_blocked_by_a_missing_account_is_due_again_under_a_new_mapping_d10(
    shop: Shop,
) -> None:
    gap = AccountMap.of({"clearing.square": "110"}, "1")
    shop.deps = dataclasses.replace(shop.deps, accounts=gap)
    shop.house.take([event("order", order(line("a", 1000))), event("payment", payment())])
    shop.close_due()
    assert shop.entries("SALES")[DAY].error.startswith("D10: sales.uncategorised")
    assert shop.close_due() == []
    shop.deps = dataclasses.replace(shop.deps, accounts=AccountMap.of(ACCOUNTS.rules, "2"))
    assert shop.close_due() == [DAY]
    assert (shop.entries("SALES")[DAY].state, shop.close_due()) == ("draft", [])


def test_a_cost_that_comes_late_changes_a_closed_day_when_it_is_closed_again(shop: Shop) -> None:
    """§6: the catalogue's cost as of the sale, from the versions known now; posted: a delta."""
    sale = event("order", order(line("a", 1000)))
    shop.house.take(
        [sale, event("payment", payment()), event("catalog_category", category("Home"))]
    )
    shop.close_due()
    assert shop.entries("COGS") == {}
    shop.house.take([event("catalog_item", item("Va", cost="3.10"))])
    assert shop.close_due() == []
    close_date(shop.deps, DAY)
    assert shop.entries("COGS")[DAY].debit_minor == 310


LATER = DAY + timedelta(days=40)


def later(instant: str) -> str:
    return (datetime.fromisoformat(instant) + timedelta(days=40)).isoformat().replace("+00:00", "Z")


def two_sales() -> list[Any]:
    """One sale each on two dates more than a window apart."""
    at = later(BEFORE_CUTOFF)
    paid = payment("PO2", 700, order_id="O2", created_at=at, updated_at=at)
    return [
        event("order", order(line("a", 1000), closed_at=BEFORE_CUTOFF)),
        event("payment", payment(created_at=BEFORE_CUTOFF, updated_at=BEFORE_CUTOFF)),
        event("order", order(line("b", 700), name="O2", closed_at=at)),
        event("payment", paid),
    ]


def in_the_future(shop: Shop) -> None:
    """Past the later date too."""
    clock = RehearsalClock(NOW + timedelta(days=40))
    books_deps = dataclasses.replace(shop.deps.books, clock=clock)
    shop.deps = dataclasses.replace(shop.deps, clock=clock, books=books_deps)


def test_dates_closed_together_give_what_each_gives_alone(tmp_path: Path) -> None:
    found = []
    for name in ("together", "alone"):
        folder = tmp_path / name
        folder.mkdir()
        with House(folder, [store()]) as house:
            shop = Shop(house, folder)
            in_the_future(shop)
            shop.house.take(two_sales())
            dates = due_dates(shop.deps, shop.deps.clock.now())
            assert dates[0] == DAY
            assert LATER in dates
            if name == "together":
                close_dates(shop.deps, dates)
            else:
                for one in dates:
                    close_date(shop.deps, one)
            assert due_dates(shop.deps, shop.deps.clock.now()) == []
            with shop.engine.connect() as connection:
                rows = books.entries(connection)
                days = books.days(connection)
            found.append(
                (
                    [(row.seq, row.posting_key, row.state, row.payload) for row in rows],
                    [msgspec.structs.replace(row, updated_us=0) for row in days],
                )
            )
            shop.engine.dispose()
    assert found[0] == found[1]
    assert len(found[0][1]) > 40


def test_a_span_longer_than_a_window_is_compared_as_one(shop: Shop) -> None:
    in_the_future(shop)
    shop.house.take(two_sales())
    dates = due_dates(shop.deps, shop.deps.clock.now())
    close_dates(shop.deps, dates)
    approve(shop.deps.books, "boss")
    post_all(shop.deps.books, 10, lambda _s: None)
    outcome = reconcile(shop.deps, dates)
    levels = {one.level: one for one in outcome.levels}
    assert (levels["L3"].state, levels["L3"].left.population) == ("green", 2)
    assert (levels["L5"].state, levels["L6"].state) == ("green", "green")
    assert levels["L6"].left.matched >= len(shop.entries("SALES")) == 2
    assert outcome.unexplained_minor == 0


def test_a_late_sale_makes_only_its_own_day_due(shop: Shop) -> None:
    in_the_future(shop)
    shop.house.take(two_sales())
    close_dates(shop.deps, due_dates(shop.deps, shop.deps.clock.now()))
    at = later(BEFORE_CUTOFF)
    shop.house.take([event("order", order(line("c", 100), name="O3", closed_at=at))])
    assert due_dates(shop.deps, shop.deps.clock.now()) == [LATER]


class YearlyBank(MemoryLedger):
    """A line on the first of each month; like Xero's, it tells of 12 months at most."""

    def bank_lines(self, account_code: str, start: date, end: date) -> list[BankLine]:
        assert end - start <= timedelta(days=365)
        days = (start + timedelta(days=n) for n in range((end - start).days))
        return [BankLine(str(one), account_code, one, 1, "") for one in days if one.day == 1]


def test_bank_lines_of_more_than_a_year_are_asked_for_in_parts(shop: Shop) -> None:
    books_deps = dataclasses.replace(shop.deps.books, ledger=YearlyBank())
    deps = dataclasses.replace(shop.deps, books=books_deps, bank_account="090")
    lines = bank_lines(deps, date(2026, 1, 1), date(2027, 3, 2))
    assert lines is not None
    assert [one.posted_date for one in lines] == sorted({one.posted_date for one in lines})
    assert len(lines) == 15
