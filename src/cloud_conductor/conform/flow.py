"""What conform does: log to lake, seal, quarantine and release. Safe to kill between any two writes.

A batch is decoded, appended table by table (each table carries its own position, so what it has is
not added again), fsynced, and only then written down in state. State is never ahead of the lake.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from cloud_conductor.conform import originals
from cloud_conductor.conform.batch import Batch, conform_batch
from cloud_conductor.conform.enrich import enrich_lines, enrich_tenders, named_in, strays
from cloud_conductor.domain.errors import ConfigError, CursorGap, Transient
from cloud_conductor.domain.events import Event, NewEvent
from cloud_conductor.domain.schemas import PARTITIONED, TABLES
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.lake import Lake
from cloud_conductor.ports.log import EventLog
from cloud_conductor.ports.pos import PosDecoder
from cloud_conductor.state import conform as state

log = logging.getLogger("conductor")

EVENTS_PER_BATCH = 40_000  # each batch costs a commit a table, and a file a table and date
BATCH_BYTES = 96 * 1024 * 1024  # of bodies, at most a log's page more: a month of orders is 110 MB
SEAL_ATTEMPTS_MAX = 5
DATES_PER_SEAL = 31  # a month of a chain is about 130,000 lines and 100 MB while it is sealed
SEAL_INPUTS = {
    "sale_lines": ("sales", "products"),
    "tenders": ("gift_card_activities",),
}
"""Table -> tables its rows are enriched from."""
SEAL_ORDER = sorted(PARTITIONED, key=SEAL_INPUTS.__contains__)
"""What others are enriched from comes first: sealed after them, it would make them due again."""
SALE_WITHIN = timedelta(days=3)
"""How far apart a payment and the close of its sale mostly are: those days are read whole."""
OPEN_WITHIN = timedelta(days=92)
"""How long a ticket may be open after something was paid on it, and be brought together with it."""


def _go_on(_step: str) -> None:
    """Nothing happens between two writes; a crash test puts a kill here."""


@dataclass(frozen=True)
class ConformDeps:
    """decoders: by source name. step: called with a name before and after every write."""

    log: EventLog
    lake: Lake
    engine: Engine
    decoders: Mapping[str, PosDecoder]
    stores: Sequence[Store]
    events_per_batch: int = EVENTS_PER_BATCH
    step: Callable[[str], None] = field(default=_go_on)


class RunResult(msgspec.Struct, frozen=True):
    """Counts of one run: each event is in rows, ignored or quarantined; rows are table rows."""

    events: int = 0
    rows: int = 0
    quarantined: int = 0
    ignored: int = 0
    released: int = 0
    batches: int = 0

    def __add__(self, other: "RunResult") -> "RunResult":
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return RunResult(*(a + b for a, b in zip(mine, theirs, strict=True)))


class EventCount(msgspec.Struct, frozen=True):
    """INV-16 of one source: received = processed + quarantined + deduplicated + pending.

    received counts deliveries, duplicates among them; processed includes events without facts of
    their own; quarantined is what is open now; pending is in the log and not conformed yet.
    """

    received: int
    processed: int
    quarantined: int
    deduplicated: int
    pending: int


def check_lake(deps: ConformDeps) -> None:
    """Raise CursorGap when a table has less than was committed to it: files were lost.

    Without this an emptied lake would look like days on which nothing was sold.
    """
    for partition in deps.log.partitions():
        for table, seq in sorted(state.positions(deps.engine, partition).items()):
            held = deps.lake.position(table, f"conform/{table}/{partition}")
            if held < seq:
                raise CursorGap(
                    f"table {table} holds the log to {held}, and had it to {seq}: files of the"
                    " lake are gone. Nothing is closed or posted on what is left",
                    hint="stop conductor up, then: conductor replay --rebuild",
                )


def run_conform(deps: ConformDeps) -> RunResult:
    """Conform everything the log holds now. Re-running any prefix is a no-op."""
    check_lake(deps)
    total = RunResult()
    for partition in deps.log.partitions():
        end, done = deps.log.high_water(partition), -1
        while (lo := state.cursor(deps.engine, partition)) < end:
            if lo != done:  # the first batch, or another process went on meanwhile
                memory = state.Memory(deps.engine)
            events = _read(deps, partition, lo)
            if not events:
                break
            total += _run_batch(deps, memory, partition, lo, events)
            done = events[-1].seq
    return total


def run_seal(deps: ConformDeps, business_date: date) -> int:
    """Seal one date of all stores; see run_seals."""
    return run_seals(deps, [business_date])


def run_seals(deps: ConformDeps, dates: Sequence[date]) -> int:
    """Replace dates' partitions by enriched, sorted, latest rows of all stores; gives rows written.

    Dates whose files, and the files their rows were enriched from, are as the last seal left them
    are not read. Idempotent. Rows that arrive later coexist until the next seal. DATES_PER_SEAL
    dates share one read and one commit a table.
    """
    check_lake(deps)
    rows, wanted = 0, sorted(set(dates))
    for start in range(0, len(wanted), DATES_PER_SEAL):
        some = wanted[start : start + DATES_PER_SEAL]
        for table in SEAL_ORDER:
            rows += _seal(deps, table, some)
    if rows:
        deps.lake.sync()
        fields = {"dates": len(wanted), "last": wanted[-1].isoformat(), "rows": rows}
        log.info("days.sealed", extra={"fields": fields})
    return rows


def _seal(deps: ConformDeps, table: str, dates: Sequence[date]) -> int:
    """Seal a table's dates that have rows and are not as their last seal left them."""
    lake, inputs = deps.lake, SEAL_INPUTS.get(table, ())
    for attempt in range(1, SEAL_ATTEMPTS_MAX + 1):
        with lake.held():
            present = sorted(set(dates) & set(lake.dates(table)))
            due = sorted(set(present) - lake.sealed(table, present, inputs))
            if not due:
                return 0
            basis = lake.basis(table, due, inputs)
            sealed = _enriched(lake, table, due)
        deps.step(f"seal:{table}")
        try:
            lake.replace(table, due, sealed, basis=basis)
        except Transient:
            if attempt == SEAL_ATTEMPTS_MAX:
                raise
            continue
        return int(sealed.num_rows)
    raise AssertionError("the last attempt returns or raises")


def facts(
    lake: Lake, business_date: date, *, store: str = "", tables: Sequence[str] = PARTITIONED
) -> dict[str, pa.Table]:
    """Enriched latest rows of a business date by table, of one store or of all.

    The same rows whether the day is sealed or still open.
    """
    found = {table: fact(lake, table, business_date) for table in tables}
    if not store:
        return found
    return {name: rows.filter(pc.equal(rows["store"], store)) for name, rows in found.items()}


def day_facts(lake: Lake, business_date: date) -> dict[str, pa.Table]:
    """`facts` of all stores, with every tender on the day of the sale that names it (R-2.8).

    A card taken a minute before the cut-off whose sale closes after it is dated by its own clock
    in the tables; here, and so in entries and levels, it belongs to its sale. Neighbouring dates
    are read only when a tender or a sale of the day lacks its counterpart.
    """
    found = facts(lake, business_date)
    tenders = day_tenders(lake, business_date, found["tenders"], found["sale_tenders"])
    lines = beside_their_sales(lake, found["sale_lines"], found["sales"])
    return found | {"tenders": tenders, "sale_lines": lines}


def day_tenders(
    lake: Lake,
    business_date: date,
    tenders: pa.Table,
    named: pa.Table,
    read: Callable[[str, Sequence[date]], pa.Table] | None = None,
) -> pa.Table:
    """Enriched tenders of a date with those of its sales, without those of other dates' sales.

    named: the date's sale_tenders. read: rows of other dates, where they are at hand; what is
    farther away than SALE_WITHIN is looked for by its ids.
    """
    read = read or lake.read
    if strays(tenders, named).num_rows:
        near = read("sale_tenders", _near(lake, "sale_tenders", business_date))
        tenders = _without(tenders, named, near)
    if (stray := strays(tenders, named)).num_rows:
        tenders = _without(tenders, named, _far(lake, named, business_date, stray))
    absent = named.filter(pc.invert(named_in(named, tenders)))
    if absent.num_rows:
        dates = _near(lake, "tenders", business_date)
        others = enrich_tenders(read("tenders", dates), read("gift_card_activities", dates))
        tenders = _with(tenders, absent, others, business_date)
        absent = absent.filter(pc.invert(named_in(absent, tenders)))
    if absent.num_rows:
        far = _far(lake, tenders, business_date, absent, table="tenders")
        dates = far["business_date"].unique().to_pylist()
        others = enrich_tenders(far, read("gift_card_activities", dates))
        tenders = _with(tenders, absent, others, business_date)
    return tenders


def _without(tenders: pa.Table, named: pa.Table, elsewhere: pa.Table) -> pa.Table:
    """Tenders less those that moved money for a sale of elsewhere (SALE_TENDERS) and none of here."""
    stray = strays(tenders, named)
    is_theirs = pc.and_(named_in(tenders, stray), named_in(tenders, elsewhere))
    return tenders.filter(pc.invert(is_theirs))


def _with(tenders: pa.Table, absent: pa.Table, others: pa.Table, on: date) -> pa.Table:
    """Tenders and those others that sales of the day name and lack, dated as theirs."""
    claimed = _dated(others.filter(named_in(others, absent)), on)
    return pa.concat_tables([tenders, claimed])


def _far(
    lake: Lake, like: pa.Table, on: date, wanted: pa.Table, *, table: str = "sale_tenders"
) -> pa.Table:
    """Rows of a table about the wanted tenders, within OPEN_WITHIN; with the columns of `like`."""
    dates = [one for one in lake.dates(table) if abs(one - on) <= OPEN_WITHIN]
    ids = wanted["tender_id"].unique().to_pylist()
    columns = like.schema.names
    return lake.read(table, dates, columns=columns, where=("tender_id", ids))


def beside_their_sales(lake: Lake, lines: pa.Table, sales: pa.Table) -> pa.Table:
    """Enriched lines with what their returns say only beside the sales they take back.

    Other dates are read only when something came back (R-11.7, R-9.17).
    """
    goods = originals.returned_products(lines)
    if goods.num_rows:
        columns = originals.ORIGINAL_COLUMNS
        ids = goods["return_of_sale_id"].unique().to_pylist()
        sold = lake.read("sale_lines", columns=columns, where=("sale_id", ids))
        sold = pa.concat_tables([lines.select(columns), sold.select(columns)])
        lines = originals.costed_as_sold(lines, sold, sales)
    money = originals.returned_money(lines)
    if money.num_rows:
        ids = money["return_of_sale_id"].unique().to_pylist()
        sold, paid = (lake.read(name, where=("sale_id", ids)) for name in ("sales", "sale_tenders"))
        back = lake.read("sale_lines", where=("return_of_sale_id", ids))
        back = originals.returned_money(back)
        lines = originals.told_as_repayments(lines, sold, paid, back)
    return lines


def _dated(rows: pa.Table, business_date: date) -> pa.Table:
    at = rows.schema.get_field_index("business_date")
    dates = pa.repeat(pa.scalar(business_date, pa.date32()), rows.num_rows)
    return rows.set_column(at, rows.schema.field(at), dates)


def _near(lake: Lake, table: str, business_date: date) -> list[date]:
    """Partitions around a date, itself left out."""
    return [
        one for one in lake.dates(table) if timedelta(0) < abs(one - business_date) <= SALE_WITHIN
    ]


def fact(lake: Lake, table: str, business_date: date) -> pa.Table:
    """Enriched latest rows of one table and business date."""
    days = [business_date]
    if lake.sealed(table, days, SEAL_INPUTS.get(table, ())):
        return lake.read(table, days)
    return _enriched(lake, table, days)


def _enriched(lake: Lake, table: str, dates: Sequence[date]) -> pa.Table:
    """Latest rows of some dates with what only other tables know.

    The table itself is read last, so that a following `replace` stands on what was read.
    """
    if table == "sale_lines":
        sales, products = lake.read("sales", dates), lake.read("products")
        return enrich_lines(lake.read(table, dates), sales, products)
    if table == "tenders":
        activities = lake.read("gift_card_activities", dates)
        return enrich_tenders(lake.read(table, dates), activities)
    return lake.read(table, dates)


def release(
    deps: ConformDeps,
    quarantined: Sequence[state.Quarantined],
    *,
    author: str,
    now: datetime,
    fixed_body: bytes | None = None,
) -> int:
    """Send quarantined events through again, as new events that name the old; gives how many.

    fixed_body: a corrected body, for exactly one event. The original stays in the log.
    """
    if fixed_body is not None and len(quarantined) != 1:
        raise ConfigError("a corrected body replaces exactly one event")
    sent = 0
    for one in quarantined:
        if one.state != state.OPEN:
            continue
        (original,) = deps.log.get([one.seq])
        attempts = one.attempts + 1
        deps.log.append([_replayed(original, attempts, fixed_body, now)])
        deps.step("release")
        state.note_release(deps.engine, one.seq, attempts=attempts, author=author, now=now)
        sent += 1
    if sent:
        log.info("quarantine.released", extra={"fields": {"events": sent, "author": author}})
    return sent


def accounting_of_events(deps: ConformDeps) -> dict[str, EventCount]:
    """INV-16 per source: every id in the log is in exactly one class (the log holds an id once).

    What conform has taken was counted when it was; only what waits is read.
    """
    done = state.tally(deps.engine)
    waiting: dict[str, int] = {}
    for partition in deps.log.partitions():
        after = done.cursors.get(partition, 0)
        while events := deps.log.read(partition, after, deps.events_per_batch):
            for event in events:
                waiting[event.source] = waiting.get(event.source, 0) + 1
            after = events[-1].seq
    again = _duplicates(deps)
    result = {}
    for source in sorted(done.taken.keys() | waiting.keys() | again.keys()):
        taken, held = done.taken.get(source, 0), done.quarantined.get(source, 0)
        pending, repeated = waiting.get(source, 0), again.get(source, 0)
        result[source] = EventCount(
            received=taken + pending + repeated,
            processed=taken - held,
            quarantined=held,
            deduplicated=repeated,
            pending=pending,
        )
    return result


def _read(deps: ConformDeps, partition: str, after: int) -> list[Event]:
    """The next batch: the log gives pages of bounded size, a batch may take several."""
    events: list[Event] = []
    size_bytes = 0
    while len(events) < deps.events_per_batch and size_bytes < BATCH_BYTES:
        page = deps.log.read(partition, after, deps.events_per_batch - len(events))
        if not page:
            break
        events += page
        size_bytes += sum(len(event.body) for event in page)
        after = page[-1].seq
    return events


def _run_batch(
    deps: ConformDeps, memory: state.Memory, partition: str, lo: int, events: Sequence[Event]
) -> RunResult:
    batch = conform_batch(
        events,
        partition=partition,
        decoders=deps.decoders,
        stores=deps.stores,
        memory=memory,
        events_of=deps.log.get,
    )
    hi = events[-1].seq
    recorded = state.positions(deps.engine, partition)
    positions = _append(deps, batch, partition, recorded, hi)
    deps.step("sync")
    deps.lake.sync()
    deps.step("commit")
    learnt = msgspec.structs.replace(
        batch.learnt, partition=partition, lo=lo, hi=hi, positions=recorded | positions
    )
    state.commit(deps.engine, learnt)
    memory.learn(learnt)
    deps.step("committed")
    result = RunResult(
        events=len(events),
        rows=batch.rows,
        quarantined=batch.outcomes["rejected"],
        ignored=batch.outcomes["ignored"],
        released=len(learnt.released),
        batches=1,
    )
    fields = msgspec.structs.asdict(result) | {"partition": partition, "log_seq": hi}
    log.info("batch.conformed", extra={"fields": fields})
    return result


def _append(
    deps: ConformDeps, batch: Batch, partition: str, recorded: Mapping[str, int], hi: int
) -> dict[str, int]:
    """Append each table's rows that it does not hold yet; gives the positions written."""
    written = {}
    for table in TABLES:
        rows = batch.tables.get(table)
        if rows is None:
            continue
        app = f"conform/{table}/{partition}"
        done = deps.lake.position(table, app)
        if done >= hi:
            written[table] = done
            continue
        # A table behind its recorded position has lost commits: the lake answers CursorGap.
        lo = max(done, recorded.get(table, 0))
        new = batch.after(table, lo)
        if not new.num_rows:
            continue
        deps.step(f"append:{table}")
        deps.lake.append(table, new, app=app, lo=lo, hi=hi)
        written[table] = hi
    return written


def _replayed(original: Event, attempt: int, fixed_body: bytes | None, now: datetime) -> NewEvent:
    return NewEvent(
        source=original.source,
        channel="replay",
        kind=original.kind,
        event_id=f"replay:{original.seq}:{attempt}",
        merchant_id=original.merchant_id,
        received_us=state.micros(now),
        body=original.body if fixed_body is None else fixed_body,
        headers=original.headers,
        url=original.url,
        trigger_seq=original.seq,
    )


def _duplicates(deps: ConformDeps) -> dict[str, int]:
    """Duplicate deliveries by source; those counted before are not read again."""
    known, number = state.duplicates(deps.engine)
    while page := deps.log.duplicates(number):
        found = dict(known)
        for _, event in page:
            found[event.source] = found.get(event.source, 0) + 1
        if not state.count_duplicates(deps.engine, found, after=number, number=page[-1][0]):
            return state.duplicates(deps.engine)[0]  # another process counts at this moment
        known, number = found, page[-1][0]
    return known
