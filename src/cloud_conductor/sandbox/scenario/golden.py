"""The golden day: store NYC01 on 2026-11-21 as the domain guide writes it down, to the cent.

Played through Square's API with every instant set, so that the same seed gives the same objects.
The point of sale charges one combined "NYC sales tax" of 8.875 %; who gets which part of it
(STATE 4.000, CITY 4.500, DISTRICT 0.375) is the product's job (R-10.1) and the truth's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cloud_conductor.sandbox.scenario.truth import Store, truth_of

Json = dict[str, Any]
Call = Callable[[str, str, Json | None], Json]

ZONE = ZoneInfo("America/New_York")
CUTOFF = "04:00"
TAX = "NYC sales tax"
SPLIT = {"STATE": "4.000", "CITY": "4.500", "DISTRICT": "0.375"}
GOODS = {  # key: (name, category, price, unit cost), dollars
    "scarf": ("Wool scarf", "Apparel", "25.00", "10.50"),
    "shirt": ("Linen shirt", "Apparel", "19.99", "8.40"),
    "trousers": ("Work trousers", "Apparel", "29.99", "12.60"),
    "candle": ("Beeswax candle", "Home", "15.50", "6.20"),
    "vase": ("Stoneware vase", "Home", "35.00", "14.00"),
    "lamp": ("Desk lamp", "Home", "40.00", "16.00"),
    "tray": ("Serving tray", "Home", "22.00", "8.80"),
    "oil": ("Olive oil", "Grocery", "7.99", "4.30"),
    "basket": ("Grocery basket", "Grocery", "40.00", "21.00"),
    "lunch": ("Lunch plate", "Café", "12.40", "3.10"),
    "coffee": ("Coffee and cake", "Café", "8.00", "2.00"),
}


def play(square: Call, set_clock: Callable[[datetime], None]) -> Json:
    """Play both days into a seller and give their truth (schema `sandbox.truth/v1`).

    square: one API call (method, path, body) -> answer. set_clock: sets the seller's clock.
    """
    day = _Day(square, set_clock)
    day.set_up()
    day.friday()
    day.saturday_morning()
    day.saturday_afternoon()
    day.saturday_evening()
    day.monday()
    store = Store("NYC01", day.location_id, ZONE.key, CUTOFF, "USD", {TAX: SPLIT})
    return truth_of(square("GET", "/sandbox/dump", None), [store], scenario="golden")


def at(text: str) -> datetime:
    """Instant of a local time in New York, `MM-DD HH:MM` of 2026."""
    return datetime.fromisoformat(f"2026-{text.replace(' ', 'T')}:00").replace(tzinfo=ZONE)


def cents(dollars: str) -> int:
    """Minor units of a decimal text with two places."""
    whole, _, part = dollars.partition(".")
    return int(whole) * 100 + int(part)


def usd(minor: int) -> Json:
    """Money of so many cents."""
    return {"amount": minor, "currency": "USD"}


class _Day:
    """The store while it trades."""

    def __init__(self, square: Call, set_clock: Callable[[datetime], None]) -> None:
        self._square, self._set_clock = square, set_clock
        self.location_id = ""
        self._ids: dict[str, str] = {}
        self._keys = 0

    def _post(self, path: str, body: Json) -> Json:
        return self._square("POST", path, body)

    def _keyed(self, path: str, body: Json) -> Json:
        """Write with an idempotency key of its own."""
        self._keys += 1
        return self._post(path, {"idempotency_key": f"golden-{self._keys:03d}", **body})

    def set_up(self) -> None:
        """Make the location, catalog and loyalty program, the morning before."""
        self._set_clock(at("11-20 08:00"))
        wanted = {"name": "NYC01", "timezone": ZONE.key, "country": "US", "currency": "USD"}
        self.location_id = self._post("/v2/locations", {"location": wanted})["location"]["id"]
        tax = {"name": TAX, "percentage": "8.875", "inclusion_type": "ADDITIVE", "enabled": True}
        objects: list[Json] = [{"type": "TAX", "id": "#tax", "tax_data": tax}]
        names = dict.fromkeys(category for _, category, _, _ in GOODS.values())
        objects += [
            {"type": "CATEGORY", "id": f"#{name}", "category_data": {"name": name}}
            for name in names
        ]
        objects += [_item(key, *good) for key, good in GOODS.items()]
        made = self._keyed("/v2/catalog/batch-upsert", {"batches": [{"objects": objects}]})
        for pair in made["id_mappings"]:
            self._ids[pair["client_object_id"].removeprefix("#")] = pair["object_id"]
        tier = {"name": "5.00 off", "points": 100, "discount": {"amount_money": usd(500)}}
        program = self._post("/sandbox/loyalty/programs", {"reward_tiers": [tier]})["program"]
        self._ids["tier"] = program["reward_tiers"][0]["id"]
        member: Json = {"program_id": program["id"], "mapping": {"phone_number": "+12125550142"}}
        account = self._keyed("/v2/loyalty/accounts", {"loyalty_account": member})
        self._ids["member"] = account["loyalty_account"]["id"]
        points = {"adjust_points": {"points": 150, "reason": "welcome"}}
        self._keyed(f"/v2/loyalty/accounts/{self._ids['member']}/adjust", points)

    def _order(self, *lines: Json, **extra: Any) -> Json:
        """Open a ticket; every line is taxed unless its item is exempt."""
        order: Json = {"location_id": self.location_id, "line_items": list(lines), **extra}
        if lines:
            order["taxes"] = [
                {"uid": "tax", "catalog_object_id": self._ids["tax"], "scope": "ORDER"}
            ]
        made: Json = self._keyed("/v2/orders", {"order": order})["order"]
        return made

    def _line(self, key: str, quantity: str = "1") -> Json:
        return {"uid": key, "catalog_object_id": self._ids[f"{key}-v"], "quantity": quantity}

    def _pay(
        self, order: Json, amount: int, source: str = "cnon:card-nonce-ok", **more: Any
    ) -> Json:
        """Take one tender; gives the payment."""
        body: Json = {
            "source_id": source,
            "order_id": order["id"],
            "location_id": self.location_id,
            "amount_money": usd(amount),
            **more,
        }
        made: Json = self._keyed("/v2/payments", body)["payment"]
        return made

    def _cash(self, order: Json, amount: int, given: int) -> None:
        self._pay(order, amount, "CASH", cash_details={"buyer_supplied_money": usd(given)})

    def friday(self) -> None:
        """2026-11-20: S1 and S2, and PO0 after the 17:00 Pacific cut with S1 only."""
        self._set_clock(at("11-20 15:00"))
        cut = {"uid": "ten", "name": "10 % off", "percentage": "10", "scope": "ORDER"}
        s1 = self._order(self._line("scarf"), discounts=[cut])
        self._ids["s1"] = s1["id"]
        self._ids["s1-payment"] = self._pay(s1, 2450)["id"]
        self._set_clock(at("11-20 20:15"))
        self._payout(until=at("11-20 20:00"))
        self._set_clock(at("11-20 20:30"))
        self._pay(self._order(self._line("basket")), 4000)

    def _payout(self, until: datetime) -> None:
        body = {"location_id": self.location_id, "until": until.isoformat()}
        self._post("/sandbox/payouts", body)

    def saturday_morning(self) -> None:
        """Drawer, O1, O2, O3."""
        self._set_clock(at("11-21 09:00"))
        opened = {"location_id": self.location_id, "opened_cash_money": usd(20000)}
        shift = self._post("/sandbox/cash-drawers/shifts", opened)["cash_drawer_shift"]
        self._ids["shift"] = shift["id"]
        self._set_clock(at("11-21 10:05"))
        cut = {"uid": "ten", "name": "10 % off", "percentage": "10", "scope": "ORDER"}
        o1 = self._order(self._line("scarf", "2"), self._line("candle"), discounts=[cut])
        self._pay(o1, 6418)
        self._set_clock(at("11-21 11:30"))
        o2 = self._order(self._line("oil"), self._line("shirt"))
        self._ids["o2"] = o2["id"]
        self._cash(o2, 2975, 3000)
        self._set_clock(at("11-21 12:15"))
        self._pay(self._order(self._line("lunch")), 1350, tip_money=usd(250))

    def saturday_afternoon(self) -> None:
        """O4 gift card sold, O5 split tender, O6 refund, O7 exchange, O8 alteration charge."""
        self._set_clock(at("11-21 13:00"))
        self._sell_gift_card(5000)
        self._set_clock(at("11-21 14:20"))
        o5 = self._order(self._line("vase"))
        self._pay(o5, 2000, self._ids["gift"])
        self._cash(o5, 1811, 2000)
        self._drawer("PAID_OUT", 1200, "window cleaner", at("11-21 14:45"))
        self._set_clock(at("11-21 15:00"))
        self._order(returns=[_return(self._ids["s1"], "scarf")])
        refund = {
            "payment_id": self._ids["s1-payment"],
            "amount_money": usd(2450),
            "reason": "Returned goods",
        }
        self._keyed("/v2/refunds", refund)
        self._set_clock(at("11-21 16:00"))
        o7 = self._order(self._line("trousers"), returns=[_return(self._ids["o2"], "shirt")])
        self._pay(o7, 1089)
        self._set_clock(at("11-21 17:00"))
        charge = {
            "uid": "alteration",
            "name": "Alteration",
            "amount_money": usd(500),
            "calculation_phase": "SUBTOTAL_PHASE",
            "taxable": True,
        }
        self._pay(self._order(self._line("lamp"), service_charges=[charge]), 4899)

    def _sell_gift_card(self, amount: int) -> None:
        """O4: the card is a line, its payment a card payment, its balance an activity."""
        line = {
            "uid": "gift",
            "name": "Gift card",
            "quantity": "1",
            "item_type": "GIFT_CARD",
            "base_price_money": usd(amount),
        }
        o4 = self._order(line)
        self._pay(o4, amount)
        wanted = {"location_id": self.location_id, "gift_card": {"type": "DIGITAL"}}
        self._ids["gift"] = self._keyed("/v2/gift-cards", wanted)["gift_card"]["id"]
        activity = {
            "type": "ACTIVATE",
            "location_id": self.location_id,
            "gift_card_id": self._ids["gift"],
            "activate_activity_details": {"order_id": o4["id"], "line_item_uid": "gift"},
        }
        self._keyed("/v2/gift-cards/activities", {"gift_card_activity": activity})

    def _drawer(self, kind: str, amount: int, description: str, instant: datetime) -> None:
        self._set_clock(instant)
        event = {"event_type": kind, "event_money": usd(amount), "description": description}
        self._post(f"/sandbox/cash-drawers/shifts/{self._ids['shift']}/events", event)

    def saturday_evening(self) -> None:
        """O9 voided, a no-sale, O11 with a reward, O10 after midnight, drawer counted."""
        self._set_clock(at("11-21 18:10"))
        line = {"name": "Gift basket", "quantity": "1", "base_price_money": usd(8400)}
        o9 = self._order(line)
        cancelled = {"version": o9["version"], "state": "CANCELED", "location_id": self.location_id}
        self._square("PUT", f"/v2/orders/{o9['id']}", {"order": cancelled})
        self._drawer("NO_SALE", 0, "", at("11-21 18:12"))
        self._set_clock(at("11-21 21:10"))
        o11 = self._order(self._line("tray"))
        reward = {
            "loyalty_account_id": self._ids["member"],
            "reward_tier_id": self._ids["tier"],
            "order_id": o11["id"],
        }
        self._keyed("/v2/loyalty/rewards", {"reward": reward})
        self._pay(o11, 1851)
        self._set_clock(at("11-22 01:30"))
        self._cash(self._order(self._line("coffee")), 871, 871)
        self._set_clock(at("11-22 02:15"))
        counted = {"closed_cash_money": usd(24407)}
        self._post(f"/sandbox/cash-drawers/shifts/{self._ids['shift']}/close", counted)

    def monday(self) -> None:
        """2026-11-23: PO1 with everything up to Saturday's 17:00 Pacific cut, so without O11."""
        self._set_clock(at("11-23 10:00"))
        self._payout(until=at("11-21 20:00"))


def _item(key: str, name: str, category: str, price: str, cost: str) -> Json:
    """Item with its one variation; groceries are exempt, the unit cost is a custom attribute."""
    unit_cost = {"key": "unit_cost", "name": "Unit cost", "type": "NUMBER", "number_value": cost}
    variation = {
        "type": "ITEM_VARIATION",
        "id": f"#{key}-v",
        "custom_attribute_values": {"unit_cost": unit_cost},
        "item_variation_data": {
            "name": "Regular",
            "sku": f"{category[:3].upper().replace('É', 'E')}-{cents(price):05d}",
            "pricing_type": "FIXED_PRICING",
            "price_money": usd(cents(price)),
        },
    }
    data = {
        "name": name,
        "is_taxable": category != "Grocery",
        "tax_ids": [] if category == "Grocery" else ["#tax"],
        "categories": [{"id": f"#{category}"}],
        "reporting_category": {"id": f"#{category}"},
        "variations": [variation],
    }
    return {"type": "ITEM", "id": f"#{key}", "item_data": data}


def _return(source_order_id: str, line: str) -> Json:
    """Return of one unit of a line, named by its key."""
    lines = [{"source_line_item_uid": line, "quantity": "1"}]
    return {"source_order_id": source_order_id, "return_line_items": lines}
