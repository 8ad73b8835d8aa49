"""What is wrong is a finding with a pointer; the rest of the batch is unharmed (R-3.1, D16)."""

from typing import Any

import msgspec
import pytest

from cloud_conductor.adapters.pos.square.contract import FINDINGS_MAX, pointer, schema_of
from cloud_conductor.adapters.pos.square.decode import READERS, SquareDecoder
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.findings import Finding
from cloud_conductor.ports.pos import Decoded
from conform_events import event, store
from square_payloads import hook, item, line, money, offline, order, payment, payout, returned

GOOD = order(line("a", 1000, tax=89), name="GOOD")


def changed(body: Any, path: str, value: Any) -> Any:
    """A copy with the value at a JSON Pointer replaced; None removes it."""
    copy = msgspec.json.decode(msgspec.json.encode(body))
    *steps, last = (int(s) if s.isdigit() else s for s in path.split("/")[1:])
    at = copy
    for step in steps:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return copy


def decode(*bodies: tuple[str, Any], **more: Any) -> Decoded:
    events = []
    for seq, (kind, body) in enumerate(bodies, start=1):
        new = event(kind, body, **more)
        fields = {name: getattr(new, name) for name in new.__struct_fields__}
        events.append(Event(seq=seq, **fields))
    return SquareDecoder().decode(events, {"L1": store()}, {})


def only_finding(kind: str, body: Any, **more: Any) -> Finding:
    """The one finding of a bad event between two good ones, whose rows are all there."""
    found = decode(("order", GOOD), (kind, body), ("payment", payment()), **more)
    (rejected,) = found.rejected
    assert rejected.seq == 2
    (finding,) = rejected.findings
    assert found.tables["sales"]["sale_id"].to_pylist() == ["GOOD"]
    assert found.tables["sale_lines"].num_rows == 1
    assert found.tables["tenders"]["tender_id"].to_pylist() == ["PO1"]
    return finding


CONTRACT_FAULTS = [
    ("order", "/location_id", None, ""),
    ("order", "/line_items/0/quantity", "two", "/line_items/0/quantity"),
    ("order", "/line_items/0/total_money/amount", 1.5, "/line_items/0/total_money/amount"),
    ("order", "/line_items/0/total_money/amount", "10", "/line_items/0/total_money/amount"),
    ("order", "/line_items/0/total_money/amount", 2**63, "/line_items/0/total_money/amount"),
    ("order", "/line_items/0/item_type", "PIZZA", "/line_items/0/item_type"),
    ("order", "/line_items", {"a": 1}, "/line_items"),
    ("order", "/state", "SHUT", "/state"),
    ("order", "/closed_at", "yesterday", "/closed_at"),
    ("order", "/closed_at", "2026-11-21T17:00:00", "/closed_at"),
    ("order", "/taxes/0/percentage", "8,875", "/taxes/0/percentage"),
    ("payment", "/status", "MAYBE", "/status"),
    ("payment", "/amount_money", 5, "/amount_money"),
    ("payout", "/amount_money/currency", None, "/amount_money"),
    ("catalog_item", "/item_data/variations/0/id", 7, "/item_data/variations/0/id"),
]


@pytest.mark.parametrize(("kind", "path", "value", "where"), CONTRACT_FAULTS)
def test_a_broken_contract_is_one_finding_at_its_place(
    kind: str, path: str, value: Any, where: str
) -> None:
    base = {
        "order": order(line("a", 1000, tax=89)),
        "payment": payment("BAD"),
        "payout": payout(),
        "catalog_item": item("V1", cost="1"),
    }[kind]
    finding = only_finding(kind, changed(base, path, value))
    assert (finding.code, finding.pointer) == ("contract", where)


def test_every_fault_of_a_body_is_found_but_not_without_end() -> None:
    body = order(*(line(str(n), 100, quantity=n) for n in range(FINDINGS_MAX + 5)))
    (rejected,) = decode(("order", body)).rejected
    assert len(rejected.findings) == FINDINGS_MAX
    assert len({finding.group for finding in rejected.findings}) == 1


def test_pointers_go_into_the_webhook_that_came() -> None:
    body = hook("payment.updated", "payment", changed(payment(), "/status", "MAYBE"))
    finding = only_finding("payment.updated", body, channel="webhook")
    assert finding.pointer == "/data/object/payment/status"
    body = hook("payment.updated", "payment", payment(location_id="L9"))
    finding = only_finding("payment.updated", body, channel="webhook")
    assert (finding.code, finding.pointer) == (
        "unknown_store",
        "/data/object/payment/location_id",
    )


def test_values_stay_out_of_messages() -> None:
    secret = "4111 1111 1111 1111"
    body = changed(order(line("a", 1000)), "/line_items/0/quantity", [secret])
    finding = only_finding("order", body)
    assert secret not in finding.message


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'{"id":"\xff"}', b"[" * 100_000, b'{"id":"O1"} trailing', b"nul"],
    ids=range(7),
)
def test_bodies_that_are_no_json_are_malformed(body: bytes) -> None:
    assert only_finding("order", body) in (
        Finding("malformed_json", "", "the body is not JSON in UTF-8"),
        Finding("contract", "", 'the value is not of type "object"'),
    )


def test_the_gateways_malformed_events_and_unknown_kinds_are_kept() -> None:
    assert only_finding("malformed", b"\x00").code == "malformed_json"
    assert only_finding("bank_account.verified", {"data": {}}).code == "unknown_kind"


def test_thin_events_and_other_rooms_are_ignored() -> None:
    kinds = ("order.updated", "catalog.version.updated", "inventory.count.updated", "catalog_tax")
    found = decode(*((kind, {}) for kind in kinds))
    assert (found.ignored, found.rejected) == ((1, 2, 3, 4), ())


def test_an_unknown_store_names_its_location() -> None:
    finding = only_finding("order", order(line("a", 1000), location_id="L9"))
    assert (finding.code, finding.pointer) == ("unknown_store", "/location_id")


@pytest.mark.parametrize(
    ("currency", "code"),
    [("XXQ", "unknown_currency"), ("usd", "unknown_currency"), ("EUR", "currency_mismatch")],
)
def test_a_wrong_currency_is_found_wherever_it_is(currency: str, code: str) -> None:
    for path in ("/line_items/0/total_money", "/net_amounts/total_money"):
        body = changed(order(line("a", 1000)), f"{path}/currency", currency)
        finding = only_finding("order", body)
        assert (finding.code, finding.pointer) == (code, f"{path}/currency")


def test_a_spaced_body_in_the_right_currency_passes() -> None:
    body = msgspec.json.format(msgspec.json.encode(order(line("a", 1000))), indent=2)
    assert decode(("order", body)).rejected == ()


def test_an_unknown_tender_is_found_on_payments_refunds_and_sales() -> None:
    finding = only_finding("payment", payment("BAD", source_type="SHELLS"))
    assert (finding.code, finding.pointer) == ("unknown_tender", "/source_type")
    body = changed(order(line("a", 1000)), "/tenders/0/type", "SHELLS")
    finding = only_finding("order", body)
    assert (finding.code, finding.pointer) == ("unknown_tender", "/tenders/0/type")


def test_a_negative_total_without_a_return_is_found() -> None:
    body = order(line("a", 1000))
    body["net_amounts"]["total_money"] = money(-1000)
    finding = only_finding("order", body)
    assert (finding.code, finding.pointer) == ("negative_total", "/net_amounts/total_money/amount")


def test_totals_that_do_not_add_up_show_their_sums() -> None:
    """R-3.1: 10.00 + 0.89 is not 12.89, and two cents of one tax line are not rounding."""
    for off in (200, 2):
        body = order(line("a", 1000, tax=89))
        body["net_amounts"]["total_money"] = money(1089 + off)
        finding = only_finding("order", body)
        assert (finding.code, finding.pointer) == ("arithmetic", "/net_amounts/total_money/amount")
        assert "1089" in finding.message
        assert str(off) in finding.message


def test_the_vendors_tax_rounding_is_kept_with_a_warning() -> None:
    """R-4.4: by line 3.28, Square charged 3.27 on the order."""
    taxes = (133, 71, 62, 62)
    body = order(*(line(str(n), 1500, tax=tax) for n, tax in enumerate(taxes)))
    body["net_amounts"]["total_money"]["amount"] -= 1
    found = decode(("order", body))
    (sale,) = found.tables["sales"].to_pylist()
    assert (sale["tax_minor"], sale["total_minor"]) == (327, sale["source_total_minor"])
    assert sum(found.tables["sale_taxes"]["amount_minor"].to_pylist()) == 327
    assert sum(found.tables["sale_lines"]["tax_minor"].to_pylist()) == 327
    assert [one.findings[0].code for one in found.warnings] == ["arithmetic"]


@pytest.mark.parametrize(
    ("part", "where"),
    [
        (line("a", 500, discount=900), "total_money/amount"),
        (line("a", 1000) | {"gross_sales_money": money(999)}, "total_money/amount"),
        (line("a", 1000, discount=100) | {"applied_discounts": [
            {"uid": "x", "discount_uid": "d1", "applied_money": money(99)}]},
         "total_discount_money/amount"),
    ],
)  # fmt: skip
def test_a_line_that_contradicts_itself_is_found(part: Any, where: str) -> None:
    finding = only_finding("order", order(line("b", 5000), part))
    assert (finding.code, finding.pointer) == ("arithmetic", f"/line_items/1/{where}")


def test_a_return_line_that_contradicts_itself_is_found() -> None:
    bad = returned("a", 1000) | {"gross_return_money": money(1)}
    body = order(line("b", 5000), returns=[{"uid": "r", "return_line_items": [bad]}])
    assert (
        only_finding("order", body).pointer == "/returns/0/return_line_items/0/total_money/amount"
    )


def test_two_lines_of_one_uid_would_hide_one_and_are_refused() -> None:
    assert only_finding("order", order(line("a", 100), line("a", 200))).code == "contract"


def test_a_unit_price_beyond_its_column_is_found_not_wrapped() -> None:
    part = line("a", 1000) | {"base_price_money": money(10**13)}
    assert only_finding("order", order(part)).pointer == "/line_items/0/base_price_money/amount"


def test_a_closed_order_without_a_total_is_found() -> None:
    body = order(line("a", 1000))
    del body["net_amounts"], body["total_money"]
    assert only_finding("order", body).pointer == "/total_money"


def test_a_unit_cost_that_is_no_number_is_found() -> None:
    finding = only_finding("catalog_item", item("V1", cost="cheap"))
    assert finding.pointer.endswith("/custom_attribute_values/unit_cost/number_value")


def test_the_future_clock_of_a_till_is_a_warning_not_a_loss() -> None:
    found = decode(("payment", offline("O1", "2027-01-01T00:00:00Z")))
    assert found.rejected == ()
    (warned,) = found.warnings
    assert warned.findings[0].pointer == "/offline_payment_details/client_created_at"


def test_a_till_clock_far_behind_is_a_warning_and_dates_nothing() -> None:
    """R-2.5: nothing waits for weeks to be sent."""
    found = decode(("payment", offline("O1", "2026-10-01T00:00:00Z")))
    assert found.rejected == found.clocks == ()
    (warned,) = found.warnings
    assert warned.findings[0].pointer == "/offline_payment_details/client_created_at"
    (tender,) = found.tables["tenders"].to_pylist()
    assert tender["business_date"].isoformat() == "2026-11-21"


FAR = "2028-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("refund", {"id": "R1", "location_id": "L1", "status": "COMPLETED", "created_at": FAR,
                    "amount_money": money(1), "destination_type": "CASH"}),
        ("payout", payout() | {"created_at": FAR}),
    ],
    ids=["refund", "payout"],
)  # fmt: skip
def test_what_is_dated_ahead_of_its_arrival_waits(kind: str, body: Any) -> None:
    finding = only_finding(kind, body)
    assert (finding.code, finding.pointer) == ("clock_suspect", "/created_at")


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_an_instant_outside_the_calendar_is_a_finding(year: str) -> None:
    far = {"opened_at": f"{year}-01-01T00:00:00Z", "location_id": "L1", "id": "S1"}
    found = decode(("cash_shift", far | {"state": "CLOSED", "opened_cash_money": money(1)}))
    (rejected,) = found.rejected
    assert {one.code for one in rejected.findings} <= {"clock_suspect", "contract"}


def test_bytes_that_are_no_text_deep_in_an_unknown_field_are_a_finding() -> None:
    body = msgspec.json.encode(payment("P1", amount_money=money(1, "EUR")))
    found = decode(("payment", body[:-1] + b',"x":"\xff"}'))
    assert [one.findings[0].code for one in found.rejected] == ["malformed_json"]


@pytest.mark.parametrize("depth", [500, 900, 5_000])
def test_nesting_without_end_is_a_finding(depth: int) -> None:
    body = msgspec.json.encode(payment("P1", amount_money=money(1, "EUR")))
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    found = decode(("payment", body[:-1] + b',"x":' + deep + b"}"))
    assert len(found.rejected) == 1


def test_every_reader_has_a_published_schema() -> None:
    for reader in READERS.values():
        schema = schema_of(reader.kind)
        assert schema["$defs"]
    quantity = schema_of(READERS["order"].kind)["$defs"]["Line"]["properties"]["quantity"]
    assert quantity["pattern"].startswith("^")


def test_pointers_escape_what_json_pointer_escapes() -> None:
    assert pointer(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"
