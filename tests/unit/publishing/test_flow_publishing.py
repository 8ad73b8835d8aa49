"""The outbox: each change once, in order per store, dead letters kept and brought back."""

import json
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from sqlalchemy import create_engine

from cloud_conductor.domain.errors import RateLimited, VendorUnavailable
from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.ports.queue import Delivery, QueueCapabilities
from cloud_conductor.publishing.core import ENTRY, SALE
from cloud_conductor.publishing.flow import Channel, PublishDeps, run_publish
from cloud_conductor.publishing.outbox import wait_s
from cloud_conductor.state import publishing as state
from cloud_conductor.state.migrate import tables_of
from cloud_conductor.testing.small_day import Basket, Line, Tender, small_tables

DAY = date(2026, 11, 21)


class Clock:
    def __init__(self):
        self.at = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def now(self):
        return self.at


class ListQueue:
    """A channel into a list. fails: message id -> how often it fails first."""

    capabilities = QueueCapabilities(batch_max=10, body_bytes_max=100_000)

    def __init__(self):
        self.sent, self.fails, self.error = [], {}, None

    def publish(self, messages):
        if self.error is not None:
            raise self.error
        assert len({one.store for one in messages}) == len(messages), "two of one store"
        return [self._one(message) for message in messages]

    def check(self):
        return "a list"

    def _one(self, message):
        left = self.fails.get(sale_of(message), 0)
        if left:
            self.fails[sale_of(message)] = left - 1
            return Delivery(message.message_id, "failed", "not now")
        self.sent.append(message)
        return Delivery(message.message_id, "sent")

    def close(self):
        pass


def sale_of(message):
    return json.loads(message.body)["data"].get("sale_id")


def day_tables(stores):
    """A sale of two lines and a card per name, of the store given by its first letter."""
    names = sorted(stores)
    baskets = [
        Basket(
            sale_id=name,
            lines=(Line(gross=1000), Line(gross=500, discount=100, department="Cafe")),
            tax=(("STATE", 80), ("CITY", 40)),
            tenders=(Tender(amount=1520),),
        )
        for name in names
    ]
    tables = {}
    for table, rows in small_tables(baskets).items():
        columns = rows.to_pylist()
        for row in columns:
            if row.get("sale_id"):
                row["store"] = row["sale_id"][0] * 3
        tables[table] = pa.Table.from_pylist(columns, schema=TABLES[table])
    return tables


class Rig:
    def __init__(self, root):
        self.worker = create_engine(f"sqlite:///{root}/worker.sqlite")
        self.books = create_engine(f"sqlite:///{root}/books.sqlite")
        tables_of("worker").create_all(self.worker)
        tables_of("books").create_all(self.books)
        state.watch(self.worker, on=True)
        self.clock, self.queue = Clock(), ListQueue()
        self.tables, self.step, self.attempts_max = {}, lambda _: None, 3
        self.events = (SALE,)

    def deps(self):
        channels = {"others": Channel(self.queue, self.events, self.attempts_max)}
        return PublishDeps(
            self.worker, self.books, lambda _day, _tables: self.tables, self.clock, channels,
            self.step,
        )  # fmt: skip

    def change(self, *names):
        """Sales get a new version; the day's tables hold them all."""
        self.tables = day_tables({*self._names(), *names})
        source = self.tables["sales"].to_pylist()[0]
        state.note_again(
            self.worker,
            [{"source": source["source"], "merchant_id": source["merchant_id"], "sale_id": name,
              "business_date": DAY.isoformat()} for name in names],
        )  # fmt: skip

    def _names(self):
        return self.tables["sales"]["sale_id"].to_pylist() if self.tables else []

    def run(self, after_s=0):
        self.clock.at += timedelta(seconds=after_s)
        return run_publish(self.deps())

    @property
    def sent(self):
        return [sale_of(one) for one in self.queue.sent]


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.worker.dispose()
    made.books.dispose()


def test_a_message_states_the_financial_core_of_its_sale(rig):
    rig.change("A1")
    assert rig.run().sent == 1
    (message,) = rig.queue.sent
    body = json.loads(message.body)
    data = body["data"]
    assert (body["type"], message.store, data["business_date"]) == (SALE, "AAA", "2026-11-21")
    assert (data["subtotal_minor"], data["tax_minor"], data["total_minor"]) == (1400, 120, 1520)
    assert [(one["department"], one["net_minor"]) for one in data["lines"]] == [
        ("Cafe", 400), ("Home", 1000),
    ]  # fmt: skip
    assert sum(one["amount_minor"] for one in data["taxes"]) == data["tax_minor"]
    assert sum(one["amount_minor"] for one in data["tenders"]) == data["total_minor"]


def test_a_change_is_told_once_however_often_it_is_noted(rig):
    rig.change("A1", "A1")
    rig.run()
    rig.change("A1")
    assert rig.run().queued == 0
    assert rig.sent == ["A1"]


def test_sales_of_a_store_are_told_in_the_order_of_their_changes(rig):
    names = ["A3", "B1", "A1", "A2", "B2"]
    rig.change(*names)
    rig.run()
    assert [one for one in rig.sent if one[0] == "A"] == ["A3", "A1", "A2"]
    assert [one for one in rig.sent if one[0] == "B"] == ["B1", "B2"]


def test_a_message_that_fails_holds_up_its_own_store_only(rig):
    rig.queue.fails = {"A1": 1}
    rig.change("A1", "A2", "B1", "B2")
    assert rig.run().failed == 1
    assert rig.sent == ["B1", "B2"]
    assert rig.run(after_s=4).sent == 0, "it waits"
    rig.run(after_s=1)
    assert rig.sent == ["B1", "B2", "A1", "A2"]


def test_after_its_last_attempt_a_message_is_a_dead_letter_and_the_store_goes_on(rig):
    rig.queue.fails = {"A1": 99}
    rig.change("A1", "A2")
    for _ in range(rig.attempts_max):
        done = rig.run(after_s=3_600)
    assert done.dead == 1
    assert rig.sent == ["A2"]
    (dead,) = state.messages(rig.worker, states=[state.DEAD])
    assert (dead.attempts, dead.error) == (3, "not now")
    rig.queue.fails = {}
    assert state.revive(rig.worker, numbers=[dead.number]) == 1
    rig.run()
    assert rig.sent == ["A2", "A1"]
    assert rig.queue.sent[1].message_id == dead.message_id


def test_a_channel_that_is_away_costs_attempts_and_one_that_is_busy_does_not(rig):
    rig.change("A1")
    rig.queue.error = RateLimited("slow down")
    rig.run()
    rig.queue.error = VendorUnavailable("no answer")
    rig.run()
    (waiting,) = state.messages(rig.worker, states=[state.PENDING])
    assert (waiting.attempts, waiting.error) == (1, "CC-102: no answer")
    rig.queue.error = None
    rig.run(after_s=5)
    assert rig.sent == ["A1"]


def test_a_message_larger_than_the_channel_carries_is_a_dead_letter_at_once(rig):
    rig.queue.capabilities = QueueCapabilities(batch_max=10, body_bytes_max=10)
    rig.change("A1")
    assert rig.run().dead == 1
    assert "at most 10" in state.messages(rig.worker, states=[state.DEAD])[0].error


def test_a_type_nobody_wants_takes_no_row(rig):
    rig.events = (ENTRY,)
    rig.change("A1")
    assert rig.run().queued == 0
    assert state.tally(rig.worker) == {}


def test_a_sale_that_moved_to_another_date_is_told_from_there(rig):
    rig.change("A1")
    rig.tables = day_tables({"A2"})
    assert rig.run().queued == 0
    assert state.changes(rig.worker, 10) == []


def test_nothing_is_noted_while_nobody_wants_to_know(rig):
    rig.change("A1")
    state.watch(rig.worker, on=False)
    assert state.changes(rig.worker, 10) == []


def test_what_was_sent_is_forgotten_after_a_month(rig):
    rig.change("A1")
    rig.run()
    rig.run(after_s=29 * 86_400)
    assert state.tally(rig.worker) == {("others", "sent"): 1}
    rig.run(after_s=2 * 86_400)
    assert state.tally(rig.worker) == {}


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("border", ["queue", "send", "settle"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_at_any_write_every_message_is_delivered_at_least_once_and_in_order(
    rig, border, nth
):
    rig.change("A1", "A2", "B1", "A3")
    left = nth

    def kill(step):
        nonlocal left
        left -= step == border
        if step == border and left == 0:
            raise _Killed

    rig.step = kill
    try:
        rig.run()
    except _Killed:
        rig.run()
    first_seen = [one for one in dict.fromkeys(rig.sent) if one[0] == "A"]
    assert first_seen == ["A1", "A2", "A3"]
    assert set(rig.sent) == {"A1", "A2", "A3", "B1"}
    ids = {sale_of(one): one.message_id for one in rig.queue.sent}
    assert len({one.message_id for one in rig.queue.sent}) == len(ids) == 4
    assert len(rig.sent) - 4 <= 2, "only what was under way is sent again"


def test_waits_double_from_five_seconds_to_an_hour():
    assert [wait_s(n) for n in (1, 2, 3, 10, 11, 99)] == [5, 10, 20, 2_560, 3_600, 3_600]
