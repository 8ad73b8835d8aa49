"""Stock: physical counts, adjustments, transfers; counts are the sum of the changes (R-11.1)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from cloud_conductor.sandbox.square import paging
from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.money import decimal_of
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

UNTRACKED = frozenset({"NONE", "SOLD", "WASTE", "UNLINKED_RETURN", "CUSTOM"})
DETAILS = {"PHYSICAL_COUNT": "physical_count", "ADJUSTMENT": "adjustment", "TRANSFER": "transfer"}


def change(state: State, ask: Ask) -> Json:
    """POST /v2/inventory/changes/batch-create; `ignore_unchanged_counts` is always true here."""
    touched: dict[str, Json] = {}
    kept = []
    for wanted in ask.body.get("changes", []):
        kind = wanted.get("type")
        if kind not in DETAILS:
            raise invalid("INVALID_ENUM_VALUE", f"Type {kind} unknown.", "changes.type")
        details = dict(wanted.get(DETAILS[kind]) or {})
        variation = state.get("catalog", str(details.get("catalog_object_id")))
        details.setdefault("occurred_at", state.now())
        details["catalog_object_type"] = variation["type"]
        details |= {"id": state.new_id("inventory_changes"), "created_at": state.now()}
        touched |= _apply(state, kind, details)
        entry = {"type": kind, DETAILS[kind]: details}
        state.table("inventory_changes")[details["id"]] = entry
        kept.append(entry)
    counts = list(touched.values())
    _emit(state, counts)
    return {"counts": counts, "changes": kept}


def _apply(state: State, kind: str, details: Json) -> dict[str, Json]:
    """Move the counts by one change; gives the counts it touched."""
    quantity = decimal_of(details.get("quantity"), "changes.quantity")
    item = details["catalog_object_id"]
    moves: list[tuple[str, str, Fraction, bool]] = []
    if kind == "PHYSICAL_COUNT":
        moves.append((details["location_id"], details["state"], quantity, True))
    elif kind == "ADJUSTMENT":
        moves.append((details["location_id"], details["from_state"], -quantity, False))
        moves.append((details["location_id"], details["to_state"], quantity, False))
    else:
        moves.append((details["from_location_id"], details["state"], -quantity, False))
        moves.append((details["to_location_id"], details["state"], quantity, False))
    touched = {}
    for place, condition, amount, absolute in moves:
        if condition in UNTRACKED:
            continue
        key = f"{item}/{place}/{condition}"
        before = state.table("inventory_counts").get(key)
        start = Fraction(before["quantity"]) if before and not absolute else Fraction(0)
        touched[key] = state.table("inventory_counts")[key] = {
            "catalog_object_id": item,
            "catalog_object_type": "ITEM_VARIATION",
            "state": condition,
            "location_id": place,
            "quantity": _text(start + amount),
            "calculated_at": state.now(),
        }
    return touched


def _text(value: Fraction) -> str:
    """Decimal text with at most 5 places, as Square prints quantities."""
    scaled = round(value * 100_000)
    whole, rest = divmod(abs(scaled), 100_000)
    sign = "-" if scaled < 0 else ""
    return f"{sign}{whole}" + (f".{rest:05d}".rstrip("0") if rest else "")


def move_sold(state: State, order: Json) -> None:
    """Take what a completed order sold out of stock, and put what it returned back.

    Only for variations whose `track_inventory` is true.
    """
    counts: dict[str, Json] = {}
    sold = [(line, "IN_STOCK", "SOLD") for line in order.get("line_items", [])]
    returned = [
        (line, "UNLINKED_RETURN", "IN_STOCK")
        for entry in order.get("returns", [])
        for line in entry["return_line_items"]
    ]
    for line, from_state, to_state in [*sold, *returned]:
        variation = state.table("catalog").get(line.get("catalog_object_id", ""))
        if not variation or not variation["item_variation_data"].get("track_inventory"):
            continue
        details = {
            "id": state.new_id("inventory_changes"),
            "catalog_object_id": variation["id"],
            "catalog_object_type": "ITEM_VARIATION",
            "from_state": from_state,
            "to_state": to_state,
            "location_id": order["location_id"],
            "quantity": line["quantity"],
            "occurred_at": state.now(),
            "created_at": state.now(),
            "transaction_id": order["id"],
        }
        state.table("inventory_changes")[details["id"]] = {
            "type": "ADJUSTMENT",
            "adjustment": details,
        }
        counts |= _apply(state, "ADJUSTMENT", details)
    _emit(state, list(counts.values()))


def _emit(state: State, counts: list[Json]) -> None:
    if counts:
        data = {
            "type": "inventory_counts",
            "id": state.new_id("inventory_events"),
            "object": {"inventory_counts": counts},
        }
        state.emit("inventory.count.updated", data)


def counts(state: State, ask: Ask) -> Json:
    """POST /v2/inventory/counts/batch-retrieve: by variation, location, state, `updated_after`."""
    body = ask.body
    since = paging.instant_text(body.get("updated_after"), "updated_after")
    rows = [
        count
        for count in state.table("inventory_counts").values()
        if _chosen(count, body) and (since is None or count["calculated_at"] > since)
    ]
    given, cursor = paging.page(
        rows,
        key=lambda count: count["calculated_at"],
        identity=lambda c: f"{c['catalog_object_id']}/{c['location_id']}/{c['state']}",
        descending=False,
        limit=paging.limit_of(body.get("limit"), default=1000, largest=1000),
        cursor=body.get("cursor"),
    )
    return paging.answer("counts", given, cursor)


def _chosen(count: Json, body: Json) -> bool:
    return all(
        not body.get(names) or count.get(name) in body[names]
        for names, name in (
            ("catalog_object_ids", "catalog_object_id"),
            ("location_ids", "location_id"),
            ("states", "state"),
        )
    )


def changes(state: State, ask: Ask) -> Json:
    """POST /v2/inventory/changes/batch-retrieve."""
    body = ask.body
    since, until = (paging.instant_text(body.get(f"updated_{n}"), n) for n in ("after", "before"))
    rows = []
    for entry in state.table("inventory_changes").values():
        details = entry[DETAILS[entry["type"]]]
        wanted = {**body, "states": None}
        if (
            _chosen(details, wanted)
            and (not body.get("types") or entry["type"] in body["types"])
            and paging.within(details["created_at"], since, until)
        ):
            rows.append(entry)
    given, cursor = paging.page(
        rows,
        key=lambda entry: entry[DETAILS[entry["type"]]]["created_at"],
        identity=lambda entry: entry[DETAILS[entry["type"]]]["id"],
        descending=False,
        limit=paging.limit_of(body.get("limit"), default=1000, largest=1000),
        cursor=body.get("cursor"),
    )
    return paging.answer("changes", given, cursor)


ROUTES = (
    ("POST", "/v2/inventory/changes/batch-create", change),
    ("POST", "/v2/inventory/counts/batch-retrieve", counts),
    ("POST", "/v2/inventory/changes/batch-retrieve", changes),
)
