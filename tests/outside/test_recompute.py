import ast
import copy
import hashlib
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from outside_kept import DifferenceError
from outside_ledger import Document, minor, totals
from recompute import business_date, order_net_minor, recompute

KEYS = {
    "SALES": "00000000-0000-5000-8000-000000000001",
    "PAYOUT": "00000000-0000-5000-8000-000000000002",
}
STORE = {"store": "NYC01", "location_id": "L1", "time_zone": "America/New_York", "cutoff": "04:00"}
DAY = "2026-11-21"


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


def order(order_id: str, net: int, tax: int, closed_at: str, **more: Any) -> dict[str, Any]:
    line = {"total_money": usd(net + tax), "total_tax_money": usd(tax)}
    head = {"id": order_id, "location_id": "L1", "state": "COMPLETED", "closed_at": closed_at}
    return head | {"version": 3, "line_items": [line]} | more


def raw_row(seq: int, channel: str, kind: str, event_id: str, body: bytes) -> dict[str, Any]:
    return {
        "seq": seq,
        "source": "square",
        "channel": channel,
        "kind": kind,
        "event_id": event_id,
        "sha256": hashlib.sha256(body).hexdigest(),
        "body": body,
    }


SALES_LINES = {"clearing.square": 1089, "sales.home": -1000, "tax_payable.STATE": -89}
TRUTH = {
    "schema": "sandbox.truth/v1",
    "stores": [STORE],
    "store_days": [
        {
            "store": "NYC01",
            "business_date": DAY,
            "trading": True,
            "figures": {"net_sales_minor": 1000},
            "entries": [
                {"kind": "SALES", "lines": SALES_LINES},
                {"kind": "PAYOUT", "lines": {"bank": 1051, "clearing.square": -1051}},
            ],
        }
    ],
    "payouts": [{"id": "po_1"}],
    "planted": [],
}


def ledger_line(code: str, amount: str) -> dict[str, Any]:
    tracking = {"Store": "NYC01"}
    return {"account_code": code, "amount": amount, "tracking": tracking, "description": ""}


XERO = {
    "manual_journals": [
        {
            "id": "mj1",
            "status": "POSTED",
            "date": DAY,
            "narration": f"CC NYC01 {DAY} SALES v1 key={KEYS['SALES']}",
            "lines": [
                ledger_line("110", "10.89"),
                ledger_line("201", "-10.00"),
                ledger_line("820", "-0.89"),
            ],
        }
    ],
    "bank_transactions": [
        {
            "id": "bt1",
            "status": "AUTHORISED",
            "type": "RECEIVE",
            "date": DAY,
            "reference": f"key={KEYS['PAYOUT']}",
            "bank_account_code": "090",
            "total": "10.51",
            "lines": [ledger_line("110", "10.51")],
        }
    ],
}
SQUARE: dict[str, Any] = {
    "orders": [{"state": "COMPLETED"}, {"state": "CANCELED"}],
    "payments": [{"status": "COMPLETED"}],
    "refunds": [],
}
DEMO = {
    "schema": "conductor.demo/v1",
    "events": {"received": 4, "processed": 2, "quarantined": 1, "deduplicated": 1},
    "store_days": 1,
    "entries": {"SALES": {"posted": 1}, "PAYOUT": {"posted": 1}},
    "levels": {
        level: {
            "sources": ["a", "b"],
            "state": "green",
            "matched": 2,
            "explained": 0,
            "open": 0,
            "unexplained_minor": 0,
        }
        for level in ("L1", "L2", "L3", "L4", "L5", "L6")
    },
    "unexplained_minor": 0,
    "planted": [],
}


def entry(kind: str, lines: list[tuple[str, int]]) -> dict[str, Any]:
    return {
        "posting_key": KEYS[kind],
        "kind": kind,
        "store": "NYC01",
        "business_date": DAY,
        "version": 1,
        "state": "posted",
        "lines": [
            {"role": "", "account_code": code, "amount_minor": amount} for code, amount in lines
        ],
    }


def build(folder: Path, **change: Any) -> Path:
    """A kept folder of one card sale of 10.00 and its payout; `change` replaces files' contents."""
    fetched = json.dumps({"order": order("o1", 1000, 89, "2026-11-22T08:59:00Z")}).encode()
    hook = json.dumps({"event_id": "e1", "type": "order.updated"}).encode()
    bad = json.dumps({"event_id": "e2", "type": "payment.created"}).encode()
    rows = [
        raw_row(1, "webhook", "order.updated", "e1", hook),
        raw_row(2, "api", "order", "o1:3", fetched),
        raw_row(3, "webhook", "payment.created", "e2", bad),
    ]
    duplicate = {"source": "square", "channel": "webhook", "event_id": "e1"}
    books = [
        entry("SALES", [("110", 1089), ("201", -1000), ("820", -89)]),
        entry("PAYOUT", [("090", 1051), ("110", -1051)]),
    ]
    deliveries = [
        {"event_id": row["event_id"], "body_sha256": row["sha256"], "status": 200}
        for row in (rows[0], rows[2])
    ]
    files: dict[str, Any] = {
        "truth": TRUTH,
        "xero": XERO,
        "square": SQUARE | {"deliveries": deliveries},
        "quarantine": [{"event_id": "e2", "seq": 3, "state": "open"}],
        "books": books,
    }
    for name, content in (files | change).items():
        if name not in {"raw", "net_minor"}:
            (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    (folder / "raw" / "duplicates").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(change.get("raw", rows)), folder / "raw" / "part.parquet")
    pq.write_table(
        pa.Table.from_pylist([duplicate]), folder / "raw" / "duplicates" / "part.parquet"
    )
    processed(folder, change.get("net_minor", 1000))
    return folder


def processed(folder: Path, net_minor: int) -> None:
    """Two versions of the sale; the older one of another amount does not count, nor a gift card."""
    sales, lines = [], []
    for rank, net in ((2, 5), (3, net_minor)):
        version = {"sale_id": "o1", "version_rank": rank, "version_digest": "ab"}
        place = {"store": "NYC01", "business_date": date(2026, 11, 21)}
        sales.append(version | place | {"state": "closed"})
        line = version | place | {"event": "sale", "is_sale": True}
        lines.append(line | {"line_uid": "1", "net_minor": net})
        lines.append(line | {"line_uid": "2", "net_minor": 5000, "is_sale": False})
    for name, rows in (("sales", sales), ("sale_lines", lines)):
        table = pa.Table.from_pylist(rows)
        write_deltalake(folder / "processed" / name, table, partition_by=["business_date"])


def test_an_honest_demo_agrees_with_its_kept_files(tmp_path: Path) -> None:
    compared = recompute(build(tmp_path), DEMO)
    assert "events.received: 4" in compared
    assert "posted entries with one document each: 2" in compared


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "conductor.demo/v2"),
        (("events", "received"), 5),
        (("events", "processed"), 3),
        (("events", "quarantined"), 0),
        (("events", "deduplicated"), 0),
        (("store_days",), 2),
        (("entries", "SALES", "posted"), 2),
        (("entries", "FEES"), {"posted": 1}),
        (("levels", "L4", "sources"), ["a", "a"]),
        (("levels", "L4", "open"), 1),
        (("levels", "L1", "matched"), 0),
        (("levels", "L6", "matched"), 1),
        (("levels", "L6", "unexplained_minor"), 1),
        (("unexplained_minor",), 1),
        (("planted",), [{"kind": "D01", "found_as": "D01"}]),
    ],
)
def test_a_tampered_figure_is_found(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    demo = copy.deepcopy(DEMO)
    here: Any = demo
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    with pytest.raises(DifferenceError):
        recompute(build(tmp_path), demo)


def changed_xero(
    *, amount: str = "-10.00", status: str = "POSTED", copies: int = 1
) -> dict[str, Any]:
    xero = copy.deepcopy(XERO)
    journal = xero["manual_journals"][0]
    journal["status"] = status
    journal["lines"][1]["amount"] = amount
    xero["manual_journals"] = [journal] * copies
    return xero


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": "-9.99"}, "SALES NYC01"),
        ({"status": "VOIDED"}, "0 live documents"),
        ({"copies": 2}, "2 live documents"),
    ],
)
def test_a_ledger_that_differs_is_found(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(DifferenceError, match=message):
        recompute(build(tmp_path, xero=changed_xero(**change)), DEMO)


def test_a_planted_break_must_be_visible_in_the_ledger(tmp_path: Path) -> None:
    row = {"kind": "D01", "store": "NYC01", "business_date": DAY}
    truth = TRUTH | {"planted": [row]}
    demo = DEMO | {"planted": [{"kind": "D01", "found_as": "D01"}]}
    gone = build(tmp_path, truth=truth, xero=changed_xero(status="VOIDED"))
    assert any("1 days with breaks" in line for line in recompute(gone, demo))
    (tmp_path / "xero.json").write_text(json.dumps(XERO), "utf-8")
    with pytest.raises(DifferenceError, match="not to be seen"):
        recompute(tmp_path, demo)


def test_an_entry_moved_to_another_day_is_seen_and_must_keep_its_amount(tmp_path: Path) -> None:
    row = {"kind": "D05", "store": "NYC01", "business_date": DAY}
    demo = DEMO | {"planted": [{"kind": "D05", "found_as": "D05"}]}
    xero = changed_xero()
    xero["manual_journals"][0]["date"] = "2026-11-22"
    build(tmp_path, truth=TRUTH | {"planted": [row]}, xero=xero)
    assert any("1 days with breaks" in line for line in recompute(tmp_path, demo))
    xero["manual_journals"][0]["lines"][0]["amount"] = "10.90"
    (tmp_path / "xero.json").write_text(json.dumps(xero), "utf-8")
    with pytest.raises(DifferenceError, match="more than was moved"):
        recompute(tmp_path, demo)


def test_an_acknowledged_webhook_that_was_lost_is_found(tmp_path: Path) -> None:
    lost = {"event_id": "lost", "body_sha256": "", "status": 200}
    square = SQUARE | {"deliveries": [lost]}
    with pytest.raises(DifferenceError, match="acknowledged but not in the raw zone"):
        recompute(build(tmp_path, square=square), DEMO)


def test_a_planted_violation_lowers_what_is_expected_and_must_be_in_quarantine(
    tmp_path: Path,
) -> None:
    truth = copy.deepcopy(TRUTH)
    day = truth["store_days"][0]
    missed = {"sales.home": -400, "undeposited_cash": 400}
    day["figures"]["net_sales_minor"] += 400
    day["entries"].append({"kind": "SALES", "lines": missed})
    row = {"kind": "D16", "store": "NYC01", "business_date": DAY, "order_id": "o2"}
    row |= {"figures": {"net_sales_minor": 400}, "entries": [{"kind": "SALES", "lines": missed}]}
    truth["planted"] = [row]
    demo = copy.deepcopy(DEMO)
    demo["planted"] = [{"kind": "D16", "found_as": "D16"}]
    demo["events"] |= {"received": 5, "quarantined": 2}
    quarantine = [{"event_id": "e2", "seq": 3, "state": "open"}]
    build(tmp_path, truth=truth, quarantine=[*quarantine, {"seq": 4, "state": "open"}])
    bad = json.dumps(order("o2", 400, 0, "2026-11-21T20:00:00Z")).encode()
    table = pa.Table.from_pylist([raw_row(4, "api", "order", "o2:3", bad)])
    pq.write_table(table, tmp_path / "raw" / "more.parquet")
    assert "planted violations found in quarantine: 1" in recompute(tmp_path, demo)
    (tmp_path / "quarantine.json").write_text(
        json.dumps([*quarantine, {"seq": 2, "state": "open"}]), "utf-8"
    )
    with pytest.raises(DifferenceError, match="planted D16 is not in quarantine"):
        recompute(tmp_path, demo)


def test_net_sales_that_the_raw_orders_do_not_give_are_found(tmp_path: Path) -> None:
    truth = copy.deepcopy(TRUTH)
    truth["store_days"][0]["figures"]["net_sales_minor"] = 1001
    with pytest.raises(DifferenceError, match="net sales"):
        recompute(build(tmp_path, truth=truth), DEMO)


def test_net_sales_that_the_processed_tables_do_not_give_are_found(tmp_path: Path) -> None:
    with pytest.raises(DifferenceError, match="processed net sales"):
        recompute(build(tmp_path, net_minor=999), DEMO)


def test_the_script_runs_alone_and_exits_1_at_the_first_difference(tmp_path: Path) -> None:
    script = Path(__file__).with_name("recompute.py")
    folder = build(tmp_path)
    for demo, code in ((DEMO, 0), (DEMO | {"store_days": 7}, 1)):
        said = f"progress\n{json.dumps(demo)}\n"
        run = subprocess.run(
            [sys.executable, str(script), str(folder)],
            input=said,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == code, run.stderr
        assert ("DIFFERENCE store_days" in run.stderr) == bool(code)


def test_the_script_imports_nothing_of_the_product() -> None:
    folder = Path(__file__).parent
    for name in ("recompute.py", "outside_kept.py", "outside_ledger.py"):
        nodes = list(ast.walk(ast.parse((folder / name).read_text("utf-8"))))
        imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        imported |= {
            alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
        }
        tops = {module.partition(".")[0] for module in imported} - set(sys.stdlib_module_names)
        assert tops <= {"pyarrow", "deltalake", "outside_kept", "outside_ledger"}


def test_gift_cards_are_not_sales_and_returns_lower_them() -> None:
    sold = order("o", 2754, 244, "2026-11-21T20:00:00Z")
    sold["line_items"].append({"item_type": "GIFT_CARD", "total_money": usd(5000)})
    sold["returns"] = [
        {"return_line_items": [{"total_money": usd(2176), "total_tax_money": usd(177)}]}
    ]
    assert order_net_minor(sold) == 2754 - 1999


def test_the_business_day_turns_at_the_cutoff() -> None:
    assert str(business_date(datetime(2026, 11, 22, 8, 59, tzinfo=UTC), STORE)) == "2026-11-21"
    assert str(business_date(datetime(2026, 11, 22, 9, 0, tzinfo=UTC), STORE)) == "2026-11-22"


def test_a_forged_webhook_that_was_acknowledged_is_found(tmp_path: Path) -> None:
    forged = {"event_id": "e1", "body_sha256": "", "status": 200, "fault": "forge"}
    with pytest.raises(DifferenceError, match="forged"):
        recompute(build(tmp_path, square=SQUARE | {"deliveries": [forged]}), DEMO)


@pytest.mark.parametrize(
    ("dated", "counts"),
    [("2026-11-22", DAY), ("2026-11-20", "2026-11-20"), ("2027-01-05", "2027-01-05")],
)
def test_a_deposit_counts_for_its_trading_day_if_the_bank_had_it_in_time(
    dated: str, counts: str
) -> None:
    text = f"Cash bag: CC NYC01 {DAY} DEPOSIT v1 key={KEYS['SALES']}"
    lines = (("NYC01", "115", -4407), ("NYC01", "090", 4407))
    document = Document("bt", "AUTHORISED", KEYS["SALES"], text, dated, lines)
    assert totals([document]) == {
        ("NYC01", counts, "115"): -4407,
        ("NYC01", counts, "090"): 4407,
    }


def test_a_bank_transaction_whose_total_is_not_that_of_its_lines_is_found(tmp_path: Path) -> None:
    xero = copy.deepcopy(XERO)
    xero["bank_transactions"][0]["total"] = "10.52"
    with pytest.raises(DifferenceError, match="bank transaction bt1"):
        recompute(build(tmp_path, xero=xero), DEMO)


def test_ledger_amounts_are_exact() -> None:
    assert minor("-0.89") == -89
    assert minor(12) == 1200
    with pytest.raises(DifferenceError):
        minor("0.895")
