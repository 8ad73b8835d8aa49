"""Bad input from the socket to the ledger: an error or a finding each, nothing lost (INV-16, D16).

A real house: the gateway as its own process, the simulators over HTTP, the commands as a person
types them. First everything bad comes in, then the days are closed, then a person repairs.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from bad_input_rig import (
    Gateway,
    Json,
    gateway_of,
    gross_minor,
    hook,
    is_limitable,
    limit_file_size,
    log_of,
    run,
    sales_of,
    show,
    without,
)
from house_rig import Town, open_town

from cloud_conductor.accounting import flow
from cloud_conductor.cli import demo_truth
from cloud_conductor.pipelines import reconcile
from cloud_conductor.wiring.house import House, open_house

OPEN_STORE, LATE_STORE = "NYC01", "CHI01"
DAY = "2026-11-20"
TEN_MB = 10 * 1024 * 1024
PAYMENT = {
    "id": "PBAD", "location_id": "", "order_id": "OBAD", "status": "COMPLETED",
    "created_at": "2026-11-20T17:00:00Z", "updated_at": "2026-11-20T17:00:00Z",
    "amount_money": {"amount": 500, "currency": "USD"},
    "total_money": {"amount": 500, "currency": "USD"}, "source_type": "CASH",
}  # fmt: skip
AT = "/data/object/payment"


def payment(event_id: str, place: str, **changed: Any) -> bytes:
    body = PAYMENT | {"location_id": place, "id": f"P-{event_id}"} | changed
    return hook(event_id, "payment.updated", "payment", body)


def usd(amount: Any, currency: str = "USD") -> Json:
    return {"amount": amount, "currency": currency}


# Signed bodies that are no notice at all: kept under the digest of their bytes.
UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"event_id": "ev-cut", "type": "payment.upd',
    "not utf-8": b'{"event_id": "ev-\xff\xfe", "type": "payment.updated"}',
    "a list": b'["event_id", "type"]',
    "a number": b"9223372036854775808",
    "not a number": b'{"event_id": "ev-nan", "type": "payment.updated", "data": NaN}',
    "deep": b"[" * 200_000,
    "deep inside": b'{"event_id": "ev-deep", "type": "payment.updated", "data": '
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}",
    "an id of another type": b'{"event_id": 7, "type": "payment.updated"}',
    "no id": b'{"type": "payment.updated"}',
    "an id too long": json.dumps({"event_id": "e" * 300, "type": "payment.updated"}).encode(),
    "a binary": bytes(range(256)),
}


def notices(place: str) -> dict[str, tuple[bytes, str, str]]:
    """Event id -> a signed notice, its finding's code and pointer."""
    return {
        "ev-type": (payment("ev-type", place, amount_money=usd("500")), "contract",
                    f"{AT}/amount_money/amount"),
        "ev-half": (payment("ev-half", place, amount_money=usd(0.5)), "contract",
                    f"{AT}/amount_money/amount"),
        "ev-huge": (payment("ev-huge", place, amount_money=usd(2**63)), "contract",
                    f"{AT}/amount_money/amount"),
        "ev-list": (payment("ev-list", place, amount_money=[]), "contract", f"{AT}/amount_money"),
        "ev-money": (payment("ev-money", place, amount_money=usd(500, "XXQ")), "unknown_currency",
                     f"{AT}/amount_money/currency"),
        "ev-euro": (payment("ev-euro", place, amount_money=usd(500, "EUR"),
                            total_money=usd(500, "EUR")), "currency_mismatch",
                    f"{AT}/amount_money/currency"),
        "ev-place": (payment("ev-place", "LNOWHERE"), "unknown_store", f"{AT}/location_id"),
        "ev-tender": (payment("ev-tender", place, source_type="SHELLS"), "unknown_tender",
                      f"{AT}/source_type"),
        "ev-kind": (hook("ev-kind", "bank_account.verified", "bank_account", {"id": "B1"}),
                    "unknown_kind", "/type"),
        "ev-bare": (b'{"event_id": "ev-bare", "type": "payment.updated"}', "contract", ""),
    }  # fmt: skip


# What is wrong with an order the API serves: pointer, value, finding code, finding pointer.
CORRUPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("/line_items/0/quantity", "two", "contract", "/line_items/0/quantity"),
    ("/line_items/0/total_money/amount", 2**63, "contract", "/line_items/0/total_money/amount"),
    ("/line_items/0/total_money/currency", "XXQ", "unknown_currency",
     "/line_items/0/total_money/currency"),
    ("/tenders/0/type", "SHELLS", "unknown_tender", "/tenders/0/type"),
    ("/net_amounts/total_money/amount", -1000, "negative_total",
     "/net_amounts/total_money/amount"),
    ("/closed_at", "2031-01-01T00:00:00Z", "clock_suspect", "/closed_at"),
)  # fmt: skip


@dataclass
class Landed:
    """What came of it, before anybody repaired anything."""

    town: Town
    path: Path
    place: str
    answers: dict[str, httpx.Response]
    records: list[Json]
    corrupted: list[str]
    sent: dict[str, bytes]
    entries: list[Json]
    status: Json
    full: str
    logged: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def record(self, name: str) -> Json:
        (found,) = [one for one in self.records if name in (one["event_id"], one["object_id"])]
        return found


def knock(gateway: Gateway, place: str) -> tuple[dict[str, httpx.Response], dict[str, bytes]]:
    """Everything bad that can be sent; gives answers by name, and bodies that were signed."""
    sent = dict(UNREADABLE)
    sent |= {name: body for name, (body, _, _) in notices(place).items()}
    sent["ev-thin"] = hook("ev-thin", "order.updated", "order_updated", {"id": "../" * 200})
    sent["ev-thin-null"] = b'{"event_id": "ev-thin-null", "type": "order.updated", "data": null}'
    sent["ev-thin-utf8"] = (
        b'{"event_id": "ev-thin-utf8", "type": "order.updated", "data": {"id": "\xff\xfe"}}'
    )
    sent["ev-twice"] = b'{"event_id": "ev-one", "type": "order.x", "event_id": "ev-twice"}'
    answers = {name: gateway.post(body) for name, body in sent.items()}
    good = payment("ev-forged", place)
    answers["again"] = gateway.post(sent["ev-type"] + b" ")
    answers["forged"] = gateway.post(good, signature=gateway.sign(good + b" "))
    answers["unsigned"] = httpx.post(gateway.url, content=good)
    answers["not ascii"] = gateway.post(good, signature="")
    answers["10 MB"] = gateway.post(b'{"event_id": "ev-10mb"' + b" " * TEN_MB + b"}")
    answers["elsewhere"] = httpx.post(f"{gateway.url}s", content=good)
    answers["read"] = httpx.get(gateway.url)
    return answers, sent


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    folder = tmp_path_factory.mktemp("bad")
    with open_town(folder, seed=5, stores=3, days=1, orders_per_day=10) as town:
        path = town.house.path
        full = path.read_text()
        text, _ = without(full, f"stores.{LATE_STORE}")
        path.write_text(text.replace('"petty_expense.*"', '# "petty_expense.*"'))
        place = next(s["location_id"] for s in town.truth["stores"] if s["store"] == OPEN_STORE)
        corrupted = [one["id"] for one in sales_of(town, OPEN_STORE)[: len(CORRUPTIONS)]]
        with gateway_of(path) as gateway:
            for order_id, (pointer, value, _, _) in zip(corrupted, CORRUPTIONS, strict=True):
                body = {"order_id": order_id, "pointer": pointer, "value": value}
                town.seller.call("POST", "/sandbox/corrupt", body)
            answers, sent = knock(gateway, place)
            answers["status"] = httpx.get(gateway.url.replace("/hooks/square", "/statusz"))
        run(path, "run", "close")
        run(path, "journals", "approve", "--all", "--as", "second-person")
        run(path, "journals", "post", "--yes")
        with open_house(str(path)) as house:
            logged = log_of(house)
        yield Landed(
            town=town, path=path, place=place, answers=answers, corrupted=corrupted, sent=sent,
            records=run(path, "quarantine", "list")["records"],
            entries=run(path, "journals", "list")["entries"],
            status=run(path, "status"), full=full, logged=logged,
        )  # fmt: skip


def test_what_is_not_ours_is_refused_with_a_reason_and_not_stored(landed: Landed) -> None:
    wanted = {"forged": 401, "unsigned": 401, "not ascii": 401, "10 MB": 413, "elsewhere": 404,
              "read": 405}  # fmt: skip
    found = {name: landed.answers[name] for name in wanted}
    assert {name: answer.status_code for name, answer in found.items()} == wanted
    assert all(answer.json()["code"] and answer.json()["message"] for answer in found.values())
    counted = landed.answers["status"].json()
    assert (counted["rejected_signature"], counted["too_large"]) == (3, 1)
    assert counted["unknown_source"] == 1
    bodies = {body for _, body in landed.logged.values()}
    assert payment("ev-forged", landed.place) not in bodies


def test_every_signed_body_is_taken_and_kept_byte_for_byte(landed: Landed) -> None:
    assert {landed.answers[name].status_code for name in landed.sent} == {200}
    kept = {body for _, body in landed.logged.values()}
    assert set(landed.sent.values()) <= kept
    assert landed.answers["again"].status_code == 200
    assert landed.answers["status"].json()["duplicates"] == 1
    assert landed.logged["ev-type"][1] == landed.sent["ev-type"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_signed_body_that_is_no_notice_is_one_finding(landed: Landed, name: str) -> None:
    record = landed.record(f"sha256:{hashlib.sha256(UNREADABLE[name]).hexdigest()}")
    assert (record["code"], record["pointer"]) == ("malformed_json", "")
    assert len(record["findings"]) == 1


@pytest.mark.parametrize("name", notices(""))
def test_a_bad_notice_is_one_finding_at_its_place(landed: Landed, name: str) -> None:
    _, code, pointer = notices(landed.place)[name]
    record = landed.record(name)
    assert (record["code"], record["pointer"]) == (code, pointer)
    assert len(record["findings"]) == 1


@pytest.mark.parametrize("number", range(len(CORRUPTIONS)))
def test_a_bad_order_is_one_finding_at_its_place(landed: Landed, number: int) -> None:
    _, _, code, pointer = CORRUPTIONS[number]
    record = landed.record(landed.corrupted[number])
    assert (record["code"], record["pointer"]) == (code, pointer)
    assert record["kind"] == "order"


def test_thin_events_with_impossible_ids_hold_nothing_up(landed: Landed) -> None:
    """Two event ids in one body: every reader takes the last, as JSON readers do."""
    thin = {"ev-thin", "ev-thin-null", "ev-thin-utf8", "ev-twice"}
    assert thin <= landed.logged.keys()
    assert "ev-one" not in landed.logged
    assert not thin & {one["event_id"] for one in landed.records}


def test_everything_received_is_accounted_for(landed: Landed) -> None:
    """INV-16, by count and by id."""
    counts = landed.status["events"]["square"]
    classes = ("processed", "quarantined", "deduplicated", "pending")
    assert counts["received"] == sum(counts[one] for one in classes)
    assert counts["pending"] == 0
    assert counts["quarantined"] == len(landed.records)
    assert counts["received"] - counts["deduplicated"] == len(landed.logged)


def test_the_quarantine_shows_the_original_bytes(landed: Landed) -> None:
    for name in ("ev-tender", "ev-huge"):
        text = show(landed.path, landed.record(name)["seq"])
        assert landed.sent[name].decode() in text
        assert f"at {notices(landed.place)[name][2]}:" in text


def sold_minor(entries: list[Json], store: str) -> int:
    """Gross sales credited to a store by all versions of its SALES entries."""
    return -sum(
        line["amount_minor"]
        for entry in entries
        if (entry["store"], entry["kind"]) == (store, "SALES")
        for line in entry["lines"]
        if line["role"].startswith("sales.")
    )


def meant_minor(town: Town, store: str) -> int:
    rows = [one for one in town.truth["store_days"] if one["store"] == store]
    return int(sum(one["figures"]["gross_sales_minor"] for one in rows))


def test_the_rest_of_the_batch_is_in_the_ledger_to_the_cent(landed: Landed) -> None:
    orders = landed.town.seller.state.table("orders")
    held_out = sum(gross_minor(orders[one]) for one in landed.corrupted)
    assert held_out > 0
    found = sold_minor(landed.entries, OPEN_STORE)
    assert found == meant_minor(landed.town, OPEN_STORE) - held_out
    meant, booked = demo_truth.meant(landed.town.truth), demo_truth.booked(landed.entries)
    (third,) = {s["store"] for s in landed.town.truth["stores"]} - {OPEN_STORE, LATE_STORE}
    keys = [key for key in meant if key[0] == third and key[2] != "CASH"]
    assert {key: booked[key] for key in keys} == {key: meant[key] for key in keys}
    posted = {(one["store"], one["kind"]) for one in landed.entries if one["state"] == "posted"}
    assert (OPEN_STORE, "SALES") in posted
    assert (third, "SALES") in posted


def test_an_unmapped_account_blocks_its_entry_only_and_names_the_key(landed: Landed) -> None:
    """D10."""
    blocked = [one for one in landed.entries if one["state"] == "blocked"]
    assert {one["kind"] for one in blocked} == {"CASH"}
    assert {one["store"] for one in blocked} >= {OPEN_STORE}
    assert all("D10" in one["error"] and "petty_expense." in one["error"] for one in blocked)
    others = [one for one in landed.entries if one["kind"] != "CASH"]
    assert {one["state"] for one in others} == {"posted"}


def test_a_store_nobody_configured_waits_whole(landed: Landed) -> None:
    (place,) = [s["location_id"] for s in landed.town.truth["stores"] if s["store"] == LATE_STORE]
    orders = landed.town.seller.state.table("orders").values()
    wanted = {o["id"] for o in orders if o["location_id"] == place and o["state"] == "COMPLETED"}
    records = [one for one in landed.records if one["code"] == "unknown_store"]
    assert wanted
    assert wanted <= {one["object_id"] for one in records}
    assert LATE_STORE not in {one["store"] for one in landed.entries}


@dataclass
class Repaired:
    """After a person mapped the store and the account, and corrected the bodies."""

    landed: Landed
    entries: list[Json]
    records: list[Json]
    status: Json
    releases: list[Json]


@pytest.fixture(scope="module")
def repaired(landed: Landed) -> Repaired:
    path, town = landed.path, landed.town
    path.write_text(landed.full)  # the store and the account are back
    releases = [
        run(path, "quarantine", "release", "--group", group, "--as", "repairer")
        for group in sorted({r["group"] for r in landed.records if is_of_late_store(landed, r)})
    ]
    orders = town.seller.state.table("orders")
    for number, order_id in enumerate(landed.corrupted):
        true = orders[order_id]
        body = path.parent / f"corrected-{number}.json"
        body.write_text(json.dumps(true | {"version": true["version"] + 1}))
        seq = str(landed.record(order_id)["seq"])
        words = ("quarantine", "release", seq, "--body", str(body), "--as", "repairer")
        assert run(path, *words, "--dry-run")["sent"] == 0
        releases.append(run(path, *words))
    run(path, "run", "close")
    drafts = [one for one in run(path, "journals", "list")["entries"] if one["state"] == "draft"]
    assert drafts
    run(path, "journals", "approve", "--all", "--as", "second-person")
    run(path, "journals", "post", "--yes")
    return Repaired(
        landed=landed,
        entries=run(path, "journals", "list")["entries"],
        records=run(path, "quarantine", "list", "--all")["records"],
        status=run(path, "status"),
        releases=releases,
    )


def is_of_late_store(landed: Landed, record: Json) -> bool:
    return record["code"] == "unknown_store" and record["event_id"] != "ev-place"


def test_released_records_leave_the_quarantine_and_are_counted_once(repaired: Repaired) -> None:
    released = [one for one in repaired.records if one["state"] == "released"]
    by_hand = [one for one in released if one["code"] != "missing_parent"]
    assert {one["author"] for one in by_hand} == {"repairer"}
    assert set(repaired.landed.corrupted) <= {one["object_id"] for one in released}
    counts = repaired.status["events"]["square"]
    classes = ("processed", "quarantined", "deduplicated", "pending")
    assert counts["received"] == sum(counts[one] for one in classes)
    left = [one for one in repaired.records if one["state"] == "open"]
    assert counts["quarantined"] == len(left) == len(UNREADABLE) + len(notices(""))


def test_what_was_repaired_reaches_the_ledger_as_a_delta_to_the_cent(repaired: Repaired) -> None:
    """R-13.2: posted entries stay, a new version carries the difference."""
    assert {one["state"] for one in repaired.entries} == {"posted"}
    town = repaired.landed.town
    assert demo_truth.booked(repaired.entries) == demo_truth.meant(town.truth)
    versions = {
        one["version"]
        for one in repaired.entries
        if (one["store"], one["kind"]) == (OPEN_STORE, "SALES")
    }
    assert versions == {1, 2}
    before = {one["posting_key"]: one["lines"] for one in repaired.landed.entries if one["lines"]}
    after = {one["posting_key"]: one["lines"] for one in repaired.entries}
    posted = [one["posting_key"] for one in repaired.landed.entries if one["state"] == "posted"]
    assert all(before[key] == after[key] for key in posted)


def test_after_the_repair_the_books_are_green(repaired: Repaired) -> None:
    repaired.landed.town.seller.state.table("corruptions").clear()  # the source is repaired too
    with House(repaired.landed.path) as house:
        deps = house.close_deps
        outcome = reconcile.reconcile(deps, [date.fromisoformat(DAY)])
        assert flow.verify_audit(house.books_deps) is None
    assert [one for one in outcome.breaks if not one.is_explained] == []
    assert outcome.unexplained_minor == 0


@pytest.mark.skipif(not is_limitable(), reason="limits of a living process need Linux")
def test_a_full_disk_is_a_503_with_a_time_to_come_back_and_nothing_is_lost(landed: Landed) -> None:
    with gateway_of(landed.path) as gateway:
        body = payment("ev-full", landed.place, status="FAILED")
        size = (landed.path.parent / ".conductor" / "log.sqlite-wal").stat().st_size
        limit_file_size(gateway.pid, size)
        refused = gateway.post(body)
        limit_file_size(gateway.pid, -1)
        taken = gateway.post(body)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert "event log" in refused.json()["message"]
    assert taken.status_code == 200
    with open_house(str(landed.path)) as house:
        assert log_of(house)["ev-full"][1] == body
