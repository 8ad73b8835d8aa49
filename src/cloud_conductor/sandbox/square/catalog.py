"""The catalog: items, variations, categories, taxes, discounts; versions and deletions.

Square has no public field for what a unit cost the seller, so the sandbox's sellers keep it on the
ITEM_VARIATION as a custom attribute: `custom_attribute_values.unit_cost.number_value`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cloud_conductor.sandbox.square import paging
from cloud_conductor.sandbox.square.errors import SquareError, invalid, not_found
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

TYPES = (
    "ITEM",
    "ITEM_VARIATION",
    "CATEGORY",
    "TAX",
    "DISCOUNT",
    "MODIFIER_LIST",
    "MODIFIER",
    "PRICING_RULE",
    "PRODUCT_SET",
    "CUSTOM_ATTRIBUTE_DEFINITION",
    "MEASUREMENT_UNIT",
)
PAGE = 100


def batch_upsert(state: State, ask: Ask) -> Json:
    """POST /v2/catalog/batch-upsert: `#name` ids are new objects and may refer to each other."""
    wanted = [one for batch in ask.body.get("batches", []) for one in batch.get("objects", [])]
    kept, mapping = _upsert(state, wanted)
    body: Json = {"objects": kept, "updated_at": state.now()}
    if mapping:
        body["id_mappings"] = [
            {"client_object_id": name, "object_id": object_id}
            for name, object_id in mapping.items()
        ]
    return body


def upsert(state: State, ask: Ask) -> Json:
    """POST /v2/catalog/object."""
    if not isinstance(ask.body.get("object"), dict):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "object")
    kept, mapping = _upsert(state, [ask.body["object"]])
    mappings = [{"client_object_id": n, "object_id": i} for n, i in mapping.items()]
    return {"catalog_object": kept[0], **({"id_mappings": mappings} if mappings else {})}


def _upsert(state: State, wanted: list[Json]) -> tuple[list[Json], dict[str, str]]:
    """Keep objects; gives them as shown, and the ids of those that had only a client's name."""
    wanted = msgspec.json.decode(msgspec.json.encode(wanted))
    mapping: dict[str, str] = {}
    for one in _flat(wanted):
        if one.get("type") not in TYPES:
            raise invalid("INVALID_ENUM_VALUE", f"Type {one.get('type')} unknown.", "object.type")
        if str(one.get("id", "")).startswith("#"):
            mapping.setdefault(one["id"], state.new_id("catalog"))
        else:
            _check_version(state, one)
    version = _next_version(state)
    kept = []
    for one in wanted:
        resolved = _renamed(one, mapping)
        for nested in list(_flat([resolved])):
            _keep(state, nested, version)
        kept.append(resolved["id"])
    _emit(state)
    return [shown(state, state.table("catalog")[object_id]) for object_id in kept], mapping


def _flat(objects: Iterable[Json]) -> Iterable[Json]:
    """Objects and the variations nested in them."""
    for one in objects:
        yield one
        yield from one.get("item_data", {}).get("variations", [])


def _check_version(state: State, one: Json) -> None:
    """Refuse an update of something unknown or based on an old version."""
    known = state.table("catalog").get(one.get("id", ""))
    if known is None:
        raise not_found("Catalog object", str(one.get("id")))
    if one.get("version") != known["version"]:
        raise SquareError(
            409, "INVALID_REQUEST_ERROR", "CONFLICT", f"Version of {one['id']} is not current."
        )


def _renamed(value: Any, mapping: dict[str, str]) -> Any:
    """Copy a value with client names replaced by ids."""
    if isinstance(value, dict):
        return {name: _renamed(part, mapping) for name, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, mapping) for part in value]
    return mapping.get(value, value) if isinstance(value, str) else value


def _keep(state: State, one: Json, version: int) -> None:
    """Write one object; variations are kept on their own and shown inside their item."""
    if one["type"] == "ITEM":
        for ordinal, variation in enumerate(one.get("item_data", {}).pop("variations", [])):
            data = variation.setdefault("item_variation_data", {})
            data.setdefault("item_id", one["id"])
            data.setdefault("ordinal", ordinal)
    if one["type"] == "ITEM_VARIATION":
        data = one["item_variation_data"]
        siblings = state.table("variations_of").setdefault(data.get("item_id", ""), [])
        if one["id"] not in siblings:
            siblings.append(one["id"])
        data.setdefault(
            "pricing_type", "FIXED_PRICING" if "price_money" in data else "VARIABLE_PRICING"
        )
    if one["type"] == "TAX":
        tax = one["tax_data"]
        tax.setdefault("calculation_phase", "TAX_SUBTOTAL_PHASE")
        tax.setdefault("inclusion_type", "ADDITIVE")
        tax.setdefault("enabled", True)
    one |= {"version": version, "updated_at": state.now(), "is_deleted": False}
    one.setdefault("present_at_all_locations", True)
    state.table("catalog")[one["id"]] = one


def _next_version(state: State) -> int:
    """Version of the whole catalog after this write: milliseconds, always rising."""
    now_ms = int(state.instant().timestamp() * 1000)
    version = max(now_ms, state.counters.get("catalog_version", 0) + 1)
    state.counters["catalog_version"] = version
    return version


def _emit(state: State) -> None:
    changed = {"catalog_version": {"updated_at": state.now()}}
    state.emit("catalog.version.updated", {"type": "catalog", "object": changed})


def shown(state: State, one: Json) -> Json:
    """Give an object as the API shows it: an item with its variations inside."""
    if one["type"] != "ITEM":
        return one
    known = state.table("catalog")
    nested = [known[v] for v in state.table("variations_of").get(one["id"], [])]
    living = [variation for variation in nested if not variation["is_deleted"]]
    return {**one, "item_data": {**one["item_data"], "variations": living}}


def make_reward_rule(state: State, name: str, discount: Json) -> Json:
    """Make the DISCOUNT and PRICING_RULE of a loyalty reward; gives the rule."""
    kind = "FIXED_PERCENTAGE" if "percentage" in discount else "FIXED_AMOUNT"
    cut = {"name": name, "discount_type": kind, **discount}
    kept, _ = _upsert(
        state,
        [
            {"type": "DISCOUNT", "id": "#discount", "discount_data": cut},
            {
                "type": "PRICING_RULE",
                "id": "#rule",
                "pricing_rule_data": {"name": name, "discount_id": "#discount"},
            },
        ],
    )
    return kept[1]


def get(state: State, ask: Ask) -> Json:
    """GET /v2/catalog/object/{id}."""
    found = state.get("catalog", ask.params["id"])
    if found["is_deleted"]:
        raise not_found("Catalog object", ask.params["id"])
    return {"object": shown(state, found)}


def delete(state: State, ask: Ask) -> Json:
    """DELETE /v2/catalog/object/{id}: the object stays, marked deleted; variations go with items."""
    found = state.get("catalog", ask.params["id"])
    version, gone = _next_version(state), [found["id"]]
    gone += state.table("variations_of").get(found["id"], [])
    for object_id in gone:
        one = state.table("catalog")[object_id]
        one |= {"is_deleted": True, "version": version, "updated_at": state.now()}
    _emit(state)
    return {"deleted_object_ids": gone, "deleted_at": state.now()}


def listing(state: State, ask: Ask) -> Json:
    """GET /v2/catalog/list?types=A,B: living objects only."""
    types = [kind for kind in ask.query.get("types", "").upper().split(",") if kind]
    rows = [
        one
        for one in state.table("catalog").values()
        if not one["is_deleted"] and (not types or one["type"] in types)
    ]
    return _page(state, rows, "objects", PAGE, ask.query.get("cursor"))


def search(state: State, ask: Ask) -> Json:
    """POST /v2/catalog/search: by type and `begin_time` (updated after it, exclusive)."""
    body = ask.body
    types = body.get("object_types") or []
    begin = paging.instant_text(body.get("begin_time"), "begin_time")
    exact = (body.get("query") or {}).get("exact_query")
    rows = [
        one
        for one in state.table("catalog").values()
        if (not types or one["type"] in types)
        and (body.get("include_deleted_objects") or not one["is_deleted"])
        and (begin is None or one["updated_at"] > begin)
        and (exact is None or _attribute(one, exact["attribute_name"]) == exact["attribute_value"])
    ]
    limit = paging.limit_of(body.get("limit"), default=100, largest=1000)
    latest = max((one["updated_at"] for one in state.table("catalog").values()), default=None)
    found = _page(state, rows, "objects", limit, body.get("cursor"))
    return {**found, **({"latest_time": latest} if latest else {})}


def _attribute(one: Json, name: str) -> Any:
    return next((v[name] for k, v in one.items() if k.endswith("_data") and name in v), None)


def _page(state: State, rows: list[Json], name: str, limit: int, cursor: str | None) -> Json:
    given, following = paging.page(
        rows,
        key=lambda one: one["updated_at"],
        identity=lambda one: one["id"],
        descending=False,
        limit=limit,
        cursor=cursor,
    )
    return paging.answer(name, [shown(state, one) for one in given], following)


def batch_retrieve(state: State, ask: Ask) -> Json:
    """POST /v2/catalog/batch-retrieve; related items, categories and taxes on request."""
    known = state.table("catalog")
    found = [known[one] for one in ask.body.get("object_ids", []) if one in known]
    found = [o for o in found if ask.body.get("include_deleted_objects") or not o["is_deleted"]]
    body: Json = {"objects": [shown(state, one) for one in found]} if found else {}
    if ask.body.get("include_related_objects"):
        wanted = dict.fromkeys(name for one in found for name in _related(known, one))
        related = [shown(state, known[name]) for name in wanted if name in known]
        if related:
            body["related_objects"] = related
    return body


def _related(known: dict[str, Any], one: Json) -> list[str]:
    """Ids of the item of a variation, and of the categories and taxes of an item."""
    item_id = one.get("item_variation_data", {}).get("item_id")
    item = known.get(item_id, one) if item_id else one
    data = item.get("item_data", {})
    categories = [entry["id"] for entry in data.get("categories", [])]
    return [*([item_id] if item_id else []), *categories, *data.get("tax_ids", [])]


ROUTES = (
    ("POST", "/v2/catalog/batch-upsert", batch_upsert),
    ("POST", "/v2/catalog/object", upsert),
    ("GET", "/v2/catalog/object/{id}", get),
    ("DELETE", "/v2/catalog/object/{id}", delete),
    ("GET", "/v2/catalog/list", listing),
    ("POST", "/v2/catalog/search", search),
    ("POST", "/v2/catalog/batch-retrieve", batch_retrieve),
)
