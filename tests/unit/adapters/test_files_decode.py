"""Records of exports to canonical tables: the golden day's O2 and what cannot be believed (R-3.1)."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from cloud_conductor.adapters.pos.files import FilesDecoder
from cloud_conductor.domain.events import Event
from exports import CSV, NYC, sale, text

RECEIVED_US = 1_795_400_000_000_000  # 2026-11-23


def event(body, kind="sales", seq=1, headers="{}", channel="file"):
    return Event(
        source="shop", channel=channel, kind=kind, event_id=str(seq), merchant_id="",
        received_us=RECEIVED_US, body=body, headers=headers, seq=seq,
    )  # fmt: skip


def decode(*events, columns=None):
    return FilesDecoder(columns, "adyen").decode(events, {NYC.location_id: NYC}, {})


def one(record, columns=None):
    return decode(event(json.dumps(record).encode()), columns=columns)


def rows(found, table):
    return found.tables[table].to_pylist()


def finding(record):
    (rejected,) = one(record).rejected
    return rejected.findings[0]


def test_o2_of_the_golden_day_is_read_to_the_cent():
    found = one(sale())
    assert found.rejected == ()
    (head,) = rows(found, "sales")
    assert head["business_date"] == date(2026, 11, 21)
    assert head["occurred_at"] == datetime(2026, 11, 21, 16, 30, tzinfo=UTC)
    assert (head["subtotal_minor"], head["tax_minor"], head["total_minor"]) == (2798, 177, 2975)
    milk, shirt = rows(found, "sale_lines")
    assert (milk["gross_minor"], milk["net_minor"], milk["department"]) == (799, 799, "Grocery")
    assert (shirt["gross_minor"], shirt["tax_minor"]) == (1999, 177)
    shares = {row["jurisdiction"]: row["amount_minor"] for row in rows(found, "sale_taxes")}
    assert shares == {"STATE": 80, "CITY": 90, "DISTRICT": 7}
    (paid,) = rows(found, "tenders")
    assert (paid["amount_minor"], paid["change_minor"], paid["processor"]) == (2975, 25, "")
    assert rows(found, "sale_tenders")[0]["tender_id"] == paid["tender_id"]


def test_flat_rows_of_csv_are_one_sale_with_one_tender():
    bodies = [json.dumps({"rows": rows}).encode() for rows in _csv_groups()]
    found = decode(*(event(body, seq=n) for n, body in enumerate(bodies, start=1)))
    assert found.rejected == ()
    assert {row["sale_id"]: row["total_minor"] for row in rows(found, "sales")} == {
        "T-9": 2975, "T-8": -2450,
    }  # fmt: skip
    assert len(rows(found, "tenders")) == 2
    (back,) = [row for row in rows(found, "sale_lines") if row["event"] == "return"]
    assert (back["quantity"], back["gross_minor"], back["tax_minor"]) == (Decimal(-1), -2250, -200)
    (refund,) = [row for row in rows(found, "tenders") if row["event"] == "refund"]
    assert (refund["amount_minor"], refund["processor"]) == (-2450, "adyen")


def _csv_groups():
    header, *lines = (line.split(",") for line in CSV.decode().splitlines())
    found = {}
    for line in lines:
        cells = {name: cell for name, cell in zip(header, line, strict=True) if cell}
        found.setdefault(cells["sale_id"], []).append(cells)
    return list(found.values())


def test_their_names_are_translated_at_every_depth():
    record = {
        "transaction_id": "T-1", "store_id": "S-1", "timestamp": "2026-11-21T16:30:00Z",
        "total_amount": 12.40, "items": [{"sku": "C-1", "price": 12.40, "quantity": 1}],
        "tenders": [{"payment_method": "card", "amount": 12.40}],
    }  # fmt: skip
    columns = {
        "transaction_id": "sale_id", "store_id": "store", "timestamp": "occurred_at",
        "total_amount": "total", "items": "lines", "price": "unit_price", "payment_method": "type",
    }  # fmt: skip
    found = one(record, columns)
    assert found.rejected == ()
    assert rows(found, "sales")[0]["total_minor"] == 1240
    assert rows(found, "sale_lines")[0]["product_id"] == "C-1", "no department: ask the catalogue"


def test_a_flat_json_record_is_a_sale_of_one_line():
    record = {
        "sale_id": "T-1", "store": "S-1", "occurred_at": "2026-11-21T11:30:00", "total": 7.99,
        "sku": "G-1", "quantity": 1, "unit_price": 7.99, "tender_type": "card",
    }  # fmt: skip
    found = one(record)
    assert found.rejected == ()
    assert rows(found, "tenders")[0]["amount_minor"] == 799


def test_an_inclusive_price_is_taken_apart():
    """R-4.3: GBP-style 11.99 including 2.00 tax: gross and net are without it (R-10.4)."""
    line = {
        "sku": "A", "department": "Home", "unit_price": "11.99", "tax": "2.00",
        "price_includes_tax": True,
    }  # fmt: skip
    found = one(sale(lines=[line], total="11.99", tenders=[{"type": "card", "amount": "11.99"}]))
    (row,) = rows(found, "sale_lines")
    assert (row["gross_minor"], row["net_minor"], row["tax_minor"]) == (999, 999, 200)
    assert rows(found, "sale_taxes")[0]["inclusive"]


def test_a_tip_is_part_of_its_tender_and_not_of_its_amount_without_tip():
    line = {"sku": "C", "department": "Cafe", "unit_price": "12.40", "tax": "1.10"}
    tender = {"type": "card", "amount": "16.00", "tip": "2.50", "fee": "0.52"}
    found = one(sale(lines=[line], total="16.00", tenders=[tender]))
    (paid,) = rows(found, "tenders")
    assert (paid["amount_minor"], paid["tip_minor"], paid["fee_minor"]) == (1350, 250, 52)
    assert rows(found, "sale_tenders")[0]["amount_minor"] == 1600
    assert rows(found, "sales")[0]["tip_minor"] == 250


def test_a_tax_rounding_is_taken_in_with_a_warning():
    """R-4.4: 1 minor unit per tax line is explained; the export's total is kept."""
    found = one(sale(total="29.76", tenders=[{"type": "cash", "amount": "29.76"}]))
    assert found.rejected == ()
    assert found.warnings[0].findings[0].severity == "warning"
    assert rows(found, "sales")[0]["tax_minor"] == 178
    assert sum(row["amount_minor"] for row in rows(found, "sale_taxes")) == 178


def test_a_voided_sale_is_a_row_of_zeros():
    """R-3.3."""
    found = one(sale(state="voided"))
    (head,) = rows(found, "sales")
    assert (head["state"], head["total_minor"], head["source_total_minor"]) == ("voided", 0, 2975)
    assert set(found.tables) == {"sales"}


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"total": "29.80"}, "arithmetic", "/total"),
        ({"total": 29.755}, "contract", "/total"),
        ({"total": "NaN"}, "contract", "/total"),
        ({"total": "1e30"}, "contract", "/total"),
        ({"total": None}, "contract", ""),
        ({"store": "S-404"}, "unknown_store", "/store"),
        ({"currency": "XXQ"}, "unknown_currency", "/currency"),
        ({"currency": "EUR"}, "currency_mismatch", "/currency"),
        ({"occurred_at": "yesterday"}, "contract", "/occurred_at"),
        ({"occurred_at": "2027-11-21T11:30:00"}, "clock_suspect", "/occurred_at"),
        ({"tenders": [{"type": "cash", "amount": "20.00"}]}, "arithmetic", "/tenders"),
        ({"tenders": []}, "arithmetic", "/tenders"),
        ({"tenders": [{"type": "shells", "amount": "29.75"}]}, "contract", "/tenders/0/type"),
        ({"tenders": [{"type": "cash", "amount": "29.75", "tip": "30"}]}, "arithmetic",
         "/tenders/0/tip"),
        ({"lines": [{"sku": "A", "quantity": 0, "unit_price": 1}]}, "contract", "/lines/0/quantity"),
        ({"lines": [{"sku": "A", "quantity": 1}]}, "contract", "/lines/0"),
        ({"lines": [{"sku": "A", "unit_price": "1.00", "discount": "2.00"}]}, "arithmetic",
         "/lines/0/discount"),
        ({"lines": [{"sku": "A", "unit_price": "1.0000001"}]}, "contract", "/lines/0/unit_price"),
        ({"lines": [{"line_id": "x", "gross": 1}, {"line_id": "x", "gross": 1}]}, "contract",
         "/lines"),
    ],
)  # fmt: skip
def test_what_cannot_be_believed_is_a_finding_at_its_place(change, code, pointer):
    found = finding(sale(**change))
    assert (found.code, found.pointer) == (code, pointer)


def test_rows_of_one_sale_must_agree_on_what_it_says_once():
    first, second = _csv_groups()[0]
    found = finding({"rows": [first, second | {"total": "30.00"}]})
    assert (found.code, found.pointer) == ("contract", "/rows/1/total")


def test_a_whole_file_gives_every_record_or_none():
    header = json.dumps({"file": "sales_1.json"})
    good = decode(event(text(sale("a"), sale("b")), "sales.file", headers=header))
    assert [row["sale_id"] for row in rows(good, "sales")] == ["a", "b"]
    bad = decode(event(text(sale("a"), sale("b", total="1.00")), "sales.file", headers=header))
    assert bad.tables == {}
    assert bad.rejected[0].findings[0].pointer == "/2/total"
    torn = decode(event(text(sale("a"))[:-9], "sales.file", headers=header))
    assert torn.rejected[0].findings[0].code == "malformed_json"


def test_a_product_is_a_version_and_its_department_a_row_of_its_own():
    record = {
        "sku": "A-1", "name": "Shirt", "department": "Apparel", "unit_price": "19.99",
        "unit_cost": "8.40", "updated_at": "2026-11-01T00:00:00Z",
    }  # fmt: skip
    found = decode(event(json.dumps(record).encode(), "products"))
    product, department = rows(found, "products")
    assert (product["product_id"], product["department"]) == ("A-1", "category:Apparel")
    assert (department["product_id"], department["name"]) == ("category:Apparel", "Apparel")


def test_newer_exports_win_where_records_do_not_say_when_they_changed():
    older = decode(event(json.dumps(sale()).encode(), headers='{"exported_us": 5}'))
    stated = one(sale(updated_at="2026-11-21T18:00:00Z"))
    assert rows(older, "sales")[0]["version_rank"] == 5
    assert rows(stated, "sales")[0]["version_rank"] == 1_795_284_000_000_000


def test_an_unknown_dataset_is_quarantined():
    (rejected,) = decode(event(b"{}", "staff")).rejected
    assert rejected.findings[0].code == "unknown_kind"
