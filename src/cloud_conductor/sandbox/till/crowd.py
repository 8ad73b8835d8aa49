"""A crowd at the tills: sales rung up through the seller's own API as fast as a busy day's."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Call = Callable[[str, str, Json | None], Json]

SALES_PER_S = 20.0
STAYS_S = 60.0
LINES_MAX = 3


class Crowd:
    """Rings up sales in a thread of its own until it is sent away or has stayed its time.

    square: one API call of the seller. sales_per_s: the aim; a slow machine rings up fewer.
    """

    def __init__(
        self,
        square: Call,
        *,
        seed: int = 0,
        sales_per_s: float = SALES_PER_S,
        stays_s: float = STAYS_S,
    ) -> None:
        self.sales = 0
        self._square = square
        self._dice = random.Random(seed)
        self._pause_s, self._stays_s = 1 / sales_per_s, stays_s
        self._gone = threading.Event()
        self._thread: threading.Thread | None = None
        self._round = 0

    @property
    def is_here(self) -> bool:
        """Whether sales are being rung up now."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Let them in; nothing when they are here already."""
        if self.is_here:
            return
        self._gone.clear()
        self._round += 1
        self._thread = threading.Thread(target=self._shop, name="crowd", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send them home and wait until the last has paid."""
        self._gone.set()
        if self._thread is not None:
            self._thread.join()

    def _shop(self) -> None:
        places, goods = self._places(), self._goods()
        until = time.monotonic() + self._stays_s
        while places and goods and time.monotonic() < until:
            began = time.monotonic()
            self._ring_up(self._dice.choice(places), goods)
            if self._gone.wait(max(0.0, self._pause_s - (time.monotonic() - began))):
                return

    def _places(self) -> list[tuple[str, list[Json]]]:
        """Each location that has sold something, with the taxes its last ticket named."""
        found = []
        for place in self._square("GET", "/v2/locations", None).get("locations", []):
            wanted = {"location_ids": [place["id"]], "limit": 50, "query": {"sort": _NEWEST}}
            orders = self._square("POST", "/v2/orders/search", wanted).get("orders", [])
            taxes: list[Json] = next((one["taxes"] for one in orders if one.get("taxes")), [])
            asked = [
                {"uid": f"tax-{n}", "catalog_object_id": tax["catalog_object_id"], "scope": "ORDER"}
                for n, tax in enumerate(taxes)
                if "catalog_object_id" in tax
            ]
            found.append((str(place["id"]), asked))
        return found

    def _goods(self) -> list[str]:
        """Catalogue ids of everything with a fixed price."""
        listed = self._square("GET", "/v2/catalog/list?types=ITEM", None).get("objects", [])
        return [
            str(variation["id"])
            for item in listed
            for variation in item["item_data"].get("variations", [])
            if variation["item_variation_data"].get("price_money")
        ]

    def _ring_up(self, place: tuple[str, list[Json]], goods: list[str]) -> None:
        location_id, taxes = place
        self.sales += 1
        key = f"crowd-{self._round}-{self.sales}"
        chosen = self._dice.sample(goods, k=min(len(goods), self._dice.randint(1, LINES_MAX)))
        lines = [{"catalog_object_id": one, "quantity": "1"} for one in chosen]
        wanted = {"location_id": location_id, "line_items": lines, "taxes": taxes}
        body = {"idempotency_key": f"{key}-o", "order": wanted}
        order = self._square("POST", "/v2/orders", body)["order"]
        payment = {
            "idempotency_key": f"{key}-p",
            "source_id": self._dice.choice(("cnon:card-nonce-ok", "CASH")),
            "order_id": order["id"],
            "location_id": location_id,
            "amount_money": order["total_money"],
        }
        if payment["source_id"] == "CASH":
            payment["cash_details"] = {"buyer_supplied_money": order["total_money"]}
        self._square("POST", "/v2/payments", payment)


_NEWEST = {"sort_field": "CREATED_AT", "sort_order": "DESC"}
