"""Legs: what each fact of a store-day adds to an entry, before accounts are known (§6, §9, R-6.3).

A leg is one fact's signed amount (debit > 0) under a role. Entries are legs summed by mapping rule
and movement, so the legs of a line are its lineage and sum to it (INV-17). Whole columns of any
number of store-days, no loop over rows: DAY says which store-day a leg is of.

Which record gives what: revenue, tax, tips and discounts come from the *sale*; the money side comes
from the *processor's* tenders (captured, dated by R-2.8). R-6.1 therefore compares two records, and
reconciliation level L3 proves tender by tender that both agree.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting.facts import DAY, DayFacts, kept, only
from cloud_conductor.accounting.mapping import UNCATEGORISED, slug

LEGS = pa.schema(
    [
        ("role", pa.string()),
        ("movement", pa.string()),
        ("amount_minor", pa.int64()),
        ("sale_id", pa.string()),
        ("fact", pa.string()),
        ("fact_id", pa.string()),
        (DAY, pa.int32()),
    ]
)


class Leg(NamedTuple):
    """One leg of an entry that is made from a few records, without a sale and a movement."""

    role: str
    amount_minor: int
    fact: str
    fact_id: str


_LIABILITY_LINES = {  # line kind -> role, movement of positive lines, movement of negative lines
    "gift_card": ("gift_card_liability", "sold", "returned"),
    "deposit": ("customer_deposits", "taken", "used"),
    "donation": ("donations_payable", "", ""),
    "account_payment": ("ar.house", "settled", "settled"),
    "repayment": ("due_to_customers", "", ""),
}
UNSOLD_ACTIVITIES = (
    "adjust_increment",
    "adjust_decrement",
    "import",
    "import_reversal",
    "unlinked_activity_refund",
)
"""Gift card activities that change a balance and come with no sale line and no tender."""
AWAITED_STATES = ("authorised", "pending")
_SERVICE_LINES = ("service", "fee")
_REVENUE_LINES = ("merchandise", "shipping", *_SERVICE_LINES)


def as_table(legs: Iterable[Leg]) -> pa.Table:
    """Legs of the first store-day as rows of LEGS."""
    rows = [{"movement": "", DAY: 0, **leg._asdict()} for leg in legs]
    return pa.Table.from_pylist(rows, schema=LEGS)


def counted_tenders(facts: DayFacts) -> pa.Table:
    """Tenders that moved money: captured ones, and refunds given but not yet settled (R-2.8).

    Not what was paid on open tickets: it is of the day they close.
    """
    tenders = counted(facts.tenders)
    return tenders.filter(pc.invert(facts.on_tickets(tenders)))


def counted(tenders: pa.Table) -> pa.Table:
    """The same of given rows."""
    captured = pc.equal(tenders["state"], "captured")
    pending_refund = pc.and_(
        pc.equal(tenders["state"], "pending"), pc.equal(tenders["event"], "refund")
    )
    return tenders.filter(pc.or_(captured, pending_refund))


def booked_tenders(facts: DayFacts) -> pa.Table:
    """Tenders that reach entries: all that moved money, but for sales that wait in quarantine.

    Their fees wait with them: what waits may turn out to be an open ticket's, of another day.
    """
    tenders = counted_tenders(facts)
    if not facts.quarantined:
        return tenders
    return tenders.filter(pc.invert(facts.withheld(tenders)))


def sales_legs(facts: DayFacts) -> pa.Table:
    """Legs of the SALES entry; they sum to zero when R-6.1 holds."""
    told = pa.concat_tables(
        [
            _tender_legs(facts),
            _uncollected_legs(facts),
            _orderless_legs(facts),
            _discount_legs(facts),
            _revenue_legs(facts),
            _liability_legs(facts),
            _service_legs(facts),
            _sale_legs(facts),
            _tax_legs(facts),
        ]
    )
    awaited = _awaited_legs(facts)
    if not awaited.num_rows:
        return told
    return pa.concat_tables([told, _lacking(told, awaited)])


def fee_legs(facts: DayFacts) -> pa.Table:
    """Legs of FEES: what processors kept of the day's tenders (fees_at = sale)."""
    tenders = _with_processor(booked_tenders(facts))
    expense = _legs(
        tenders,
        role=_suffixed("merchant_fees", tenders["processor"]),
        amount=tenders["fee_minor"],
        fact=("tenders", "tender_id"),
    )
    clearing = _legs(
        tenders,
        role=_suffixed("clearing", tenders["processor"]),
        amount=pc.negate(tenders["fee_minor"]),
        fact=("tenders", "tender_id"),
    )
    return pa.concat_tables([expense, clearing])


def cost_legs(facts: DayFacts) -> pa.Table:
    """Legs of COGS: catalogue cost of what was sold, less what came back (§6).

    Lines without a cost give none.
    """
    lines = _costed_lines(facts)
    cost = _legs(
        lines,
        role=slugged("cogs", lines["department"]),
        amount=lines["cost_minor"],
        fact=("sale_lines", "line_uid"),
    )
    stock = _legs(
        lines,
        role=slugged("inventory", lines["department"]),
        amount=pc.negate(lines["cost_minor"]),
        fact=("sale_lines", "line_uid"),
    )
    return pa.concat_tables([cost, stock])


def dispute_legs(facts: DayFacts) -> pa.Table:
    """Legs of DISPUTE: what was held back is lost with the dispute (R-7.5).

    No money moves then: payout entries held it back when the dispute was opened, and give it back
    when it is won.
    """
    lost = only(facts.disputes, "state", ("lost",))
    lost = lost.append_column("sale_id", pa.nulls(lost.num_rows, pa.string()))
    fact = ("disputes", "dispute_id")
    loss, held = lost["amount_minor"], pc.negate(lost["amount_minor"])
    return pa.concat_tables(
        [
            _legs(lost, role="chargeback_loss", amount=loss, fact=fact),
            _legs(lost, role="dispute_receivable", amount=held, fact=fact),
        ]
    )


def lines_without_cost(facts: DayFacts) -> pa.Table:
    """Merchandise lines whose catalogue cost is not known: their COGS waits (R-11.4)."""
    lines = only(facts.closed_lines, "line_kind", ("merchandise",))
    return lines.filter(pc.is_null(lines["cost_minor"]))


def slugged(root: str, names: pa.ChunkedArray) -> pa.Array:
    """`<root>.<slug>` of every name, worked out once per distinct one."""
    encoded = names.combine_chunks().fill_null("").dictionary_encode()
    roles = [f"{root}.{slug(name)}" for name in encoded.dictionary.to_pylist()]
    return pa.array(roles, pa.string()).take(encoded.indices)


def _tender_legs(facts: DayFacts) -> pa.Table:
    tenders = booked_tenders(facts)
    return _legs(
        tenders,
        role=_tender_role(tenders),
        movement=_tender_movement(tenders),
        amount=tender_amount(tenders),
        fact=("tenders", "tender_id"),
    )


def tender_amount(tenders: pa.Table) -> pa.ChunkedArray:
    """What a tender moved: with tip, cash net of change (INV-04)."""
    return pc.add(tenders["amount_minor"], pc.fill_null(tenders["tip_minor"], 0))


def _tender_role(tenders: pa.Table) -> pa.Array:
    """clearing.<processor> where one settles; else by what was given."""
    kind = tenders["tender_type"]
    processor = pc.fill_null(tenders["processor"], "")
    return pc.case_when(
        pc.make_struct(
            pc.not_equal(processor, ""),
            pc.equal(kind, "cash"),
            pc.equal(kind, "gift_card"),
            pc.equal(kind, "store_credit"),
            pc.equal(kind, "house_account"),
            pc.equal(kind, "deposit"),
            pc.equal(kind, "vendor_coupon"),
        ),
        _suffixed("clearing", processor),
        "undeposited_cash",
        "gift_card_liability",
        "store_credit_liability",
        "ar.house",
        "customer_deposits",
        "vendor_receivable",
        _suffixed("clearing", kind),
    )


def _tender_movement(tenders: pa.Table) -> pa.Array:
    """Redeemed and refunded stay two lines on a liability; processors and cash net (R-6.6)."""
    on_liability = pc.is_in(
        tenders["tender_type"], value_set=pa.array(["gift_card", "store_credit"])
    )
    without_processor = pc.equal(pc.fill_null(tenders["processor"], ""), "")
    is_refund = pc.equal(tenders["event"], "refund")
    movement = pc.if_else(is_refund, "refunded", "redeemed")
    movement = pc.if_else(pc.and_(on_liability, without_processor), movement, "")
    movement = pc.if_else(pc.equal(tenders["tender_type"], "deposit"), "used", movement)
    return pc.if_else(pc.equal(tenders["tender_type"], "vendor_coupon"), "tendered", movement)


def _uncollected_legs(facts: DayFacts) -> pa.Table:
    """Payments a closed sale counts on and the processor declined later (R-2.6): the sale stands."""
    failed = _counted_on(facts, ("failed",))
    return _legs(
        failed,
        role="uncollected_offline",
        amount=tender_amount(failed),
        fact=("tenders", "tender_id"),
    )


def _awaited_legs(facts: DayFacts) -> pa.Table:
    """Payments a closed sale counts on and the processor has not captured yet: it owes them.

    An offline payment is approved first; captured, it is an ordinary tender; declined, uncollected.
    """
    awaited = _counted_on(facts, AWAITED_STATES)
    return _legs(
        awaited,
        role=_tender_role(awaited),
        movement=_tender_movement(awaited),
        amount=tender_amount(awaited),
        fact=("tenders", "tender_id"),
    )


def _orderless_legs(facts: DayFacts) -> pa.Table:
    """Money given back with nothing rung up: a return of nobody knows what (R-9.11)."""
    tenders = booked_tenders(facts)
    refunds = tenders.filter(orderless(tenders))
    return _legs(
        refunds,
        role=f"returns.{UNCATEGORISED}",
        amount=pc.negate(tender_amount(refunds)),
        fact=("tenders", "tender_id"),
    )


def _lacking(told: pa.Table, awaited: pa.Table) -> pa.Table:
    """Legs of payments awaited by sales that are not paid without them."""
    by_sale = pa.concat_tables([told, awaited]).group_by([DAY, "sale_id"])
    sums = by_sale.aggregate([("amount_minor", "sum")])
    paid = sums.filter(pc.greater(sums["amount_minor_sum"], 0))
    keys = [
        pc.binary_join_element_wise(rows[DAY].cast(pa.string()), rows["sale_id"], "\x1f")
        for rows in (awaited, paid)
    ]
    return awaited.filter(pc.invert(pc.is_in(keys[0], value_set=keys[1].combine_chunks())))


def orderless(tenders: pa.Table) -> pa.Array:
    """Which tenders are refunds of no payment and no sale (R-9.11)."""
    unlinked = pc.and_(pc.is_null(tenders["sale_id"]), pc.is_null(tenders["original_tender_id"]))
    return pc.and_(pc.equal(tenders["event"], "refund"), unlinked)


def _counted_on(facts: DayFacts, states: Sequence[str]) -> pa.Table:
    """Payments in one of these states that a closed sale of the day names."""
    payments = only(facts.tenders, "event", ("payment",))
    found = only(payments, "state", states)
    if not found.num_rows:
        return found
    named = facts.of_closed_sales(facts.sale_tenders)
    keys = facts.keys_of(named, "tender_id").combine_chunks()
    return found.filter(pc.is_in(facts.keys_of(found, "tender_id"), value_set=keys))


def _discount_legs(facts: DayFacts) -> pa.Table:
    """Contra-revenue, except what a vendor pays for (R-9.14)."""
    rows = facts.of_closed_sales(facts.sale_discounts)
    by_vendor = pc.equal(rows["funded_by"], "vendor")
    role = pc.if_else(by_vendor, "vendor_receivable", _suffixed("discounts", rows["discount_kind"]))
    return _legs(
        rows, role=role, amount=rows["amount_minor"], fact=("sale_discounts", "discount_uid")
    )


def _revenue_legs(facts: DayFacts) -> pa.Table:
    """Sales credit and returns debit at gross, on accounts of their own (R-6.6).

    Goods sold, nearly all lines, are not asked which of the others they are.
    """
    lines = facts.closed_lines
    is_goods = pc.equal(lines["line_kind"], "merchandise")
    is_sold = pc.fill_null(pc.and_(is_goods, pc.not_equal(lines["event"], "return")), False)
    sold = kept(lines, is_sold)
    rest = only(kept(lines, pc.invert(is_sold)), "line_kind", _REVENUE_LINES)
    parts = ((sold, slugged("sales", sold["department"])), (rest, _other_revenue(rest)))
    return pa.concat_tables(
        _legs(
            rows, role=role, amount=pc.negate(rows["gross_minor"]), fact=("sale_lines", "line_uid")
        )
        for rows, role in parts
    )


def _other_revenue(lines: pa.Table) -> pa.Array:
    """Role of returns, services and shipping, and of goods sold."""
    kind = lines["line_kind"]
    is_return = pc.equal(lines["event"], "return")
    is_service = pc.is_in(kind, value_set=pa.array(_SERVICE_LINES))
    is_shipping = pc.equal(kind, "shipping")
    other = pc.or_(is_service, is_shipping)
    return pc.case_when(
        pc.make_struct(pc.and_(is_return, other), is_return, is_service, is_shipping),
        _suffixed("returns", kind),
        slugged("returns", lines["department"]),
        slugged("service_revenue", lines["name"]),
        "shipping_revenue",
        slugged("sales", lines["department"]),
    )


def _liability_legs(facts: DayFacts) -> pa.Table:
    """Gift cards, deposits and donations are owed, never revenue (R-9.1, R-9.9, R-9.15)."""
    lines = facts.closed_lines
    parts = [LEGS.empty_table()]
    for kind, (role, given, taken_back) in _LIABILITY_LINES.items():
        rows = only(lines, "line_kind", (kind,))
        is_back = pc.less(rows["gross_minor"], 0)
        parts.append(
            _legs(
                rows,
                role=role,
                movement=pc.if_else(is_back, taken_back, given),
                amount=pc.negate(rows["gross_minor"]),
                fact=("sale_lines", "line_uid"),
            )
        )
    return pa.concat_tables(parts)


def _service_legs(facts: DayFacts) -> pa.Table:
    """Service charges are revenue unless they are the staff's (R-9.7)."""
    rows = facts.of_closed_sales(facts.sale_services)
    role = pc.case_when(
        pc.make_struct(pc.fill_null(rows["is_gratuity"], False), pc.equal(rows["event"], "return")),
        "tips_payable",
        "returns.service",
        slugged("service_revenue", rows["name"]),
    )
    return _legs(
        rows,
        role=role,
        amount=pc.negate(rows["amount_minor"]),
        fact=("sale_services", "service_uid"),
    )


def _sale_legs(facts: DayFacts) -> pa.Table:
    """Tips are owed to staff (R-9.6); cash rounding has its own account (R-4.5)."""
    sales = facts.closed_sales
    parts = [
        _legs(sales, role=role, amount=pc.negate(sales[column]), fact=("sales", "sale_id"))
        for role, column in (("tips_payable", "tip_minor"), ("cash_rounding", "rounding_minor"))
    ]
    return pa.concat_tables(parts)


def _tax_legs(facts: DayFacts) -> pa.Table:
    """The POS's tax per jurisdiction, as charged (R-4.4, R-10.1)."""
    rows = facts.of_closed_sales(facts.sale_taxes)
    return _legs(
        rows,
        role=_suffixed("tax_payable", rows["jurisdiction"]),
        amount=pc.negate(rows["amount_minor"]),
        fact=("sale_taxes", "line_uid"),
    )


def _costed_lines(facts: DayFacts) -> pa.Table:
    lines = facts.closed_lines
    return lines.filter(pc.is_valid(lines["cost_minor"]))


def _with_processor(tenders: pa.Table) -> pa.Table:
    return tenders.filter(pc.not_equal(pc.fill_null(tenders["processor"], ""), ""))


def _suffixed(root: str, names: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    return pc.binary_join_element_wise(
        root, names, ".", null_handling="replace", null_replacement="uncategorised"
    )


def _legs(
    rows: pa.Table,
    *,
    role: pa.ChunkedArray | pa.Array | str,
    amount: pa.ChunkedArray | pa.Array,
    fact: tuple[str, str],
    movement: pa.ChunkedArray | pa.Array | str = "",
) -> pa.Table:
    """One leg per row; zero and null amounts add nothing and are left out (R-6.4)."""
    name, id_column = fact
    table = pa.table(
        {
            "role": _column(role, rows.num_rows),
            "movement": _column(movement, rows.num_rows),
            "amount_minor": amount,
            "sale_id": rows["sale_id"],
            "fact": _column(name, rows.num_rows),
            "fact_id": rows[id_column],
            DAY: rows[DAY],
        },
        schema=LEGS,
    )
    return table.filter(pc.fill_null(pc.not_equal(table["amount_minor"], 0), False))


def _column(value: pa.ChunkedArray | pa.Array | str, rows: int) -> pa.ChunkedArray | pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), rows) if isinstance(value, str) else value
