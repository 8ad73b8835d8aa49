"""Operations on the quantity ledger: one writing transaction at a time, and what screens ask."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, case, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cloud_conductor.state import consuming
from cloud_conductor.state.consuming import HEAD
from cloud_conductor.state.tables.inventory import (
    ALIAS,
    CURSOR,
    MOVEMENT,
    ON_HAND,
    PRODUCT,
    SALE,
    TRANSFER,
    UNKNOWN,
)

IDS_PER_QUERY = 400

SaleKey = tuple[str, str, str]
ProductKey = tuple[str, str, str]


class SeenSale(msgspec.Struct, frozen=True):
    """The version of a sale that stock stands on; lines: JSON of line -> [store, product, qty]."""

    version_rank: int
    version_digest: str
    lines: str


class StockRow(msgspec.Struct, frozen=True):
    """Stock of one SKU at one place. counted_us and count_id: of its newest count."""

    sku: str
    store: str
    quantity: int
    last_movement_us: int
    counted_us: int | None
    count_id: str
    seq: int


class Troubles(msgspec.Struct, frozen=True):
    """SKUs below zero somewhere, products without a SKU, and the newest movement's number."""

    negative: int
    unknown: int
    seq: int


@dataclass
class Writer:
    """The one writing transaction of stock. seq: number of the newest movement."""

    connection: Connection
    seq: int

    def advance(self, partition: str, lo: int, hi: int) -> None:
        """Move a cursor on. LeaseLost when another process moved it."""
        consuming.advance(self.connection, CURSOR, partition, lo=lo, hi=hi)

    def put(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert or replace."""
        upsert(self.connection, table, rows)

    def known_movements(self, ids: Sequence[str]) -> set[str]:
        """Those ids that are in the ledger, or wait for a SKU."""
        found: set[str] = set()
        for part in _parts(ids):
            for table in (MOVEMENT, UNKNOWN):
                query = select(table.c.movement_id).where(table.c.movement_id.in_(part))
                found.update(self.connection.execute(query).scalars())
        return found

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append movements that are not there, numbered in order, and move the sums with them."""
        if not rows:
            return
        numbered = []
        for row in rows:
            self.seq += 1
            numbered.append(row | {"seq": self.seq})
        self.connection.execute(insert(MOVEMENT), numbered)
        sums: dict[tuple[str, str], dict[str, Any]] = {}
        for row in numbered:
            total = sums.setdefault(
                (row["sku"], row["store"]),
                {"sku": row["sku"], "store": row["store"], "quantity": 0, "count_id": ""}
                | {"last_movement_us": 0, "counted_us": None},
            )
            total["quantity"] += row["quantity"]
            total["last_movement_us"] = max(total["last_movement_us"], row["occurred_us"])
            total["seq"] = row["seq"]
        _add_sums(self.connection, list(sums.values()))

    def wait(self, rows: Sequence[dict[str, Any]]) -> None:
        """Put movements into quarantine: their product has no SKU yet (R-11.4)."""
        if rows:
            self.connection.execute(insert(UNKNOWN), list(rows))

    def release(self, ids: Sequence[str], now_us: int) -> None:
        for part in _parts(ids):
            query = update(UNKNOWN).where(UNKNOWN.c.movement_id.in_(part))
            self.connection.execute(query.values(released_us=now_us))

    def set_count(self, sku: str, store: str, counted_us: int, count_id: str) -> None:
        """Note the newest count of a SKU at a place."""
        where = (ON_HAND.c.sku == sku, ON_HAND.c.store == store)
        query = update(ON_HAND).where(*where).values(counted_us=counted_us, count_id=count_id)
        self.connection.execute(query)


def writing(engine: Engine) -> AbstractContextManager[Writer]:
    """A transaction that no other writer of stock overlaps; rolled back on any error."""
    return consuming.turn(engine, CURSOR, "movement_seq", Writer)


def cursor(engine: Engine, partition: str) -> int:
    """Everything of a partition up to here is in the movements."""
    with engine.connect() as connection:
        return consuming.position(connection, CURSOR, partition)


def sales(connection: Connection, keys: Iterable[SaleKey]) -> dict[SaleKey, SeenSale]:
    """What stock knows of these sales."""
    groups: dict[tuple[str, str], list[str]] = {}
    for source, merchant_id, sale_id in keys:
        groups.setdefault((source, merchant_id), []).append(sale_id)
    found: dict[SaleKey, SeenSale] = {}
    for (source, merchant_id), ids in groups.items():
        for part in _parts(ids):
            query = select(SALE).where(
                SALE.c.source == source,
                SALE.c.merchant_id == merchant_id,
                SALE.c.sale_id.in_(part),
            )
            for row in connection.execute(query):
                seen = SeenSale(row.version_rank, row.version_digest, row.lines)
                found[source, merchant_id, row.sale_id] = seen
    return found


def skus(connection: Connection, keys: Iterable[ProductKey]) -> dict[ProductKey, str]:
    """SKU of each product that has one: a person's word first, then the newest catalogue version."""
    groups: dict[tuple[str, str], list[str]] = {}
    for source, merchant_id, product_id in set(keys):
        groups.setdefault((source, merchant_id), []).append(product_id)
    found: dict[ProductKey, str] = {}
    for (source, merchant_id), ids in groups.items():
        for part in _parts(sorted(ids)):
            query = (
                select(PRODUCT.c.product_id, PRODUCT.c.sku)
                .where(
                    PRODUCT.c.source == source,
                    PRODUCT.c.merchant_id == merchant_id,
                    PRODUCT.c.product_id.in_(part),
                    PRODUCT.c.sku != "",
                )
                .order_by(PRODUCT.c.valid_from_us)
            )
            for product_id, sku in connection.execute(query):
                found[source, merchant_id, product_id] = sku
            named = select(ALIAS.c.product_id, ALIAS.c.sku).where(
                ALIAS.c.source == source, ALIAS.c.product_id.in_(part)
            )
            for product_id, sku in connection.execute(named):
                found[source, merchant_id, product_id] = sku
    return found


def unknown(connection: Connection, products: Iterable[tuple[str, str]] | None = None) -> list[Any]:
    """Movements that wait for a SKU, of some (source, product) or of all, oldest first."""
    query = select(UNKNOWN).where(UNKNOWN.c.released_us.is_(None)).order_by(UNKNOWN.c.occurred_us)
    if products is None:
        return list(connection.execute(query))
    by_source: dict[str, list[str]] = {}
    for source, product_id in products:
        by_source.setdefault(source, []).append(product_id)
    found: list[Any] = []
    for source, ids in by_source.items():
        for part in _parts(ids):
            some = query.where(UNKNOWN.c.source == source, UNKNOWN.c.product_id.in_(part))
            found += connection.execute(some)
    return found


def stock(
    connection: Connection, *, sku: Sequence[str] = (), stores: Sequence[str] = ()
) -> list[StockRow]:
    """Sums by SKU and store."""
    query = select(ON_HAND).order_by(ON_HAND.c.sku, ON_HAND.c.store)
    if stores:
        query = query.where(ON_HAND.c.store.in_(stores))
    if not sku:
        return [StockRow(*row) for row in connection.execute(query)]
    found: list[StockRow] = []
    for part in _parts(sku):
        rows = connection.execute(query.where(ON_HAND.c.sku.in_(part)))
        found += [StockRow(*row) for row in rows]
    return found


def held_at(connection: Connection, sku: str, store: str, at_us: int) -> int:
    """On hand of a SKU at a place as of an instant, that instant included."""
    query = select(func.sum(MOVEMENT.c.quantity)).where(
        MOVEMENT.c.sku == sku, MOVEMENT.c.store == store, MOVEMENT.c.occurred_us <= at_us
    )
    return int(connection.execute(query).scalar() or 0)


def movements(
    connection: Connection,
    sku: str,
    *,
    stores: Sequence[str] = (),
    before: tuple[int, int] | None = None,
    limit: int = 100,
) -> list[Any]:
    """Movements of a SKU, latest first, each with the balance of its store after it."""
    balance = (
        func.sum(MOVEMENT.c.quantity)
        .over(partition_by=MOVEMENT.c.store, order_by=[MOVEMENT.c.occurred_us, MOVEMENT.c.seq])
        .label("balance")
    )
    inner = select(MOVEMENT, balance).where(MOVEMENT.c.sku == sku)
    if stores:
        inner = inner.where(MOVEMENT.c.store.in_(stores))
    rows = inner.subquery()
    query = select(rows).order_by(rows.c.occurred_us.desc(), rows.c.seq.desc()).limit(limit)
    if before is not None:
        at_us, seq = before
        is_earlier = or_(
            rows.c.occurred_us < at_us, (rows.c.occurred_us == at_us) & (rows.c.seq < seq)
        )
        query = query.where(is_earlier)
    return list(connection.execute(query))


def movement_sums(connection: Connection) -> dict[tuple[str, str], int]:
    """(SKU, store) -> sum of all movements: what the snapshot must equal (INV-13)."""
    query = select(MOVEMENT.c.sku, MOVEMENT.c.store, func.sum(MOVEMENT.c.quantity))
    rows = connection.execute(query.group_by(MOVEMENT.c.sku, MOVEMENT.c.store))
    return {(sku, store): int(quantity) for sku, store, quantity in rows}


def movements_of(connection: Connection, reference: str) -> list[Any]:
    """What a sale, transfer, receipt or count moved."""
    query = select(MOVEMENT).where(MOVEMENT.c.reference == reference).order_by(MOVEMENT.c.seq)
    return list(connection.execute(query))


def products(
    connection: Connection, *, sku: Sequence[str] = (), text: str = "", limit: int = 1_000
) -> list[Any]:
    """Catalogue versions of SKUs, or of those whose SKU or name holds the text; oldest first."""
    query = select(PRODUCT).where(PRODUCT.c.sku != "").order_by(PRODUCT.c.valid_from_us)
    if sku:
        found: list[Any] = []
        for part in _parts(sku):
            found += connection.execute(query.where(PRODUCT.c.sku.in_(part)))
        return found
    if text:
        fits = or_(
            PRODUCT.c.sku.icontains(text, autoescape=True),
            PRODUCT.c.name.icontains(text, autoescape=True),
        )
        query = query.where(fits)
    return list(connection.execute(query.limit(limit)))


def departments(connection: Connection) -> dict[tuple[str, str], str]:
    """(source, category product id) -> its newest name."""
    query = select(PRODUCT.c.source, PRODUCT.c.product_id, PRODUCT.c.name).where(
        PRODUCT.c.product_id.startswith("category:")
    )
    rows = connection.execute(query.order_by(PRODUCT.c.valid_from_us))
    return {(source, product_id): name for source, product_id, name in rows}


def transfer(connection: Connection, transfer_id: str) -> Any:
    query = select(TRANSFER).where(TRANSFER.c.transfer_id == transfer_id)
    return connection.execute(query).one_or_none()


def transfers(connection: Connection, state: str = "", limit: int = 500) -> list[Any]:
    """Transfers, newest first."""
    query = select(TRANSFER).order_by(TRANSFER.c.created_us.desc()).limit(limit)
    if state:
        query = query.where(TRANSFER.c.state == state)
    return list(connection.execute(query))


def troubles(connection: Connection) -> Troubles:
    """What somebody should look at."""
    below = select(func.count(func.distinct(ON_HAND.c.sku))).where(ON_HAND.c.quantity < 0)
    waits = select(UNKNOWN.c.source, UNKNOWN.c.product_id).where(UNKNOWN.c.released_us.is_(None))
    products_ = select(func.count()).select_from(waits.distinct().subquery())
    newest = select(CURSOR.c.movement_seq).where(CURSOR.c.partition == HEAD)
    return Troubles(
        negative=int(connection.execute(below).scalar() or 0),
        unknown=int(connection.execute(products_).scalar() or 0),
        seq=int(connection.execute(newest).scalar() or 0),
    )


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; where the key is there, replace the rest."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def _add_sums(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add to the sums; the movements behind them were appended just now, in this transaction."""
    statement = _insert(connection, ON_HAND)
    is_later = statement.excluded.last_movement_us > ON_HAND.c.last_movement_us
    changed = {
        "quantity": ON_HAND.c.quantity + statement.excluded.quantity,
        "last_movement_us": case(
            (is_later, statement.excluded.last_movement_us), else_=ON_HAND.c.last_movement_us
        ),
        "seq": statement.excluded.seq,
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=["sku", "store"], set_=changed), rows
    )


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """SQLite takes a limited number of values in one statement."""
    for start in range(0, len(ids), IDS_PER_QUERY):
        yield ids[start : start + IDS_PER_QUERY]
