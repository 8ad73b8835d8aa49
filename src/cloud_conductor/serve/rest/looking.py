"""Any id to its record, and the trail: number -> rows -> raw event -> journal line -> the vendor's page."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from cloud_conductor.accounting import journal
from cloud_conductor.accounting.facts import DayFacts, split
from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.errors import NotFound
from cloud_conductor.domain.events import Event
from cloud_conductor.pipelines.drawers import with_drawers
from cloud_conductor.serve import vendors
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.rest.endpoint import Endpoint, Identity, Params, Ref, sees
from cloud_conductor.serve.rest.finding import find_break, find_entry
from cloud_conductor.state import inventory, screens
from cloud_conductor.state.accounting import EntryRow
from cloud_conductor.state.screens import Within

FOUND_MAX = 20
REFS_MAX = 200
EVENTS_BACK = 5_000
_WORD = re.compile(r"[A-Za-z0-9_\-]{6,}")
KINDS = {"sales": "sale", "tenders": "tender", "payouts": "payout"}
ID_COLUMNS = {"sale": ("sales", "sale_id"), "tender": ("tenders", "tender_id"),
              "payout": ("payouts", "payout_id")}  # fmt: skip


class Asked(Params, frozen=True):
    q: Annotated[str, Meta(min_length=2, max_length=200)]


class Subject(Params, frozen=True):
    """line: place of a line of an entry, from 0."""

    kind: Literal["entry", "sale", "tender", "payout", "event", "break", "sku", "net_sales"]
    id: Identity
    line: Annotated[int, Meta(ge=0, le=10_000)] | None = None


class Hit(msgspec.Struct, frozen=True):
    kind: str
    id: str
    label: str
    detail: str
    store: str
    business_date: str


class Hits(msgspec.Struct, frozen=True):
    items: list[Hit]


class Step(msgspec.Struct, frozen=True):
    """One step of the trail. total_minor: of all, also those not shown; more: there are."""

    step: Literal["entry", "rows", "events", "vendor", "breaks", "stock"]
    title: str
    total_minor: int | None
    currency: str | None
    count: int
    items: list[Ref]
    more: bool


class Trail(msgspec.Struct, frozen=True):
    subject: Ref
    steps: list[Step]


def find(ask: Ask, params: Asked) -> Hits:
    """Anything by any part of its id: sale, tender, payout, event, entry, break, SKU, store."""
    text, desk = params.q.strip(), ask.desk
    hits: list[Hit] = []
    hits += [
        Hit("store", one.store, one.store, one.time_zone, one.store, "")
        for one in desk.stores
        if text.lower() in one.store.lower() and sees(ask, one.store)
    ]
    with desk.worker.connect() as connection:
        for row in screens.objects_like(connection, text, FOUND_MAX):
            if row.table_name in KINDS and sees(ask, row.store):
                kind = KINDS[row.table_name]
                hits.append(
                    Hit(kind, row.object_id, row.object_id, kind, row.store, row.business_date)
                )
        products = inventory.products(connection, text=text, limit=FOUND_MAX)
    seen: set[str] = set()
    for row in products:
        if row.sku not in seen:
            seen.add(row.sku)
            hits.append(Hit("sku", row.sku, row.sku, row.name, "", ""))
    with desk.books.connect() as connection:
        if ask.principal.may("journals.read"):
            hits += [
                Hit("entry", row.posting_key, row.name, row.state, row.store, row.business_date)
                for row in screens.entries_like(connection, text)
                if sees(ask, row.store)
            ]
        hits += [
            Hit(
                "break",
                row.break_id,
                f"{row.code} {row.item}",
                row.message,
                row.store,
                row.business_date,
            )
            for row in screens.breaks(connection, Within(), states=(), limit=2_000)
            if (row.break_id.startswith(text) or text in row.item) and sees(ask, row.store)
        ]
    if ask.principal.may("events.read"):
        hits += _event_hits(desk, text)
    return Hits(hits[:FOUND_MAX])


def trail(ask: Ask, params: Subject) -> Trail:
    """The way from a record to the rows, the raw events, the journal and the vendor, and back."""
    make = {
        "entry": _of_entry,
        "sale": _of_object,
        "tender": _of_object,
        "payout": _of_object,
        "event": _of_event,
        "break": _of_break,
        "sku": _of_sku,
        "net_sales": _of_net_sales,
    }[params.kind]
    return make(ask, params)


def refs_in(ask: Ask, *texts: str) -> list[Ref]:
    """Records that are named in some texts by their ids."""
    words = list(dict.fromkeys(word for text in texts for word in _WORD.findall(text)))[:20]
    with ask.desk.worker.connect() as connection:
        objects = [row for word in words for row in screens.objects_like(connection, word, 2)]
    found = [
        _object_ref(ask.desk, row)
        for row in objects
        if row.table_name in KINDS and row.object_id in words and sees(ask, row.store)
    ]
    if ask.principal.may("journals.read"):
        with ask.desk.books.connect() as connection:
            rows = [row for word in words for row in screens.entries_like(connection, word, 2)]
        found += [
            entry_ref(ask.desk, row)
            for row in rows
            if row.posting_key in words and sees(ask, row.store)
        ]
    return list({(one.kind, one.id): one for one in found}.values())


def entry_ref(desk: Desk, row: EntryRow) -> Ref:
    """An entry to go to, and its page in the ledger."""
    return Ref(
        kind="entry",
        id=row.posting_key,
        label=row.name,
        detail=row.state,
        amount_minor=row.debit_minor,
        currency=row.currency,
        url=vendors.ledger_url(desk, row.document_type, row.external_id),
    )


def _event_hits(desk: Desk, text: str) -> list[Hit]:
    """An event of the whole log by its number or its id; a new one by the id's first letters too."""
    sources = {one.source for one in desk.stores} | {*desk.house.config.sources}
    seqs = [desk.log.find(source, text) for source in sorted(sources)]
    if text.isascii() and text.isdigit() and len(text) <= 15:
        seqs.append(int(text))
    if found := desk.log.get([seq for seq in seqs if seq]):
        return [_event_hit(one) for one in found]
    hits: list[Hit] = []
    for partition in desk.log.partitions():
        after = max(0, desk.log.high_water(partition) - EVENTS_BACK)
        while len(hits) < 5 and (page := desk.log.read(partition, after, 1_000)):
            after = page[-1].seq
            hits += [_event_hit(one) for one in page if one.event_id.startswith(text)]
    return hits[:5]


def _event_hit(one: Event) -> Hit:
    return Hit("event", str(one.seq), f"event {one.seq}", f"{one.kind} {one.event_id}", "", "")


def _of_entry(ask: Ask, params: Subject) -> Trail:
    """Lines of an entry -> the facts that sum to each (INV-17) -> their events -> the ledger."""
    ask.principal.check("journals.read")
    row = find_entry(ask, params.id)
    legs, exact = _legs_of(ask, row)
    title = "Facts behind the entry"
    total: int | None = None
    if params.line is not None:
        lines = row.entry.lines
        if params.line >= len(lines):
            raise NotFound(f"{row.name} has {len(lines)} lines")
        line = lines[params.line]
        legs = journal.lineage_of(line, legs, ask.desk.house.accounts)
        title = f"Facts behind {line.account_code} {line.role}"
        total = int(pc.sum(legs["amount_minor"], min_count=0).as_py()) if legs.num_rows else 0
    if not exact:
        title += " (of the whole day: this version posts a difference)"
    items = [
        Ref(
            kind="sale" if one["sale_id"] else KINDS.get(one["fact"], "fact"),
            id=one["sale_id"] or one["fact_id"],
            label=one["fact_id"],
            detail=f"{one['fact']} {one['role']} {one['movement']}".strip(),
            amount_minor=one["amount_minor"],
            currency=row.currency,
        )
        for one in legs.slice(0, REFS_MAX).to_pylist()
    ]
    rows = Step("rows", title, total, row.currency, legs.num_rows, items, legs.num_rows > REFS_MAX)
    objects = list(dict.fromkeys(one.id for one in items if one.kind in ID_COLUMNS))
    steps = [rows, _events_step(ask, objects), _vendor_step([entry_ref(ask.desk, row)])]
    return Trail(entry_ref(ask.desk, row), steps)


def _of_object(ask: Ask, params: Subject) -> Trail:
    """A sale, tender or payout -> its event -> entries of its day -> stock -> the vendor."""
    found = _find_object(ask, params.kind, params.id)
    subject = _object_ref(ask.desk, found)
    steps = [_events_step(ask, [params.id])]
    if ask.principal.may("journals.read"):
        steps.append(_entries_step(ask, found.store, found.business_date, params))
    if params.kind == "sale":
        steps.append(_stock_step(ask, params.id))
    steps.append(_vendor_step([subject]))
    return Trail(subject, steps)


def _of_event(ask: Ask, params: Subject) -> Trail:
    """An event -> the rows it made -> the entries these are in."""
    ask.principal.check("events.read")
    if not (params.id.isascii() and params.id.isdigit()):
        raise NotFound(f"no event {params.id}")
    events = ask.desk.log.get([int(params.id)]) if len(params.id) <= 15 else []
    if not events:
        raise NotFound(f"no event {params.id}")
    with ask.desk.worker.connect() as connection:
        objects = [
            row
            for row in screens.objects_of(connection, [int(params.id)])
            if row.table_name in KINDS and sees(ask, row.store)
        ]
    refs = [_object_ref(ask.desk, row) for row in objects]
    subject = _event_ref(events[0])
    steps = [
        Step("rows", "What it says", None, None, len(refs), refs[:REFS_MAX], len(refs) > REFS_MAX)
    ]
    if ask.principal.may("journals.read"):
        for store, day in dict.fromkeys((row.store, row.business_date) for row in objects):
            steps.append(_entries_step(ask, store, day, params))
    steps.append(_vendor_step(refs))
    return Trail(subject, steps)


def _of_break(ask: Ask, params: Subject) -> Trail:
    """A break -> what it names -> the events of those."""
    row = find_break(ask, params.id)
    refs = refs_in(ask, row.item, row.left_ref, row.right_ref)
    subject = Ref(
        kind="break",
        id=row.break_id,
        label=f"{row.code} {row.item}",
        detail=row.message,
        amount_minor=row.amount_minor,
        currency=row.currency,
    )
    rows = Step("rows", "What it is about", row.amount_minor, row.currency, len(refs), refs, False)
    objects = [one.id for one in refs if one.kind in ID_COLUMNS]
    steps = [rows, _events_step(ask, objects)]
    if ask.principal.may("journals.read") and row.store != "*":
        steps.append(_entries_step(ask, row.store, row.business_date, params))
    return Trail(subject, [*steps, _vendor_step(refs)])


def _of_sku(ask: Ask, params: Subject) -> Trail:
    """A SKU -> its newest movements, each with the sale behind it."""
    with ask.desk.worker.connect() as connection:
        scope = ask.scope([])
        rows = inventory.movements(connection, params.id, stores=scope, limit=REFS_MAX)
    if not rows:
        raise NotFound(f"no movement of SKU {params.id}")
    items = [
        Ref(
            kind="sale" if row.source else row.kind,
            id=row.reference,
            label=f"{row.kind} {row.reference}",
            detail=f"{row.store} {row.quantity / 1_000_000:+g}",
        )
        for row in rows
    ]
    sales = list(dict.fromkeys(one.id for one in items if one.kind == "sale"))
    step = Step("stock", "Movements", None, None, len(items), items, len(items) == REFS_MAX)
    subject = Ref(kind="sku", id=params.id, label=params.id)
    return Trail(subject, [step, _events_step(ask, sales)])


def _of_net_sales(ask: Ask, params: Subject) -> Trail:
    """Net sales of a store-day -> the sales that sum to it -> their events -> the SALES entry."""
    store, _, day = params.id.partition(":")
    (store,) = ask.scope([store])
    try:
        business_date = date.fromisoformat(day)
    except ValueError:
        raise NotFound(f"{params.id} is not STORE:DATE") from None
    lake = ask.desk.lake
    sales = lake.read("sales", [business_date])
    sales = sales.filter(
        pc.and_(pc.equal(sales["store"], store), pc.equal(sales["state"], "closed"))
    )
    lines = lake.read("sale_lines", [business_date])
    lines = lines.filter(pc.and_(pc.equal(lines["store"], store), lines["is_sale"]))
    lines = lines.filter(pc.is_in(lines["sale_id"], value_set=sales["sale_id"].combine_chunks()))
    sums = lines.group_by("sale_id").aggregate([("net_minor", "sum")]).to_pylist()
    currency = ask.desk.house.config.stores[store].currency
    items = [
        Ref(
            kind="sale",
            id=one["sale_id"],
            label=one["sale_id"],
            amount_minor=one["net_minor_sum"],
            currency=currency,
        )
        for one in sorted(sums, key=lambda one: -abs(one["net_minor_sum"]))
    ]
    total = sum(one.amount_minor or 0 for one in items)
    subject = Ref(
        kind="net_sales",
        id=params.id,
        label=f"Net sales {store} {day}",
        amount_minor=total,
        currency=currency,
    )
    shown = items[:REFS_MAX]
    step = Step("rows", "Sales", total, currency, len(items), shown, len(items) > REFS_MAX)
    steps = [step, _events_step(ask, [one.id for one in shown])]
    if ask.principal.may("journals.read"):
        steps.append(_entries_step(ask, store, day, params))
    return Trail(subject, steps)


def _legs_of(ask: Ask, row: EntryRow) -> tuple[pa.Table, bool]:
    """The legs of an entry's day, and whether they sum to this very version."""
    desk, config = ask.desk, ask.desk.house.config
    store = desk.store(row.store)
    if store is None:
        raise NotFound(f"store {row.store} is not in conductor.toml any more")
    day = date.fromisoformat(row.business_date)
    whole = with_drawers(desk.lake, conform.day_facts(desk.lake, day))
    tables = split(whole).get(row.store, {})
    source = config.sources.get(store.source)
    facts = DayFacts.of(store, day, tables, processor=source.vendor if source else store.source)
    made = journal.day_entries(facts, desk.house.accounts, fees_at=config.accounting.fees_at)
    legs = made.legs.get((row.kind, row.source_id))
    if legs is None:
        raise NotFound(f"the facts behind {row.name} call for no such entry any more")
    canonical = [
        one for one in made.entries if (one.kind, one.source_id) == (row.kind, row.source_id)
    ]
    exact = bool(canonical) and canonical[0].lines == row.entry.lines
    return legs, exact


def _find_object(ask: Ask, kind: str, identity: str) -> Any:
    table, _ = ID_COLUMNS[kind]
    with ask.desk.worker.connect() as connection:
        rows = screens.objects_like(connection, identity, FOUND_MAX)
    for row in rows:
        if (row.table_name, row.object_id) == (table, identity) and sees(ask, row.store):
            return row
    raise NotFound(f"no {kind} {identity}")


def _object_ref(desk: Desk, row: Any) -> Ref:
    kind = KINDS[row.table_name]
    return Ref(
        kind=kind,
        id=row.object_id,
        label=f"{kind} {row.object_id}",
        detail=f"{row.store} {row.business_date}",
        url=vendors.source_url(desk, row.source, kind, row.object_id),
    )


def _event_ref(event: Any) -> Ref:
    return Ref(
        kind="event",
        id=str(event.seq),
        label=f"event {event.seq}",
        detail=f"{event.kind} {event.channel}",
    )


def _events_step(ask: Ask, objects: Sequence[str]) -> Step:
    """The events that hold the winning versions of objects."""
    with ask.desk.worker.connect() as connection:
        rows = [
            row
            for identity in objects[:REFS_MAX]
            for row in screens.objects_like(connection, identity, 4)
            if row.object_id == identity and sees(ask, row.store)
        ]
    items = [
        Ref(
            kind="event",
            id=str(row.seq),
            label=f"event {row.seq}",
            detail=f"{KINDS.get(row.table_name, row.table_name)} {row.object_id}",
        )
        for row in rows
    ]
    return Step(
        "events", "Raw events", None, None, len(items), items[:REFS_MAX], len(items) > REFS_MAX
    )


def _entries_step(ask: Ask, store: str, day: str, _params: Subject) -> Step:
    """Entries of a store-day."""
    with ask.desk.books.connect() as connection:
        rows = screens.entries(connection, Within((store,), day, day), limit=REFS_MAX)
    items = [entry_ref(ask.desk, row) for row in rows]
    return Step("entry", f"Journal entries of {store} {day}", None, None, len(items), items, False)


def _stock_step(ask: Ask, sale_id: str) -> Step:
    with ask.desk.worker.connect() as connection:
        rows = inventory.movements_of(connection, sale_id)
    items = [
        Ref(
            kind="sku",
            id=row.sku,
            label=row.sku,
            detail=f"{row.store} {row.quantity / 1_000_000:+g}",
        )
        for row in rows
        if sees(ask, row.store)
    ]
    return Step(
        "stock", "Stock it moved", None, None, len(items), items[:REFS_MAX], len(items) > REFS_MAX
    )


def _vendor_step(refs: Iterable[Ref]) -> Step:
    items = [one for one in refs if one.url]
    return Step(
        "vendor", "At the vendor", None, None, len(items), items[:REFS_MAX], len(items) > REFS_MAX
    )


ENDPOINTS = [
    Endpoint("GET", "/find", find, Hits, params=Asked),
    Endpoint("GET", "/trail/{kind}/{id}", trail, Trail, params=Subject),
]
