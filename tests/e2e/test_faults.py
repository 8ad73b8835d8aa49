"""Every fault a vendor can have, on demand: the books end right, or a finding says what is not."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fault_rig import FIRST_DAY, SOURCE, FaultTown, open_faulty

from cloud_conductor.adapters.http import Limits
from cloud_conductor.adapters.ledger.xero import connect
from cloud_conductor.cli.status import facts
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.ingest.flow_watch import deliveries, receipt_gaps, run_watch
from cloud_conductor.pipelines import close
from cloud_conductor.sandbox.square.orders import touch
from cloud_conductor.state import conform as state

EVERY_READ = {"path": "/v2/", "methods": ["GET", "POST"]}

WEBHOOKS: dict[str, dict[str, Any]] = {
    "duplicated": {"duplicate": 0.5},
    "delayed": {"delay": {"probability": 0.5, "seconds": 0.2}},
    "reordered": {"reorder": 0.5},
    "dropped": {"drop": 0.5},
    "forged": {"forge": 0.5},
    "stale after new": {"stale": 0.7},
    "all of it": {"duplicate": 0.3, "delay": {"probability": 0.3, "seconds": 0.1},
                  "reorder": 0.3, "drop": 0.3, "forge": 0.3, "stale": 0.3},
}  # fmt: skip

READS: dict[str, dict[str, Any]] = {
    "429": {"rate_limited": {"probability": 0.1, "seconds": 1, **EVERY_READ}},
    "500": {"error_500_before": {"probability": 0.2, **EVERY_READ}},
    "500 after it happened": {"error_500_after": {"probability": 0.2, **EVERY_READ}},
    "slow bodies": {"slow_body": {"probability": 0.2, "seconds": 0.02, **EVERY_READ}},
    "cut connections": {"cut": {"probability": 0.2, **EVERY_READ}},
    "lost replies": {"lose_reply": {"probability": 0.2, **EVERY_READ}},
    "an expired token": {"expire_token": {"next": 2, **EVERY_READ}},
    "pages that shift": {"page_shift": 0.8, "small_pages": 1},
    "a cursor reset": {"cursor_reset": {"next": 2}, "small_pages": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", WEBHOOKS)
def test_the_books_are_right_whatever_webhooks_do(name: str, tmp_path: Path) -> None:
    with open_faulty(tmp_path, square=WEBHOOKS[name]) as town:
        struck = dict(town.seller.state.faults.struck)
        town.through()
        town.check_books()
    assert set(WEBHOOKS[name]) <= set(struck), struck


@pytest.mark.parametrize("name", READS)
def test_the_books_are_right_whatever_answers_do(name: str, tmp_path: Path) -> None:
    with open_faulty(tmp_path, square=READS[name]) as town:
        town.through()
        assert set(READS[name]) == set(town.seller.state.faults.struck)
        town.seller.state.faults.clear()
        town.through()
        town.check_books()


LEDGER: dict[str, dict[str, Any]] = {
    "429": {"rate_limited": {"probability": 0.1, "seconds": 1}},
    "500": {"error_500_before": 0.2},
    "500 after it happened": {"error_500_after": 0.3},
    "cut connections": {"cut": {"probability": 0.2, "path": "/api.xro/"}},
    "the write happened, the reply is lost": {"lose_reply": 0.5},
    "an expired token": {"expire_token": 0.2},
    "slow bodies": {"slow_body": {"probability": 0.6, "seconds": 0.02}},
    "a clock that is a day fast": {"clock_skew": {"probability": 1, "seconds": 93_600}},
    "a clock that is a day slow": {"clock_skew": {"probability": 1, "seconds": -93_600}},
}
LISTS = {"path": "/api.xro/2.0/ManualJournals", "methods": ["GET"]}
BETWEEN_PAGES: dict[str, dict[str, Any]] = {
    "small pages": {"small_pages": 1},
    "pages that shift": {"small_pages": 1, "page_shift": 0.4},
    "an expired token": {"small_pages": 1, "expire_token": {"probability": 0.3, **LISTS}},
}


@pytest.mark.parametrize("name", LEDGER)
def test_the_ledger_holds_every_entry_once_whatever_it_answers(name: str, tmp_path: Path) -> None:
    with open_faulty(tmp_path, ledger=LEDGER[name]) as town:
        town.through()
        assert set(LEDGER[name]) == set(town.ledger_faults.struck)
        town.ledger_faults.clear()
        town.check_books()


@pytest.mark.parametrize("name", BETWEEN_PAGES)
def test_the_ledger_is_read_whole_whatever_happens_between_its_pages(
    name: str, tmp_path: Path
) -> None:
    """L6 and the look-up of what a lost reply left: no document missed, none counted twice."""
    lost = {"lose_reply": {"probability": 0.5, "methods": ["PUT"]}}
    with open_faulty(tmp_path, ledger={**BETWEEN_PAGES[name], **lost}) as town:
        town.through()
        compared = [town.again(town.reconcile) for _ in range(3)]
        assert {*BETWEEN_PAGES[name], *lost} == set(town.ledger_faults.struck)
        assert [one for told in compared for one in told.breaks if not one.is_explained] == []
        town.ledger_faults.clear()
        town.check_books()
        keys = Counter(one["narration"] for one in town.ledger()["manual_journals"] if one["lines"])
        assert set(keys.values()) == {1}


def test_a_reply_later_than_the_client_waits_for_is_a_write_that_happened(tmp_path: Path) -> None:
    late = {"slow_reply": {"probability": 0.5, "seconds": 1, "methods": ["PUT"]}}
    with open_faulty(tmp_path, ledger=late) as town, impatient(town, timeout_s=0.3):
        town.through()
        assert town.ledger_faults.struck["slow_reply"] > 0
        assert {one.code for one in town.failures} <= {"CC-103"}
        town.ledger_faults.clear()
        town.check_books()


@contextmanager
def impatient(town: FaultTown, *, timeout_s: float) -> Iterator[None]:
    """Let the house talk to its ledger with less patience."""
    house, config = town.house, town.house.config.ledger
    assert config is not None
    adapter = connect(
        config,
        client_id=house.secret(config.client_id),
        client_secret=house.secret(config.client_secret),
        limits=Limits(timeout_s=timeout_s, backoff_s=0.01),
    )
    with closing(adapter):
        vars(house)["ledger"] = adapter
        yield


RENAMED: dict[str, dict[str, Any]] = {
    "new field": {"pointer": "/ManualJournals/*/Colour", "change": "add", "value": {"deep": [1]}},
    "amounts": {"pointer": "/**/JournalLines/*/LineAmount", "change": "rename", "value": "Amount"},
    "narration": {"pointer": "/ManualJournals/*/Narration", "change": "rename", "value": "Text"},
    "number": {"pointer": "/ManualJournals/*/ManualJournalID", "change": "rename", "value": "ID"},
    "date": {"pointer": "/ManualJournals/*/Date", "change": "rename", "value": "Day"},
}


@pytest.mark.parametrize("name", RENAMED)
def test_a_ledger_whose_schema_changed_never_gets_an_entry_twice(name: str, tmp_path: Path) -> None:
    """And says so while it lasts, unless it does no harm; once it is over the books are right."""
    with open_faulty(tmp_path, ledger={"drift": [RENAMED[name]]}) as town:
        said: list[str] = []
        for _ in range(3):
            try:
                town.through()
                outcome = town.reconcile()
                said += [one.code for one in outcome.breaks if not one.is_explained]
            except AssertionError as never:
                said.append(str(never))
            except ConductorError as error:
                said.append(error.code)
        assert town.ledger_faults.struck["drift"] > 0
        assert bool(said) is (name != "new field"), said
        keys = Counter(one["narration"] for one in town.ledger()["manual_journals"])
        assert set(keys.values()) <= {1}
        town.ledger_faults.clear()
        town.through()
        town.check_books()


def test_what_webhooks_lose_is_counted_as_lost_and_nothing_else_is(tmp_path: Path) -> None:
    """Sweep against webhooks: every object whose webhooks were all dropped, and no other."""
    with open_faulty(tmp_path, square={"drop": 0.6}, is_one_clock=True) as town:
        town.through()
        orders = town.seller.state.table("orders")
        told = {
            event.body
            for event in town.house.log.read("0", 0, 10_000)
            if event.channel == "webhook"
        }
        unheard = [one for one in orders if not any(one.encode() in body for body in told)]
        engine, now = town.house.worker, town.house.clock.now()
        (waiting,) = deliveries(engine, now)
        (later,) = deliveries(engine, now + timedelta(minutes=20))
        assert waiting.lost == 0
        assert later.waiting == 0
        assert later.lost >= len(unheard) > 0
        assert later.on_time > 0
        assert any("by sweep only" in line for line in needs(town, minutes=20))


def needs(town: FaultTown, *, minutes: int) -> list[str]:
    """What `conductor status` asks of a person so much later."""
    seller = town.seller.state
    seller.clock.set(seller.clock.now() + timedelta(minutes=minutes))
    lines: list[str] = facts(town.house)["needs_you"]
    return lines


def test_gaps_in_receipt_numbers_are_named_until_they_are_filled(tmp_path: Path) -> None:
    """D13: tills number their sales; a number that never came is somebody's lost sale."""
    with open_faulty(tmp_path) as town:
        pattern = re.compile(r"(?P<register>.+)-(?P<number>\d+)")
        deps = town.house.ingest_deps
        sources = {SOURCE: replace(deps.sources[SOURCE], receipts=pattern)}
        deps = replace(deps, sources=sources)
        orders = list(town.seller.state.table("orders").values())
        for number, order in enumerate(orders):
            order["reference_id"] = f"R1-{number + 1:04d}"
        held_back = orders.pop(3)["id"]
        kept = town.seller.state.table("orders").pop(held_back)
        ingest.run_sweeps(deps, deps.clock.now())
        run_watch(deps)
        town.close_due()
        (found,) = [one for one in town.reconcile().breaks if one.code == "D13"]
        assert (found.level, found.business_date, found.is_explained) == ("L2", FIRST_DAY, False)
        assert "receipts 4 never came" in found.message
        (gap,) = receipt_gaps(town.house.worker)
        assert (gap.register, gap.first, gap.last, gap.count) == ("R1", 4, 4, 1)
        assert any("D13" in line and "R1" in line for line in facts(town.house)["needs_you"])
        town.seller.state.table("orders")[held_back] = kept
        town.read_again()  # the sweep is past it: a backfill fills the gap
        run_watch(deps)
        assert receipt_gaps(town.house.worker) == []
        assert [one for one in town.reconcile().breaks if one.code == "D13"] == []


DRIFTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "renamed field": ({"pointer": "/**/line_items/*/quantity", "change": "rename", "value": "qty"},
                      "contract", "/line_items/0"),
    "dropped field": ({"pointer": "/orders/*/state", "change": "drop"}, "contract", ""),
    "type change": ({"pointer": "/**/line_items/*/quantity", "change": "retype"},
                    "contract", "/line_items/0/quantity"),
    "enum value": ({"pointer": "/**/tenders/*/type", "change": "value", "value": "SHELLS"},
                   "unknown_tender", "/tenders/0/type"),
}  # fmt: skip


def test_a_new_field_changes_nothing(tmp_path: Path) -> None:
    rules = [
        {"pointer": "/**/line_items/*/colour", "change": "add", "value": {"deep": [1, None]}},
        {"pointer": "/**/payment/loyalty_tier", "change": "add", "value": "gold"},
    ]
    with open_faulty(tmp_path, square={"drift": rules}) as town:
        town.through()
        assert town.seller.state.faults.struck["drift"] > 0
        town.check_books()


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_a_finding_and_a_break_each_and_reading_again_mends_it(
    name: str, tmp_path: Path
) -> None:
    """D16 while it lasts; a whole version read later takes over from the broken one."""
    rule, code, pointer = DRIFTS[name]
    with open_faulty(tmp_path, square={"drift": [{**rule, "path": "/v2/orders"}]}) as town:
        town.through()
        found = {
            (row.kind, row.code, row.findings[0].pointer)
            for row in state.quarantine(town.house.worker)
        }
        assert found == {("order", code, pointer)}
        assert {"D16"} == {one.code for one in town.reconcile().breaks if not one.is_explained}
        assert any("quarantine list" in line for line in facts(town.house)["needs_you"])
        town.seller.state.faults.clear()
        town.read_again()
        town.through()
        town.check_books()


@pytest.mark.parametrize("hours", [-26, -1, 1, 26])
def test_a_vendor_whose_clock_is_off_loses_nothing(hours: int, tmp_path: Path) -> None:
    """Decision 23: swept and watermarked so that neither clock can skip a change."""
    skew = {"clock_skew": {"probability": 1, "seconds": hours * 3600}}
    with open_faulty(tmp_path, square={"drop": 1, **skew}, is_one_clock=True) as town:
        town.again(lambda: close.refresh(town.house.close_deps))
        seller = town.seller.state
        for pause in (timedelta(minutes=30), timedelta(hours=2)):
            seller.clock.set(seller.clock.now() + pause)
            touch(seller, next(iter(seller.table("orders").values())))
            town.again(lambda: close.refresh(town.house.close_deps))
        town.through()
        town.check_books()


def test_a_store_whose_time_zone_changed_is_named_and_keeps_its_own_days(tmp_path: Path) -> None:
    with open_faulty(tmp_path) as town:
        (place,) = town.seller.state.table("locations")
        body = {"location": {"timezone": "America/Los_Angeles"}}
        town.seller.call("PUT", f"/v2/locations/{place}", body)
        town.through()
        (line,) = [one for one in facts(town.house)["needs_you"] if "time zone" in one]
        assert "America/Los_Angeles" in line
        assert "conductor.toml" in line
        town.check_books()
