"""Laws of entries over random days: INV-01, INV-05, INV-06, INV-09, INV-11, INV-17, INV-20."""

from collections import Counter
from datetime import date, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud_conductor.accounting.collected import collected
from cloud_conductor.accounting.custody import Drawer, with_left
from cloud_conductor.accounting.facts import DayFacts, StoreDay, total
from cloud_conductor.accounting.journal import day_entries, lineage_of, span_entries
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.accounting.versions import next_version, summed
from cloud_conductor.domain.stores import Store
from cloud_conductor.testing import golden_day as golden
from cloud_conductor.testing.small_day import NOON, Basket, Line, Service, Tender, small_tables

ACCOUNTS = AccountMap.of(
    {
        **golden.MAPPING,
        "sales.*": "204",
        "donations_payable": "850",
        "store_credit_liability": "841",
        "vendor_receivable": "620",
        "payout_entry.*": "861",
        "dispute_receivable": "860",
        "chargeback_loss": "440",
        "cash_rounding": "435",
        "cash_custody_diff": "426",
    },
    "1",
)
AMOUNT = st.integers(1, 500_00)
DEPARTMENTS = st.sampled_from(["Apparel", "Home", "Café", None])


@st.composite
def a_line(draw) -> Line:
    gross = draw(AMOUNT)
    back = draw(st.booleans())
    sign = -1 if back else 1
    return Line(
        gross=sign * gross,
        discount=sign * draw(st.integers(0, gross)),
        discount_kind=draw(st.sampled_from(["percent", "amount", "comp", "loyalty", "coupon"])),
        funded_by=draw(st.sampled_from(["store", "vendor"])),
        department=draw(DEPARTMENTS),
        kind=draw(st.sampled_from(["merchandise", "merchandise", "gift_card", "donation"])),
        event="return" if back else "sale",
        cost=draw(st.none() | st.integers(0, 100_00).map(lambda cost: sign * cost)),
    )


@st.composite
def a_basket(draw, sale_id: str) -> Basket:
    basket = Basket(
        sale_id=sale_id,
        lines=tuple(draw(st.lists(a_line(), min_size=1, max_size=4))),
        tax=tuple((name, draw(st.integers(-5_00, 5_00))) for name in ("STATE", "CITY")),
        services=tuple(
            Service(amount=draw(AMOUNT), is_gratuity=draw(st.booleans()))
            for _ in range(draw(st.integers(0, 1)))
        ),
        tip=draw(st.integers(0, 5_00)),
        rounding=draw(st.integers(-2, 2)),
    )
    first = draw(st.integers(min(0, basket.total), max(0, basket.total)))
    kinds = st.sampled_from(["card", "cash", "gift_card", "store_credit"])
    tenders = tuple(
        Tender(
            amount=amount,
            type=draw(kinds),
            fee=draw(st.integers(0, 3_00)),
            event="payment" if amount > 0 else "refund",
        )
        for amount in (first, basket.total - first)
        if amount
    )
    return Basket(
        **{name: getattr(basket, name) for name in basket.__struct_fields__ if name != "tenders"},
        tenders=tenders,
    )


@st.composite
def baskets(draw) -> list[Basket]:
    return [draw(a_basket(f"S{n}")) for n in range(draw(st.integers(1, 5)))]


def entries_of(day: list[Basket]):
    facts = DayFacts.of(golden.STORE, golden.DAY, small_tables(day))
    return day_entries(facts, ACCOUNTS)


@settings(max_examples=60, deadline=None)
@given(baskets())
def test_a_day_that_adds_up_gives_balanced_entries_and_no_error(day):
    found = entries_of(day)
    assert not any(finding.blocks for finding in found.findings)
    for entry in found.entries:
        assert entry.is_balanced  # INV-01
    sales = [entry for entry in found.entries if entry.kind == "SALES"]
    assert sum(map(collected, sales)) == sum(basket.total for basket in day)  # INV-06


@settings(max_examples=60, deadline=None)
@given(baskets())
def test_each_line_is_the_sum_of_its_facts_and_each_fact_is_used_once(day):
    found = entries_of(day)
    for entry in found.entries:
        legs = found.legs[entry.kind, entry.source_id]
        for line in entry.lines:  # INV-05, INV-17
            assert total(lineage_of(line, legs, ACCOUNTS)["amount_minor"]) == line.amount_minor
        if entry.kind == "SALES":  # INV-09
            rows = [row for row in legs.to_pylist() if row["fact"] == "tenders"]
            assert max(Counter(row["fact_id"] for row in rows).values(), default=1) == 1
            assert len(rows) == sum(len(basket.tenders) for basket in day)


@settings(max_examples=40, deadline=None)
@given(baskets(), st.integers(1, 9))
def test_a_tender_that_is_off_blocks_the_sales_entry_by_exactly_that_much(day, off):
    wrong = Basket(
        sale_id="WRONG",
        lines=(Line(gross=20_00, cost=1),),
        tenders=(Tender(amount=20_00 + off),),
    )
    found = entries_of([*day, wrong])
    assert not any(entry.kind == "SALES" for entry in found.entries)
    (error,) = [finding for finding in found.findings if finding.blocks]
    assert (error.finding.code, error.amount_minor, error.sale_ids) == ("D03", off, ("WRONG",))


@settings(max_examples=40, deadline=None)
@given(baskets(), st.randoms(use_true_random=False))
def test_the_order_of_facts_changes_no_entry(day, random):
    shuffled = list(day)
    random.shuffle(shuffled)
    assert entries_of(day).entries == entries_of(shuffled).entries


@settings(max_examples=40, deadline=None)
@given(baskets(), st.data())
def test_late_sales_in_several_deltas_or_one_give_the_same_balances_inv_20(day, data):
    cuts = data.draw(st.lists(st.integers(0, len(day)), max_size=3).map(sorted))
    canonical = {entry.kind: entry for entry in entries_of(day).entries}
    for kind, wanted in canonical.items():
        posted = []
        for upto in [*cuts, len(day)]:
            so_far = {entry.kind: entry for entry in entries_of(day[:upto]).entries}
            if kind in so_far:
                version = next_version(posted, so_far[kind])
                posted += [version] if version else []
        assert summed(posted) == summed([wanted])
        assert [entry.version for entry in posted] == list(range(1, len(posted) + 1))
        assert all(entry.is_balanced for entry in posted)


PAYOUT_TYPES = st.sampled_from(["charge", "refund", "fee", "dispute", "hold", "charge"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(PAYOUT_TYPES, st.integers(-900_00, 900_00), st.integers(0, 9_00)), max_size=8
    ),
    st.integers(-3, 3),
    st.sampled_from(["sale", "payout"]),
)
def test_a_payout_is_the_sum_of_its_entries_or_blocked_inv_11(rows, off, fees_at):
    net = sum(gross - fee for _, gross, fee in rows)
    tables = small_tables(
        (),
        payouts=[{"payout_id": "P", "state": "paid", "currency": "USD", "net_minor": net + off}],
        payout_entries=[
            {
                "entry_id": f"B{n}",
                "payout_id": "P",
                "entry_type": kind,
                "currency": "USD",
                "gross_minor": gross,
                "fee_minor": fee,
                "net_minor": gross - fee,
            }
            for n, (kind, gross, fee) in enumerate(rows)
        ],
    )
    found = day_entries(DayFacts.of(golden.STORE, golden.DAY, tables), ACCOUNTS, fees_at=fees_at)
    if off:
        assert found.entries == ()
        assert [finding.amount_minor for finding in found.findings] == [off]
        return
    for entry in found.entries:
        bank = sum(line.amount_minor for line in entry.lines if line.role == "bank")
        assert (entry.is_balanced, bank) == (True, net)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "won", "lost"]), st.integers(1, 900_00)), max_size=6
    )
)
def test_what_is_lost_is_what_is_no_longer_receivable_r_7_5(disputes):
    rows = [
        {"dispute_id": f"D{n}", "state": state, "currency": "USD", "amount_minor": amount}
        for n, (state, amount) in enumerate(disputes)
    ]
    tables = small_tables((), disputes=rows)
    found = day_entries(DayFacts.of(golden.STORE, golden.DAY, tables), ACCOUNTS)
    lost = sum(amount for state, amount in disputes if state == "lost")
    legs = {line.role: line.amount_minor for entry in found.entries for line in entry.lines}
    assert legs == ({"chargeback_loss": lost, "dispute_receivable": -lost} if lost else {})


@st.composite
def a_torn_basket(draw, sale_id: str) -> Basket:
    """A basket that may lack money, be paid twice, be void, or have a refund that failed."""
    basket = draw(a_basket(sale_id))
    changed = draw(st.sampled_from(["", "", "unpaid", "twice", "off", "voided", "failed"]))
    tenders = {
        "unpaid": basket.tenders[:-1],
        "twice": (*basket.tenders, *basket.tenders[:1]),
        "off": (*basket.tenders, Tender(amount=draw(AMOUNT))),
        "failed": tuple(replace(one, state="failed") for one in basket.tenders),
    }.get(changed, basket.tenders)
    return replace(basket, tenders=tenders, state="voided" if changed == "voided" else "closed")


SPAN = [
    (replace(golden.STORE, store=store, location_id=store), golden.DAY + timedelta(days=n))
    for store in ("A1", "B2")
    for n in range(2)
]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["S0", "S1", "S2"]), max_size=2, unique=True).flatmap(
            lambda names: st.tuples(*map(a_torn_basket, names))
        ),
        min_size=len(SPAN),
        max_size=len(SPAN),
    ),
    st.frozensets(st.sampled_from(["S0", "S1", "S9"]), max_size=2),
)
def test_many_store_days_together_give_what_each_gives_alone(days, quarantined):
    """Also when store-days share ids of sales and tenders."""
    shift = {"shift_id": "SH", "state": "closed", "opening_minor": 100, "cash_sales_minor": 50}
    parts = []
    for n, ((store, day), baskets_of_day) in enumerate(zip(SPAN, days, strict=True)):
        tables = small_tables(
            baskets_of_day,
            cash_shifts=[shift | {"counted_minor": [None, 150, 140, 90][n]}],
            cash_events=[{"event_id": "E", "shift_id": "SH", "event_type": "paid_in", "amount_minor": n}],
            payouts=[{"payout_id": "P", "state": "paid", "net_minor": 90 + n // 3}],
            payout_entries=[
                {"entry_id": "B", "payout_id": "P", "entry_type": "charge", "gross_minor": 100,
                 "fee_minor": 10, "net_minor": 90}
            ],
        )  # fmt: skip
        left = Drawer(golden.STORE.store, "R1", golden.DAY, NOON, "SG", [90, 100, None, 140][n])
        follows = (left._replace(shift_id="SH"), left)
        tables["cash_shifts"] = with_left(tables["cash_shifts"], [follows])
        parts.append({name: placed(table, store, day) for name, table in tables.items()})
    everything = {
        name: pa.concat_tables(part[name] for part in reversed(parts)) for name in parts[0]
    }
    scopes = [StoreDay.of(store, day) for store, day in SPAN]
    together = span_entries(DayFacts.of_span(scopes, everything, quarantined=quarantined), ACCOUNTS)
    for (store, day), part, made in zip(SPAN, parts, together, strict=True):
        alone = day_entries(DayFacts.of(store, day, part, quarantined=quarantined), ACCOUNTS)
        assert (made.entries, made.findings, made.unmapped) == (
            alone.entries, alone.findings, alone.unmapped,
        )  # fmt: skip


def placed(table: pa.Table, store: Store, day: date) -> pa.Table:
    """The rows on another store-day."""
    for column, value in (("store", store.store), ("business_date", day)):
        at = table.schema.get_field_index(column)
        values = pa.repeat(pa.scalar(value, table.schema.field(at).type), table.num_rows)
        table = table.set_column(at, table.schema.field(at), values)
    return table
