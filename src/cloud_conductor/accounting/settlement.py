"""Settlement: what a payout's own entries say left the clearing account (§7)."""

from collections.abc import Mapping, Sequence

import msgspec

from cloud_conductor.accounting.facts import DAY, DayFacts, only
from cloud_conductor.accounting.legs import Leg
from cloud_conductor.domain.findings import Finding

SETTLED_TYPES = ("charge", "refund")
RETURNED_TYPE = "returned_payout"
ROLE_OF_TYPE: Mapping[str, str] = {
    "open_dispute": "dispute_receivable",
    "dispute": "dispute_receivable",
    "dispute_reversal": "dispute_receivable",
}
FEE_TYPES = ("fee", "app_fee", "deposit_fee", "third_party_fee")
_COLUMNS = ("payout_id", "entry_id", "entry_type", "gross_minor", "fee_minor", "net_minor", DAY)
_PAYOUT_COLUMNS = (DAY, "payout_id", "source", "net_minor", "state")
RETURNED = "failed"
STATES = ("sent", "paid", RETURNED)


class PayoutEntry(msgspec.Struct, frozen=True):
    """A row of PAYOUT_ENTRIES, as far as it makes legs."""

    entry_id: str
    entry_type: str
    gross_minor: int
    fee_minor: int
    net_minor: int


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer and its entries. day: place of its store-day in the facts it is of.

    is_returned: the bank did not take it.
    """

    payout_id: str
    day: int
    processor: str
    net_minor: int
    entries: Sequence[PayoutEntry]
    is_returned: bool = False


def payouts(facts: DayFacts) -> list[Payout]:
    """Payouts that left the processor, by id, also those that came back."""
    entries: dict[tuple[int, str], list[PayoutEntry]] = {}
    columns = (facts.payout_entries[name].to_pylist() for name in _COLUMNS)
    for payout_id, entry_id, kind, gross, fee, net, day in zip(*columns, strict=True):
        one = PayoutEntry(entry_id, kind, gross or 0, fee or 0, net or 0)
        entries.setdefault((day, payout_id), []).append(one)
    rows = only(facts.payouts, "state", STATES).select(_PAYOUT_COLUMNS).to_pylist()
    return [
        Payout(
            payout_id=row["payout_id"],
            day=row[DAY],
            processor=facts.days[row[DAY]].processor or row["source"],
            net_minor=row["net_minor"],
            entries=entries.get((row[DAY], row["payout_id"]), ()),
            is_returned=row["state"] == RETURNED,
        )
        for row in sorted(rows, key=lambda row: str(row["payout_id"]))
    ]


def payout_problems(payout: Payout) -> list[tuple[Finding, int]]:
    """Entries that do not add up to the transfer block its entry (INV-11)."""
    entries = payout.entries
    fees = sum(one.gross_minor - one.fee_minor for one in entries)
    net = sum(one.net_minor for one in entries)
    uneven = any(one.gross_minor - one.fee_minor != one.net_minor for one in entries)
    if fees == net == payout.net_minor and not uneven:
        return []
    gap = payout.net_minor - fees
    message = (
        f"payout {payout.payout_id} is {payout.net_minor} minor units, its {len(entries)} entries"
        f" give gross less fee {fees}, net {net} (INV-11). Sweep its entries again"
    )
    return [(Finding("D03", "/payouts/net_minor", message), gap)]


def payout_legs(payout: Payout, *, fees_at_payout: bool) -> list[Leg]:
    """Legs of PAYOUT. The clearing account is relieved of what the sale put there (R-7.2).

    Fees booked at the sale left the clearing account already, so charges relieve it net; with
    `fees_at_payout` they relieve it gross and the fee is an expense here. Other types of entries
    have accounts of their own (R-7.4); a type nobody mapped is a gap that names it (D10). What the
    bank did not take is in the clearing account again, and leaves it with the next payout.
    """
    clearing = f"clearing.{payout.processor}"
    fees = f"merchant_fees.{payout.processor}"
    to = clearing if payout.is_returned else "bank"
    legs = [Leg(to, payout.net_minor, "payouts", payout.payout_id)]
    for one in payout.entries:
        if one.entry_type == RETURNED_TYPE:
            legs.append(_of_entry(clearing, -one.net_minor, one))
        elif one.entry_type not in SETTLED_TYPES:
            legs.append(_of_entry(_other_role(one.entry_type, fees), -one.gross_minor, one))
            legs.append(_of_entry(fees, one.fee_minor, one))
        elif fees_at_payout:
            legs.append(_of_entry(clearing, -one.gross_minor, one))
            legs.append(_of_entry(fees, one.fee_minor, one))
        else:
            legs.append(_of_entry(clearing, -one.net_minor, one))
    return [leg for leg in legs if leg.amount_minor]


def _other_role(kind: str, fees: str) -> str:
    return fees if kind in FEE_TYPES else ROLE_OF_TYPE.get(kind, f"payout_entry.{kind}")


def _of_entry(role: str, amount_minor: int, entry: PayoutEntry) -> Leg:
    return Leg(role, amount_minor, "payout_entries", entry.entry_id)
