"""The recompute script on the simulators' real dumps: a chain's truth posted by hand, to the cent."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from outside_kept import DifferenceError, Kept
from outside_ledger import ACCOUNTS
from recompute import check_ledger, check_sales

from cloud_conductor.sandbox.scenario import chain
from cloud_conductor.sandbox.square import Seller, Settings
from cloud_conductor.sandbox.xero import Organisation
from cloud_conductor.sandbox.xero.wire import encode

DAY = date(2026, 11, 20)
PATH = "/api.xro/2.0"


def entries(truth: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, int]]]:
    """(store, date, kind, lines) of the truth, without what a planted finding keeps out."""
    missed = {
        (row["store"], row["business_date"], entry["kind"]): entry["lines"]
        for row in truth["planted"]
        for entry in row.get("entries", ())
    }
    for day in truth["store_days"]:
        for entry in day["entries"]:
            key = (day["store"], day["business_date"], entry["kind"])
            less = missed.get(key, {})
            lines = {r: a - less.get(r, 0) for r, a in entry["lines"].items()}
            yield *key, {role: amount for role, amount in lines.items() if amount}


def track(books: Organisation, stores: list[str]) -> None:
    """Have one option of the tracking category Store for each store."""
    status, _, answer = books.call("GET", f"{PATH}/TrackingCategories")
    (category,) = (row for row in answer["TrackingCategories"] if row["Name"] == "Store")
    path = f"{PATH}/TrackingCategories/{category['TrackingCategoryID']}/Options"
    for store in stores:
        status, _, _ = books.call("PUT", path, {"Options": [{"Name": store}]})
        assert status == 200


def post(books: Organisation, store: str, day: str, kind: str, lines: dict[str, int]) -> str:
    """Post one entry as the ledger takes it; gives the document's path."""
    mark = f"CC {store} {day} {kind} v1 key={uuid.uuid5(uuid.NAMESPACE_URL, f'{store}{day}{kind}')}"
    tracking = [{"Name": "Store", "Option": store}]
    legs = [
        (ACCOUNTS[role.partition(":")[0]], Decimal(amount).scaleb(-2))
        for role, amount in lines.items()
    ]
    if "bank" not in lines:
        rows = [{"AccountCode": c, "LineAmount": a, "Tracking": tracking} for c, a in legs]
        name, body = "ManualJournal", {"Narration": mark, "Date": day, "JournalLines": rows}
        body |= {"LineAmountTypes": "NoTax", "Status": "POSTED"}
    else:
        sign = 1 if lines["bank"] > 0 else -1
        rows = [
            {"Description": mark, "Quantity": 1, "UnitAmount": -sign * a, "AccountCode": c}
            | {"Tracking": tracking}
            for c, a in legs
            if c != ACCOUNTS["bank"]
        ]
        dated = date.fromisoformat(day) + timedelta(days=kind == "DEPOSIT")
        name, body = "BankTransaction", {"LineItems": rows, "Date": dated.isoformat()}
        body |= {"Type": "RECEIVE" if sign > 0 else "SPEND", "Contact": {"Name": "POS"}}
        body |= {"BankAccount": {"Code": "090"}, "LineAmountTypes": "NoTax"}
        body |= {"Reference": mark.partition("v1 ")[2], "Status": "AUTHORISED"}
    status, _, answer = books.call("PUT", f"{PATH}/{name}s", body)
    assert status == 200, answer
    return f"{PATH}/{name}s/{answer[f'{name}s'][0][f'{name}ID']}"


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """Two stores' days with one planted violation: played, posted from the truth, dumped."""
    seller, books = Seller(Settings(seed=5)), Organisation(seed=5)
    truth = chain.play(
        seller.call,
        seller.set_clock,
        seed=5,
        stores=2,
        orders_per_day=5,
        first_day=DAY,
        plants=[chain.Plant("D16", "NYC01", DAY)],
    )
    track(books, ["NYC01", "CHI01"])
    for entry in entries(truth):
        post(books, *entry)
    square = seller.call("GET", "/sandbox/dump")
    rows = []
    for seq, order in enumerate(square["orders"], 1):
        body = msgspec.json.encode(order)
        digest = hashlib.sha256(body).hexdigest()
        rows.append({"seq": seq, "kind": "order", "body": body, "sha256": digest})
    (tmp_path / "raw").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "raw" / "part.parquet")
    (tmp_path / "truth.json").write_text(json.dumps(truth), "utf-8")
    (tmp_path / "square.json").write_text(json.dumps(square), "utf-8")
    (tmp_path / "xero.json").write_bytes(encode(books.dump()))
    return Kept(tmp_path)


def test_truth_posted_as_meant_agrees_with_the_ledgers_dump(kept: Kept) -> None:
    (line,) = check_ledger(kept, {})
    assert "0 days with breaks" in line


def test_raw_orders_net_to_the_truth_without_the_planted_one(kept: Kept) -> None:
    (line,) = check_sales(kept, {})
    assert "4 days" in line


def test_a_document_voided_in_the_ledger_is_missed(kept: Kept) -> None:
    kept.xero["manual_journals"][3]["status"] = "VOIDED"
    with pytest.raises(DifferenceError, match="more than was meant"):
        list(check_ledger(kept, {}))
