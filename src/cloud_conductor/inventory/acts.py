"""What people do to stock: receive, count, adjust, transfer, name a product.

Each act has an id of its own; doing it again under the same id moves nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from cloud_conductor.domain.errors import BadRequest, Conflict, NotFound
from cloud_conductor.inventory.flow import InventoryDeps, put, release_product
from cloud_conductor.inventory.movements import TRANSIT, Kind, Movement, micro, movement_id, text
from cloud_conductor.state import inventory as state
from cloud_conductor.state.accounting import to_us
from cloud_conductor.state.inventory import Writer
from cloud_conductor.state.tables.inventory import ALIAS, TRANSFER

LINES_MAX = 1_000
QUANTITY_MAX = 10**12


class Quantity(msgspec.Struct, frozen=True):
    """So many of a SKU; the sign is the act's."""

    sku: str
    quantity: Decimal


class Transfer(msgspec.Struct, frozen=True):
    """Goods on their way. lines: SKU -> (sent, received) in millionths."""

    transfer_id: str
    from_store: str
    to_store: str
    state: str
    created_us: int
    author: str
    lines: dict[str, tuple[int, int]]


def receive(
    deps: InventoryDeps, act_id: str, author: str, store: str, reference: str,
    lines: Sequence[Quantity],
) -> list[str]:  # fmt: skip
    """Goods came in; gives the movements' ids."""
    signed = [(one.sku, _positive(one)) for one in lines]
    return _plain(deps, act_id, "receipt", author, store, signed, reason=reference)


def adjust(
    deps: InventoryDeps, act_id: str, author: str, store: str, reason: str,
    lines: Sequence[Quantity],
) -> list[str]:  # fmt: skip
    """Stock differs for a reason that no sale tells: damaged, given away, found."""
    signed = [(one.sku, _exact(one)) for one in lines]
    return _plain(deps, act_id, "adjustment", author, store, signed, reason=reason)


def count(
    deps: InventoryDeps, act_id: str, author: str, store: str, counted_at: datetime,
    lines: Sequence[Quantity],
) -> list[str]:  # fmt: skip
    """Goods were counted at an instant: stock was that then, and later movements still apply (R-11.9)."""
    counted_us, now_us = to_us(counted_at), deps.now_us
    if counted_us > now_us:
        raise BadRequest("a count cannot be in the future")
    _check(lines)
    made: list[str] = []
    with state.writing(deps.engine) as writer:
        _check_skus(writer, [one.sku for one in lines])
        for one in lines:
            counted = _exact(one)
            if counted < 0:
                raise BadRequest(f"{one.sku}: less than nothing cannot be counted")
            count_id = movement_id("count", act_id, store, one.sku)
            held = state.held_at(writer.connection, one.sku, store, counted_us)
            movement = _movement(
                act_id,
                "count",
                author,
                store,
                one.sku,
                counted - held,
                counted_us,
                reference=count_id,
            )
            known = writer.known_movements([movement.movement_id])
            made.append(movement.movement_id)
            if known:
                continue
            put(writer, [movement], now_us)
            before = state.stock(writer.connection, sku=[one.sku], stores=[store])[0].counted_us
            if before is None or counted_us >= before:
                writer.set_count(one.sku, store, counted_us, count_id)
    return made


def send(
    deps: InventoryDeps, act_id: str, author: str, from_store: str, to_store: str,
    lines: Sequence[Quantity],
) -> Transfer:  # fmt: skip
    """Goods leave a store for another: out here, and in transit until they arrive (R-11.8)."""
    if from_store == to_store:
        raise BadRequest("a transfer goes from one store to another")
    _check(lines)
    transfer_id = movement_id("transfer", act_id)
    with state.writing(deps.engine) as writer:
        known = state.transfer(writer.connection, transfer_id)
        if known is not None:
            return _transfer(known)
        _check_skus(writer, [one.sku for one in lines])
        sums = _summed(lines)
        now_us = deps.now_us
        moves = [
            _movement(
                act_id, kind, author, place, sku, sign * quantity, now_us, reference=transfer_id
            )
            for sku, quantity in sums.items()
            for kind, place, sign in _out_of(from_store)
        ]
        put(writer, moves, now_us)
        made = Transfer(
            transfer_id=transfer_id,
            from_store=from_store,
            to_store=to_store,
            state="open",
            created_us=now_us,
            author=author,
            lines={sku: (quantity, 0) for sku, quantity in sums.items()},
        )
        writer.put(TRANSFER, [_transfer_row(made)])
    return made


def arrive(
    deps: InventoryDeps, act_id: str, author: str, transfer_id: str,
    lines: Sequence[Quantity] | None = None,
) -> Transfer:  # fmt: skip
    """Goods of a transfer arrive: all that are left, or the given ones. The rest stays in transit."""
    with state.writing(deps.engine) as writer:
        row = state.transfer(writer.connection, transfer_id)
        if row is None:
            raise NotFound(f"no transfer {transfer_id}")
        known = _transfer(row)
        left = {sku: sent - received for sku, (sent, received) in known.lines.items()}
        came = left if lines is None else _summed(lines)
        first = _movement(act_id, "transfer_in", author, known.to_store, next(iter(came), ""), 1, 0)
        if writer.known_movements([first.movement_id]):
            return known
        for sku, quantity in came.items():
            if quantity > left.get(sku, 0):
                told = text(left.get(sku, 0))
                raise Conflict(f"{sku}: {told} are on their way, {text(quantity)} cannot arrive")
        now_us = deps.now_us
        moves = [
            _movement(
                act_id, kind, author, place, sku, sign * quantity, now_us, reference=transfer_id
            )
            for sku, quantity in came.items()
            if quantity
            for kind, place, sign in _into(known.to_store)
        ]
        put(writer, moves, now_us)
        lines_now = {
            sku: (sent, received + came.get(sku, 0))
            for sku, (sent, received) in known.lines.items()
        }
        is_done = all(sent == received for sent, received in lines_now.values())
        done = msgspec.structs.replace(
            known, lines=lines_now, state="received" if is_done else "open"
        )
        writer.put(TRANSFER, [_transfer_row(done)])
    return done


def name_product(deps: InventoryDeps, author: str, source: str, product_id: str, sku: str) -> int:
    """Say which SKU a product is; what waited for it moves now. Gives how many movements that were."""
    now_us = deps.now_us
    with state.writing(deps.engine) as writer:
        row = {
            "source": source,
            "product_id": product_id,
            "sku": sku,
            "author": author,
            "at_us": now_us,
        }
        writer.put(ALIAS, [row])
        return release_product(writer, source, product_id, now_us)


def transfer_of(row: object) -> Transfer:
    """A stored transfer."""
    return _transfer(row)


def _plain(
    deps: InventoryDeps, act_id: str, kind: Kind, author: str, store: str,
    signed: Sequence[tuple[str, int]], *, reason: str,
) -> list[str]:  # fmt: skip
    _check(signed)
    with state.writing(deps.engine) as writer:
        _check_skus(writer, [sku for sku, _ in signed])
        now_us = deps.now_us
        moves = [
            msgspec.structs.replace(
                _movement(act_id, kind, author, store, sku, quantity, now_us, place=place),
                reason=reason,
            )
            for place, (sku, quantity) in enumerate(signed)
        ]
        put(writer, moves, now_us)
    return [one.movement_id for one in moves]


def _movement(
    act_id: str, kind: Kind, author: str, store: str, sku: str, quantity: int, occurred_us: int,
    *, reference: str = "", place: int = 0,
) -> Movement:  # fmt: skip
    return Movement(
        movement_id=movement_id("act", act_id, kind, store, sku, place),
        kind=kind,
        store=store,
        sku=sku,
        quantity=quantity,
        occurred_us=occurred_us,
        reference=reference or act_id,
        author=author,
    )


def _out_of(store: str) -> tuple[tuple[Kind, str, int], ...]:
    """The two legs of leaving: they sum to zero."""
    return (("transfer_out", store, -1), ("transit", TRANSIT, 1))


def _into(store: str) -> tuple[tuple[Kind, str, int], ...]:
    """The two legs of arriving: they sum to zero."""
    return (("transit", TRANSIT, -1), ("transfer_in", store, 1))


def _check(lines: Sequence[object]) -> None:
    if not 1 <= len(lines) <= LINES_MAX:
        raise BadRequest(f"one to {LINES_MAX} lines")


def _check_skus(writer: Writer, skus: Sequence[str]) -> None:
    """Raises NotFound for a SKU that neither the catalogue nor stock knows."""
    known = {row.sku for row in state.products(writer.connection, sku=skus)}
    known |= {row.sku for row in state.stock(writer.connection, sku=skus)}
    if strange := sorted(set(skus) - known):
        raise NotFound(f"no SKU {', '.join(strange[:5])}")


def _summed(lines: Sequence[Quantity]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for one in lines:
        sums[one.sku] = sums.get(one.sku, 0) + _positive(one)
    return sums


def _positive(line: Quantity) -> int:
    quantity = _exact(line)
    if quantity <= 0:
        raise BadRequest(f"{line.sku}: a quantity above zero is needed")
    return quantity


def _exact(line: Quantity) -> int:
    if not line.quantity.is_finite() or abs(line.quantity) > QUANTITY_MAX:
        raise BadRequest(f"{line.sku}: {line.quantity} is no quantity")
    try:
        return micro(line.quantity)
    except ValueError as error:
        raise BadRequest(f"{line.sku}: {error}") from None


def _transfer_row(one: Transfer) -> Mapping[str, object]:
    fields = msgspec.structs.asdict(one)
    return fields | {"lines": msgspec.json.encode(one.lines).decode()}


def _transfer(row: object) -> Transfer:
    fields = {name: getattr(row, name) for name in Transfer.__struct_fields__}
    lines = msgspec.json.decode(fields["lines"], type=dict[str, tuple[int, int]])
    return Transfer(**fields | {"lines": lines})
