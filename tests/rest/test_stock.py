"""Stock and facts are two readers of one log: they agree, and reading again moves nothing."""

from decimal import Decimal

from shop_front import Front

from cloud_conductor.domain.events import NewEvent
from cloud_conductor.inventory.flow import run_inventory
from cloud_conductor.inventory.movements import MILLION
from cloud_conductor.state import inventory as state

MOVED = """
select p.sku, l.store, -sum(l.quantity) as moved
from sale_lines l
join sales s using (source, merchant_id, sale_id, business_date)
join (select distinct product_id, sku from products where sku <> '') p using (product_id)
where s.state = 'closed' and l.line_kind = 'merchandise'
group by all having moved <> 0
"""


def by_sale(front: Front) -> dict[tuple[str, str], Decimal]:
    """What sales and returns moved, by SKU and store."""
    with front.house.worker.connect() as connection:
        skus = sorted({row.sku for row in state.stock(connection)})
        rows = [row for sku in skus for row in state.movements(connection, sku, limit=10_000)]
    sums: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        if row.kind in ("sale", "return", "void", "correction"):
            key = (row.sku, row.store)
            sums[key] = sums.get(key, Decimal(0)) + Decimal(row.quantity) / MILLION
    return {key: quantity for key, quantity in sums.items() if quantity}


def test_what_sales_moved_is_what_the_facts_sold(front: Front):
    facts = front.house.query(MOVED).to_pylist()
    assert by_sale(front) == {(row["sku"], row["store"]): row["moved"] for row in facts}
    assert len(facts) > 5


def test_the_whole_log_delivered_again_moves_nothing(front: Front):
    """R-11.2: as new events, with ids that deduplication does not know."""
    run_inventory(front.house.inventory_deps)
    before = by_sale(front)
    log = front.house.log
    events = log.read("0", 0, 300)
    again = [
        NewEvent(
            source=one.source, channel="replay", kind=one.kind, event_id=f"again:{one.seq}",
            merchant_id=one.merchant_id, received_us=one.received_us, body=one.body,
            headers=one.headers, url=one.url, trigger_seq=one.seq,
        )
        for one in reversed(events)
    ]  # fmt: skip
    log.append(again)
    done = run_inventory(front.house.inventory_deps)
    assert (done.events, done.movements, done.waiting) == (len(again), 0, 0)
    assert by_sale(front) == before
    assert run_inventory(front.house.inventory_deps).events == 0


def test_a_sku_tells_every_movement_with_the_balance_after_it(owner):
    sku = owner.items("/inventory", limit=1)[0]["sku"]
    rows = owner.items(f"/inventory/{sku}/movements", limit=500)
    for store in {row["store"] for row in rows}:
        mine = [row for row in reversed(rows) if row["store"] == store]
        balance = Decimal(0)
        for row in mine:
            balance += Decimal(row["quantity"])
            assert Decimal(row["balance"]) == balance
        held = owner.get(f"/inventory/{sku}").json()["by_store"]
        assert {one["store"]: Decimal(one["on_hand"]) for one in held}[store] == balance
    assert any(row["event"] for row in rows)


def test_an_unknown_sku_a_fraction_too_fine_and_too_much_arriving_are_refused(owner):
    sku = owner.items("/inventory", limit=1)[0]["sku"]
    line = {"sku": sku, "quantity": "1"}
    assert (
        owner.post("/inventory/receipts", {"store": "NYC01", "lines": [line | {"sku": "NO-SUCH"}]})
    ).status_code == 404
    for quantity in ("0", "-1", "1e3", "0.1234567", "NaN"):
        body = {"store": "NYC01", "lines": [line | {"quantity": quantity}]}
        assert owner.post("/inventory/receipts", body).status_code == 422, quantity
    sent = owner.post(
        "/inventory/transfers", {"from": "NYC01", "to": "CHI01", "lines": [line]}
    ).json()
    more = {"lines": [{"sku": sku, "quantity": "2"}]}
    path = f"/inventory/transfers/{sent['transfer_id']}/receive"
    assert owner.post(path, more).status_code == 409
    assert owner.post(path, {}).json()["state"] == "received"
    assert owner.post(path, {}).json()["lines"][0]["received"] == "1"
