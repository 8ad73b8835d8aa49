"""The life of an entry on its way to the ledger (R-13.7), and what may be concluded when.

draft -> approved -> pending -> sending -> posted; blocked(reason), rejected(ledger message), dead
(the ledger holds something else under our key: a person decides), void (somebody voided it in the
ledger, and a further version stands for it).
"""

from typing import Literal

import msgspec

from cloud_conductor.domain import journal
from cloud_conductor.ports.ledger import LedgerDocument

EntryState = Literal[
    "draft", "approved", "pending", "sending", "posted", "blocked", "rejected", "dead", "void"
]

MOVES: dict[str, frozenset[str]] = {
    "draft": frozenset({"draft", "approved", "blocked"}),
    "blocked": frozenset({"draft", "blocked"}),
    "rejected": frozenset({"draft", "blocked"}),
    "approved": frozenset({"draft", "blocked", "pending"}),
    "pending": frozenset({"sending"}),
    "sending": frozenset({"sending", "pending", "posted", "rejected", "dead"}),
    "posted": frozenset({"void"}),
    "dead": frozenset({"posted", "void"}),
    "void": frozenset(),
}
"""From -> to. We take nothing back that is posted: corrections are new entries (INV-15). `void` only
says what others did in the ledger, and only after asking it."""

REPLACEABLE = frozenset({"draft", "blocked", "rejected", "approved"})
"""States in which surely nothing is in the ledger and nothing is on its way."""

SETTLED = frozenset({"posted", "void"})
"""States in which it is known what the ledger holds, and nothing is on its way."""


def check_move(before: str, after: str) -> None:
    """Stop at a step that R-13.7 does not know: it would be our bug, never the data's."""
    assert after in MOVES[before], f"an entry cannot go from {before} to {after} (R-13.7)"


class Verdict(msgspec.Struct, frozen=True):
    """What a document found under our key means. hash: of what it holds."""

    state: Literal["posted", "dead"]
    hash: str
    message: str = ""


def document_hash(document: LedgerDocument, currency: str) -> str:
    """The entry's content hash, computed from what the ledger holds (R-13.6.4)."""
    legs = ((line.account_code, line.amount_minor) for line in document.lines)
    return journal.content_hash(document.ledger_date, currency, legs)


def judge(document: LedgerDocument, name: str, currency: str, content_hash: str) -> Verdict:
    """Whether the document is the entry: same date and legs, and in force (D12 otherwise).

    name, currency, content_hash: of the entry.
    """
    found = document_hash(document, currency)
    if document.status != "posted":
        return Verdict("dead", found, f"D12: {name} is {document.status} in the ledger")
    if found != content_hash:
        return Verdict(
            "dead", found, f"D12: the ledger holds other lines or another date for {name}"
        )
    return Verdict("posted", found)


def settle_left_s(last_sent_us: int | None, now_us: int, settle_s: float) -> float:
    """Seconds until a look-up can be trusted: a call sent just now may still be landing."""
    if last_sent_us is None or now_us < last_sent_us:
        return 0.0  # never sent, or the clock was set back: a restart took longer than settling
    return max(0.0, settle_s - (now_us - last_sent_us) / 1_000_000)
