"""A played day as events, and a small house to conform it in. Shared by the conform tests."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any, Self

import msgspec

from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.conform.flow import ConformDeps, run_conform, run_seal
from cloud_conductor.domain.events import NewEvent
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.domain.stores import Store, TaxSplit
from cloud_conductor.sandbox.scenario import golden
from cloud_conductor.sandbox.square.seller import Seller
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.tables import WORKER  # registers

RECEIVED_US = 1_800_000_000_000_000  # 2027-01-15, after everything that is played
PAYLOADS = Path(__file__).parent / "payloads" / "square"
NYC = TaxSplit("NYC sales tax", (("STATE", "4.000"), ("CITY", "4.500"), ("DISTRICT", "0.375")))


def store(location_id: str = "L1", **changes: Any) -> Store:
    """NYC01 of the golden day (§5), at a location of one's own."""
    plain = Store(
        "NYC01", "square", location_id, "America/New_York", time(4), "USD", "main", (NYC,)
    )
    return msgspec.structs.replace(plain, **changes)


def stores_of(truth: dict[str, Any]) -> tuple[Store, ...]:
    return tuple(
        Store(
            one["store"],
            "square",
            one["location_id"],
            one["time_zone"],
            time.fromisoformat(one["cutoff"]),
            one["currency"],
            "main",
            tuple(
                TaxSplit(name, tuple(parts.items())) for name, parts in one["tax_splits"].items()
            ),
        )
        for one in truth["stores"]
    )


def event(kind: str, body: Any, *, channel: str = "api", name: str = "", url: str = "") -> NewEvent:
    """An event with a body given as bytes or as what JSON holds."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    name = name or f"{kind}:{hashlib.sha256(raw).hexdigest()[:20]}"
    return NewEvent("square", channel, kind, name, "M1", RECEIVED_US, raw, url=url)


def events_of(seller: Seller) -> list[NewEvent]:
    """Everything the seller would have sent and shown: webhooks, then a sweep of every list."""
    found = []
    for _, body in seller.state.events:
        raw = body.encode()
        hook = msgspec.json.decode(raw)
        found.append(event(hook["type"], raw, channel="webhook", name=hook["event_id"]))
    dump = seller.call("GET", "/sandbox/dump")
    base = "https://connect.example"
    shifts = dump["cash_drawer_shifts"]
    lists: list[tuple[str, Iterable[Any]]] = [
        ("order", dump["orders"]),
        ("payment", dump["payments"]),
        ("refund", dump["refunds"]),
        ("payout", dump["payouts"]),
        ("payout_entry", _entries(seller, dump["payouts"])),
        ("dispute", dump["disputes"]),
        ("cash_shift", shifts),
        ("gift_card_activity", dump["gift_card_activities"]),
        *_catalog(seller),
    ]
    found += [event(kind, body) for kind, bodies in lists for body in bodies]
    for shift in shifts:
        path = f"/v2/cash-drawers/shifts/{shift['id']}/events"
        answer = seller.call("GET", f"{path}?location_id={shift['location_id']}")
        for one in answer.get("cash_drawer_shift_events", []):
            url = f"{base}{path}?location_id={shift['location_id']}"
            found.append(event("cash_event", one, url=url))
    unique = {one.event_id: one for one in found}
    return list(unique.values())


def _entries(seller: Seller, payouts: Iterable[Any]) -> Iterable[Any]:
    for payout in payouts:
        answer = seller.call("GET", f"/v2/payouts/{payout['id']}/payout-entries")
        yield from answer.get("payout_entries", [])


def _catalog(seller: Seller) -> list[tuple[str, list[Any]]]:
    query = {"object_types": ["ITEM", "CATEGORY", "TAX"], "include_deleted_objects": True}
    found = seller.call("POST", "/v2/catalog/search", query).get("objects", [])
    return [(f"catalog_{one['type'].lower()}", [one]) for one in found]


def golden_day() -> tuple[list[NewEvent], tuple[Store, ...], dict[str, Any]]:
    """Events, stores and truth of the golden day (§5), played in process."""
    seller = Seller()
    truth = golden.play(seller.call, seller.set_clock)
    return events_of(seller), stores_of(truth), truth


class House:
    """A log, a lake and a state of their own below one folder."""

    def __init__(
        self,
        folder: Path,
        stores: Sequence[Store],
        *,
        events_per_batch: int = 5_000,
        state_url: str = "",
    ) -> None:
        self.folder = folder
        self.log = SqliteLog(folder / "log.sqlite")
        self.engine = open_engine(state_url or f"sqlite:///{folder / 'worker.sqlite'}")
        WORKER.create_all(self.engine)
        self.lake = DeltaLake(folder / "processed")
        self.deps = ConformDeps(
            log=self.log,
            lake=self.lake,
            engine=self.engine,
            decoders={"square": SquareDecoder()},
            stores=stores,
            events_per_batch=events_per_batch,
        )

    def take(self, events: Iterable[NewEvent]) -> Any:
        """Log events and conform them."""
        self.log.append(list(events))
        return run_conform(self.deps)

    def seal(self, *days: date) -> None:
        for day in days or self.dates():
            run_seal(self.deps, day)

    def dates(self) -> list[date]:
        return sorted({day for table in PARTITIONED for day in self.lake.dates(table)})

    def digests(self, days: Sequence[date] | None = None) -> dict[tuple[str, date], str]:
        """Digest of every table and date; of dates without rows too, so that sets compare."""
        found = {
            (table, day): self.lake.digest(table, day)
            for table in PARTITIONED
            for day in days or self.dates()
        }
        return found | {("products", date.min): self.lake.digest("products", date.min)}

    def close(self) -> None:
        self.log.close()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
