"""Settlement: what a payout's own entries say left the clearing account (§7)."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting.facts import DayFacts, chunked, only, total
from cloud_conductor.accounting.legs import LEGS
from cloud_conductor.domain.findings import Finding

SETTLED_TYPES = ("charge", "refund")
ROLE_OF_TYPE: Mapping[str, str] = {
    "dispute": "dispute_receivable",
    "dispute_reversal": "dispute_receivable",
}
FEE_TYPES = ("fee", "app_fee", "deposit_fee", "third_party_fee")


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer and its entries (rows of PAYOUT_ENTRIES)."""

    payout_id: str
    processor: str
    net_minor: int
    entries: pa.Table


def payouts(facts: DayFacts) -> list[Payout]:
    """Payouts that left the processor, by id; a failed one moved no money."""
    rows = only(facts.payouts, "state", ("sent", "paid")).to_pylist()
    return [
        Payout(
            payout_id=row["payout_id"],
            processor=facts.processor or row["source"],
            net_minor=row["net_minor"],
            entries=only(facts.payout_entries, "payout_id", (row["payout_id"],)),
        )
        for row in sorted(rows, key=lambda row: str(row["payout_id"]))
    ]


def payout_problem(payout: Payout) -> tuple[Finding, int] | None:
    """Entries that do not add up to the transfer block its entry (INV-11)."""
    entries = payout.entries
    fees = total(pc.subtract(entries["gross_minor"], entries["fee_minor"]))
    net = total(entries["net_minor"])
    uneven = pc.not_equal(
        pc.subtract(entries["gross_minor"], entries["fee_minor"]), entries["net_minor"]
    )
    if fees == net == payout.net_minor and not pc.any(uneven, min_count=0).as_py():
        return None
    gap = payout.net_minor - fees
    message = (
        f"payout {payout.payout_id} is {payout.net_minor} minor units, its {entries.num_rows} entries"
        f" give gross less fee {fees}, net {net} (INV-11). Sweep its entries again"
    )
    return Finding("D03", "/payouts/net_minor", message), gap


def payout_legs(payout: Payout, *, fees_at_payout: bool) -> pa.Table:
    """Legs of PAYOUT. The clearing account is relieved of what the sale put there (R-7.2).

    Fees booked at the sale left the clearing account already, so charges relieve it net; with
    `fees_at_payout` they relieve it gross and the fee is an expense here. Other types of entries
    have accounts of their own (R-7.4); a type nobody mapped is a gap that names it (D10).
    """
    settled = only(payout.entries, "entry_type", SETTLED_TYPES)
    is_settled = pc.is_in(payout.entries["entry_type"], value_set=pa.array(SETTLED_TYPES))
    others = payout.entries.filter(pc.invert(is_settled))
    clearing = f"clearing.{payout.processor}"
    fees = f"merchant_fees.{payout.processor}"
    column = "gross_minor" if fees_at_payout else "net_minor"
    bank = {
        "role": "bank",
        "movement": "",
        "amount_minor": payout.net_minor,
        "fact": "payouts",
        "fact_id": payout.payout_id,
    }
    parts = [
        pa.Table.from_pylist([bank], schema=LEGS),
        _legs(settled, pa.repeat(clearing, settled.num_rows), pc.negate(settled[column])),
        _legs(others, _other_roles(others, fees), pc.negate(others["gross_minor"])),
        _legs(others, pa.repeat(fees, others.num_rows), others["fee_minor"]),
    ]
    if fees_at_payout:
        parts.append(_legs(settled, pa.repeat(fees, settled.num_rows), settled["fee_minor"]))
    table = pa.concat_tables(parts)
    return table.filter(pc.not_equal(table["amount_minor"], 0))


def _other_roles(entries: pa.Table, fees: str) -> pa.Array:
    encoded = chunked(entries, "entry_type").dictionary_encode()
    roles: list[Any] = [
        fees if kind in FEE_TYPES else ROLE_OF_TYPE.get(kind, f"payout_entry.{kind}")
        for kind in encoded.dictionary.to_pylist()
    ]
    return pa.array(roles, pa.string()).take(encoded.indices)


def _legs(entries: pa.Table, roles: pa.Array, amounts: pa.ChunkedArray) -> pa.Table:
    rows = entries.num_rows
    return pa.table(
        {
            "role": roles,
            "movement": pa.repeat("", rows),
            "amount_minor": amounts,
            "sale_id": pa.nulls(rows, pa.string()),
            "fact": pa.repeat("payout_entries", rows),
            "fact_id": entries["entry_id"],
        },
        schema=LEGS,
    )
