"""Orders: create, price, update, pay, search, and how payments and refunds settle them."""

from __future__ import annotations

from typing import Any

import msgspec

from cloud_conductor.sandbox.square import corrupt, paging, pricing, returns
from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.money import NICKEL_CURRENCIES, money, nickel
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

WRITABLE = (
    "reference_id",
    "source",
    "customer_id",
    "line_items",
    "taxes",
    "discounts",
    "service_charges",
    "metadata",
    "ticket_name",
    "pricing_options",
    "returns",
)
LOCATION_IDS_MAX = 10


def create(state: State, ask: Ask) -> Json:
    """POST /v2/orders.

    Beyond the public API: `order.returns` is accepted here (a real seller's returns are made only
    by Square's own point of sale). `[{source_order_id, return_line_items: [{source_line_item_uid,
    quantity}]}]`; with line items it is an exchange, without them a pure return, which
    POST /v2/refunds settles.
    """
    order = build(state, ask.body.get("order"))
    order["id"] = state.new_id("orders")
    order["version"] = 1
    order["created_at"] = order["updated_at"] = state.now()
    state.table("orders")[order["id"]] = order
    for entry in order.get("returns", []):
        if entry.get("source_order_id"):
            state.table("returns_of").setdefault(entry["source_order_id"], []).append(order["id"])
    emit(state, order, "created")
    return {"order": order}


def calculate(state: State, ask: Ask) -> Json:
    """POST /v2/orders/calculate: price without keeping."""
    return {"order": build(state, ask.body.get("order"))}


def build(state: State, wanted: Any) -> Json:
    """Price an order request; refuses what Square would refuse."""
    if not isinstance(wanted, dict):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "order")
    location = state.get("locations", str(wanted.get("location_id") or ""))
    order: Json = {"location_id": location["id"], "state": "OPEN", "source": {"name": "Sandbox"}}
    order |= {name: wanted[name] for name in WRITABLE if wanted.get(name)}
    order = msgspec.json.decode(msgspec.json.encode(order))
    if "returns" in order:
        order["returns"] = returns.requested(order["returns"])
    reprice(state, order, location)
    return order


def reprice(state: State, order: Json, location: Json) -> None:
    """Resolve the catalog into an order and write all its amounts."""
    currency = location["currency"]
    untaxed = _resolve_lines(state, order, currency)
    _resolve_adjustments(state, order)
    rules = pricing.Rules(currency, location["country"], frozenset(untaxed))
    pricing.price(order, rules)
    if order.get("returns"):
        returns.price_returns(
            state, order, currency, lambda entry: _sale_of(state, entry, location)
        )
    pricing.total(order, currency)


def _sale_of(state: State, entry: Json, location: Json) -> Json:
    """Price what comes back without a receipt as if it were sold now; the sale is not kept."""
    wanted = entry["return_line_items"]
    lines = [{"uid": f"back-{at}", **line} for at, line in enumerate(wanted, 1)]
    sale: Json = {"line_items": lines, "taxes": entry.pop("return_taxes")}
    sale = msgspec.json.decode(msgspec.json.encode(sale))
    reprice(state, sale, location)
    entry["return_line_items"] = [
        {"source_line_item_uid": line["uid"], "quantity": line["quantity"]} for line in lines
    ]
    return {**sale, "id": "", "state": "COMPLETED"}


def _resolve_lines(state: State, order: Json, currency: str) -> list[str]:
    """Fill lines from the catalog; gives the uids of lines whose item is not taxable."""
    untaxed = []
    for line in order.get("line_items", []):
        line.setdefault("uid", state.new_id("uid"))
        line.setdefault("item_type", "ITEM" if "catalog_object_id" in line else "CUSTOM_AMOUNT")
        if "catalog_object_id" in line:
            variation = state.get("catalog", line["catalog_object_id"])
            data = variation.get("item_variation_data")
            if data is None:
                raise invalid("INVALID_VALUE", "Not an item variation.", "catalog_object_id")
            item = state.get("catalog", data["item_id"])
            line.setdefault("catalog_version", variation["version"])
            line.setdefault("name", item["item_data"]["name"])
            line.setdefault("variation_name", data.get("name", ""))
            if "price_money" in data:
                line.setdefault("base_price_money", dict(data["price_money"]))
            if item["item_data"].get("is_taxable") is False:
                untaxed.append(line["uid"])
        if "base_price_money" not in line:
            raise invalid("MISSING_REQUIRED_PARAMETER", "Line without a price.", "base_price_money")
        line["base_price_money"].setdefault("currency", currency)
    return untaxed


def _resolve_adjustments(state: State, order: Json) -> None:
    """Fill taxes and discounts from the catalog and give each a uid, type and scope."""
    for tax in order.get("taxes", []):
        data = _catalog_data(state, tax, "tax_data")
        tax.setdefault("uid", state.new_id("uid"))
        tax.setdefault("type", data.get("inclusion_type", "ADDITIVE"))
        tax.setdefault("scope", "ORDER")
        for name in ("name", "percentage"):
            if name in data:
                tax.setdefault(name, data[name])
    for cut in order.get("discounts", []):
        data = _catalog_data(state, cut, "discount_data")
        cut.setdefault("uid", state.new_id("uid"))
        for name in ("name", "percentage", "amount_money"):
            if name in data:
                cut.setdefault(name, data[name])
        kind = "FIXED_PERCENTAGE" if "percentage" in cut else "FIXED_AMOUNT"
        cut.setdefault("type", data.get("discount_type", kind))
        cut.setdefault("scope", "ORDER")
    for charge in order.get("service_charges", []):
        charge.setdefault("uid", state.new_id("uid"))
        charge.setdefault("type", "CUSTOM")


def _catalog_data(state: State, entry: Json, name: str) -> Json:
    if "catalog_object_id" not in entry:
        return {}
    found = state.get("catalog", entry["catalog_object_id"])
    entry.setdefault("catalog_version", found["version"])
    data: Json = found.get(name, {})
    return data


def update(state: State, ask: Ask) -> Json:
    """PUT /v2/orders/{id}: sparse update of an open order; lines and the like merge by uid."""
    order = state.get("orders", ask.params["id"])
    change = ask.body.get("order") or {}
    if order["state"] != "OPEN":
        raise invalid("BAD_REQUEST", f"Order is {order['state']} and can not be updated.")
    if change.get("version", order["version"]) != order["version"]:
        raise invalid("CONFLICT", f"Version is {order['version']}.", "order.version")
    if change.get("state") == "CANCELED":
        if order.get("tenders"):
            raise invalid("BAD_REQUEST", "An order with tenders can not be canceled.")
        order["state"] = "CANCELED"
        order["closed_at"] = state.now()
    else:
        draft = msgspec.json.decode(msgspec.json.encode(order))
        for name in set(ask.body.get("fields_to_clear", [])) & set(WRITABLE):
            draft.pop(name, None)
        for name in WRITABLE:
            if name in change and name != "returns":
                draft[name] = _merge(draft.get(name), change[name])
        reprice(state, draft, state.get("locations", order["location_id"]))
        order.clear()
        order.update(draft)
    touch(state, order)
    return {"order": order}


def _merge(old: Any, new: Any) -> Any:
    """Merge lists of objects by uid; replace everything else."""
    if not isinstance(old, list) or not isinstance(new, list):
        return new
    by_uid = {entry["uid"]: entry for entry in old}
    merged = dict(by_uid)
    for entry in new:
        uid = entry.get("uid", f"new-{len(merged)}")
        merged[uid] = {**by_uid.get(uid, {}), **entry}
    return list(merged.values())


def round_for_cash(state: State, order: Json, amount: int) -> None:
    """Write a cash rounding if `amount` is what is due to the nearest coin (R-4.5)."""
    due = order["net_amount_due_money"]
    currency = due["currency"]
    if currency not in NICKEL_CURRENCIES or amount == due["amount"]:
        return
    if amount == nickel(due["amount"]):
        order["rounding_adjustment"] = {
            "uid": state.new_id("uid"),
            "name": "Cash rounding",
            "amount_money": money(amount - due["amount"], currency),
        }
        pricing.total(order, currency)


def touch(state: State, order: Json) -> None:
    """Make a new version of an order and say so."""
    order["version"] += 1
    order["updated_at"] = state.later(order["updated_at"])
    emit(state, order, "updated")


def emit(state: State, order: Json, verb: str) -> None:
    """Emit the thin `order.created` or `order.updated`."""
    name = f"order_{verb}"
    thin = {
        "created_at": order["created_at"],
        "location_id": order["location_id"],
        "order_id": order["id"],
        "state": order["state"],
        "version": order["version"] + corrupt.version_shift(state, order["id"]),
    }
    if verb == "updated":
        thin["updated_at"] = order["updated_at"]
    data = {"type": name, "id": order["id"], "object": {name: thin}}
    state.emit(f"order.{verb}", data, location_id=order["location_id"])


def get(state: State, ask: Ask) -> Json:
    """GET /v2/orders/{id}."""
    return {"order": corrupt.shown(state, state.get("orders", ask.params["id"]))}


def batch_retrieve(state: State, ask: Ask) -> Json:
    """POST /v2/orders/batch-retrieve: unknown ids are left out, as Square does."""
    wanted = ask.body.get("order_ids")
    if not wanted or not isinstance(wanted, list):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "order_ids")
    known = state.table("orders")
    place = ask.body.get("location_id")
    found = [known[one] for one in wanted if one in known]
    rows = [corrupt.shown(state, o) for o in found if place in {None, o["location_id"]}]
    return {"orders": rows} if rows else {}


def search(state: State, ask: Ask) -> Json:
    """POST /v2/orders/search: locations, state, times; newest first unless asked otherwise."""
    body = ask.body
    places = body.get("location_ids") or []
    if not places or len(places) > LOCATION_IDS_MAX:
        raise invalid("INVALID_VALUE", "Give 1 to 10 location ids.", "location_ids")
    query = body.get("query") or {}
    wanted = query.get("filter") or {}
    states = (wanted.get("state_filter") or {}).get("states") or []
    sort = query.get("sort") or {}
    field = sort.get("sort_field", "CREATED_AT").lower()
    times = {}
    for name, span in (wanted.get("date_time_filter") or {}).items():
        if name != field and sort:
            raise invalid("INVALID_SORT_ORDER", f"Sort by {name} to filter by it.", "query.sort")
        begin = paging.instant_text(span.get("start_at"), f"{name}.start_at")
        times[name] = (begin, paging.instant_text(span.get("end_at"), f"{name}.end_at"))
    rows = [
        order
        for order in state.table("orders").values()
        if order["location_id"] in places
        and (not states or order["state"] in states)
        and all(paging.within(order.get(n, ""), b, e) for n, (b, e) in times.items())
    ]
    given, cursor = paging.page(
        rows,
        key=lambda order: order.get(field, ""),
        identity=lambda order: order["id"],
        descending=sort.get("sort_order", "DESC") == "DESC",
        limit=paging.limit_of(body.get("limit"), default=500, largest=1000),
        cursor=body.get("cursor"),
    )
    if body.get("return_entries"):
        names = ("location_id", "version")
        entries = [{"order_id": o["id"], **{n: o[n] for n in names}} for o in given]
        return paging.answer("order_entries", entries, cursor)
    return paging.answer("orders", [corrupt.shown(state, o) for o in given], cursor)


def plant(state: State, ask: Ask) -> Json:
    """POST /sandbox/corrupt {order_id, pointer, value}: sandbox only, Square has no such thing.

    From now on the API serves that order with the value at the JSON pointer replaced and its
    version one higher, and `order.updated` says so. What the seller holds (GET /sandbox/dump)
    stays right.
    """
    order = state.get("orders", str(ask.body.get("order_id")))
    corrupt.add(state, order, ask.body.get("pointer"), ask.body.get("value"))
    order["updated_at"] = state.later(order["updated_at"])
    emit(state, order, "updated")
    return {"order": corrupt.shown(state, order)}


def custom(state: State, location: Json, amount: int, currency: str) -> Json:
    """Make the one-line order Square makes for a payment that names none."""
    line = {"name": "Custom Amount", "quantity": "1", "base_price_money": money(amount, currency)}
    wanted = {"location_id": location["id"], "line_items": [line]}
    order: Json = create(state, Ask({}, {"order": wanted}, {}))["order"]
    return order


def open_return_for(state: State, payment: Json, amount: int) -> Json | None:
    """Oldest open order with returns that a refund of `amount` of `payment` settles, if any."""
    for order_id in state.table("returns_of").get(payment["order_id"], []):
        order = state.get("orders", order_id)
        if order["state"] == "OPEN" and order["net_amount_due_money"]["amount"] == -amount:
            return order
    return None


ROUTES = (
    ("POST", "/v2/orders", create),
    ("POST", "/v2/orders/calculate", calculate),
    ("POST", "/v2/orders/batch-retrieve", batch_retrieve),
    ("POST", "/v2/orders/search", search),
    ("GET", "/v2/orders/{id}", get),
    ("PUT", "/v2/orders/{id}", update),
    ("POST", "/sandbox/corrupt", plant),
)
