"""The connection to Square: fetch what thin events name, sweep what changed, list for control.

Docs (read 2026-11, API version 2025-08-20): "Orders API", "Search for Orders", "List Payments",
"List Payment Refunds", "Payouts API", "List Disputes", "Cash Drawer Shifts API", "Gift Card
Activities API", "Search Catalog Objects", "Webhook Subscriptions API".

Orders, payments and refunds are swept by their `updated_at`. Payouts and cash drawer shifts can
only be listed by when they began, so the list reaches further back and is filtered by what their
own `updated_at` says; so are disputes, of which there is only a list of all.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import Any, ClassVar

import msgspec

from cloud_conductor.adapters.http import LIMITS, Auth, Bearer, HttpEngine, Limits
from cloud_conductor.adapters.pos.square.abreast import abreast
from cloud_conductor.adapters.pos.square.listing import listing_of
from cloud_conductor.adapters.pos.square.naming import NOTICES, named
from cloud_conductor.adapters.pos.square.objects import (
    EPOCH,
    Page,
    head_of,
    member_of,
    moment_of,
    new_object,
    notice_id,
    page_of,
    rfc3339,
)
from cloud_conductor.adapters.pos.square.paging import (
    ROWS_PER_PAGE,
    Query,
    Question,
    begun_within,
    changed_within,
    read_pages,
)
from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.domain.events import Event, NewEvent
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.pos import FetchRequest, Listed, Named, Place, PosCapabilities

API_VERSION = "2025-08-20"
IDS_PER_CALL_MAX = 100
LOCATIONS_PER_SEARCH_MAX = 10
ORDERS_PER_PAGE = 500
CATALOG_PER_PAGE = 1_000
SHIFT_OPEN_MAX = timedelta(days=7)  # a drawer shift still changing this long after it opened
PAYOUT_SETTLES_MAX = timedelta(days=14)  # a payout still changing this long after it was made
CATALOG_TYPES = ("ITEM", "CATEGORY", "TAX")
EVENT_TYPES = (
    "order.created",
    "order.updated",
    "payment.created",
    "payment.updated",
    "refund.created",
    "refund.updated",
    "payout.sent",
    "payout.paid",
    "dispute.created",
    "dispute.state.updated",
    "gift_card.activity.created",
    "catalog.version.updated",
)
CAPABILITIES = PosCapabilities(
    webhooks=True,
    thin_events=True,
    partial_refunds=True,
    payouts=True,
    cash_drawers=True,
    page_size_max=ORDERS_PER_PAGE,
)


class _Subscription(msgspec.Struct, frozen=True):
    id: str = ""
    enabled: bool = False
    notification_url: str = ""
    event_types: tuple[str, ...] = ()
    signature_key: str = ""


_SUBSCRIPTION = msgspec.json.Decoder(_Subscription)


def connect(
    base_url: str,
    token: Callable[[], str] | Auth,
    *,
    source: str,
    clock: Clock,
    limits: Limits = LIMITS,
) -> "Square":
    """A connection with a personal access token, or with a consent that is kept alive (OAuth)."""
    engine = HttpEngine(
        base_url,
        name="Square",
        auth=Bearer(token) if callable(token) else token,
        headers={"square-version": API_VERSION},
        limits=limits,
    )
    return Square(engine, source=source, clock=clock)


class Square:
    """Satisfies ports.pos.PosAdapter. source: the connection's name in conductor.toml."""

    capabilities: PosCapabilities = CAPABILITIES
    SWEEP_KINDS: ClassVar[tuple[str, ...]] = (
        "catalog",
        "order",
        "payment",
        "refund",
        "gift_card_activity",
        "payout",
        "dispute",
        "cash_shift",
    )
    STANDING_KINDS: ClassVar[tuple[str, ...]] = ("catalog",)
    TOLD_KINDS: ClassVar[Collection[str]] = NOTICES.keys()

    def __init__(self, engine: HttpEngine, *, source: str, clock: Clock) -> None:
        self._engine = engine
        self._source = source
        self._clock = clock

    def named(self, event: NewEvent) -> Named | None:
        """See ports.pos.Namer."""
        return named(event)

    def wanted(self, event: Event) -> list[FetchRequest]:
        """Orders of thin order events; the entries of a payout, which its event does not carry."""
        family = event.kind.partition(".")[0]
        if event.channel == "api" or family not in {"order", "payout"}:
            return []
        object_id = notice_id(event.body)
        kind = "order" if family == "order" else "payout_entry"
        return [FetchRequest(kind, object_id, event.seq)] if object_id else []

    def fetch(self, requests: Sequence[FetchRequest], now: datetime) -> Iterator[NewEvent]:
        """What Square does not have (yet) is left out; the next sweep brings it."""
        orders = [one for one in requests if one.kind == "order"]
        for start in range(0, len(orders), IDS_PER_CALL_MAX):
            yield from self._orders(orders[start : start + IDS_PER_CALL_MAX], now)
        for one in requests:
            if one.kind == "payout_entry":
                yield from self._payout_entries(one.object_id, now, one.trigger_seq)

    def now(self) -> datetime | None:
        """The second after the one an answer's Date header tells.

        Sweeps and their watermarks are in Square's time; what happened within that second is asked
        for too, as the header has no parts of it.
        """
        answer = self._engine.request("GET", "/v2/merchants")
        told = answer.headers.get("date", "")
        try:
            return parsedate_to_datetime(told) + timedelta(seconds=1)
        except ValueError:
            return None

    def sweep(self, kind: str, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        """Pages of objects changed in [since, until), parents before children."""
        sweeps = {
            "catalog": self._sweep_catalog,
            "order": self._sweep_orders,
            "payment": self._sweep_payments,
            "refund": self._sweep_refunds,
            "gift_card_activity": self._sweep_gift_cards,
            "payout": self._sweep_payouts,
            "dispute": self._sweep_disputes,
            "cash_shift": self._sweep_shifts,
        }
        return sweeps[kind](since, until)

    def control(self, location_ids: Sequence[str], start: datetime, end: datetime) -> list[Listed]:
        """Orders closed or cancelled in [start, end), by their own `closed_at`."""
        states = ["COMPLETED", "CANCELED"]
        found: list[Listed] = []

        def read(places: Sequence[str]) -> list[Listed]:
            asked = _orders_search(places, "closed_at", start, end, states)
            pages = read_pages(self._engine, asked, partial(listing_of, within=start))
            return [one for page in pages for one in page.rows]

        for some in abreast(read, _searched(location_ids)):
            found += some
        return [one for one in _once(found) if start <= one.occurred_at < end]

    def subscribe(self, notification_url: str) -> str:
        """The signature key of the enabled subscription for this exact URL; made if there is none.

        One that lacks event types of ours gets them; what it had besides stays.
        """
        for page in self._pages("GET", "/v2/webhooks/subscriptions", "subscriptions"):
            for one in map(_SUBSCRIPTION.decode, page.objects):
                if one.enabled and one.notification_url == notification_url:
                    return self._complete(one)
        path = "/v2/webhooks/subscriptions"
        body = {
            "idempotency_key": str(uuid.uuid5(uuid.NAMESPACE_URL, notification_url)),
            "subscription": {
                "name": "Cloud Conductor",
                "enabled": True,
                "event_types": list(EVENT_TYPES),
                "notification_url": notification_url,
                "api_version": API_VERSION,
            },
        }
        answer = self._engine.request("POST", path, json=msgspec.json.encode(body))
        made = _SUBSCRIPTION.decode(member_of(answer.body, "subscription", answer.url))
        return made.signature_key

    def locations(self) -> list[dict[str, object]]:
        """Every location of the merchant, in Square's words."""
        return [
            msgspec.json.decode(one, type=dict[str, object])
            for page in self._pages("GET", "/v2/locations", "locations")
            for one in page.objects
        ]

    def places(self) -> list[Place]:
        return [
            Place(str(one["id"]), str(one.get("timezone", "")), str(one.get("currency", "")))
            for one in self.locations()
        ]

    def close(self) -> None:
        self._engine.close()

    @cached_property
    def merchant_id(self) -> str:
        """The merchant the token belongs to."""
        answer = self._engine.request("GET", "/v2/merchants")
        for one in page_of(answer.body, "merchant", answer.url).objects:
            head = head_of(one)
            if head is not None:
                return head.id
        raise VendorUnavailable("Square names no merchant for this token")

    def _orders(self, requests: Sequence[FetchRequest], now: datetime) -> Iterator[NewEvent]:
        triggers = {one.object_id: one.trigger_seq for one in requests}
        answer = self._engine.request(
            "POST",
            "/v2/orders/batch-retrieve",
            json=msgspec.json.encode({"order_ids": list(triggers)}),
            idempotent=True,
        )
        for body in page_of(answer.body, "orders", answer.url).objects:
            head = head_of(body)
            trigger_seq = triggers.get(head.id, 0) if head is not None else 0
            yield self._object("order", body, answer.url, now, trigger_seq=trigger_seq)

    def _payout_entries(
        self, payout_id: str, now: datetime, trigger_seq: int = 0
    ) -> Iterator[NewEvent]:
        path = f"/v2/payouts/{payout_id}/payout-entries"
        query: Query = {"limit": ROWS_PER_PAGE, "sort_order": "ASC"}
        for page in self._pages("GET", path, "payout_entries", query):
            for body in page.objects:
                yield self._object(
                    "payout_entry", body, page.url, now, within=payout_id, trigger_seq=trigger_seq
                )

    def _sweep_orders(self, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        def read(places: Sequence[str]) -> list[list[NewEvent]]:
            asked = _orders_search(places, "updated_at", since, until)
            pages = read_pages(self._engine, asked, page_of)
            return [self._events("order", page) for page in pages]

        for pages in abreast(read, _searched(self._location_ids())):
            yield from pages

    def _sweep_payments(self, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        def read(place: str) -> list[list[NewEvent]]:
            query = {**changed_within(since, until), "location_id": place}
            pages = self._pages("GET", "/v2/payments", "payments", query)
            return [self._events("payment", page) for page in pages]

        for pages in abreast(read, self._location_ids()):
            yield from pages

    def _sweep_refunds(self, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        for page in self._pages("GET", "/v2/refunds", "refunds", changed_within(since, until)):
            yield self._events("refund", page)

    def _sweep_gift_cards(self, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        query = begun_within(since, until)
        path = "/v2/gift-cards/activities"
        for page in self._pages("GET", path, "gift_card_activities", query):
            yield self._events("gift_card_activity", page)

    def _sweep_payouts(self, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        begun = begun_within(since - PAYOUT_SETTLES_MAX, until)

        def read(place: str) -> list[list[NewEvent]]:
            query = {**begun, "location_id": place}
            found = []
            for page in self._pages("GET", "/v2/payouts", "payouts", query):
                for body, payout_id in _changed_since(page, since):
                    now = self._clock.now()
                    payout = self._object("payout", body, page.url, now)
                    found.append([payout, *self._payout_entries(payout_id, now)])
            return found

        for payouts in abreast(read, self._location_ids()):
            yield from payouts

    def _sweep_disputes(self, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        """Square lists all that there ever were: there are few, and no way to ask for less."""
        for page in self._pages("GET", "/v2/disputes", "disputes"):
            now = self._clock.now()
            yield [
                self._object("dispute", body, page.url, now)
                for body, _ in _changed_since(page, since, until)
            ]

    def _sweep_shifts(self, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        begun = begun_within(since - SHIFT_OPEN_MAX, until)

        def read(place: str) -> list[list[NewEvent]]:
            query = {**begun, "location_id": place}
            pages = self._pages("GET", "/v2/cash-drawers/shifts", "cash_drawer_shifts", query)
            return [
                self._shift(shift_id, place)
                for page in pages
                for _, shift_id in _changed_since(page, since)
            ]

        for shifts in abreast(read, self._location_ids()):
            yield from shifts

    def _shift(self, shift_id: str, place: str) -> list[NewEvent]:
        """A drawer shift in full, then its events.

        An event names neither shift nor location: the address it came from does.
        """
        now = self._clock.now()
        path = f"/v2/cash-drawers/shifts/{shift_id}"
        answer = self._engine.request("GET", path, query={"location_id": place})
        body = member_of(answer.body, "cash_drawer_shift", answer.url)
        found = [self._object("cash_shift", body, answer.url, now)]
        query: Query = {"location_id": place, "limit": ROWS_PER_PAGE}
        for page in self._pages("GET", f"{path}/events", "cash_drawer_shift_events", query):
            found += [
                self._object("cash_event", one, page.url, now, within=shift_id)
                for one in page.objects
            ]
        return found

    def _sweep_catalog(self, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        """Deleted objects too. Square's `begin_time` is exclusive and there is no end."""
        assert since <= until
        body: dict[str, Any] = {
            "object_types": list(CATALOG_TYPES),
            "include_deleted_objects": True,
            "limit": CATALOG_PER_PAGE,
        }
        if since > EPOCH:
            body["begin_time"] = rfc3339(since - timedelta(milliseconds=1))
        for page in self._pages("POST", "/v2/catalog/search", "objects", body=body):
            now = self._clock.now()
            yield [self._object(_catalog_kind(one), one, page.url, now) for one in page.objects]

    def _pages(
        self,
        method: str,
        path: str,
        name: str,
        query: Query | None = None,
        *,
        body: Mapping[str, Any] | None = None,
    ) -> Iterator[Page]:
        return read_pages(self._engine, Question(method, path, name, query or {}, body), page_of)

    def _complete(self, subscription: _Subscription) -> str:
        """Make sure that it has our event types, and give its key."""
        path = f"/v2/webhooks/subscriptions/{subscription.id}"
        missing = set(EVENT_TYPES) - set(subscription.event_types)
        if missing and "*" not in subscription.event_types:
            types = sorted(missing | set(subscription.event_types))
            body = msgspec.json.encode({"subscription": {"event_types": types}})
            self._engine.request("PUT", path, json=body)
        if subscription.signature_key:
            return subscription.signature_key
        answer = self._engine.request("GET", path)
        body = member_of(answer.body, "subscription", answer.url)
        return _SUBSCRIPTION.decode(body).signature_key

    def _location_ids(self) -> list[str]:
        return [str(one["id"]) for one in self.locations()]

    def _events(self, kind: str, page: Page) -> list[NewEvent]:
        now = self._clock.now()
        return [self._object(kind, body, page.url, now) for body in page.objects]

    def _object(
        self,
        kind: str,
        body: bytes,
        url: str,
        now: datetime,
        *,
        within: str = "",
        trigger_seq: int = 0,
    ) -> NewEvent:
        return new_object(
            kind,
            body,
            source=self._source,
            merchant_id=self.merchant_id,
            url=url,
            now=now,
            within=within,
            trigger_seq=trigger_seq,
        )


ADAPTER = Square


def _orders_search(
    location_ids: Sequence[str],
    clock: str,
    start: datetime,
    end: datetime,
    states: Sequence[str] = (),
) -> Question:
    """Square wants the sort field to be the one that is filtered."""
    span = {"start_at": rfc3339(start), "end_at": rfc3339(end)}
    wanted: dict[str, Any] = {"date_time_filter": {clock: span}}
    if states:
        wanted["state_filter"] = {"states": list(states)}
    body = {
        "location_ids": list(location_ids),
        "limit": ORDERS_PER_PAGE,
        "query": {
            "filter": wanted,
            "sort": {"sort_field": clock.upper(), "sort_order": "ASC"},
        },
    }
    return Question("POST", "/v2/orders/search", "orders", body=body)


def _once(found: Sequence[Listed]) -> list[Listed]:
    """Each order by its newest version: a list that was begun again gives its first rows twice."""
    newest: dict[str, Listed] = {}
    for one in found:
        held = newest.get(one.object_id)
        if held is None or one.version >= held.version:
            newest[one.object_id] = one
    return list(newest.values())


def _searched(location_ids: Sequence[str]) -> list[Sequence[str]]:
    """Locations as they are searched: some at a time."""
    return [
        location_ids[first : first + LOCATIONS_PER_SEARCH_MAX]
        for first in range(0, len(location_ids), LOCATIONS_PER_SEARCH_MAX)
    ]


def _changed_since(
    page: Page, since: datetime, until: datetime | None = None
) -> Iterator[tuple[bytes, str]]:
    """Objects of a page, with their ids, whose own `updated_at` is not known to be before `since`.

    until: nor at or after it.
    """
    for body in page.objects:
        head = head_of(body)
        if head is None:
            raise VendorUnavailable(f"{page.url} lists an object without an id")
        changed_at = moment_of(head.updated_at)
        if changed_at is None or (since <= changed_at and (until is None or changed_at < until)):
            yield body, head.id


def _catalog_kind(body: bytes) -> str:
    head = head_of(body)
    name = (head.type or "").lower() if head is not None else ""
    return f"catalog_{name}" if name.isidentifier() else "catalog_object"
