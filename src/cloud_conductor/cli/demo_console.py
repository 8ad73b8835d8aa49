"""The demo goes on in the browser: something to do, a till to sell at, things to break.

Plants what the guide asks a person to settle, through the simulators' own doors as a person or a
vendor would; every figure on the screen is the product's own.
"""

import itertools
import os
import sys
import time
import uuid
import webbrowser
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from cloud_conductor.cli import planting
from cloud_conductor.cli.output import say
from cloud_conductor.cli.rehearsal import SQUARE_TOKEN, XERO_CLIENT, XERO_SECRET, Plan, Stage
from cloud_conductor.domain.errors import Transient
from cloud_conductor.inventory.movements import MILLION
from cloud_conductor.wiring.house import House, open_house

BAD_RECORDS = 3
PLANT_S_MAX = 60.0
POLL_S = 0.2
MORNING = tuple(timedelta(minutes=minutes) for minutes in (48, 41, 33, 27, 24, 13, 6))
"""How long before now the sales of this morning were rung up."""
OPENING_UNITS, OPENING_SPREAD = 12, 36
LATE_HOUR = clock_time(21, 0, tzinfo=UTC)
QUANTITY = "/line_items/0/quantity"
CARD = "cnon:card-nonce-ok"

DOCUMENTS = {
    "square": ("sale", "tender", "payout"),
    "xero": ("journal", "bank_receipt", "bank_spend"),
}

Json = dict[str, Any]


def show(plan: Plan, folder: Path, stage: Stage, wait: Callable[[], object]) -> None:
    """Set the scene, print the console's address, and stay until `wait` returns.

    Both simulators' clocks run on from the product's own, so that a sale of now is one of today.
    """
    with open_house(str(folder / "conductor.toml")) as house, Shop(stage) as shop:
        say(
            "putting three things on the table: a break, records in quarantine, an entry to approve"
        )
        shop.run_clocks(house.clock.now())
        guide = _set_the_scene(house, plan, stage, shop)
        note = house.state_dir / "run" / "demo.json"
        note.write_bytes(msgspec.json.encode(_about(stage, house.console_url, guide)))
        link = _link(house)
    say(f"console  {link}  (open it in a browser; it works once)")
    say(f"till     {stage.square}/sandbox/till/?console={link.rpartition('/login')[0]}")
    if _has_screen():
        webbrowser.open(link)
    wait()


def _link(house: House) -> str:
    """A one-time address for whoever runs the demo."""
    from cloud_conductor.governance import flow

    access = house.access_deps
    token = flow.make_link(access, "service:demo", flow.ensure_owner(access))
    return f"{house.console_url}/login?t={token}"


def _has_screen() -> bool:
    """A browser that opens a window; a terminal's own would take the terminal."""
    is_desktop = sys.platform in {"darwin", "win32"}
    return is_desktop or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _about(stage: Stage, console: str, guide: list[Json]) -> Json:
    """What the console is told about the demo (GET /api/v1/demo)."""
    return {
        "till_url": f"{stage.square}/sandbox/till/?console={console}",
        "square_url": stage.square,
        "xero_url": stage.xero,
        "faults_url": f"{stage.square}/sandbox/till/faults",
        "faults": httpx.get(f"{stage.square}/sandbox/till/faults").json()["faults"],
        "pages": {
            f"{vendor} {kind}": f"{url}/sandbox/pages/{{id}}"
            for vendor, url in (("square", stage.square), ("xero", stage.xero))
            for kind in DOCUMENTS[vendor]
        },
        "guide": guide,
    }


def _set_the_scene(house: House, plan: Plan, stage: Stage, shop: "Shop") -> list[Json]:
    """One break, one group in quarantine, one entry that waits; gives the three steps.

    And a morning that has begun: some sales, and goods on the shelves.
    """
    from cloud_conductor.pipelines import reconcile as comparing
    from cloud_conductor.wiring import errands

    store, now = str(stage.stores[0]["store"]), house.clock.now()
    shop.open_at(str(stage.stores[0]["location_id"]))
    shop.run_clocks(datetime.combine(plan.last_day, LATE_HOUR))
    shop.sell()
    for earlier in MORNING:
        shop.run_clocks(now - earlier)
        shop.sell()
    shop.run_clocks(now)
    for _ in range(BAD_RECORDS):
        shop.sell(spoiled=True)
    _until_taken(house)
    stock_shelves(house, plan.first_day)
    errands.run(house, "close", [plan.last_day])
    with planting.Ledger(stage.xero, XERO_CLIENT, XERO_SECRET) as ledger:
        ledger.plant("D03", store, plan.first_day.isoformat())
    comparing.reconcile(house.close_deps, [plan.first_day])
    return _guide(house, store, plan)


def stock_shelves(house: House, first_day: date) -> None:
    """An opening count of every store, made up for the demo and signed so, before its first sale.

    One product of the first store is left out: it sells without a delivery, and is seen below zero
    (R-11.3). The till tells no stock, so this comes through the door that people use.
    """
    from cloud_conductor.inventory import acts, flow
    from cloud_conductor.state import inventory

    flow.run_inventory(house.inventory_deps)
    for place, store in enumerate(house.stores):
        with house.worker.connect() as connection:
            rows = inventory.stock(connection, stores=[store.store])
            known = {row.sku for row in inventory.products(connection, limit=acts.LINES_MAX)}
        moved = dict.fromkeys(sorted(known), 0) | {row.sku: row.quantity for row in rows}
        if place == 0 and rows:
            del moved[max(rows, key=lambda row: (-row.quantity, row.sku)).sku]
        lines = [
            acts.Quantity(sku, opening_units(store.store, sku, quantity))
            for sku, quantity in sorted(moved.items())
        ]
        opened_at = store.day_interval(first_day)[0]
        for start in range(0, len(lines), acts.LINES_MAX):
            some = lines[start : start + acts.LINES_MAX]
            act_id = f"demo-opening-{store.store}-{start}"
            acts.count(house.inventory_deps, act_id, "service:demo", store.store, opened_at, some)


def opening_units(store: str, sku: str, moved: int) -> Decimal:
    """Whole units on a shelf before the demo: what went, and 12 to 47 more, the same every time.

    moved: in millionths, negative for what was sold.
    """
    more = zlib.crc32(f"{store}/{sku}".encode()) % OPENING_SPREAD
    return Decimal(OPENING_UNITS + more + max(0, -(moved // MILLION)))


def _until_taken(house: House) -> None:
    """Wait until the worker has taken in what was sold and put the bad records aside."""
    from cloud_conductor.conform import flow as conform

    deadline = time.monotonic() + PLANT_S_MAX
    while time.monotonic() < deadline:
        counts = conform.accounting_of_events(house.conform_deps).values()
        held = sum(count.quarantined for count in counts)
        if held >= BAD_RECORDS and not sum(count.pending for count in counts):
            return
        time.sleep(POLL_S)
    raise Transient("the worker did not take in the demo's sales", hint="conductor logs")


def _guide(house: House, store: str, plan: Plan) -> list[Json]:
    """The steps; `until` names the badge of the console that is empty when a step is done."""
    from cloud_conductor.state import accounting as books

    with house.books.connect() as connection:
        found = [
            row
            for row in books.current_breaks(connection, states=("open",))
            if row.store == store and row.business_date == plan.first_day.isoformat()
        ]
    break_id = found[0].break_id if found else ""
    return [
        {
            "n": 1,
            "title": "Somebody changed an entry in the ledger",
            "text": f"{store}, {plan.first_day:%-d %B}: follow the break, see both sides, accept it "
            "with a reason.",
            "ref": {"kind": "break", "id": break_id},
            "until": "reconcile",
        },
        {
            "n": 2,
            "title": f"{BAD_RECORDS} records wait in quarantine",
            "text": 'A quantity says "two". Mend one, and all with the same reason; watch them count.',
            "ref": {"kind": "quarantine", "id": None},
            "until": "quarantine",
        },
        {
            "n": 3,
            "title": "A late sale needs a second person",
            "text": f"It belongs to {plan.last_day:%-d %B}, which was posted. Approve its "
            "correction and see it in the ledger.",
            "ref": {"kind": "journals", "id": None, "query": {"state": "draft"}},
            "until": "journals",
        },
    ]


class Shop:
    """A cashier at the simulated seller, and the hands that set both simulators' clocks."""

    def __init__(self, stage: Stage) -> None:
        self._http = httpx.Client(
            base_url=stage.square,
            headers={"Authorization": f"Bearer {SQUARE_TOKEN}"},
            timeout=30,
        )
        self._clocks = (f"{stage.square}/sandbox/clock", f"{stage.xero}/sandbox/clock")
        self._location_id = ""
        self._items: Iterator[str] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def run_clocks(self, instant: datetime) -> None:
        """Both simulators show this instant and go on from it."""
        for clock in self._clocks:
            self._post(clock, {"now": instant.isoformat(), "scale": 1})

    def open_at(self, location_id: str) -> None:
        """Stand at a store's till, with everything of the catalogue that has a price."""
        self._location_id = location_id
        listed = self._http.get("/v2/catalog/list", params={"types": "ITEM"}).raise_for_status()
        self._items = itertools.cycle(
            variation["id"]
            for item in listed.json()["objects"]
            for variation in item["item_data"]["variations"]
            if variation["item_variation_data"].get("price_money")
        )

    def sell(self, *, spoiled: bool = False) -> None:
        """Ring up one thing, paid by card. spoiled: the vendor's JSON then names a bad quantity."""
        line = {"catalog_object_id": next(self._items), "quantity": "1"}
        asked = {"location_id": self._location_id, "line_items": [line]}
        key = uuid.uuid4().hex
        made = self._post("/v2/orders", {"idempotency_key": f"{key}-o", "order": asked})
        order = made["order"]
        if spoiled:
            wrong = {"order_id": order["id"], "pointer": QUANTITY, "value": "two"}
            self._post("/sandbox/corrupt", wrong)
        payment = {
            "idempotency_key": f"{key}-p",
            "source_id": CARD,
            "order_id": order["id"],
            "location_id": self._location_id,
            "amount_money": order["total_money"],
        }
        self._post("/v2/payments", payment)

    def _post(self, path: str, body: Json) -> Json:
        answer: Json = self._http.post(path, json=body).raise_for_status().json()
        return answer
