"""Balanced entries: what is posted, independent of any ledger (§6, R-13.1, INV-01)."""

import hashlib
import uuid
from collections.abc import Iterable
from datetime import date
from typing import Literal

import msgspec

EntryKind = Literal["SALES", "CASH", "DEPOSIT", "FEES", "COGS", "PAYOUT", "DISPUTE"]
KIND_ORDER: tuple[EntryKind, ...] = (
    "SALES", "FEES", "COGS", "CASH", "DEPOSIT", "PAYOUT", "DISPUTE",
)  # fmt: skip
POSTING_NAMESPACE = uuid.UUID("9f0b4b0e-6f0e-5b7e-9a53-6b1f7c1f2d11")
_NAMESPACE = POSTING_NAMESPACE.bytes
_UUID_KEPT = (1 << 128) - 1 - (0xF000 << 64) - (0xC000 << 48)
_UUID_5 = (0x5000 << 64) | (0x8000 << 48)
"""Version and variant bits (RFC 9562)."""


class JournalLine(msgspec.Struct, frozen=True):
    """One leg. amount_minor is signed: debit > 0, credit < 0; Dr and Cr columns are views.

    role: the mapping key that gave the account (`sales.apparel`). movement tells two legs of one
    role apart where netting would hide one (gift cards sold and redeemed).
    """

    role: str
    account_code: str
    amount_minor: int
    description: str = ""
    movement: str = ""


class JournalEntry(msgspec.Struct, frozen=True):
    """A balanced posting, immutable once posted. source_id: business date, payout id or shift id."""

    kind: EntryKind
    entity: str
    store: str
    currency: str
    business_date: date
    ledger_date: date
    source_id: str
    lines: tuple[JournalLine, ...]
    version: int = 1
    mapping_version: str = ""
    fact_set_hash: str = ""

    @property
    def debit_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines if line.amount_minor > 0)

    @property
    def is_balanced(self) -> bool:
        """Lines sum to zero, none is zero, there are at least two (INV-01)."""
        amounts = [line.amount_minor for line in self.lines]
        return len(amounts) >= 2 and sum(amounts) == 0 and 0 not in amounts

    @property
    def content_hash(self) -> str:
        """Digest of what a ledger must hold: date, currency and legs, in a stable order."""
        legs = ((line.account_code, line.amount_minor) for line in self.lines)
        return content_hash(self.ledger_date, self.currency, legs)


def content_hash(ledger_date: date, currency: str, legs: Iterable[tuple[str, int]]) -> str:
    """Hash of (account code, signed minor units) legs: one function for what we send and read."""
    payload = msgspec.json.encode([ledger_date, currency, sorted(legs)])
    return hashlib.sha256(payload).hexdigest()


def _uuid5(name: str) -> str:
    """`str(uuid.uuid5(POSTING_NAMESPACE, name))`, without the objects: there are many keys."""
    digest = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()
    number = int.from_bytes(digest[:16], "big") & _UUID_KEPT | _UUID_5
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def posting_key(organisation: str, entry: JournalEntry) -> str:
    """The same entry gives the same key, on any machine, at any time (R-13.6)."""
    identity = "|".join(
        (organisation, entry.entity, entry.store, entry.currency, entry.kind, entry.source_id,
         str(entry.version))
    )  # fmt: skip
    return _uuid5(identity)
