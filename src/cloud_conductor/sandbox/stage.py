"""Both simulators and one scenario in one process, played on command.

    python -m cloud_conductor.sandbox.stage '{"scenario": "golden", "folder": "..."}'

One JSON object a line on stdout; one word a line on stdin:

| stdout                                              | then it waits for                       |
| --------------------------------------------------- | --------------------------------------- |
| {"event": "ready", "square", "xero", "stores": ...}  | `go`: the stores are open, sales may begin |
| {"event": "progress", "calls": N}                    | nothing                                 |
| {"event": "played", "calls": N}                      | `dump`: writes square.json and xero.json |
| {"event": "dumped", "struck"}                        | `quit`, or the end of stdin             |

truth.json is written when the scenario has been played: what was meant, not what anybody computed.
"""

import gc
import itertools
import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from cloud_conductor.sandbox import http, xero
from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.scenario import chain, golden, grocer
from cloud_conductor.sandbox.scenario.catalogue import chain_stores
from cloud_conductor.sandbox.scenario.retail import book, owner, weather
from cloud_conductor.sandbox.scenario.retail import play as retail
from cloud_conductor.sandbox.scenario.retail.places import Place
from cloud_conductor.sandbox.scenario.till import Call
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator
from cloud_conductor.sandbox.square.shelf import Shelf, ShelvedSeller
from cloud_conductor.sandbox.till import Crowd, Panel

Json = dict[str, Any]
SETTING_UP = (
    "/v2/locations", "/v2/catalog", "/v2/customers", "/v2/loyalty", "/sandbox/loyalty",
    "/sandbox/clock",
)  # fmt: skip
PROGRESS_CALLS = 200
TRUTH = "truth.json"


@dataclass(frozen=True)
class Plan:
    """What to play. plants: {"kind", "store", "day"} each; only D16 is planted in the POS.

    country, misbehaves: of retail; both vendors have a bad day all along (scenario.retail.weather).
    shelf: a folder for what a grocer's finished days leave (sandbox.square.shelf). The sales are
    made before the stage is ready, and a folder that is complete is taken as it is.
    """

    folder: Path
    scenario: str = "golden"
    seed: int = 0
    stores: int = 3
    days: int = 2
    orders_per_day: int = 40
    plants: tuple[chain.Plant, ...] = ()
    time_scale: float = 60.0
    lose_replies: float = 0.0
    shelf: Path | None = None
    country: str = "US"
    misbehaves: bool = False

    @classmethod
    def read(cls, text: str) -> "Plan":
        given = json.loads(text)
        given["folder"] = Path(given["folder"])
        given["shelf"] = Path(given["shelf"]) if given.get("shelf") else None
        given["plants"] = tuple(
            chain.Plant(plant["kind"], plant["store"], date.fromisoformat(plant["day"]))
            for plant in given.get("plants", [])
        )
        return cls(**given)

    @property
    def season(self) -> retail.Season:
        return retail.Season(self.country, self.seed, self.stores, self.days)

    @property
    def places(self) -> tuple[Place, ...]:
        """Stores of retail; none of the others."""
        return self.season.places if self.scenario == "retail" else ()

    def tax_splits(self) -> dict[str, Json]:
        """Store -> tax name -> statutory parts: what an owner knows and the POS does not say."""
        if self.scenario == "retail":
            return {place.store: retail.tax_splits(place) for place in self.places}
        if self.scenario == "golden":
            return {"NYC01": {golden.TAX: dict(golden.SPLIT)}}
        if self.scenario == "completejourney":
            return {"*": {grocer.TAX_NAME: dict(grocer.TAX_SPLIT)}}
        return {
            plan.store: {plan.tax_name: dict(plan.tax_split)} for plan in chain_stores(self.stores)
        }

    def cutoffs(self) -> dict[str, str]:
        if self.scenario == "retail":
            return {one.store: one.cutoff.isoformat(timespec="minutes") for one in self.places}
        if self.scenario == "golden":
            return {"NYC01": golden.CUTOFF}
        if self.scenario == "completejourney":
            return {"*": "00:00"}
        return {
            plan.store: plan.cutoff.isoformat(timespec="minutes")
            for plan in chain_stores(self.stores)
        }

    def told_by_owner(self) -> Json:
        """What belongs into the product's configuration and no vendor says."""
        if not self.places:
            return {"mapping": {}, "meanings": [], "receipts": ""}
        return {
            "mapping": owner.mapping(self.places),
            "meanings": owner.meanings(),
            "receipts": owner.RECEIPTS,
        }

    def bank_lines(self, truth: Json) -> list[Json]:
        """What the bank's statement says by the end."""
        if self.scenario == "retail":
            return book.bank_lines(truth, self.season.place.text)
        return bank_lines(truth)

    def play(
        self,
        square: Call,
        set_clock: Callable[[datetime], None],
        day_over: Callable[[], None] | None = None,
    ) -> Json:
        if self.scenario == "golden":
            return golden.play(square, set_clock)
        if self.scenario == "completejourney":
            return grocer.play(square, set_clock, days=self.days, day_over=day_over)
        if self.scenario == "retail":
            return retail.play(square, set_clock, self.season)
        return chain.play(
            square,
            set_clock,
            seed=self.seed,
            stores=self.stores,
            days=self.days,
            orders_per_day=self.orders_per_day,
            plants=self.plants,
        )


@dataclass
class Stage:
    """The scenario's thread stops before the first sale until `go` is set."""

    plan: Plan
    seller: Seller
    ready: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    calls: int = 0
    truth: Json = field(default_factory=dict)
    failure: BaseException | None = None

    def square(self, method: str, path: str, body: Json | None = None) -> Json:
        """One API call of the scenario; the first that trades waits for the word."""
        if not self.ready.is_set() and not path.startswith(SETTING_UP):
            self.ready.set()
            self.go.wait()
        self.calls += 1
        if self.calls % PROGRESS_CALLS == 0:
            tell("progress", calls=self.calls)
        return self.seller.call(method, path, body)

    def run(self) -> None:
        try:
            if self.plan.shelf is not None:
                self.truth = json.loads((self.plan.shelf / TRUTH).read_text())
            else:
                self.truth = self.plan.play(self.square, self.seller.set_clock)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self.ready.set()

    def stores(self) -> list[Json]:
        locations = self.seller.call("GET", "/v2/locations").get("locations", [])
        splits, cutoffs = self.plan.tax_splits(), self.plan.cutoffs()
        return [
            {
                "location_id": place["id"],
                "store": place["name"],
                "tax_splits": splits.get(place["name"], splits.get("*", {})),
                "cutoff": cutoffs.get(place["name"], cutoffs.get("*", "00:00")),
            }
            for place in locations
            if place["name"] in splits or "*" in splits
        ]


def tell(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)  # noqa: T201 - the protocol


def dollars(minor: int) -> str:
    """Decimal text of an amount of cents."""
    whole, cents = divmod(abs(minor), 100)
    return f"{'-' if minor < 0 else ''}{whole}.{cents:02d}"


def bank_lines(truth: Mapping[str, Any]) -> list[Json]:
    """Statement lines of a bank that got every payout on its day and every bag the next day."""
    lines = [
        {
            "bank_account_code": "090",
            "date": payout["sent_date"],
            "amount": dollars(payout["net_minor"]),
            "payee": "SQUARE",
            "reference": payout["id"],
        }
        for payout in truth["payouts"]
    ]
    for day in truth["store_days"]:
        deposit = day["figures"].get("deposit_minor", 0)
        if deposit:
            next_day = date.fromisoformat(day["business_date"]) + timedelta(days=1)
            lines.append(
                {
                    "bank_account_code": "090",
                    "date": next_day.isoformat(),
                    "amount": dollars(deposit),
                    "payee": "CASH DEPOSIT",
                    "reference": f"{day['store']} {day['business_date']}",
                }
            )
    return sorted(lines, key=lambda line: (line["date"], line["reference"]))


def open_seller(plan: Plan) -> Seller:
    """The seller of a plan; one with a shelf has sold everything already."""
    clock = SandboxClock(scale=0)
    settings = Settings(seed=plan.seed, country=plan.country)
    if plan.shelf is None:
        return Seller(settings, clock=clock)
    seller = ShelvedSeller(settings, clock=clock, shelf=Shelf(plan.shelf))
    rest = plan.shelf / "seller.json"
    if rest.exists():
        seller.restore(rest.read_bytes())
        return seller
    gc.disable()  # millions of live objects and hardly a cycle: collecting took half of the time
    truth = plan.play(_progress(seller.call), seller.set_clock, seller.shelve)
    seller.shelve()
    seller.shelf.save()
    (plan.shelf / TRUTH).write_bytes(msgspec.json.encode(truth))
    rest.write_bytes(seller.snapshot())
    gc.enable()
    return seller


def _progress(call: Call) -> Call:
    counted = itertools.count(1)

    def square(method: str, path: str, body: Json | None = None) -> Json:
        if (calls := next(counted)) % (100 * PROGRESS_CALLS) == 0:
            tell("progress", calls=calls)
        return call(method, path, body)

    return square


def main(plan: Plan) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    seller = open_seller(plan)
    stage = Stage(plan, seller)
    books = xero.build(
        seed=plan.seed,
        time_scale=plan.time_scale,
        lose_replies=plan.lose_replies,
        currency=plan.season.place.currency,
    )
    faults = {"square": seller.state.faults, "xero": books.faults}
    if plan.misbehaves:
        faults["square"].plan({**weather.SQUARE, **weather.WEBHOOKS})
        faults["xero"].plan(dict(weather.XERO))
    panel = Panel(seller.state.faults, books.faults, Crowd(seller.call, seed=plan.seed))
    app = simulator(seller, token=DEFAULT_TOKEN, panel=panel)
    with http.start(app) as square, xero.start(books) as ledger:
        player = threading.Thread(target=stage.run, name="scenario", daemon=True)
        player.start()
        stage.ready.wait()
        if stage.failure is not None:
            raise stage.failure
        tell(
            "ready",
            square=square.url,
            xero=ledger.url,
            stores=stage.stores(),
            **plan.told_by_owner(),
        )
        for line in sys.stdin:
            word = line.strip()
            if word == "go":
                stage.go.set()
                player.join()
                if stage.failure is not None:
                    raise stage.failure
                (plan.folder / TRUTH).write_bytes(msgspec.json.encode(stage.truth))
                httpx.post(
                    f"{ledger.url}/sandbox/bank-lines",
                    json=plan.bank_lines(stage.truth),
                    timeout=120,
                ).raise_for_status()
                tell("played", calls=stage.calls)
            elif word == "dump":
                _dump(plan, square.url, ledger.url)
                tell("dumped", struck={name: one.struck for name, one in faults.items()})
            elif word == "quit":
                break


def _dump(plan: Plan, square_url: str, xero_url: str) -> None:
    """What both vendors hold; of a seller with a shelf, that is the shelf."""
    urls = {"xero": xero_url} if plan.shelf else {"square": square_url, "xero": xero_url}
    for name, url in urls.items():
        answer = httpx.get(
            f"{url}/sandbox/dump",
            headers={"Authorization": f"Bearer {DEFAULT_TOKEN}"},
            timeout=600,
        )
        (plan.folder / f"{name}.json").write_bytes(answer.raise_for_status().content)


if __name__ == "__main__":
    main(Plan.read(sys.argv[1]))
