"""The audit chain: h_n = sha256(h_(n-1) || record), so no record can be edited or taken out unseen.

R-15.1, INV-30. Cutting off the end is seen too, against the head kept apart from the records.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

import msgspec

_encoder = msgspec.json.Encoder()
GENESIS = ""
"""Hash before the first record."""


class AuditRecord(msgspec.Struct, frozen=True):
    """Who did what to which record, when and why. before and after: content hashes, or empty.

    source: the address or the run it came from, where one is known.
    """

    seq: int
    at: datetime
    actor: str
    act: str
    subject: str
    reason: str = ""
    before: str = ""
    after: str = ""
    source: str = ""


class Act(msgspec.Struct, frozen=True):
    """One thing done, not yet numbered."""

    actor: str
    act: str
    subject: str
    reason: str = ""
    before: str = ""
    after: str = ""
    source: str = ""


class Link(msgspec.Struct, frozen=True):
    """A record as stored: its exact text and the chain's hash after it."""

    seq: int
    record: str
    hash: str


class Flaw(msgspec.Struct, frozen=True):
    """Where the chain breaks and how."""

    seq: int
    message: str


def chain_hash(previous: str, record: str) -> str:
    """Hash of the chain after `record`."""
    return hashlib.sha256(f"{previous}{record}".encode()).hexdigest()


def extend(seq: int, previous: str, acts: Iterable[Act], at: datetime) -> list[Link]:
    """Links for acts that follow number `seq` and hash `previous`."""
    links: list[Link] = []
    for act in acts:
        seq += 1
        told = AuditRecord(
            seq, at, act.actor, act.act, act.subject, act.reason, act.before, act.after, act.source
        )
        record = _encoder.encode(told).decode()
        previous = chain_hash(previous, record)
        links.append(Link(seq, record, previous))
    return links


def verify(links: Iterable[Link], head_seq: int, head_hash: str) -> Flaw | None:
    """The first flaw of a chain given in order, or None when it is whole (INV-30)."""
    seq, previous = 0, GENESIS
    for link in links:
        if link.seq != seq + 1:
            return Flaw(seq + 1, f"record {seq + 1} is missing: the next one is {link.seq}")
        seq += 1
        if chain_hash(previous, link.record) != link.hash:
            return Flaw(seq, f"record {seq} was edited: its hash does not follow from the chain")
        previous = link.hash
    if (seq, previous) != (head_seq, head_hash):
        return Flaw(seq, f"the chain ends at record {seq}, but {head_seq} were written")
    return None
