"""Columns of a chunk of plain orders are the rows that each order gives one by one."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.domain.events import Event
from cloud_conductor.ports.pos import Decoded
from conform_events import event, store
from square_payloads import TAX, line, money, order

SCALAR = {"rounding_adjustment": {"uid": "r", "amount_money": money(0)}}
"""Changes nothing, and keeps an order from being a plain one."""
WHOLE = ("version_digest", "raw_sha256")
INCLUSIVE = {"uid": "t2", "name": "VAT", "type": "INCLUSIVE", "percentage": "20"}
OFF = {"uid": "d2", "name": "Loyalty price", "type": "FIXED_AMOUNT"}

amounts = st.integers(0, 5_000)


@st.composite
def lines(draw: st.DrawFn, number: int) -> Any:
    gross, tax = draw(amounts), draw(st.one_of(st.just(0), st.integers(0, 99)))
    found = line(f"L{number}", gross, discount=min(draw(amounts), gross), tax=tax)
    found["quantity"] = draw(st.sampled_from(["1", "2", "0.5", "12.345", "1e3", "-1"]))
    found["item_type"] = draw(st.sampled_from(["ITEM", "ITEM", "CUSTOM_AMOUNT", "GIFT_CARD"]))
    if tax and draw(st.booleans()):
        found["applied_taxes"][0]["tax_uid"] = draw(st.sampled_from(["t2", "unknown"]))
    if found.get("applied_discounts") and draw(st.booleans()):
        whole = found["applied_discounts"][0]["applied_money"]["amount"]
        shares = [("d1", whole // 2), (draw(st.sampled_from(["d1", "d2"])), whole - whole // 2)]
        found["applied_discounts"] = [
            {"uid": f"c{n}", "discount_uid": uid, "applied_money": money(amount)}
            for n, (uid, amount) in enumerate(shares)
        ]
    wrong = draw(st.sampled_from(["", "", "", "", "gross", "tax", "discount", "uid", "charge"]))
    if wrong in {"gross", "tax", "discount"}:
        name = {"gross": "gross_sales_money"}.get(wrong, f"total_{wrong}_money")
        found[name]["amount"] += 1
    elif wrong == "uid":
        found["uid"] = "L0"
    elif wrong == "charge":
        found["total_service_charge_money"] = money(1)
    return found


@st.composite
def orders(draw: st.DrawFn, name: str) -> Any:
    some = [draw(lines(number)) for number in range(draw(st.integers(0, 4)))]
    found = order(*some, name=name, tip=draw(st.sampled_from([0, 0, 150])))
    found["taxes"] = [TAX, INCLUSIVE]
    found["discounts"].append(OFF)
    off_by = draw(st.sampled_from([0, 0, 0, 1, 7]))
    found["net_amounts"]["total_money"]["amount"] += off_by
    if draw(st.booleans()) and "tenders" in found:
        found["tenders"][0]["type"] = draw(st.sampled_from(["CASH", "NO_SALE", "BARTER"]))
    if draw(st.booleans()):
        found["closed_at"] = "2026-11-22T03:59:59.999Z"
    return found


def decoded(bodies: list[Any]) -> Decoded:
    events = []
    for seq, body in enumerate(bodies, 1):
        new = event("order", body)
        fields = {name: getattr(new, name) for name in new.__struct_fields__}
        events.append(Event(seq=seq, **fields))
    return SquareDecoder().decode(events, {"L1": store()}, {})


@given(st.data())
def test_a_chunk_of_plain_orders_gives_the_rows_they_give_one_by_one(data: st.DataObject) -> None:
    bodies = [data.draw(orders(f"O{number}")) for number in range(data.draw(st.integers(1, 6)))]
    plain = decoded(bodies)
    scalar = decoded([json.loads(json.dumps(body)) | SCALAR for body in bodies])
    assert plain.rejected == scalar.rejected
    assert plain.warnings == scalar.warnings
    assert plain.tables.keys() == scalar.tables.keys()
    for name, table in plain.tables.items():
        assert table.drop_columns(WHOLE).equals(scalar.tables[name].drop_columns(WHOLE)), name
